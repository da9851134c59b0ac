"""Shape rules that many ops share: NumPy's broadcasting over symbolic dimensions, negative axes, reduced shapes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from halo_py.types import Dim, Shape, symbol


def broadcast_dim(left: Dim, right: Dim) -> Dim:
    """The dimension that two broadcast to. Raises ValueError if both are known, different and not 1.

    A symbol against a number other than 1 is taken to be that number; two different symbolic dimensions give a new
    symbol named after both.
    """
    if left == right or right == 1:
        return left
    if left == 1:
        return right
    if isinstance(left, int) and isinstance(right, int):
        raise ValueError(f"dimensions {left} and {right} do not broadcast")
    if isinstance(left, int):
        return left
    if isinstance(right, int):
        return right
    return symbol(f"broadcast_{_word(left)}_{_word(right)}")


def _word(dim: Dim) -> str:
    text = str(dim).replace("*", "x").replace("+", "p").replace("-", "m")
    return "".join(character if character.isalnum() else "_" for character in text)


def broadcast_shapes(shapes: Sequence[Shape | None]) -> Shape | None:
    """The shape that all broadcast to, None if one has an unknown rank. Raises ValueError if they do not fit."""
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes):
        return None
    return reduce(_broadcast_two, known, ())


def _broadcast_two(left: Shape, right: Shape) -> Shape:
    rank = max(len(left), len(right))
    a: Shape = (1,) * (rank - len(left)) + left
    b: Shape = (1,) * (rank - len(right)) + right
    return tuple(broadcast_dim(x, y) for x, y in zip(a, b, strict=True))


def normalize_axis(axis: int, rank: int) -> int:
    """The axis counted from the front. Raises ValueError if it is out of range."""
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range for rank {rank}")
    return axis % rank


def normalize_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Distinct axes counted from the front, sorted. Raises ValueError if one is out of range or given twice."""
    found = sorted(normalize_axis(axis, rank) for axis in axes)
    if len(set(found)) < len(found):
        raise ValueError(f"axes {tuple(axes)} name a dimension twice")
    return tuple(found)


def reduced_shape(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    """The shape after reducing `axes` (counted from the front)."""
    if keepdims:
        return tuple(1 if number in axes else dim for number, dim in enumerate(shape))
    return tuple(dim for number, dim in enumerate(shape) if number not in axes)
