"""Comparisons, logic and selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.pointwise import as_value, binary, tensor_of
from halo_frontends.torchscript.promotion import result_dtype
from halo_frontends.torchscript.table import aten
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Number, Operand, Value


def _compare(m: Maker, kind: str, left: Operand, right: Operand) -> Value:
    dtype = result_dtype((left, right))
    if dtype is DType.BOOL and kind != "Equal":
        dtype = DType.INT32
    return binary(m, kind, left, right, dtype)


@aten("eq", "__eq__")
def eq(m: Maker, input: Operand, other: Operand) -> Value:
    return _compare(m, "Equal", input, other)


@aten("ne", "not_equal", "__ne__")
def ne(m: Maker, input: Operand, other: Operand) -> Value:
    return m.op("Not", _compare(m, "Equal", input, other))


@aten("lt", "less", "__lt__")
def lt(m: Maker, input: Operand, other: Operand) -> Value:
    return _compare(m, "Less", input, other)


@aten("le", "less_equal", "__le__")
def le(m: Maker, input: Operand, other: Operand) -> Value:
    return _compare(m, "LessOrEqual", input, other)


@aten("gt", "greater", "__gt__")
def gt(m: Maker, input: Operand, other: Operand) -> Value:
    return _compare(m, "Greater", input, other)


@aten("ge", "greater_equal", "__ge__")
def ge(m: Maker, input: Operand, other: Operand) -> Value:
    return _compare(m, "GreaterOrEqual", input, other)


def truth(m: Maker, operand: Operand) -> Value:
    """Whether an element is not 0."""
    return m.cast(tensor_of(m, operand), DType.BOOL)


@aten("logical_and")
def logical_and(m: Maker, input: Operand, other: Operand) -> Value:
    return m.op("And", truth(m, input), truth(m, other))


@aten("logical_or")
def logical_or(m: Maker, input: Operand, other: Operand) -> Value:
    return m.op("Or", truth(m, input), truth(m, other))


@aten("logical_xor")
def logical_xor(m: Maker, input: Operand, other: Operand) -> Value:
    return m.op("Xor", truth(m, input), truth(m, other))


@aten("logical_not")
def logical_not(m: Maker, input: Operand) -> Value:
    return m.op("Not", truth(m, input))


def _bits(m: Maker, kind: str, left: Operand, right: Operand) -> Value:
    dtype = result_dtype((left, right))
    return binary(m, kind if dtype is DType.BOOL else f"Bitwise{kind}", left, right, dtype)


@aten("bitwise_and", "__and__", "__iand__")
def bitwise_and(m: Maker, input: Operand, other: Operand) -> Value:
    return _bits(m, "And", input, other)


@aten("bitwise_or", "__or__", "__ior__")
def bitwise_or(m: Maker, input: Operand, other: Operand) -> Value:
    return _bits(m, "Or", input, other)


@aten("bitwise_xor", "__xor__", "__ixor__")
def bitwise_xor(m: Maker, input: Operand, other: Operand) -> Value:
    return _bits(m, "Xor", input, other)


@aten("bitwise_not", "__not__")
def bitwise_not(m: Maker, input: Value) -> Value:
    return m.op("Not" if m.dtype(input) is DType.BOOL else "BitwiseNot", input)


@aten("bitwise_left_shift", "__lshift__", "__ilshift__")
def bitwise_left_shift(m: Maker, input: Operand, other: Operand) -> Value:
    """A product with a power of two, for signed integers too."""
    dtype = result_dtype((input, other))
    return m.op("Mul", as_value(m, input, dtype), _power_of_two(m, other, dtype))


@aten("bitwise_right_shift", "__rshift__", "__irshift__")
def bitwise_right_shift(m: Maker, input: Operand, other: Operand) -> Value:
    """A floor division by a power of two, for signed integers too."""
    dtype = result_dtype((input, other))
    value, by = as_value(m, input, dtype), _power_of_two(m, other, dtype)
    return m.op("Div", m.op("Sub", value, m.op("Mod", value, by)), by)


def _power_of_two(m: Maker, exponent: Operand, dtype: DType) -> Value:
    if isinstance(exponent, int):
        return m.number(1 << exponent, dtype)
    return m.op("Pow", m.number(2, dtype), as_value(m, exponent, dtype))


@aten("isnan")
def isnan(m: Maker, input: Value) -> Value:
    return m.op("IsNaN", input) if m.dtype(input).is_float else m.op("Not", m.op("Equal", input, input))


@aten("isinf")
def isinf(m: Maker, input: Value) -> Value:
    return m.op("IsInf", _as_single(m, input))


@aten("isposinf")
def isposinf(m: Maker, input: Value) -> Value:
    return m.op("IsInf", _as_single(m, input), detect_negative=0)


@aten("isneginf")
def isneginf(m: Maker, input: Value) -> Value:
    return m.op("IsInf", _as_single(m, input), detect_positive=0)


def _as_single(m: Maker, input: Value) -> Value:
    return input if m.dtype(input).is_float else m.cast(input, DType.FLOAT32)


@aten("isfinite")
def isfinite(m: Maker, input: Value) -> Value:
    value = _as_single(m, input)
    return m.op("Not", m.op("Or", m.op("IsInf", value), m.op("IsNaN", value)))


@aten("isreal")
def isreal(m: Maker, input: Value) -> Value:
    return m.op("Equal", m.op("IsNaN", _as_single(m, input)), m.op("IsNaN", _as_single(m, input)))


@aten("isclose")
def isclose(
    m: Maker, input: Value, other: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Value:
    same = m.op("Equal", input, other)
    if m.dtype(input).is_float:
        gap = m.op("Abs", m.op("Sub", input, other))
        dtype = m.dtype(input)
        allowed = m.op("Add", m.op("Mul", m.op("Abs", other), m.number(rtol, dtype)), m.number(atol, dtype))
        near = m.op("And", m.op("LessOrEqual", gap, allowed), isfinite(m, gap))
        same = m.op("Or", same, near)
        if equal_nan:
            same = m.op("Or", same, m.op("And", m.op("IsNaN", input), m.op("IsNaN", other)))
    return same


@aten("allclose")
def allclose(
    m: Maker, input: Value, other: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Number:
    return _every(m, isclose(m, input, other, rtol, atol, equal_nan))


@aten("equal")
def equal(m: Maker, input: Value, other: Value) -> Number:
    if m.rank(input) != m.rank(other) or (
        m.is_static(input) and m.is_static(other) and m.shape(input) != m.shape(other)
    ):
        return False
    return _every(m, m.op("Equal", input, other))


def _every(m: Maker, flags: Value) -> Number:
    counted = m.op("ReduceMin", m.cast(flags, DType.INT32), keepdims=0)
    return m.to_number(m.cast(counted, DType.BOOL))


@aten("where")
def where(m: Maker, condition: Value, input: Operand | None = None, other: Operand | None = None) -> object:
    if input is None or other is None:
        from halo_frontends.torchscript.ops.indexing import nonzero_tuple

        return nonzero_tuple(m, condition)
    dtype = result_dtype((input, other))
    return m.op("Where", truth(m, condition), as_value(m, input, dtype), as_value(m, other, dtype))


@aten("masked_fill")
def masked_fill(m: Maker, input: Value, mask: Value, value: Operand) -> Value:
    return m.op("Where", truth(m, mask), as_value(m, value, m.dtype(input)), input)


@aten("is_floating_point")
def is_floating_point(m: Maker, input: Value) -> bool:
    return m.dtype(input).is_float


@aten("is_complex")
def is_complex(m: Maker, input: Value) -> bool:
    return m.dtype(input).is_complex


@aten("is_nonzero")
def is_nonzero(m: Maker, input: Value) -> Number:
    return m.to_number(truth(m, input))


@aten("is_signed")
def is_signed(m: Maker, input: Value) -> bool:
    return m.dtype(input).is_signed
