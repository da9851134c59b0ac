"""Functions of one operand, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.pointwise import (
    below_zero,
    constant_like,
    float_limits,
    floating,
    is_zero,
    mul,
    pow,
    tensor_of,
    times_log,
    trunc,
)
from halo_frontends.torchscript.promotion import as_float, promote
from halo_frontends.torchscript.table import aten
from halo_py.ir.graph import Value
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Operand

_FLOAT_NODES = {
    "sqrt": "Sqrt",
    "exp": "Exp",
    "log": "Log",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "asin": "Asin",
    "arcsin": "Asin",
    "acos": "Acos",
    "arccos": "Acos",
    "atan": "Atan",
    "arctan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "asinh": "Asinh",
    "arcsinh": "Asinh",
    "acosh": "Acosh",
    "arccosh": "Acosh",
    "atanh": "Atanh",
    "arctanh": "Atanh",
    "tanh": "Tanh",
    "erf": "Erf",
    "special_erf": "Erf",
    "sigmoid": "Sigmoid",
    "special_expit": "Sigmoid",
    "reciprocal": "Reciprocal",
}


def _float_node(kind: str) -> Callable[..., Value]:
    def node(m: Maker, input: Operand) -> Value:
        return m.op(kind, floating(m, input))

    return node


for _name, _kind in _FLOAT_NODES.items():
    aten(_name)(_float_node(_kind))


@aten("neg", "negative")
def neg(m: Maker, input: Value) -> Value:
    return m.op("Neg", input)


@aten("positive")
def positive(_m: Maker, input: Value) -> Value:
    return input


@aten("abs", "absolute", "__abs__")
def abs(m: Maker, input: Value) -> Value:
    return input if m.dtype(input) is DType.BOOL else m.op("Abs", input)


@aten("sign", "sgn")
def sign(m: Maker, input: Value) -> Value:
    return input if m.dtype(input) is DType.BOOL else m.op("Sign", input)


@aten("floor")
def floor(m: Maker, input: Value) -> Value:
    return m.op("Floor", input) if m.dtype(input).is_float else input


@aten("ceil")
def ceil(m: Maker, input: Value) -> Value:
    return m.op("Ceil", input) if m.dtype(input).is_float else input


@aten("round")
def round(m: Maker, input: Value, decimals: int = 0) -> Value:
    if not m.dtype(input).is_float:
        return input
    if not decimals:
        return m.op("Round", input)
    scale = constant_like(m, input, 10.0 ** (decimals if decimals > 0 else -decimals))
    there, back = ("Mul", "Div") if decimals > 0 else ("Div", "Mul")
    return m.op(back, m.op("Round", m.op(there, input, scale)), scale)


@aten("frac")
def frac(m: Maker, input: Value) -> Value:
    return m.op("Sub", input, trunc(m, input))


@aten("square")
def square(m: Maker, input: Value) -> Value:
    return pow(m, input, 2)


@aten("rsqrt")
def rsqrt(m: Maker, input: Value) -> Value:
    return m.op("Reciprocal", m.op("Sqrt", floating(m, input)))


def _scaled_log(m: Maker, input: Value, base: float) -> Value:
    value = m.op("Log", floating(m, input))
    return m.op("Mul", value, constant_like(m, value, 1 / math.log(base)))


@aten("log2")
def log2(m: Maker, input: Value) -> Value:
    return _scaled_log(m, input, 2)


@aten("log10")
def log10(m: Maker, input: Value) -> Value:
    return _scaled_log(m, input, 10)


@aten("log1p", "special_log1p")
def log1p(m: Maker, input: Value) -> Value:
    """Kahan's form: log(u) x / (u - 1) with u = 1 + x, exact for small x too."""
    value = floating(m, input)
    one = constant_like(m, value, 1)
    sum = m.op("Add", value, one)
    gap = m.op("Sub", sum, one)
    safe = m.op("Where", is_zero(m, gap), one, gap)
    found = m.op("Mul", m.op("Log", sum), m.op("Div", value, safe))
    whole = m.op("Where", m.op("IsInf", value), value, found)
    return m.op("Where", is_zero(m, gap), value, whole)


