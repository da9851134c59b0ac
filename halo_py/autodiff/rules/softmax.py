"""Softmax and its relatives along an axis."""

from __future__ import annotations

from halo_py.autodiff.registry import Gradients, constant, gradient
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.terms import Term
from halo_py.ops import softmax as ops


def _axis(at: Backward, op: ops.AlongAxis) -> tuple[int, ...]:
    return (op.axis % at.x().rank,)


@gradient(ops.Softmax)
def _softmax(at: Backward, op: ops.Softmax) -> Gradients:
    y, g = at.y(), at.g()
    return at.to(lambda: y * (g - (g * y).sum(_axis(at, op))))


@gradient(ops.LogSoftmax)
def _log_softmax(at: Backward, op: ops.LogSoftmax) -> Gradients:
    g = at.g()
    return at.to(lambda: g - at.y().exp() * g.sum(_axis(at, op)))


@gradient(ops.LpNormalization)
def _lp_normalization(at: Backward, op: ops.LpNormalization) -> Gradients:
    """0 where the norm is 0."""
    x, y, g, axis = at.x(), at.y(), at.g(), _axis(at, op)
    norm = x.abs().sum(axis) if op.p == 1 else x.squared().sum(axis).sqrt()
    direction = x.sign() if op.p == 1 else y

    def of_x() -> Term:
        moved = (g - direction * (g * y).sum(axis)) / norm
        return norm.equals(0.0).choose(g * 0.0, moved)

    return at.to(of_x)


constant(ops.Hardmax)
