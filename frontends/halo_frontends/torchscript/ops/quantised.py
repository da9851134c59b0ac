"""Quantised tensors: integers with a scale and a zero point. Layers run on integers as QLinear nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.objects import ScriptObject, StoredTensor
from halo_frontends.torchscript.table import aten
from halo_frontends.torchscript.values import Item, Quantised, Tensor
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Ints, Number, Tensors, Value


# -- in and out -----------------------------------------------------------------------------------------------------


def quantise(m: Maker, value: Value, how: Quantised, dtype: DType) -> Tensor:
    """Floats as integers of this type."""
    if dtype is DType.INT32:
        scaled = m.op("Round", m.op("Div", value, how.scale))
        found = m.op("Add", m.cast(scaled, DType.INT32), how.zero_point)
        return Tensor(found, quantised=how)
    axis = {} if how.axis is None else {"axis": how.axis}
    return Tensor(m.op("QuantizeLinear", value, how.scale, how.zero_point, **axis), quantised=how)


def dequantise(m: Maker, tensor: Tensor) -> Value:
    """The numbers that a quantised tensor stands for."""
    value, how = m.read(tensor), tensor.quantised
    if how is None:
        return m.cast(value, DType.FLOAT32)
    axis = {} if how.axis is None else {"axis": how.axis}
    return m.op("DequantizeLinear", value, how.scale, how.zero_point, **axis)


def parameters(m: Maker, scale: Number, zero_point: Number, dtype: DType) -> Quantised:
    """A scale and a zero point for the whole tensor."""
    return Quantised(m.number(scale, DType.FLOAT32), m.number(zero_point, dtype))


@aten("quantize_per_tensor")
def quantize_per_tensor(m: Maker, input: Value, scale: Number, zero_point: Number, dtype: DType) -> Tensor:
    return quantise(m, input, parameters(m, scale, zero_point, dtype), dtype)


@aten("quantize_per_channel")
def quantize_per_channel(m: Maker, input: Value, scales: Value, zero_points: Value, axis: int, dtype: DType) -> Tensor:
    how = Quantised(m.cast(scales, DType.FLOAT32), m.cast(zero_points, dtype), axis)
    return quantise(m, input, how, dtype)


@aten("dequantize")
def dequantize(m: Maker, input: Item) -> object:
    if isinstance(input, (list, tuple)):
        return [dequantise(m, _handle(m, entry)) for entry in input]
    return dequantise(m, _handle(m, input))


def _handle(m: Maker, item: Item) -> Tensor:
    if isinstance(item, StoredTensor):
        return m.emitter.stored(item, "constant")
    if not isinstance(item, Tensor):
        raise m.wrong("a quantised tensor is wanted")
    return item


@aten("int_repr")
def int_repr(m: Maker, input: Tensor) -> Value:
    return m.read(input)


@aten("q_scale")
def q_scale(m: Maker, input: Tensor) -> Number:
    return m.to_number(_how(m, input).scale)


@aten("q_zero_point")
def q_zero_point(m: Maker, input: Tensor) -> Number:
    return m.to_number(m.cast(_how(m, input).zero_point, DType.INT64))


def _how(m: Maker, tensor: Tensor) -> Quantised:
    if tensor.quantised is None:
        raise m.wrong("a quantised tensor is wanted")
    return tensor.quantised


@aten("fake_quantize_per_tensor_affine")
def fake_quantize(m: Maker, input: Value, scale: Number, zero_point: Number, quant_min: int, quant_max: int) -> Value:
    """Rounded to the grid, kept as floats."""
    step, shift = m.number(scale, m.dtype(input)), m.number(zero_point, m.dtype(input))
    low, high = m.number(quant_min, m.dtype(input)), m.number(quant_max, m.dtype(input))
    grid = m.op("Clip", m.op("Add", m.op("Round", m.op("Div", input, step)), shift), low, high)
    return m.op("Mul", m.op("Sub", grid, shift), step)


@aten("fake_quantize_per_channel_affine")
def fake_quantize_per_channel(
    m: Maker, input: Value, scale: Value, zero_point: Value, axis: int, quant_min: int, quant_max: int
) -> Value:
    shape = [-1 if number == axis else 1 for number in range(m.rank(input))]
    step, shift = (m.reshape(m.cast(part, m.dtype(input)), shape) for part in (scale, zero_point))
    low, high = m.number(quant_min, m.dtype(input)), m.number(quant_max, m.dtype(input))
    grid = m.op("Clip", m.op("Add", m.op("Round", m.op("Div", input, step)), shift), low, high)
    return m.op("Mul", m.op("Sub", grid, shift), step)


# -- packed weights -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Weights of a quantised layer: the tensor, the bias, and a convolution's settings per spatial axis."""

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1