@aten("exp2", "special_exp2")
def exp2(m: Maker, input: Value) -> Value:
    value = floating(m, input)
    return m.op("Exp", m.op("Mul", value, constant_like(m, value, math.log(2))))


@aten("expm1", "special_expm1")
def expm1(m: Maker, input: Value) -> Value:
    """For small x by tanh(x / 2) (exp(x) + 1), which does not cancel."""
    value = floating(m, input)
    one = constant_like(m, value, 1)
    exp = m.op("Exp", value)
    half = m.op("Tanh", m.op("Mul", value, constant_like(m, value, 0.5)))
    small = m.op("Less", m.op("Abs", value), constant_like(m, value, 0.5))
    return m.op("Where", small, m.op("Mul", half, m.op("Add", exp, one)), m.op("Sub", exp, one))


@aten("erfc", "special_erfc")
def erfc(m: Maker, input: Value) -> Value:
    value = floating(m, input)
    return m.op("Sub", constant_like(m, value, 1), m.op("Erf", value))


@aten("logit", "special_logit")
def logit(m: Maker, input: Value, eps: float | None = None) -> Value:
    value = floating(m, input)
    one = constant_like(m, value, 1)
    if eps is not None:
        value = m.op("Clip", value, constant_like(m, value, eps), constant_like(m, value, 1 - eps))
    return m.op("Log", m.op("Div", value, m.op("Sub", one, value)))


@aten("sinc", "special_sinc")
def sinc(m: Maker, input: Value) -> Value:
    value = m.op("Mul", floating(m, input), m.number(math.pi, as_float(m.dtype(input))))
    one = constant_like(m, value, 1)
    safe = m.op("Where", is_zero(m, value), one, value)
    return m.op("Where", is_zero(m, value), one, m.op("Div", m.op("Sin", safe), safe))


@aten("deg2rad")
def deg2rad(m: Maker, input: Value) -> Value:
    return mul(m, floating(m, input), math.pi / 180)


@aten("rad2deg")
def rad2deg(m: Maker, input: Value) -> Value:
    return mul(m, floating(m, input), 180 / math.pi)


@aten("nan_to_num")
def nan_to_num(
    m: Maker, input: Value, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Value:
    dtype = m.dtype(input)
    if not dtype.is_float:
        return input
    limits = float_limits(dtype)
    high = m.number(limits.largest if posinf is None else posinf, dtype)
    low = m.number(-limits.largest if neginf is None else neginf, dtype)
    value = m.op("Where", m.op("IsNaN", input), m.number(nan or 0.0, dtype), input)
    value = m.op("Where", m.op("IsInf", input, detect_negative=0), high, value)
    return m.op("Where", m.op("IsInf", input, detect_positive=0), low, value)


@aten("special_entr")
def entr(m: Maker, input: Value) -> Value:
    value = floating(m, input)
    found = m.op("Neg", times_log(m, value, value, 0.0))
    return m.op("Where", below_zero(m, value), constant_like(m, value, -math.inf), found)


@aten("ldexp")
def ldexp(m: Maker, input: Operand, other: Operand) -> Value:
    return mul(m, input, exp2(m, tensor_of(m, other)))


@aten("diff")
def diff(
    m: Maker, input: Value, n: int = 1, dim: int = -1, prepend: Value | None = None, append: Value | None = None
) -> Value:
    axis = m.axis(dim, m.rank(input))
    parts = [part for part in (prepend, input, append) if part is not None]
    if len(parts) > 1:
        dtype = m.dtype(input)
        for part in parts:
            dtype = promote(dtype, m.dtype(part))
        input = m.op("Concat", *(m.cast(part, dtype) for part in parts), axis=axis)
    for _ in range(n):
        size = m.length(input, axis)
        if size <= 1:
            return m.slice(input, axis, 0, 0)
        later, earlier = m.slice(input, axis, 1, size), m.slice(input, axis, 0, size - 1)
        input = m.op("Xor" if m.dtype(input) is DType.BOOL else "Sub", later, earlier)
    return input
