"""Pools."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from halo_py.autodiff.registry import Gradients, gradient
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.rules.convolution import field_of, spread_windows
from halo_py.autodiff.terms import Term
from halo_py.ops import pooling as ops
from halo_py.ops.indexing import GatherElements, ScatterElements
from halo_py.ops.windows import Window


def _shared_out(g: Term, window: Window, x: Term) -> Term:
    """The gradient of every window's sum, at all its elements: channels count as images of their own."""
    planes = g.reshaped(-1, 1, *field_of(g))
    ones = g.writer.number(1, g.dtype).expanded(1, 1, *window.kernel)
    return spread_windows(planes, ones, window, field_of(x), 1).reshaped_like(x)


@gradient(ops.MaxPool)
def _max_pool(at: Backward, op: ops.MaxPool) -> Gradients:
    """To the elements that won, which a pool with positions finds again."""
    x, g = at.x(), at.g()

    def of_x() -> Term:
        finder = replace(op, storage_order=0)
        own = len(at.node.outputs) > 1 and op == finder
        places = at.y(1) if own else x.writer.add(finder, x, outputs=2)[1]
        flat = x.writer.zeros(x.dtype, prod(x.extents))
        return flat.apply(ScatterElements(0, "add"), places.reshaped(-1), g.reshaped(-1)).reshaped_like(x)

    return at.to(of_x)


@gradient(ops.AveragePool)
def _average_pool(at: Backward, op: ops.AveragePool) -> Gradients:
    x, g = at.x(), at.g()
    shares = (1 / op.counts(field_of(x))).astype(g.dtype.numpy)
    return at.to(lambda: _shared_out(g * g.writer.constant(shares, g.dtype), op.window(), x))


def _norm_slope(x: Term, y: Term, g: Term, p: int) -> tuple[Term, Term]:
    """What a p-norm y of elements x sends back: a share per norm (0 where it is 0), times a factor per element."""
    share = g if p == 1 else y.equals(0.0).choose(y * 0.0, g / y ** float(p - 1))
    return share, x.sign() if p == 1 else x.sign() * x.abs() ** float(p - 1)


@gradient(ops.LpPool)
def _lp_pool(at: Backward, op: ops.LpPool) -> Gradients:
    share, factor = _norm_slope(at.x(), at.y(), at.g(), op.p)
    return at.to(lambda: factor * _shared_out(share, op.window(), at.x()))


@gradient(ops.GlobalLpPool)
def _global_lp_pool(at: Backward, op: ops.GlobalLpPool) -> Gradients:
    share, factor = _norm_slope(at.x(), at.y(), at.g(), op.p)
    return at.to(lambda: factor * share)


@gradient(ops.GlobalAveragePool)
def _global_average_pool(at: Backward, _op: ops.GlobalAveragePool) -> Gradients:
    count = prod(field_of(at.x()))
    return at.to(lambda: (at.g() / float(count)).expanded_like(at.x()))


@gradient(ops.GlobalMaxPool)
def _global_max_pool(at: Backward, _op: ops.GlobalMaxPool) -> Gradients:
    """Elements that are the maximum share the gradient."""
    x = at.x()
    hits = x.equals(at.y()).cast(x.dtype)
    return at.to(lambda: hits * (at.g() / hits.sum(range(2, x.rank))))


@gradient(ops.MaxUnpool)
def _max_unpool(at: Backward, op: ops.MaxUnpool) -> Gradients:
    x, g = at.x(), at.g()
    natural = [int(dim) for dim in (*x.extents[:2], *op.natural_field(x.extents[2:])) if isinstance(dim, int)]

    def of_x() -> Term:
        grown = [wide - size for wide, size in zip(natural, g.extents, strict=True)]
        flat = g.padded([0] * len(grown), grown).reshaped(-1)
        return flat.apply(GatherElements(0), at.x(1).reshaped(-1)).reshaped_like(x)

    return at.to(of_x)