def _as_tuple(state: object) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", state) if isinstance(state, tuple) else ()


def _unpacked(m: Maker, item: Item) -> Packed:
    """What a module keeps as packed weights: made by a prepack op, or pickled by Torch's own classes."""
    if not isinstance(item, ScriptObject):
        raise m.unsupported("packed weights of this form are not supported")
    made = item.attributes.get(_PACKED)
    if isinstance(made, Packed):
        return made
    state = _as_tuple(item.state)
    if state and isinstance(state[0], str):
        return _packed_convolution(m, state)
    state = _as_tuple(state[0]) or state if state else ()
    if len(state) < 2:
        raise m.unsupported("packed weights of this form are not supported")
    return Packed(_handle(m, state[0]), None if state[1] is None else _handle(m, state[1]))


def _packed_convolution(m: Maker, state: tuple[Any, ...]) -> Packed:
    """("2", [settings, weight], [?, bias]): the second form of ConvPackedParams (fbgemm_utils.cpp)."""
    if state[0] != "2":
        raise m.unsupported(f"packed weights of version {state[0]} are not supported")
    settings = [int(number) for number in state[1][0].array.reshape(-1)]
    axes = settings[0]
    stride, padding, dilation = (tuple(settings[1 + n * axes : 1 + (n + 1) * axes]) for n in range(3))
    bias = None if state[2][0] is None else _handle(m, state[2][0])
    return Packed(_handle(m, state[1][1]), bias, stride, padding, dilation, settings[1 + 4 * axes])


_PACKED = "packed weights"


@aten("quantized::linear_prepack")
def linear_prepack(_m: Maker, W: Tensor, B: Tensor | None = None) -> ScriptObject:
    return ScriptObject("", {_PACKED: Packed(W, B)})


