"""Cutting and joining."""

from __future__ import annotations

from itertools import accumulate

from halo_py.autodiff.registry import Gradients, gradient
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.terms import Term, concatenated
from halo_py.ops.slicing import Concat, Slice, Split, slice_range


def _extent(at: Backward, term: Term, axis: int) -> int:
    dim = term.shape[axis]
    if not isinstance(dim, int):
        raise at.error(f"the gradient needs dimension {axis} of {term.value.name!r} to be known")
    return dim


@gradient(Concat)
def _concat(at: Backward, op: Concat) -> Gradients:
    axis = op.axis % at.y().rank
    ends = list(accumulate(_extent(at, at.x(index), axis) for index in range(len(at))))
    starts = [0, *ends[:-1]]
    pairs = zip(starts, ends, strict=True)
    return at.to(*[(lambda start=start, end=end: at.g().part(axis, start, end)) for start, end in pairs])


@gradient(Split)
def _split(at: Backward, op: Split) -> Gradients:
    return at.to(lambda: concatenated([at.g(index) for index in range(len(at.node.outputs))], op.axis))


@gradient(Slice)
def _slice(at: Backward, _op: Slice) -> Gradients:
    x = at.x()
    starts, ends = at.known_ints(1), at.known_ints(2)
    axes = at.known_ints(3) if at.has(3) else range(len(starts))
    steps = at.known_ints(4) if at.has(4) else (1,) * len(starts)

    def of_x() -> Term:
        found = at.g()
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
            positive = axis % x.rank
            extent = _extent(at, x, positive)
            found = _spread(found, positive, slice_range(start, end, step, extent), extent)
        return found

    return at.to(of_x)


def _spread(g: Term, axis: int, selected: range, extent: int) -> Term:
    """Selected indices of a dimension back in their places, zeros between them."""
    count = len(selected)
    if selected.step < 0:
        g, selected = g.flipped(axis), selected[::-1]
    before, after = [0] * g.rank, [0] * g.rank
    step = selected.step if count > 1 else 1
    if step > 1:
        wide = g.unsqueezed(axis + 1)
        wide = wide.padded([0] * wide.rank, [step - 1 if number == axis + 1 else 0 for number in range(wide.rank)])
        g = wide.reshaped(*g.shape[:axis], count * step, *g.shape[axis + 1 :])
    before[axis] = selected.start if count else 0
    after[axis] = extent - before[axis] - count * step
    return g.padded(before, after)
