"""Activation functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.pointwise import constant_like, floating
from halo_frontends.torchscript.table import aten
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Item, Number, Value


@aten("relu")
def relu(m: Maker, input: Value) -> Value:
    return m.op("Relu", input)


@aten("relu6")
def relu6(m: Maker, input: Value) -> Value:
    return hardtanh(m, input, 0, 6)


@aten("hardtanh")
def hardtanh(m: Maker, input: Value, min_val: Number = -1, max_val: Number = 1) -> Value:
    dtype = m.dtype(input)
    return m.op("Clip", input, m.number(min_val, dtype), m.number(max_val, dtype))


@aten("hardsigmoid")
def hardsigmoid(m: Maker, input: Value) -> Value:
    return m.op("HardSigmoid", input, alpha=1 / 6, beta=0.5)


@aten("hardswish")
def hardswish(m: Maker, input: Value) -> Value:
    return m.op("HardSwish", input)


@aten("silu")
def silu(m: Maker, input: Value) -> Value:
    return m.op("Mul", input, m.op("Sigmoid", input))


@aten("mish")
def mish(m: Maker, input: Value) -> Value:
    return m.op("Mish", input)


@aten("gelu")
def gelu(m: Maker, input: Value, approximate: str = "none") -> Value:
    return m.op("Gelu", input, approximate=approximate)


@aten("elu")
def elu(m: Maker, input: Value, alpha: Number = 1, scale: Number = 1, input_scale: Number = 1) -> Value:
    dtype = m.dtype(input)
    grown = input if input_scale == 1 else m.op("Mul", input, m.number(input_scale, dtype))
    below = m.op("Mul", m.op("Sub", m.op("Exp", grown), m.number(1, dtype)), m.number(alpha, dtype))
    if scale == 1 and input_scale == 1 and isinstance(alpha, (int, float)):
        return m.op("Elu", input, alpha=float(alpha))
    found = m.op("Where", m.op("Greater", input, m.number(0, dtype)), input, below)
    return m.op("Mul", found, m.number(scale, dtype))


@aten("selu")
def selu(m: Maker, input: Value) -> Value:
    return m.op("Selu", input)


@aten("celu")
def celu(m: Maker, input: Value, alpha: float = 1.0) -> Value:
    return m.op("Celu", input, alpha=alpha)


@aten("leaky_relu")
def leaky_relu(m: Maker, input: Value, negative_slope: float = 0.01) -> Value:
    return m.op("LeakyRelu", input, alpha=negative_slope)


@aten("rrelu")
def rrelu(m: Maker, input: Value, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Value:
    if training:
        raise m.unsupported("random leaks of a model in training are not supported")
    return m.op("LeakyRelu", input, alpha=(lower + upper) / 2)


@aten("prelu", "_prelu_kernel")
def prelu(m: Maker, input: Value, weight: Value) -> Value:
    channels = m.shape(weight)
    if len(channels) <= 1 and m.rank(input) > 1:
        weight = m.reshape(weight, [-1, *[1] * (m.rank(input) - 2)])
    return m.op("PRelu", input, weight)


@aten("softplus")
def softplus(m: Maker, input: Value, beta: Number = 1, threshold: Number = 20) -> Value:
    dtype = m.dtype(input)
    scaled = input if beta == 1 else m.op("Mul", input, m.number(beta, dtype))
    soft = m.op("Softplus", scaled)
    soft = soft if beta == 1 else m.op("Div", soft, m.number(beta, dtype))
    if beta == 1 and threshold == 20:
        return soft
    return m.op("Where", m.op("Greater", scaled, m.number(threshold, dtype)), input, soft)


@aten("softsign")
def softsign(m: Maker, input: Value) -> Value:
    return m.op("Softsign", input)


@aten("tanhshrink")
def tanhshrink(m: Maker, input: Value) -> Value:
    return m.op("Sub", input, m.op("Tanh", input))


@aten("softshrink")
def softshrink(m: Maker, input: Value, lambd: float = 0.5) -> Value:
    return m.op("Shrink", input, lambd=lambd, bias=lambd)


@aten("hardshrink")
def hardshrink(m: Maker, input: Value, lambd: float = 0.5) -> Value:
    return m.op("Shrink", input, lambd=lambd, bias=0.0)


@aten("threshold")
def threshold(m: Maker, input: Value, threshold: Number, value: Number) -> Value:
    dtype = m.dtype(input)
    return m.op("Where", m.op("Greater", input, m.number(threshold, dtype)), input, m.number(value, dtype))


@aten("log_sigmoid")
def log_sigmoid(m: Maker, input: Value) -> Value:
    return m.op("Neg", m.op("Softplus", m.op("Neg", input)))


@aten("softmax", "_softmax", "special_softmax")
def softmax(m: Maker, input: Value, dim: int, dtype: Item | None = None) -> Value:
    return _over_axis(m, "Softmax", input, dim, dtype)


@aten("_safe_softmax")
def safe_softmax(m: Maker, input: Value, dim: int, dtype: Item | None = None) -> Value:
    """Zeros where a whole line is minus infinity."""
    axis = m.axis(dim, m.rank(input))
    hidden = m.op("IsInf", m.op("ReduceMax", input, m.ints([axis]), keepdims=1), detect_positive=0)
    found = _over_axis(m, "Softmax", m.op("Where", hidden, constant_like(m, input, 0), input), dim, dtype)
    return m.op("Where", hidden, constant_like(m, found, 0), found)


@aten("log_softmax", "_log_softmax", "special_log_softmax")
def log_softmax(m: Maker, input: Value, dim: int, dtype: Item | None = None) -> Value:
    return _over_axis(m, "LogSoftmax", input, dim, dtype)


@aten("softmin")
def softmin(m: Maker, input: Value, dim: int, dtype: Item | None = None) -> Value:
    return _over_axis(m, "Softmax", m.op("Neg", input), dim, dtype)


def _over_axis(m: Maker, kind: str, input: Value, dim: int, dtype: object) -> Value:
    """`dtype` is an element type's number, or (in `_softmax`) whether half precision becomes float32."""
    from halo_frontends.torchscript.objects import DTYPES

    if isinstance(dtype, int) and not isinstance(dtype, bool):
        input = m.cast(input, DTYPES[dtype])
    elif not m.dtype(input).is_float:
        input = m.cast(input, DType.FLOAT32)
    if not m.rank(input):
        return m.squeeze(m.op(kind, m.unsqueeze(input, 0), axis=0), 0)
    return m.op(kind, input, axis=m.axis(dim, m.rank(input)))


