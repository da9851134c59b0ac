"""Quantised tensors: from integers to the numbers they stand for and back, and products that stay integers.

TFLite rounds to the nearest integer and halves away from zero, ONNX's QuantizeLinear rounds halves to the even number:
`quantised` does what TFLite does. Sums of products are scaled in float32 by QLinearConv, where TFLite's reference
kernels use a 31-bit fixed-point factor and its default ones (XNNPACK) float32 as well. Source of the conventions:
https://ai.google.dev/edge/litert/models/quantization_spec.
"""

from __future__ import annotations

import numpy as np

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow_ops import windows
from halo_frontends.tensorflow_ops.windows import Window
from halo_frontends.tflite.activation import BOUNDS, activated
from halo_frontends.tflite.model import Quantization, TensorInfo
from halo_frontends.tflite.operation import Operation
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.ops.limits import integer_limits
from halo_py.types import DType

STORED = (DType.INT8, DType.UINT8, DType.INT16, DType.INT4, DType.UINT4, DType.INT2)
"""Element types whose contents stand for other numbers where the tensor has scales."""

_EIGHT_BITS = (DType.INT8, DType.UINT8)
_BELOW_HALF = float(np.nextafter(np.float32(0.5), np.float32(0)))


def is_quantised(tensor: TensorInfo | None) -> bool:
    """Whether a tensor's integers stand for other numbers."""
    return tensor is not None and tensor.quantization is not None and tensor.dtype in STORED


def dequantised(value: Value, tensor: TensorInfo, emit: Emitter, axis: int | None = None) -> Value:
    """The numbers that the integers stand for; `axis` replaces the tensor's channel axis where it was moved."""
    found = _quantization(tensor, emit)
    if not found.zero_points.any() and not found.per_channel:
        return emit.op("Mul", emit.cast(value, DType.FLOAT32), emit.constant(found.scales.reshape(()), "scale"))
    scales, zeros = _parameters(found, emit.dtype(value), emit)
    return emit.op("DequantizeLinear", value, scales, zeros, axis=found.axis if axis is None else axis)


def quantised(value: Value, tensor: TensorInfo, emit: Emitter) -> Value:
    """The integers that stand for numbers, halves rounded away from zero."""
    found, dtype = _quantization(tensor, emit), tensor.dtype
    if found.per_channel or dtype is None:
        raise UnsupportedError(f"results with several scales ({tensor.name!r})", emit.where)
    steps = emit.op("Div", emit.cast(value, DType.FLOAT32), emit.constant(found.scales.reshape(()), "scale"))
    return _stored(rounded(steps, emit), int(found.zero_points[0]), dtype, emit)


def rounded(value: Value, emit: Emitter) -> Value:
    """The nearest integer, halves away from zero.

    Adding the largest number below 0.5 instead of 0.5 keeps what is just below a half from being rounded up twice.
    """
    nearest = emit.op("Floor", emit.op("Add", emit.op("Abs", value), emit.scalar(_BELOW_HALF, value)))
    return emit.op("Mul", emit.op("Sign", value), nearest)


def _stored(whole: Value, zero: int, dtype: DType, emit: Emitter) -> Value:
    """Whole numbers shifted by the zero point, limited to an integer type."""
    least, most = integer_limits(dtype)
    shifted = emit.op("Add", whole, emit.scalar(zero, whole)) if zero else whole
    bounds = emit.scalar(least, shifted), emit.scalar(most, shifted)
    return emit.cast(emit.op("Clip", shifted, *bounds), dtype)


def _quantization(tensor: TensorInfo, emit: Emitter) -> Quantization:
    if tensor.quantization is None:
        raise ModelError(f"tensor {tensor.name!r} has no quantisation parameters", emit.where)
    return tensor.quantization


def _parameters(found: Quantization, dtype: DType, emit: Emitter) -> tuple[Value, Value]:
    """Scales and zero points as operands."""
    least, most = integer_limits(dtype)
    if found.zero_points.min() < least or found.zero_points.max() > most:
        raise ModelError("has a zero point outside of its type", emit.where)
    shape = (-1,) if found.per_channel else ()
    scales, zeros = found.scales.reshape(shape), found.zero_points.astype(dtype.numpy).reshape(shape)
    return emit.constant(scales, "scale"), emit.constant(zeros, "zero_point")


# -- products -----------------------------------------------------------------------------------------------------


