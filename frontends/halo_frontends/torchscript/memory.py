"""Where the elements of a tensor lie in the memory of the tensor that it is a view of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod


@dataclass(frozen=True, slots=True)
class Layout:
    """The position of the first element, and how far apart neighbours along each axis are, in elements."""

    offset: int
    strides: tuple[int, ...]

    def permuted(self, perm: Sequence[int]) -> Layout:
        """With the axes in another order."""
        return Layout(self.offset, tuple(self.strides[axis] for axis in perm))

    def sliced(self, axis: int, start: int, step: int) -> Layout:
        """From a position of an axis on, in steps."""
        strides = list(self.strides)
        strides[axis] *= step
        return Layout(self.offset + start * self.strides[axis], tuple(strides))

    def selected(self, axis: int, index: int) -> Layout:
        """At one position of an axis, which disappears."""
        offset = self.offset + index * self.strides[axis]
        return Layout(offset, self.strides[:axis] + self.strides[axis + 1 :])

    def expanded(self, old: Sequence[int], new: Sequence[int]) -> Layout:
        """Broadcast: the same element again and again along new axes and those of size 1."""
        lead = len(new) - len(old)
        kept = [
            stride if before == after else 0
            for before, after, stride in zip(old, new[lead:], self.strides, strict=True)
        ]
        return Layout(self.offset, (*[0] * lead, *kept))

    def is_row_major(self, shape: Sequence[int]) -> bool:
        """Whether the elements lie one after another."""
        wanted = row_major(shape).strides
        pairs = zip(shape, self.strides, wanted, strict=True)
        return 0 in shape or all(size == 1 or stride == want for size, stride, want in pairs)

    def reshaped(self, old: Sequence[int], new: Sequence[int]) -> Layout | None:
        """In another shape, if that needs no copy (ATen/TensorUtils.cpp, computeStride)."""
        if prod(old) == 0 or not old:
            return row_major(new) if self.is_row_major(old) else None
        strides = [0] * len(new)
        target = len(new) - 1
        step, run, filled = self.strides[-1], 1, 1
        for axis in reversed(range(len(old))):
            run *= old[axis]
            if axis and (old[axis - 1] == 1 or self.strides[axis - 1] == run * step):
                continue
            while target >= 0 and (filled < run or new[target] == 1):
                strides[target] = filled * step
                filled *= new[target]
                target -= 1
            if filled != run:
                return None
            if axis:
                step, run, filled = self.strides[axis - 1], 1, 1
        return Layout(self.offset, tuple(strides)) if target < 0 else None


def row_major(shape: Sequence[int]) -> Layout:
    """One element after another, the last axis first."""
    return Layout(0, tuple(prod(shape[axis + 1 :]) for axis in range(len(shape))))