@aten("glu")
def glu(m: Maker, input: Value, dim: int = -1) -> Value:
    axis = m.axis(dim, m.rank(input))
    first, second = m.ops("Split", [input], 2, axis=axis, num_outputs=2)
    return m.op("Mul", first, m.op("Sigmoid", second))


@aten("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout")
def dropout(m: Maker, input: Value, p: float = 0.5, train: bool | None = False) -> Value:
    if train and p:
        raise m.unsupported("dropout of a model in training mode is not supported; save it after model.eval()")
    return input


@aten("logsigmoid")
def logsigmoid(m: Maker, input: Value) -> Value:
    return log_sigmoid(m, input)


@aten("erfinv", "special_erfinv")
def erfinv(m: Maker, input: Value) -> Value:
    """The two polynomials of M. Giles, "Approximating the erfinv function" (2012), in w = -log(1 - x^2)."""
    value = floating(m, input)
    one = constant_like(m, value, 1)
    w = m.op("Neg", m.op("Log", m.op("Mul", m.op("Sub", one, value), m.op("Add", one, value))))
    near = _polynomial(m, m.op("Sub", w, constant_like(m, w, 2.5)), _GILES_NEAR)
    far = _polynomial(m, m.op("Sub", m.op("Sqrt", w), constant_like(m, w, 3.0)), _GILES_FAR)
    factor = m.op("Where", m.op("Less", w, constant_like(m, w, 5.0)), near, far)
    inner = m.op("Mul", factor, value)
    edge = m.op("Equal", m.op("Abs", value), one)
    return m.op("Where", edge, m.op("Mul", value, constant_like(m, value, math.inf)), inner)


_GILES_NEAR = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164,
    0.246640727, 1.50140941,
)  # fmt: skip
_GILES_FAR = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
    1.00167406, 2.83297682,
)  # fmt: skip


def _polynomial(m: Maker, x: Value, coefficients: tuple[float, ...]) -> Value:
    found = constant_like(m, x, coefficients[0])
    for coefficient in coefficients[1:]:
        found = m.op("Add", m.op("Mul", found, x), constant_like(m, x, coefficient))
    return found
