"""Arithmetic on elements: types are promoted as Torch does, shapes broadcast."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.promotion import as_float, category, number_dtype, promote, result_dtype
from halo_frontends.torchscript.table import aten
from halo_py.ir.graph import Value
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Number, Operand


def as_value(m: Maker, operand: Operand, dtype: DType) -> Value:
    """An operand as a value of this element type."""
    return m.cast(operand, dtype) if isinstance(operand, Value) else m.number(operand, dtype)


def tensor_of(m: Maker, operand: Operand) -> Value:
    """An operand as a value of its own element type."""
    return operand if isinstance(operand, Value) else m.number(operand, number_dtype(operand))


def floating(m: Maker, operand: Operand) -> Value:
    """An operand as floats: integers become float32."""
    value = tensor_of(m, operand)
    return m.cast(value, as_float(m.dtype(value)))


def binary(m: Maker, kind: str, left: Operand, right: Operand, dtype: DType | None = None) -> Value:
    """A node on two operands of one element type."""
    wanted = dtype or result_dtype((left, right))
    return m.op(kind, as_value(m, left, wanted), as_value(m, right, wanted))


@dataclass(frozen=True, slots=True)
class FloatLimits:
    """The largest number of a floating-point type, and the gap between 1 and the next one."""

    largest: float
    eps: float


def float_limits(dtype: DType) -> FloatLimits:
    """The limits of a floating-point type."""
    if dtype is DType.BFLOAT16:
        return FloatLimits(3.3895313892515355e38, 0.0078125)
    name: type[np.floating[Any]] = {DType.FLOAT16: np.float16, DType.FLOAT64: np.float64}.get(dtype, np.float32)
    found = np.finfo(name)
    return FloatLimits(float(found.max), float(found.eps))


def constant_like(m: Maker, value: Value, number: float) -> Value:
    """A number of the element type of a value."""
    return m.number(number, m.dtype(value))


# -- two operands ---------------------------------------------------------------------------------------------------


@aten("add", "__add__", "__radd__", "__iadd__")
def add(m: Maker, input: Operand, other: Operand, alpha: Number = 1) -> Value:
    dtype = result_dtype((input, other))
    if dtype is DType.BOOL:
        return binary(m, "Or", input, other, dtype)
    return m.op("Add", as_value(m, input, dtype), _scaled(m, other, alpha, dtype))


@aten("sub", "subtract", "__sub__", "__isub__")
def sub(m: Maker, input: Operand, other: Operand, alpha: Number = 1) -> Value:
    dtype = result_dtype((input, other))
    return m.op("Sub", as_value(m, input, dtype), _scaled(m, other, alpha, dtype))


@aten("rsub", "__rsub__")
def rsub(m: Maker, input: Operand, other: Operand, alpha: Number = 1) -> Value:
    return sub(m, other, input, alpha)


def _scaled(m: Maker, operand: Operand, alpha: Number, dtype: DType) -> Value:
    value = as_value(m, operand, dtype)
    return value if alpha == 1 else m.op("Mul", value, m.number(alpha, dtype))


@aten("mul", "multiply", "__mul__", "__rmul__", "__imul__")
def mul(m: Maker, input: Operand, other: Operand) -> Value:
    dtype = result_dtype((input, other))
    return binary(m, "And" if dtype is DType.BOOL else "Mul", input, other, dtype)


@aten("div", "divide", "__div__", "__truediv__", "__itruediv__", "true_divide")
def div(m: Maker, input: Operand, other: Operand, rounding_mode: str | None = None) -> Value:
    dtype = result_dtype((input, other))
    if rounding_mode == "floor":
        return floor_divide(m, input, other)
    if rounding_mode == "trunc" or (m.version < 4 and category(dtype) < 2):
        found = binary(m, "Div", input, other, dtype)
        return found if category(dtype) < 2 else trunc(m, found)
    return binary(m, "Div", input, other, as_float(dtype))


@aten("floor_divide", "__floordiv__", "__ifloordiv__")
def floor_divide(m: Maker, input: Operand, other: Operand) -> Value:
    dtype = result_dtype((input, other))
    if dtype.is_float:
        return m.op("Floor", binary(m, "Div", input, other, dtype))
    left, right = as_value(m, input, dtype), as_value(m, other, dtype)
    return m.op("Div", m.op("Sub", left, m.op("Mod", left, right)), right)


@aten("remainder", "__mod__", "__rmod__")
def remainder(m: Maker, input: Operand, other: Operand) -> Value:
    dtype = result_dtype((input, other))
    if not dtype.is_float:
        return binary(m, "Mod", input, other, dtype)
    left, right = as_value(m, input, dtype), as_value(m, other, dtype)
    rest = m.op("Mod", left, right, fmod=1)
    wrong = m.op("And", m.op("Not", is_zero(m, rest)), m.op("Xor", below_zero(m, rest), below_zero(m, right)))
    return m.op("Where", wrong, m.op("Add", rest, right), rest)


def is_zero(m: Maker, value: Value) -> Value:
    """Whether an element is 0."""
    return m.op("Equal", value, constant_like(m, value, 0))


def below_zero(m: Maker, value: Value) -> Value:
    """Whether an element is less than 0."""
    return m.op("Less", value, constant_like(m, value, 0))


@aten("fmod")
def fmod(m: Maker, input: Operand, other: Operand) -> Value:
    dtype = result_dtype((input, other))
    return m.op("Mod", as_value(m, input, dtype), as_value(m, other, dtype), fmod=1)


@aten("pow", "__pow__", "__rpow__")
def pow(m: Maker, input: Operand, exponent: Operand) -> Value:
    dtype = result_dtype((input, exponent))
    if exponent == 2 and isinstance(input, Value):
        value = as_value(m, input, dtype)
        return m.op("Mul", value, value)
    if exponent == 0.5 and dtype.is_float:
        return m.op("Sqrt", as_value(m, input, dtype))
    return binary(m, "Pow", input, exponent, dtype)


@aten("float_power")
def float_power(m: Maker, input: Operand, exponent: Operand) -> Value:
    return binary(m, "Pow", input, exponent, DType.FLOAT64)


@aten("maximum")
def maximum(m: Maker, input: Operand, other: Operand) -> Value:
    dtype = result_dtype((input, other))
    return binary(m, "Or" if dtype is DType.BOOL else "Max", input, other, dtype)


@aten("minimum")
def minimum(m: Maker, input: Operand, other: Operand) -> Value:
    dtype = result_dtype((input, other))
    return binary(m, "And" if dtype is DType.BOOL else "Min", input, other, dtype)


@aten("fmax")
def fmax(m: Maker, input: Operand, other: Operand) -> Value:
    return _without_nan(m, maximum, input, other)


@aten("fmin")
def fmin(m: Maker, input: Operand, other: Operand) -> Value:
    return _without_nan(m, minimum, input, other)


def _without_nan(
    m: Maker, function: Callable[[Maker, Operand, Operand], Value], input: Operand, other: Operand
) -> Value:
    dtype = result_dtype((input, other))
    found = function(m, input, other)
    if not dtype.is_float:
        return found
    left, right = as_value(m, input, dtype), as_value(m, other, dtype)
    return m.op("Where", m.op("IsNaN", left), right, m.op("Where", m.op("IsNaN", right), left, found))


@aten("atan2", "arctan2")
def atan2(m: Maker, input: Operand, other: Operand) -> Value:
    dtype = as_float(result_dtype((input, other)))
    y, x = as_value(m, input, dtype), as_value(m, other, dtype)
    half, whole = constant_like(m, x, math.pi / 2), constant_like(m, x, math.pi)
    angle = m.op("Atan", m.op("Div", y, x))
    turned = m.op("Where", below_zero(m, y), m.op("Sub", angle, whole), m.op("Add", angle, whole))
    upright = m.op("Mul", m.op("Sign", y), half)
    found = m.op("Where", below_zero(m, x), turned, angle)
    return m.op("Where", is_zero(m, x), upright, found)


@aten("hypot")
def hypot(m: Maker, input: Operand, other: Operand) -> Value:
    dtype = result_dtype((input, other))
    left, right = as_value(m, input, dtype), as_value(m, other, dtype)
    return m.op("Sqrt", m.op("Add", m.op("Mul", left, left), m.op("Mul", right, right)))


@aten("logaddexp")
def logaddexp(m: Maker, input: Operand, other: Operand) -> Value:
    dtype = result_dtype((input, other))
    left, right = as_value(m, input, dtype), as_value(m, other, dtype)
    gap = m.op("Where", m.op("Equal", left, right), m.number(0, dtype), m.op("Sub", left, right))
    grown = m.op("Exp", m.op("Neg", m.op("Abs", gap)))
    return m.op("Add", m.op("Max", left, right), m.op("Log", m.op("Add", grown, m.number(1, dtype))))


@aten("logaddexp2")
def logaddexp2(m: Maker, input: Operand, other: Operand) -> Value:
    left, right = mul(m, input, math.log(2)), mul(m, other, math.log(2))
    return m.op("Div", logaddexp(m, left, right), constant_like(m, left, math.log(2)))


@aten("xlogy", "special_xlogy")
def xlogy(m: Maker, input: Operand, other: Operand) -> Value:
    return _times_log(m, input, other, 0.0)


@aten("special_xlog1py")
def xlog1py(m: Maker, input: Operand, other: Operand) -> Value:
    return _times_log(m, input, other, 1.0)


def _times_log(m: Maker, input: Operand, other: Operand, shift: float) -> Value:
    dtype = as_float(result_dtype((input, other)))
    left, right = as_value(m, input, dtype), as_value(m, other, dtype)
    shifted = m.op("Add", right, constant_like(m, right, shift)) if shift else right
    product = m.op("Mul", left, m.op("Log", shifted))
    nothing = m.op("And", is_zero(m, left), m.op("Not", m.op("IsNaN", right)))
    return m.op("Where", nothing, constant_like(m, left, 0), product)


@aten("copysign")
def copysign(m: Maker, input: Operand, other: Operand) -> Value:
    dtype = as_float(result_dtype((input, other)))
    size = m.op("Abs", as_value(m, input, dtype))
    return m.op("Where", signbit(m, as_value(m, other, dtype)), m.op("Neg", size), size)


@aten("heaviside")
def heaviside(m: Maker, input: Value, values: Value) -> Value:
    dtype = m.dtype(input)
    one, zero = m.number(1, dtype), m.number(0, dtype)
    step = m.op("Where", below_zero(m, input), zero, m.op("Where", is_zero(m, input), values, one))
    return step if not dtype.is_float else m.op("Where", m.op("IsNaN", input), input, step)


@aten("lerp")
def lerp(m: Maker, input: Value, end: Value, weight: Operand) -> Value:
    dtype = m.dtype(input)
    return m.op("Add", input, m.op("Mul", as_value(m, weight, dtype), m.op("Sub", end, input)))


@aten("addcmul")
def addcmul(m: Maker, input: Value, tensor1: Value, tensor2: Value, value: Number = 1) -> Value:
    return add(m, input, mul(m, tensor1, tensor2), value)


@aten("addcdiv")
def addcdiv(m: Maker, input: Value, tensor1: Value, tensor2: Value, value: Number = 1) -> Value:
    return add(m, input, div(m, tensor1, tensor2), value)


@aten("clamp", "clip")
def clamp(m: Maker, input: Value, min: Operand | None = None, max: Operand | None = None) -> Value:
    operands = [item for item in (input, min, max) if item is not None]
    dtype = result_dtype(operands)
    value = m.cast(input, dtype)
    if (min is None or _is_scalar(m, min)) and (max is None or _is_scalar(m, max)):
        low = None if min is None else _flat_scalar(m, min, dtype)
        return m.op("Clip", value, low, None if max is None else _flat_scalar(m, max, dtype))
    if min is not None:
        value = m.op("Max", value, as_value(m, min, dtype))
    return value if max is None else m.op("Min", value, as_value(m, max, dtype))


def _is_scalar(m: Maker, operand: Operand) -> bool:
    return not isinstance(operand, Value) or m.rank(operand) == 0


def _flat_scalar(m: Maker, operand: Operand, dtype: DType) -> Value:
    return as_value(m, operand, dtype)


@aten("clamp_min")
def clamp_min(m: Maker, input: Value, min: Operand) -> Value:
    return clamp(m, input, min)


@aten("clamp_max")
def clamp_max(m: Maker, input: Value, max: Operand) -> Value:
    return clamp(m, input, None, max)


# -- one operand ----------------------------------------------------------------------------------------------------

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


@aten("signbit")
def signbit(m: Maker, input: Value) -> Value:
    if m.dtype(input) is DType.BOOL:
        return m.op("Xor", input, input)
    if not m.dtype(input).is_float:
        return below_zero(m, input)
    return m.op("Or", below_zero(m, input), below_zero(m, m.op("Reciprocal", input)))


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


@aten("trunc", "fix")
def trunc(m: Maker, input: Value) -> Value:
    if not m.dtype(input).is_float:
        return input
    return m.op("Where", below_zero(m, input), m.op("Ceil", input), m.op("Floor", input))


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
    found = m.op("Neg", _times_log(m, value, value, 0.0))
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
        size = m.shape(input)[axis]
        if size <= 1:
            return m.slice(input, axis, 0, 0)
        later, earlier = m.slice(input, axis, 1, size), m.slice(input, axis, 0, size - 1)
        input = m.op("Xor" if m.dtype(input) is DType.BOOL else "Sub", later, earlier)
    return input
