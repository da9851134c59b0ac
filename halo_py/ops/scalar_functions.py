"""The scalar functions element-wise ops are made of: their arithmetic in NumPy and what they cost.

Keys are the registry names of element-wise ops. Operands arrive in the type arithmetic is done in: float32 for
narrower floats, the own type otherwise. Parameters are the op's attributes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.types import DType

Parameter = float | int | str | DType
Parameters = Mapping[str, Any]
Numbers = NDArray[Any]
Apply = Callable[[Sequence[Numbers], Parameters, DType], Any]


@dataclass(frozen=True, slots=True)
class ScalarFunction:
    """One scalar function.

    `apply(operands, parameters, dtype)` computes it on broadcasting arrays; the caller converts the result to the
    arithmetic type of `dtype`. `work` names what a vertex does, in the vocabulary of `MapWork.functions`.
    """

    apply: Apply
    work: tuple[str, ...]


_NARROW_FLOATS = frozenset(dtype for dtype in DType if dtype.is_float and dtype.bits < 32)
_NARROW_INTEGERS = frozenset(dtype for dtype in DType if dtype.is_integer and dtype.bits < 8)


def compute_dtype(dtype: DType) -> np.dtype[Any]:
    """The NumPy type that arithmetic on elements of this type is done in."""
    if dtype in _NARROW_FLOATS:
        return np.dtype(np.float32)
    if dtype in _NARROW_INTEGERS:
        return np.dtype(np.int8 if dtype.is_signed else np.uint8)
    return dtype.numpy


# erf(x) = x P(x²) / Q(x²) on [-4, 4], where |erf(4)| rounds to 1 in float32. Least-squares fit of the relative error
# with iterative reweighting; the largest relative error over all float32 arguments is 3.3e-7.
_ERF_P = (1.128379169, 0.1852054736, 0.05431701319, 3.849678896e-3, 3.796019991e-4, 4.68453639e-6, -1.320112992e-8)
_ERF_Q = (1.0, 0.497467491, 0.1139591727, 0.01546219981, 1.30757451e-3, 6.310832276e-5)


def erf(x: Numbers) -> Numbers:
    """The error function: float64 by the C library, narrower types by a rational function."""
    if x.dtype == np.float64:
        return np.fromiter(map(math.erf, x.reshape(-1).tolist()), np.float64, x.size).reshape(x.shape)
    clamped: Numbers = np.clip(x, np.float32(-4.0), np.float32(4.0))
    square = clamped * clamped
    result = np.asarray(clamped * _polynomial(square, _ERF_P) / _polynomial(square, _ERF_Q))
    np.copyto(result, np.sign(clamped), where=np.abs(clamped) >= np.float32(4.0))
    return result


def _polynomial(x: Numbers, coefficients: tuple[float, ...]) -> Numbers:
    result: Numbers = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result *= x
        result += np.float32(coefficient)
    return result


def sigmoid(x: Numbers) -> Numbers:
    """1 / (1 + exp(-x)); exp overflowing to infinity gives the right limit 0."""
    return np.asarray(1 / (1 + np.exp(-x)))


def gelu(x: Numbers, approximate: str) -> Numbers:
    """Gaussian error linear unit, exact or with the tanh approximation of Hendrycks and Gimpel (2016)."""
    if approximate == "tanh":
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))))
    return np.asarray(0.5 * x * (1 + erf(x * math.sqrt(0.5))))


def divide(a: Numbers, b: Numbers) -> Numbers:
    """The quotient; integers are truncated toward zero, and x / 0 is 0."""
    if a.dtype.kind not in "iu":
        return np.asarray(a / b)
    quotient = np.floor_divide(a, b)
    inexact_negative = ((a < 0) != (b < 0)) & (quotient * b != a) & (b != 0)
    return np.asarray(quotient + inexact_negative.astype(quotient.dtype))


def power(base: Numbers, exponent: Numbers) -> Numbers:
    """Base ** exponent in the type of the base."""
    if base.dtype.kind in "iu" and (
        exponent.dtype.kind == "f" or (exponent.dtype.kind == "i" and np.any(exponent < 0))
    ):
        return np.asarray(np.power(base.astype(np.float64), exponent.astype(np.float64)).astype(base.dtype))
    return np.asarray(np.power(base, exponent.astype(base.dtype)))


def modulo(a: Numbers, b: Numbers, fmod: int) -> Numbers:
    """Remainder with the sign of the divisor (`fmod` 0) or of the dividend (`fmod` 1)."""
    return np.asarray(np.fmod(a, b) if fmod else np.mod(a, b))


def clip(operands: Sequence[Numbers], has_min: int, has_max: int) -> Numbers:
    """Limit operand 0 to [min, max]; the operands after it are those of the two bounds that are given."""
    result, bounds = operands[0], list(operands[1:])
    if has_min:
        result = np.asarray(np.maximum(result, bounds.pop(0)))
    if has_max:
        result = np.asarray(np.minimum(result, bounds.pop(0)))
    return result


def is_infinite(x: Numbers, detect_negative: int, detect_positive: int) -> Numbers:
    """Whether x is one of the infinities asked for."""
    return np.asarray((np.isposinf(x) & bool(detect_positive)) | (np.isneginf(x) & bool(detect_negative)))


def bit_shift(a: Numbers, b: Numbers, direction: str) -> Numbers:
    """Shift the bits of unsigned integers."""
    return np.asarray(np.left_shift(a, b) if direction == "LEFT" else np.right_shift(a, b))


def cast(x: Numbers, to: DType, saturate: int = 1, round_mode: str = "up") -> Numbers:
    """Convert numbers to another element type (not strings).

    Float8 destinations saturate to the largest finite value unless `saturate` is 0; float8e8m0 rounds by `round_mode`.
    """
    target = to.numpy
    if to is DType.BOOL:
        return np.asarray(x != 0)
    if to is DType.FLOAT8E8M0:
        return _cast_power_of_two(x.astype(np.float32), saturate, round_mode).astype(target)
    if to.is_float and to.bits <= 8:
        return _cast_small_float(x, to, saturate)
    if to in _NARROW_INTEGERS:
        return np.asarray(x.astype(np.int64).astype(np.int8 if to.is_signed else np.uint8).astype(target))
    if x.dtype.kind == "f" and to.is_integer and not to.is_signed:
        # Negative numbers wrap like the C conversion through a signed integer does on common hardware.
        return np.asarray(np.where(x < 0, x.astype(np.int64).astype(target), x.astype(target)))
    return np.asarray(x.astype(target))


_LARGEST = {
    DType.FLOAT8E4M3FN: 448.0,
    DType.FLOAT8E4M3FNUZ: 240.0,
    DType.FLOAT8E5M2: 57344.0,
    DType.FLOAT8E5M2FNUZ: 57344.0,
    DType.FLOAT4E2M1: 6.0,
}
"""Largest finite value of each narrow float type (ONNX, "Float stored in 8 bits" and "in 4 bits")."""


def _cast_small_float(x: Numbers, to: DType, saturate: int) -> Numbers:
    wide = x.astype(np.float64) if x.dtype.kind in "iub" else x
    if to is DType.FLOAT4E2M1 or saturate:
        largest = _LARGEST[to]
        wide = np.asarray(np.where(np.isnan(wide), wide, np.clip(wide, -largest, largest)))
    return wide.astype(to.numpy)


def _cast_power_of_two(x: Numbers, saturate: int, round_mode: str) -> Numbers:
    """Magnitudes rounded to powers of two from 2^-127 to 2^127 (float8e8m0 has no sign and no zero)."""
    mantissa, exponent = np.frexp(np.abs(x.astype(np.float64)))
    low = exponent - 1
    if round_mode == "up":
        found = np.where(mantissa > 0.5, exponent, low)
    elif round_mode == "nearest":
        found = np.where(mantissa >= 0.75, exponent, low)
    else:
        found = low
    found = np.where(x == 0, -127, found)
    over = ~np.isfinite(x) | (found > 127)
    result = np.ldexp(1.0, np.clip(found, -127, 127))
    return np.asarray(np.where(np.isnan(x) | (over & (not saturate)), np.nan, result))


def _all(function: Callable[[Any, Any], Any]) -> Apply:
    """Fold a binary function over any number of operands."""
    return lambda operands, _parameters, _dtype: functools.reduce(function, operands)


def _one(function: Callable[[Numbers], Any]) -> Apply:
    return lambda operands, _parameters, _dtype: function(operands[0])


def _one_with(function: Callable[[Numbers, Parameters], Any]) -> Apply:
    return lambda operands, parameters, _dtype: function(operands[0], parameters)


def _two(function: Callable[[Numbers, Numbers], Any]) -> Apply:
    return lambda operands, _parameters, _dtype: function(operands[0], operands[1])


def _two_with(function: Callable[[Numbers, Numbers, Parameters], Any]) -> Apply:
    return lambda operands, parameters, _dtype: function(operands[0], operands[1], parameters)


def _elu(x: Numbers, alpha: float) -> Any:
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _celu(x: Numbers, alpha: float) -> Any:
    return np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _selu(x: Numbers, alpha: float, gamma: float) -> Any:
    return gamma * np.where(x <= 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _shrink(x: Numbers, bias: float, lambd: float) -> Any:
    return np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, np.zeros_like(x)))


def _softplus(x: Numbers) -> Any:
    return np.logaddexp(x, np.zeros((), x.dtype))


def _mish(x: Numbers) -> Any:
    return x * np.tanh(_softplus(x))


def _functions() -> dict[str, ScalarFunction]:
    table: dict[str, ScalarFunction] = {}

    def put(name: str, apply: Apply, *work: str) -> None:
        table[name] = ScalarFunction(apply, work or (name,))

    put("constant", lambda _operands, parameters, dtype: np.asarray(parameters["value"], compute_dtype(dtype)), "copy")
    put("identity", _one(lambda x: x), "copy")
    put("abs", _one(np.abs))
    put("neg", _one(np.negative))
    put("square", _one(np.square))
    put("sqrt", _one(np.sqrt))
    put("rsqrt", _one(lambda x: 1 / np.sqrt(x)))
    put("exp", _one(np.exp))
    put("log", _one(np.log))
    put("sin", _one(np.sin))
    put("cos", _one(np.cos))
    put("tan", _one(np.tan))
    put("asin", _one(np.arcsin))
    put("acos", _one(np.arccos), "asin", "sub")
    put("atan", _one(np.arctan))
    put("sinh", _one(np.sinh))
    put("cosh", _one(np.cosh), "exp", "reciprocal", "add", "mul")
    put("tanh", _one(np.tanh))
    put("asinh", _one(np.arcsinh), "square", "add", "sqrt", "add", "log")
    put("acosh", _one(np.arccosh), "square", "sub", "sqrt", "add", "log")
    put("atanh", _one(np.arctanh), "add", "sub", "div", "log", "mul")
    put("erf", _one(erf))
    put("ceil", _one(np.ceil))
    put("floor", _one(np.floor))
    put("round", _one(np.rint))
    put("sign", _one(np.sign))
    put("reciprocal", _one(lambda x: 1 / x))
    put("not", _one(np.logical_not), "logic")
    put("bitwise_not", _one(np.invert), "logic")
    put("cast", _one_with(lambda x, p: cast(x, p["to"], p["saturate"], p["round_mode"])))
    put("is_nan", _one(np.isnan), "isnan")
    put("is_inf", _one_with(lambda x, p: is_infinite(x, p["detect_negative"], p["detect_positive"])), "isnan")
    put("relu", _one(lambda x: np.maximum(x, 0)))
    put("leaky_relu", _one_with(lambda x, p: np.where(x < 0, p["alpha"] * x, x)), "mul", "select")
    put("elu", _one_with(lambda x, p: _elu(x, p["alpha"])), "exp", "sub", "mul", "select")
    put("celu", _one_with(lambda x, p: _celu(x, p["alpha"])), "mul", "exp", "sub", "mul", "select")
    put("selu", _one_with(lambda x, p: _selu(x, p["alpha"], p["gamma"])), "exp", "sub", "mul", "select", "mul")
    put("sigmoid", _one(sigmoid))
    put("hard_sigmoid", _one_with(lambda x, p: np.clip(p["alpha"] * x + p["beta"], 0, 1)), "mul", "add", "clamp")
    put("hard_swish", _one(lambda x: x * np.clip(x / 6 + 0.5, 0, 1)), "mul", "add", "clamp", "mul")
    put("swish", _one_with(lambda x, p: x * sigmoid(p["alpha"] * x)), "swish")
    put("swiglu", _two_with(lambda a, b, p: a * sigmoid(p["alpha"] * a) * b), "swish", "mul")
    put("softplus", _one(_softplus), "exp", "add", "log")
    put("softsign", _one(lambda x: x / (1 + np.abs(x))), "abs", "add", "div")
    put("mish", _one(_mish), "exp", "add", "log", "tanh", "mul")
    table["gelu"] = ScalarFunction(_one_with(lambda x, p: gelu(x, p["approximate"])), ("gelu_erf",))
    put("thresholded_relu", _one_with(lambda x, p: np.where(x > p["alpha"], x, 0)), "compare", "select")
    put("shrink", _one_with(lambda x, p: _shrink(x, p["bias"], p["lambd"])), "compare", "select", "add", "select")
    put("clip", lambda operands, p, _dtype: clip(operands, p.get("has_min", 1), p.get("has_max", 1)), "clamp")
    put("add", _two(np.add))
    put("sub", _two(np.subtract))
    put("mul", _two(np.multiply))
    put("div", _two(divide))
    put("pow", _two(power))
    put("mod", _two_with(lambda a, b, p: modulo(a, b, p["fmod"])))
    put("max", _all(np.maximum))
    put("min", _all(np.minimum))
    put("sum", _all(np.add), "add")
    put("mean", lambda operands, _p, _dtype: functools.reduce(np.add, operands) / len(operands), "add", "mul")
    put("prelu", _two(lambda x, slope: np.where(x < 0, slope * x, x)), "mul", "select")
    put("and", _two(np.logical_and), "logic")
    put("or", _two(np.logical_or), "logic")
    put("xor", _two(np.logical_xor), "logic")
    put("equal", _two(np.equal), "compare")
    put("greater", _two(np.greater), "compare")
    put("less", _two(np.less), "compare")
    put("greater_or_equal", _two(np.greater_equal), "compare")
    put("less_or_equal", _two(np.less_equal), "compare")
    put("bit_shift", _two_with(lambda a, b, p: bit_shift(a, b, p["direction"])), "shift")
    put("bitwise_and", _two(np.bitwise_and), "logic")
    put("bitwise_or", _two(np.bitwise_or), "logic")
    put("bitwise_xor", _two(np.bitwise_xor), "logic")
    put("where", lambda operands, _p, _dtype: np.where(operands[0], operands[1], operands[2]), "select")
    return table


VARIADIC = frozenset({"max", "min", "sum", "mean"})
"""Functions of any number of operands."""

SCALAR_FUNCTIONS: Mapping[str, ScalarFunction] = _functions()