@aten("quantized::conv1d_prepack", "quantized::conv2d_prepack", "quantized::conv3d_prepack")
def conv_prepack(
    _m: Maker, weight: Tensor, bias: Tensor | None, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> ScriptObject:
    return ScriptObject("", {_PACKED: Packed(weight, bias, stride, padding, dilation, groups)})


def _weights(m: Maker, packed: Packed, rank: int) -> tuple[Value, Quantised]:
    """The weight, without the axis of size 1 that convolutions over one axis are packed with."""
    value = m.read(packed.weight)
    return (m.squeeze(value, 2) if m.rank(value) > rank else value), _how(m, packed.weight)


def _quantised_bias(m: Maker, packed: Packed, input: Quantised, scale: Value) -> Value | None:
    """The bias in units of input scale x weight scale, as int32."""
    if packed.bias is None:
        return None
    units = m.op("Mul", input.scale, scale)
    return m.cast(m.op("Round", m.op("Div", m.read(packed.bias), units)), DType.INT32)


def _conv(m: Maker, input: Tensor, params: Item, scale: Number, zero_point: Number, relu: bool) -> Tensor:
    packed, how = _unpacked(m, params), _how(m, input)
    value = m.read(input)
    spatial = m.rank(value) - 2
    weight, of_weight = _weights(m, packed, spatial + 2)
    result = parameters(m, scale, zero_point, DType.UINT8)
    bias = _quantised_bias(m, packed, how, of_weight.scale)
    operands = (how.scale, how.zero_point, weight, of_weight.scale, of_weight.zero_point)
    found = m.op(
        "QLinearConv",
        value,
        *operands,
        result.scale,
        result.zero_point,
        bias,
        strides=packed.stride[-spatial:],
        pads=packed.padding[-spatial:] * 2,
        dilations=packed.dilation[-spatial:],
        group=packed.groups,
    )
    found = m.op("Max", found, result.zero_point) if relu else found
    return Tensor(found, quantised=result)


@aten("quantized::conv1d", "quantized::conv2d", "quantized::conv3d")
def conv(m: Maker, qx: Tensor, packed: Item, output_scale: Number, output_zero_point: Number) -> Tensor:
    return _conv(m, qx, packed, output_scale, output_zero_point, False)


@aten("quantized::conv1d_relu", "quantized::conv2d_relu", "quantized::conv3d_relu")
def conv_relu(m: Maker, qx: Tensor, packed: Item, output_scale: Number, output_zero_point: Number) -> Tensor:
    return _conv(m, qx, packed, output_scale, output_zero_point, True)


def _linear(m: Maker, input: Tensor, params: Item, scale: Number, zero_point: Number, relu: bool) -> Tensor:
    packed, how = _unpacked(m, params), _how(m, input)
    weight, of_weight = _weights(m, packed, 2)
    result = parameters(m, scale, zero_point, DType.UINT8)
    sums = m.op(
        "MatMulInteger",
        m.read(input),
        m.transpose(weight, [1, 0]),
        how.zero_point,
        _per_column(m, of_weight.zero_point),
    )
    bias = _quantised_bias(m, packed, how, of_weight.scale)
    sums = sums if bias is None else m.op("Add", sums, bias)
    real = m.op("Mul", m.cast(sums, DType.FLOAT32), m.op("Mul", how.scale, of_weight.scale))
    real = m.op("Relu", real) if relu else real
    return quantise(m, real, result, DType.UINT8)


def _per_column(m: Maker, zero_point: Value) -> Value:
    return m.reshape(zero_point, [-1]) if m.rank(zero_point) else zero_point


@aten("quantized::linear")
def linear(m: Maker, X: Tensor, W_prepack: Item, Y_scale_i: Number, Y_zero_point_i: Number) -> Tensor:
    return _linear(m, X, W_prepack, Y_scale_i, Y_zero_point_i, False)


@aten("quantized::linear_relu")
def linear_relu(m: Maker, X: Tensor, W_prepack: Item, Y_scale_i: Number, Y_zero_point_i: Number) -> Tensor:
    return _linear(m, X, W_prepack, Y_scale_i, Y_zero_point_i, True)


@aten("quantized::linear_dynamic")
def linear_dynamic(m: Maker, X: Value, W_prepack: Item, reduce_range: bool = False) -> Value:
    return _dynamic(m, X, W_prepack, reduce_range)


@aten("quantized::linear_relu_dynamic")
def linear_relu_dynamic(m: Maker, X: Value, W_prepack: Item, reduce_range: bool = False) -> Value:
    return m.op("Relu", _dynamic(m, X, W_prepack, reduce_range))


def _dynamic(m: Maker, input: Value, params: Item, reduce_range: bool) -> Value:
    """The input is quantised with the range it has (quant_utils.h: ChooseQuantizationParams)."""
    packed = _unpacked(m, params)
    weight, of_weight = _weights(m, packed, 2)
    zero = m.number(0, DType.FLOAT32)
    low = m.op("Min", m.op("ReduceMin", input, keepdims=0), zero)
    high = m.op("Max", m.op("ReduceMax", input, keepdims=0), zero)
    most = m.number(127 if reduce_range else 255, DType.FLOAT32)
    scale = m.op("Div", m.op("Sub", high, low), most)
    scale = m.op("Where", m.op("Equal", scale, zero), m.number(0.1, DType.FLOAT32), scale)
    shift = m.op("Clip", m.op("Round", m.op("Neg", m.op("Div", low, scale))), zero, most)
    grid = m.op("Clip", m.op("Add", m.op("Round", m.op("Div", input, scale)), shift), zero, most)
    sums = m.op(
        "MatMulInteger",
        m.cast(grid, DType.UINT8),
        m.transpose(weight, [1, 0]),
        m.cast(shift, DType.UINT8),
        _per_column(m, of_weight.zero_point),
    )
    real = m.op("Mul", m.cast(sums, DType.FLOAT32), m.op("Mul", scale, of_weight.scale))
    if packed.bias is None:
        return real
    return m.op("Add", real, m.read(packed.bias))


# -- arithmetic -----------------------------------------------------------------------------------------------------


def _arithmetic(
    m: Maker, kind: str, left: Tensor, right: Tensor, scale: Number, zero_point: Number, relu: bool
) -> Tensor:
    found = m.op(kind, dequantise(m, left), dequantise(m, right))
    dtype = m.dtype(m.read(left))
    return quantise(m, m.op("Relu", found) if relu else found, parameters(m, scale, zero_point, dtype), dtype)


def _enter_arithmetic(name: str, kind: str, relu: bool) -> None:
    def apply(m: Maker, qa: Tensor, qb: Tensor, scale: Number, zero_point: Number) -> Tensor:
        return _arithmetic(m, kind, qa, qb, scale, zero_point, relu)

    aten(f"quantized::{name}")(apply)


for _name, _kind in (("add", "Add"), ("mul", "Mul")):
    _enter_arithmetic(_name, _kind, False)
    _enter_arithmetic(f"{_name}_relu", _kind, True)


@aten("quantized::cat")
def cat(m: Maker, qx: Tensors, dim: int, scale: Number | None = None, zero_point: Number | None = None) -> Tensor:
    first = qx[0]
    dtype = m.dtype(m.read(first))
    how = _how(m, first) if scale is None or zero_point is None else parameters(m, scale, zero_point, dtype)
    parts = [dequantise(m, part) for part in qx]
    return quantise(m, m.op("Concat", *parts, axis=m.axis(dim, m.rank(parts[0]))), how, dtype)


def _through_floats(
    m: Maker, kind: str, input: Tensor, scale: Number, zero_point: Number, **attributes: object
) -> Tensor:
    dtype = m.dtype(m.read(input))
    found = m.op(kind, dequantise(m, input), **attributes)
    return quantise(m, found, parameters(m, scale, zero_point, dtype), dtype)


@aten("quantized::hardswish")
def hardswish(m: Maker, input: Tensor, output_scale: Number, output_zero_point: Number) -> Tensor:
    return _through_floats(m, "HardSwish", input, output_scale, output_zero_point)


@aten("quantized::sigmoid")
def sigmoid(m: Maker, qx: Tensor, output_scale: Number, output_zero_point: Number) -> Tensor:
    return _through_floats(m, "Sigmoid", qx, output_scale, output_zero_point)


@aten("quantized::leaky_relu")
def leaky_relu(
    m: Maker, qx: Tensor, negative_slope: float, inplace: bool, output_scale: Number, output_zero_point: Number
) -> Tensor:
    return _through_floats(m, "LeakyRelu", qx, output_scale, output_zero_point, alpha=negative_slope)


@aten("quantized::elu")
def elu(m: Maker, input: Tensor, output_scale: Number, output_zero_point: Number, alpha: float = 1.0) -> Tensor:
    return _through_floats(m, "Elu", input, output_scale, output_zero_point, alpha=alpha)


@aten("quantized::batch_norm2d", "quantized::batch_norm3d", "quantized::batch_norm")
def batch_norm(
    m: Maker,
    qx: Tensor,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    var: Value,
    eps: float,
    output_scale: Number,
    output_zero_point: Number,
) -> Tensor:
    dtype = m.dtype(m.read(qx))
    channels = m.shape(mean)
    scale = weight or m.const(np.ones(channels, np.float32))
    shift = bias or m.const(np.zeros(channels, np.float32))
    found = m.op("BatchNormalization", dequantise(m, qx), scale, shift, mean, var, epsilon=eps)
    return quantise(m, found, parameters(m, output_scale, output_zero_point, dtype), dtype)
