"""Shape rules that many ops share: axes, broadcasting, contents known only in part, dimensions that data decides."""

from __future__ import annotations

import re
from collections.abc import Sequence

from halo_py.ir.op import InferArgs, ShapeValue
from halo_py.types import Dim, Shape, divide_dim, linear, multiply_dims, symbol

_NOT_IN_SYMBOLS = re.compile(r"[^0-9A-Za-z_.]")


def normalize_axis(axis: int, rank: int) -> int:
    """`axis` counted from the front. Raises ValueError if it is out of range."""
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range for rank {rank}")
    return axis % rank


def normalize_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """All `axes` counted from the front. Raises ValueError if one is out of range or repeated."""
    found = tuple(normalize_axis(axis, rank) for axis in axes)
    if len(set(found)) < len(found):
        raise ValueError(f"axes {tuple(axes)} name a dimension twice")
    return found


def axis_index(axis: int, rank: int, args: InferArgs) -> int:
    """`axis` counted from the front. Raises ShapeError if it is out of range."""
    if not -rank <= axis < rank:
        raise args.error(f"axis {axis} is out of range for rank {rank}")
    return axis % rank


def axis_indices(axes: Sequence[int], rank: int, args: InferArgs) -> tuple[int, ...]:
    """All `axes` counted from the front. Raises ShapeError if one is out of range or repeated."""
    found = tuple(axis_index(axis, rank, args) for axis in axes)
    if len(set(found)) < len(found):
        raise args.error(f"axes {tuple(axes)} name a dimension twice")
    return found


def unknown_dim(args: InferArgs, label: str) -> Dim:
    """A dimension that depends on data: a symbol named after the node and `label`."""
    name = _NOT_IN_SYMBOLS.sub("_", f"{args.where.node or args.where.op or 'node'}.{label}")
    return symbol(f"d{name}" if name[0].isdigit() else name)


def integers(args: InferArgs, index: int) -> tuple[int, ...] | None:
    """Contents of an integer operand (axes, pads, steps) as numbers, None if they are not known."""
    contents = args.constant(index)
    if contents is not None:
        return tuple(int(number) for number in contents.reshape(-1))
    dims = args.dims(index)
    if dims is None:
        return None
    numbers = tuple(dim for dim in dims if isinstance(dim, int))
    return numbers if len(numbers) == len(dims) else None


def known_dims(args: InferArgs, index: int, label: str = "dim") -> ShapeValue | None:
    """Contents of an operand that is a shape; unknown dimensions if only its length is known, else None."""
    dims = args.dims(index)
    if dims is not None:
        return dims
    shape = args.shape(index)
    if shape is None or len(shape) != 1 or not isinstance(shape[0], int):
        return None
    return tuple(unknown_dim(args, f"{label}{number}") for number in range(shape[0]))


def broadcast_dims(args: InferArgs, left: Dim, right: Dim) -> Dim:
    """The broadcast of two dimensions. Raises ShapeError if they are numbers that differ and neither is 1."""
    if left == right or right == 1:
        return left
    if left == 1:
        return right
    if isinstance(left, int) and isinstance(right, int):
        raise args.error(f"dimensions {left} and {right} do not broadcast")
    if isinstance(left, int) or isinstance(right, int):
        return left if isinstance(left, int) else right
    return unknown_dim(args, f"max({left},{right})")


def broadcast_shapes(args: InferArgs, *shapes: Shape | None) -> Shape | None:
    """NumPy broadcasting of several shapes; None if one has unknown rank."""
    result: Shape = ()
    for shape in shapes:
        if shape is None:
            return None
        rank = max(len(result), len(shape))
        left = (1,) * (rank - len(result)) + result
        right = (1,) * (rank - len(shape)) + shape
        result = tuple(broadcast_dims(args, a, b) for a, b in zip(left, right, strict=True))
    return result


def floor_divide(dim: Dim, by: int) -> Dim | None:
    """floor(dim / by), None when it is not a linear expression."""
    if isinstance(dim, int):
        return dim // by
    if any(factor % by for _, factor in dim.terms):
        return None
    return linear(dim.constant // by, {name: factor // by for name, factor in dim.terms})


def rest_of(total: Shape, parts: Shape) -> Dim | None:
    """product(total) / product(parts) when it is exact and linear, else None; equal dimensions cancel first."""
    left, right = list(total), list(parts)
    for dim in parts:
        if dim in left and dim != 0:
            left.remove(dim)
            right.remove(dim)
    above, below = multiply_dims(left), multiply_dims(right)
    if above is None or below is None:
        return None
    return divide_dim(above, below)


def rank_of(args: InferArgs, index: int) -> int | None:
    """Rank of operand `index`, None if unknown."""
    shape = args.shape(index)
    return None if shape is None else len(shape)