def quantised_conv(op: Operation, weights: Value, window: Window) -> Value:
    """A convolution of floats, of quantised tensors, or of floats with quantised weights.

    Operands of the operation are the data, the weights and perhaps a bias; `weights` are [O, C / groups, kernel...].
    """
    emit, data = op.emit, op.input_tensors[0]
    x, w, bias = _operands(op, weights)
    if not is_quantised(data):
        return activated(windows.conv_of_turned(x, w, bias, window, emit), op.integer("activation"), emit)
    if not _stays_integer(op):
        made = windows.conv_of_turned(x, w, bias, window, emit)
        return quantised(activated(made, op.integer("activation"), emit), op.output_tensors[0], emit)
    made = _integer_conv(op, windows.to_channels_first(x, window, emit), w, window)
    return limited(windows.as_it_was(made, window, emit), op)


def _stays_integer(op: Operation) -> bool:
    """Whether all operands have types that QLinearConv takes."""
    tensors = (*op.input_tensors[:2], op.output_tensors[0])
    types = [tensor.dtype for tensor in tensors if tensor is not None and is_quantised(tensor)]
    return len(types) == 3 and all(dtype in _EIGHT_BITS for dtype in types) and op.integer("activation") in BOUNDS


def _operands(op: Operation, weights: Value) -> tuple[Value, Value, Value | None]:
    """Data, weights and bias: as stored if the operator stays integer, else as numbers."""
    emit, x = op.emit, op.value(0)
    data, kernel = op.input_tensors[0], op.input_tensors[1]
    if data is None or kernel is None or _stays_integer(op):
        return x, weights, op.optional(2)
    if is_quantised(kernel):
        weights = dequantised(weights, kernel, emit, axis=0)
    return dequantised(x, data, emit) if is_quantised(data) else x, weights, real_bias(op, 2)


def real_bias(op: Operation, index: int) -> Value | None:
    """A bias as numbers: wide integers are in steps of their own scale."""
    bias = op.optional(index)
    if bias is None or op.emit.dtype(bias).is_float:
        return bias
    tensor = op.input_tensors[index]
    assert tensor is not None
    step = _quantization(tensor, op.emit).scales
    step = step if step.size > 1 else step.reshape(())
    return op.emit.op("Mul", op.emit.cast(bias, DType.FLOAT32), op.emit.constant(step, "scale"))


def _integer_conv(op: Operation, x: Value, weights: Value, window: Window) -> Value:
    """QLinearConv of stored integers [N, C, field...]."""
    emit = op.emit
    data, kernel, result = op.input_tensors[0], op.input_tensors[1], op.output_tensors[0]
    assert data is not None
    assert kernel is not None
    size = emit.static_shape(weights)
    attributes = window.attributes(emit.shape(x)[2:], size[2:], emit)
    return emit.op(
        "QLinearConv",
        x,
        *_parameters(_quantization(data, emit), emit.dtype(x), emit),
        weights,
        *_parameters(_quantization(kernel, emit), emit.dtype(weights), emit),
        *_parameters(_quantization(result, emit), result.dtype or DType.INT8, emit),
        op.optional(2),
        group=windows.groups(emit.shape(x)[1], size, emit),
        kernel_shape=size[2:],
        **attributes,
    )


def limited(value: Value, op: Operation) -> Value:
    """Stored integers of the result within the range of the fused activation."""
    emit, result = op.emit, op.output_tensors[0]
    low, high = BOUNDS.get(op.integer("activation"), (None, None))
    found, dtype = result.quantization, emit.dtype(value)
    if found is None or (low is None and high is None):
        return value
    smallest, largest = integer_limits(dtype)

    def step(bound: float) -> int:
        return int(np.floor(bound / float(found.scales[0]) + 0.5)) + int(found.zero_points[0])

    least = None if low is None or step(low) <= smallest else step(low)
    most = None if high is None or step(high) >= largest else step(high)
    if least is None and most is None:
        return value
    bounds = [None if bound is None else emit.scalar(bound, value) for bound in (least, most)]
    return emit.op("Clip", value, *bounds)


def quantised_pool(op: Operation, kind: str, window: Window) -> Value:
    """MaxPool or AveragePool; of stored integers, the mean is rounded in their steps."""
    emit, x = op.emit, op.value(0)
    kernel = (op.integer("filter_height"), op.integer("filter_width"))
    data, result = op.input_tensors[0], op.output_tensors[0]
    if data is None or not is_quantised(data) or result.dtype is None:
        return activated(windows.pool(kind, x, kernel, window, emit), op.integer("activation"), emit)
    if kind == "MaxPool":
        return limited(windows.pool(kind, x, kernel, window, emit), op)
    mean = windows.pool(kind, emit.cast(x, DType.FLOAT32), kernel, window, emit)
    return limited(_stored(rounded(mean, emit), 0, result.dtype, emit), op)
