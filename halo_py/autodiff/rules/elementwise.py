"""Element-wise arithmetic, choices and conversions. Gradients of broadcast operands add up in the caller."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt

from halo_py.autodiff.registry import Gradients, by_formula, constant, gradient
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.terms import Term, total
from halo_py.ir.op import REGISTRY, Op
from halo_py.ops import elementwise as ops
from halo_py.ops.conversion import Cast, CastLike
from halo_py.ops.fused import FusedMap
from halo_py.ops.logic import Where
from halo_py.ops.reshaping import Identity

Unary = Callable[[Term, Term, Term], Term]
"""Operand, result and the gradient of the result to the gradient of the operand."""

_UNARY: dict[type[Op], Unary] = {
    Identity: lambda _x, _y, g: g,
    ops.Abs: lambda x, _y, g: g * x.sign(),
    ops.Neg: lambda _x, _y, g: -g,
    ops.Sqrt: lambda _x, y, g: g / (y * 2.0),
    ops.Exp: lambda _x, y, g: g * y,
    ops.Log: lambda x, _y, g: g / x,
    ops.Sin: lambda x, _y, g: g * x.cos(),
    ops.Cos: lambda x, _y, g: -(g * x.sin()),
    ops.Tan: lambda _x, y, g: g * (y.squared() + 1.0),
    ops.Asin: lambda x, _y, g: g / (1.0 - x.squared()).sqrt(),
    ops.Acos: lambda x, _y, g: -(g / (1.0 - x.squared()).sqrt()),
    ops.Atan: lambda x, _y, g: g / (x.squared() + 1.0),
    ops.Sinh: lambda x, _y, g: g * x.apply(ops.Cosh()),
    ops.Cosh: lambda x, _y, g: g * x.apply(ops.Sinh()),
    ops.Tanh: lambda _x, y, g: g * (1.0 - y.squared()),
    ops.Asinh: lambda x, _y, g: g / (x.squared() + 1.0).sqrt(),
    ops.Acosh: lambda x, _y, g: g / (x.squared() - 1.0).sqrt(),
    ops.Atanh: lambda x, _y, g: g / (1.0 - x.squared()),
    ops.Erf: lambda x, _y, g: g * (-x.squared()).exp() * (2 / sqrt(pi)),
    ops.Reciprocal: lambda _x, y, g: -(g * y.squared()),
}


def declare_unary(rules: dict[type[Op], Unary]) -> None:
    """Declare the gradients of functions of one operand."""

    def declared(formula: Unary) -> Callable[[Backward, Op], Gradients]:
        return lambda at, _op: at.to(lambda: formula(at.x(), at.y(), at.g()))

    for cls, formula in rules.items():
        gradient(cls)(declared(formula))


declare_unary(_UNARY)
constant(ops.Ceil, ops.Floor, ops.Round, ops.Sign)


@gradient(ops.Add)
def _add(at: Backward, _op: ops.Add) -> Gradients:
    return at.to(at.g, at.g)


@gradient(ops.Sub)
def _sub(at: Backward, _op: ops.Sub) -> Gradients:
    return at.to(at.g, lambda: -at.g())


@gradient(ops.Mul)
def _mul(at: Backward, _op: ops.Mul) -> Gradients:
    return at.to(lambda: at.g() * at.x(1), lambda: at.g() * at.x(0))


@gradient(ops.Div)
def _div(at: Backward, _op: ops.Div) -> Gradients:
    return at.to(lambda: at.g() / at.x(1), lambda: -(at.g() * at.y() / at.x(1)))


@gradient(ops.Pow)
def _pow(at: Backward, _op: ops.Pow) -> Gradients:
    base, exponent = at.x(0), at.x(1)

    def of_base() -> Term:
        known = at.known(1)
        if known is not None and known.size == 1:
            number = float(known.reshape(()))
            power = base if number == 2 else base ** (number - 1)
            return at.g() * power * number
        wide = exponent.cast(base.dtype)
        return at.g() * wide * base ** (wide - 1.0)

    def of_exponent() -> Term:
        logarithm = base.greater(0.0).choose(base.log(), 0.0)
        return at.g() * at.y() * logarithm

    return at.to(of_base, of_exponent)


@gradient(ops.Mod)
def _mod(at: Backward, _op: ops.Mod) -> Gradients:
    return at.to(at.g, lambda: at.g() * (at.y() - at.x(0)) / at.x(1))


@gradient(ops.Max, ops.Min)
def _extreme(at: Backward, _op: Op) -> Gradients:
    """Operands that are the extremum share the gradient."""
    if len(at) == 1:
        return [at.g()]
    y, g = at.y(), at.g()
    hits = [at.x(index).equals(y).cast(y.dtype) for index in range(len(at))]
    share = g / total(hits)
    return [share * hit for hit in hits]


@gradient(ops.Sum)
def _sum(at: Backward, _op: ops.Sum) -> Gradients:
    return [at.g()] * len(at)


@gradient(ops.Mean)
def _mean(at: Backward, _op: ops.Mean) -> Gradients:
    return [at.g() / float(len(at))] * len(at)


@gradient(ops.Clip)
def _clip(at: Backward, _op: ops.Clip) -> Gradients:
    """The gradient goes to what the result is: the bound that is in force, or the operand."""
    x, low, high, g = at.x(0), at.optional(1), at.optional(2), at.g()
    raised = x if low is None else x.apply(ops.Max(), low)
    free = g if high is None else raised.greater(high).choose(g.writer.number(0, g.dtype), g)
    of_high = None if high is None else (lambda: raised.greater(high).choose(g, 0.0))
    if low is None:
        return at.to(lambda: free, None, of_high)
    below = x.less(low)
    return at.to(lambda: below.choose(g.writer.number(0, g.dtype), free), lambda: below.choose(free, 0.0), of_high)


@gradient(Where)
def _where(at: Backward, _op: Where) -> Gradients:
    condition, g = at.x(0), at.g()
    return at.to(None, lambda: condition.choose(g, 0.0), lambda: condition.choose(g.writer.number(0, g.dtype), g))


@gradient(Cast, CastLike)
def _cast(at: Backward, _op: Op) -> Gradients:
    return at.to(lambda: at.g().cast(at.x().dtype))


_SPELLED: dict[str, Callable[[list[Term]], Term]] = {
    "square": lambda operands: operands[0].squared(),
    "rsqrt": lambda operands: 1.0 / operands[0].sqrt(),
}


@by_formula(FusedMap)
def _fused_map(at: Backward, op: FusedMap) -> list[Term]:
    """A fused map as the ops it was made of."""
    terms = [at.x(index) for index in range(len(at))]
    for step in op.program.steps:
        parameters = dict(step.parameters)
        operands = [terms[number] for number in step.operands]
        if step.function == "constant":
            value = parameters["value"]
            assert isinstance(value, (int, float))
            made = at.writer.number(value, step.dtype)
        elif step.function in _SPELLED:
            made = _SPELLED[step.function](operands)
        elif step.function == "clip":
            made = _clipped(operands, bool(parameters.get("has_min", 1)), bool(parameters.get("has_max", 1)))
        else:
            made = at.writer.add(REGISTRY.by_name[step.function](**parameters), *operands)[0]
        terms.append(made.cast(step.dtype))
    return [terms[-1]]


def _clipped(operands: list[Term], has_min: bool, has_max: bool) -> Term:
    x, *bounds = operands
    return x.apply(ops.Clip(), bounds[0] if has_min else None, bounds[-1] if has_max else None)
