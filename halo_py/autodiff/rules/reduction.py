"""Reductions and running sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from halo_py.autodiff.registry import Gradients, gradient
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.terms import Term
from halo_py.ops import reduction as ops
from halo_py.ops.along_axis import CumProd, CumSum
from halo_py.ops.shape import Size


@dataclass(frozen=True, slots=True)
class _Reduced:
    """A reduction on the way back."""

    at: Backward
    axes: tuple[int, ...]
    keepdims: bool

    @property
    def x(self) -> Term:
        """The operand."""
        return self.at.x()

    @property
    def y(self) -> Term:
        """The result, with the reduced axes."""
        return self._kept(self.at.y())

    @property
    def g(self) -> Term:
        """The gradient of the result, with the reduced axes."""
        return self._kept(self.at.g())

    def _kept(self, term: Term) -> Term:
        return term if self.keepdims else term.unsqueezed(*self.axes)

    def count(self) -> Term:
        """How many elements a result is made of."""
        dims = [dim for axis in self.axes if isinstance(dim := self.x.shape[axis], int)]
        if len(dims) == len(self.axes):
            return self.x.writer.number(prod(dims), self.x.dtype)
        return self.x.apply(Size()).cast(self.x.dtype) / self.y.apply(Size()).cast(self.x.dtype)


def _rule(cls: type[ops.Reduce], formula: Callable[[_Reduced], Term]) -> None:
    """Declare a reduction by the gradient of its operand (which may lack repetition along the reduced axes)."""

    def rule(at: Backward, op: ops.Reduce) -> Gradients:
        contents = at.known(1)
        if at.has(1) and contents is None:
            raise at.error("the gradient needs the axes to be constant")
        reduced = _Reduced(at, op.axes_of(contents, at.x().rank), bool(op.keepdims))
        return at.to(lambda: formula(reduced).expanded_like(at.x()))

    gradient(cls)(rule)


def _extreme(at: _Reduced) -> Term:
    """Elements that are the extremum share the gradient."""
    hits = at.x.equals(at.y).cast(at.x.dtype)
    return hits * (at.g / hits.sum(at.axes))


def _product(at: _Reduced) -> Term:
    """Times the product of all other elements: those before and those after it (zeros need no care)."""
    if not at.axes:
        return at.g
    kept = [axis for axis in range(at.x.rank) if axis not in at.axes]
    order = (*kept, *at.axes)
    moved = at.x.transposed(*order)
    lines = moved.reshaped(*(at.x.extents[axis] for axis in kept), -1)
    last = at.x.writer.constant(np.asarray(len(kept), np.int64))
    others = lines.apply(CumProd(exclusive=1), last) * lines.apply(CumProd(exclusive=1, reverse=1), last)
    back = others.reshaped_like(moved).transposed(*(order.index(axis) for axis in range(at.x.rank)))
    return back * at.g


def _l2(at: _Reduced) -> Term:
    """0 where the norm is 0."""
    return at.y.equals(0.0).choose(at.x * 0.0, at.x * (at.g / at.y))


_rule(ops.ReduceSum, lambda at: at.g)
_rule(ops.ReduceMean, lambda at: at.g / at.count())
_rule(ops.ReduceMax, _extreme)
_rule(ops.ReduceMin, _extreme)
_rule(ops.ReduceProd, _product)
_rule(ops.ReduceSumSquare, lambda at: at.g * at.x * 2.0)
_rule(ops.ReduceL1, lambda at: at.g * at.x.sign())
_rule(ops.ReduceL2, _l2)
_rule(ops.ReduceLogSum, lambda at: at.g / at.x.sum(at.axes))
_rule(ops.ReduceLogSumExp, lambda at: at.g * (at.x - at.y).exp())


@gradient(CumSum)
def _running_sum(at: Backward, op: CumSum) -> Gradients:
    other = CumSum(exclusive=op.exclusive, reverse=1 - op.reverse)
    return at.to(lambda: at.g().apply(other, at.x(1)))
