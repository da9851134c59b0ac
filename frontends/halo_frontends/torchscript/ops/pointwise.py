"""Arithmetic on elements: types are promoted as Torch does, shapes broadcast."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.promotion import as_float, category, number_dtype, result_dtype
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
    return times_log(m, input, other, 0.0)


@aten("special_xlog1py")
def xlog1py(m: Maker, input: Operand, other: Operand) -> Value:
    return times_log(m, input, other, 1.0)


def times_log(m: Maker, input: Operand, other: Operand, shift: float) -> Value:
    """Input x log(other + shift), 0 where the input is 0."""
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


@aten("trunc", "fix")
def trunc(m: Maker, input: Value) -> Value:
    if not m.dtype(input).is_float:
        return input
    return m.op("Where", below_zero(m, input), m.op("Ceil", input), m.op("Floor", input))


@aten("signbit")
def signbit(m: Maker, input: Value) -> Value:
    if m.dtype(input) is DType.BOOL:
        return m.op("Xor", input, input)
    if not m.dtype(input).is_float:
        return below_zero(m, input)
    return m.op("Or", below_zero(m, input), below_zero(m, m.op("Reciprocal", input)))
