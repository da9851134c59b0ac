"""How a transpose passes a reshape: dimensions that are split or merged behind it can be split or merged before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]
Perm = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Swapped:
    """Reshape(Transpose(x, perm)) as Transpose(Reshape(x, shape), perm)."""

    shape: Shape
    perm: Perm


def keeps_order(shape: Shape, perm: Perm) -> bool:
    """Whether transposing only moves axes of size 1, so that the elements stay in order."""
    moved = [axis for axis in perm if shape[axis] != 1]
    return moved == sorted(moved)


def swap(source: Shape, perm: Perm, result: Shape) -> Swapped | None:
    """The other order for a source of this shape; None if a group of merged axes does not lie together before."""
    turned = tuple(source[axis] for axis in perm)
    groups = _groups(turned, result)
    if not groups:
        return None
    wide = [axis for axis in range(len(source)) if source[axis] != 1]
    order: list[tuple[int, tuple[int, ...]]] = []
    for before, after in groups:
        axes = [wide.index(perm[axis]) for axis in before]
        if axes != list(range(axes[0], axes[0] + len(axes))):
            return None
        order.append((axes[0], after))
    places = [axis for _, after in sorted(order) for axis in after]
    return Swapped(tuple(result[axis] for axis in places), tuple(places.index(axis) for axis in range(len(result))))


def _groups(before: Shape, after: Shape) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The smallest runs of axes (of both shapes) that hold the same elements.

    Axes of size 1 are left out before; behind, they join the run that they follow (the first run if they lead).
    """
    found: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    left = [axis for axis, size in enumerate(before) if size != 1]
    right = [axis for axis, size in enumerate(after) if size != 1]
    if 0 in before or 0 in after:
        return []
    while left and right:
        a, b = [left.pop(0)], [right.pop(0)]
        while (sizes := (_product(before, a), _product(after, b)))[0] != sizes[1]:
            smaller, rest = (a, left) if sizes[0] < sizes[1] else (b, right)
            if not rest:
                return []
            smaller.append(rest.pop(0))
        found.append((tuple(a), tuple(b)))
    return [] if left or right else _with_ones(found, after)


def _with_ones(
    groups: list[tuple[tuple[int, ...], tuple[int, ...]]], after: Shape
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    firsts = [axes[0] for _, axes in groups]
    found: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for number, (before, axes) in enumerate(groups):
        begin = 0 if number == 0 else axes[0]
        end = firsts[number + 1] if number + 1 < len(firsts) else len(after)
        found.append((before, tuple(range(begin, end))))
    return found


def _product(shape: Shape, axes: Sequence[int]) -> int:
    result = 1
    for axis in axes:
        result *= shape[axis]
    return result
