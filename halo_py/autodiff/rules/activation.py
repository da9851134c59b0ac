"""Activations."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import TypeVar

from halo_py.autodiff.registry import Gradients, by_formula, gradient
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.rules.elementwise import declare_unary
from halo_py.autodiff.terms import Term
from halo_py.ir.op import Op
from halo_py.ops import activation as ops
from halo_py.ops.elementwise import Erf

AnyOp = TypeVar("AnyOp", bound=Op)


def _slope(cls: type[AnyOp], formula: Callable[[AnyOp, Term, Term], Term]) -> None:
    """Declare a function of one operand by its derivative, from the op, the operand and the result."""

    def rule(at: Backward, op: AnyOp) -> Gradients:
        return at.to(lambda: at.g() * formula(op, at.x(), at.y()))

    gradient(cls)(rule)


def _chosen(condition: Term, this: Term | float, other: Term | float, like: Term) -> Term:
    first = this if isinstance(this, Term) else like.writer.number(this, like.dtype)
    return condition.choose(first, other)


declare_unary(
    {
        ops.Relu: lambda x, _y, g: x.greater(0.0).choose(g, 0.0),
        ops.Sigmoid: lambda _x, y, g: g * y * (1.0 - y),
        ops.Softplus: lambda x, _y, g: g * x.sigmoid(),
        ops.Softsign: lambda x, _y, g: g / (x.abs() + 1.0).squared(),
    }
)


def _hard_swish(_op: ops.HardSwish, x: Term, _y: Term) -> Term:
    inside = x.greater(-3.0).choose((x * 2.0 + 3.0) / 6.0, 0.0)
    return _chosen(x.less(3.0), inside, 1.0, x)


def _swish(op: ops.Swish, x: Term, _y: Term) -> Term:
    gate = (x * op.alpha).sigmoid()
    return gate + x * op.alpha * gate * (1.0 - gate)


def _mish(_op: ops.Mish, x: Term, _y: Term) -> Term:
    bent = x.apply(ops.Softplus()).tanh()
    return bent + x * (1.0 - bent.squared()) * x.sigmoid()


def _gelu(op: ops.Gelu, x: Term, _y: Term) -> Term:
    if op.approximate == "tanh":
        root = sqrt(2 / pi)
        bent = ((x + x * x.squared() * 0.044715) * root).tanh()
        inner = (x.squared() * (3 * 0.044715) + 1.0) * root
        return (bent + 1.0) * 0.5 + x * (1.0 - bent.squared()) * inner * 0.5
    below = ((x * sqrt(0.5)).apply(Erf()) + 1.0) * 0.5
    return below + x * (x.squared() * -0.5).exp() * (1 / sqrt(2 * pi))


_slope(ops.LeakyRelu, lambda op, x, _y: _chosen(x.less(0.0), op.alpha, 1.0, x))
_slope(ops.Elu, lambda op, x, y: x.less(0.0).choose(y + op.alpha, 1.0))
_slope(ops.Celu, lambda op, x, _y: x.less(0.0).choose((x / op.alpha).exp(), 1.0))
_slope(ops.Selu, lambda op, x, y: x.at_most(0.0).choose(y + op.alpha * op.gamma, op.gamma))
_slope(ops.HardSigmoid, lambda op, _x, y: _chosen(y.greater(0.0), _chosen(y.less(1.0), op.alpha, 0.0, y), 0.0, y))
_slope(ops.HardSwish, _hard_swish)
_slope(ops.Swish, _swish)
_slope(ops.Mish, _mish)
_slope(ops.Gelu, _gelu)
_slope(ops.ThresholdedRelu, lambda op, x, _y: _chosen(x.greater(op.alpha), 1.0, 0.0, x))
_slope(ops.Shrink, lambda op, x, _y: _chosen(x.abs().greater(op.lambd), 1.0, 0.0, x))


@gradient(ops.PRelu)
def _prelu(at: Backward, _op: ops.PRelu) -> Gradients:
    x, slope, g = at.x(0), at.x(1), at.g()
    return at.to(lambda: x.less(0.0).choose(g * slope, g), lambda: x.less(0.0).choose(g * x, 0.0))


@by_formula(ops.SwiGLU)
def _swiglu(at: Backward, op: ops.SwiGLU) -> list[Term]:
    gate, value = at.x(0), at.x(1)
    return [gate * (gate * op.alpha).sigmoid() * value]
