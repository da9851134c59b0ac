"""Ops whose elements are addressed by data."""

from __future__ import annotations

import numpy as np

from halo_py.autodiff.registry import Gradients, gradient
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.terms import Term, concatenated
from halo_py.ops.choosing import TopK
from halo_py.ops.indexing import Gather, GatherElements, GatherND, ScatterElements, ScatterND
from halo_py.types import DType


def zeros_like(term: Term) -> Term:
    """Zeros of the type of a term."""
    return term.writer.number(0, term.dtype).expanded_like(term)


@gradient(Gather)
def _gather(at: Backward, op: Gather) -> Gradients:
    """Slices add up where they came from."""
    x, index = at.x(0), at.x(1)
    axis = op.axis % x.rank
    order = (axis, *(number for number in range(x.rank) if number != axis))

    def of_x() -> Term:
        moved = x.transposed(*order)
        chosen = range(axis, axis + index.rank)
        others = (number for number in range(at.y().rank) if number not in chosen)
        rows = at.g().transposed(*chosen, *others).reshaped(-1, *moved.extents[1:])
        made = zeros_like(moved).apply(ScatterND("add"), index.cast(DType.INT64).reshaped(-1, 1), rows)
        return made.transposed(*(order.index(number) for number in range(x.rank)))

    return at.to(of_x)


@gradient(GatherElements)
def _gather_elements(at: Backward, op: GatherElements) -> Gradients:
    return at.to(lambda: zeros_like(at.x(0)).apply(ScatterElements(op.axis, "add"), at.x(1), at.g()))


@gradient(GatherND)
def _gather_nd(at: Backward, op: GatherND) -> Gradients:
    def of_x() -> Term:
        return zeros_like(at.x(0)).apply(ScatterND("add"), _full_tuples(at.x(1), op.batch_dims), at.g())

    return at.to(of_x)


def _full_tuples(index: Term, batch_dims: int) -> Term:
    """Index tuples with the coordinates of the shared dimensions in front."""
    if not batch_dims:
        return index
    lead = index.extents[:-1]
    coordinates = np.indices(lead)[:batch_dims]
    own = [index.writer.constant(part[..., np.newaxis].astype(np.int64)) for part in coordinates]
    return concatenated([*own, index.cast(DType.INT64)], len(lead))


@gradient(ScatterElements)
def _scatter_elements(at: Backward, op: ScatterElements) -> Gradients:
    """What is replaced gets no gradient; what replaces it gets that of its place."""
    index, g = at.x(1), at.g()
    if op.reduction not in ("none", "add"):
        raise at.error(f"the gradient of reduction {op.reduction!r} is not supported")

    def of_data() -> Term:
        if op.reduction == "add":
            return g
        return g.apply(ScatterElements(op.axis), index, zeros_like(at.x(2)))

    return at.to(of_data, None, lambda: g.apply(GatherElements(op.axis), index))


@gradient(ScatterND)
def _scatter_nd(at: Backward, op: ScatterND) -> Gradients:
    index, g = at.x(1), at.g()
    if op.reduction not in ("none", "add"):
        raise at.error(f"the gradient of reduction {op.reduction!r} is not supported")

    def of_data() -> Term:
        return g if op.reduction == "add" else g.apply(ScatterND(), index, zeros_like(at.x(2)))

    return at.to(of_data, None, lambda: g.apply(GatherND(), index))


@gradient(TopK)
def _top_k(at: Backward, op: TopK) -> Gradients:
    x = at.x(0)
    places = at.y(1) if len(at.node.outputs) > 1 else x.writer.add(op, x, at.x(1), outputs=2)[1]
    return at.to(lambda: zeros_like(x).apply(ScatterElements(op.axis, "add"), places, at.g()))
