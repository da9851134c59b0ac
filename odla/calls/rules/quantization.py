"""Quantisation and products of quantised operands as ODLA calls: products are of the integers themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_py.ops.contraction import MatMul
from halo_py.ops.conversion import Cast
from halo_py.ops.convolution import Conv, ConvInteger
from halo_py.ops.elementwise import Add, Div, Floor, Max, Min, Mul, Sub
from halo_py.ops.logic import Equal, Where
from halo_py.ops.quantization import DequantizeLinear, QuantizeLinear
from halo_py.ops.quantized import QLinearConv
from halo_py.ops.reduction import ReduceMax, ReduceMin
from halo_py.types import DType, TensorType
from odla.calls.emit import Emit, NotInOdlaError, dims, dtype_of, element, operand, optional, rule, shape_of

if TYPE_CHECKING:
    from halo_py.ir.graph import Node, Value

_EXACT = 1 << 24
"""Integers up to this size are float32 numbers, so sums of products that stay below it are exact."""


@rule("quantize_linear")
def quantize(emit: Emit, node: Node) -> None:
    """One scale, or one per slice along an axis."""
    op, made = node.op, node.outputs[0]
    assert isinstance(op, QuantizeLinear)
    x, scale, zero = operand(node, 0), operand(node, 1), optional(node, 2)
    if op.block_size or len(shape_of(scale)) > 1:
        raise NotInOdlaError("quantisation in blocks")
    if op.precision not in (None, dtype_of(scale)) or not dtype_of(made).is_integer:
        raise NotInOdlaError("quantisation in this precision")
    axis = op.axis % max(1, len(shape_of(x)))
    emit.call("odla_Quantize", (x, _single(emit, scale), _single(emit, zero), axis, element(dtype_of(made))), made)


@rule("dequantize_linear")
def dequantize(emit: Emit, node: Node) -> None:
    """One scale, or one per slice along an axis."""
    op, made = node.op, node.outputs[0]
    assert isinstance(op, DequantizeLinear)
    x, scale, zero = operand(node, 0), operand(node, 1), optional(node, 2)
    if op.block_size or len(shape_of(scale)) > 1:
        raise NotInOdlaError("quantisation in blocks")
    axis = op.axis % max(1, len(shape_of(x)))
    x, zero = _bytes(emit, x), None if zero is None else _bytes(emit, zero)
    emit.call("odla_Dequantize", (x, _single(emit, scale), _single(emit, zero), axis, element(dtype_of(made))), made)


def _bytes(emit: Emit, value: Value) -> Value:
    """Constants of less than a byte, which ODLA has no type for, as bytes."""
    contents = emit.known.get(value)
    if contents is None or not isinstance(value.type, TensorType):
        return value
    dtype = value.type.dtype
    if not dtype.is_integer or dtype.bits >= 8:
        return value
    return emit.constant(contents.astype(np.int8 if dtype.is_signed else np.uint8), f"{value.name}.bytes")


def _single(emit: Emit, value: Value | None) -> Value | None:
    """One number has no dimensions: it is for the whole tensor, not for a slice."""
    if value is None or np.prod(shape_of(value)) != 1:
        return value
    return emit.reshaped(value, ())


@rule("dynamic_quantize_linear")
def dynamic_quantize(emit: Emit, node: Node) -> None:
    """The scale and zero point that the extrema of the data, and zero, ask for."""
    x = operand(node, 0)
    scale, zero = dynamic_parameters(emit, x)
    quantized = emit.one(QuantizeLinear(), x, scale, zero)
    for made, value in zip(node.outputs, (quantized, scale, zero), strict=False):
        emit.call("odla_Reshape", (value, dims(made)), made)


def dynamic_parameters(emit: Emit, counted: Value) -> tuple[Value, Value]:
    """Scale (float32) and zero point (uint8) of the range of a value."""
    zero = emit.number(0, DType.FLOAT32)
    low = emit.one(Min(), emit.one(ReduceMin(keepdims=0), counted), zero)
    high = emit.one(Max(), emit.one(ReduceMax(keepdims=0), counted), zero)
    reach = emit.one(Div(), emit.one(Sub(), high, low), emit.number(255, DType.FLOAT32))
    scale = emit.one(Where(), emit.one(Equal(), reach, zero), emit.number(1, DType.FLOAT32), reach)
    point = emit.one(QuantizeLinear(output_dtype=DType.UINT8), emit.one(Sub(), zero, low), scale)
    return scale, point


@rule("matmul_integer")
def matmul_integer(emit: Emit, node: Node) -> None:
    """A product of int32."""
    left = centred(emit, operand(node, 0), optional(node, 2), rows=True)
    right = centred(emit, operand(node, 1), optional(node, 3), rows=False)
    emit.into(node.outputs[0], MatMul(), left, right)


def centred(emit: Emit, value: Value, zero: Value | None, *, rows: bool) -> Value:
    """The value less its zero point (one, or one per row or column) in int32."""
    wide = emit.one(Cast(to=DType.INT32), value)
    if zero is None or (zero in emit.known and not np.any(emit.known[zero])):
        return wide
    return emit.one(Sub(), wide, _along(emit, emit.one(Cast(to=DType.INT32), zero), rows=rows))


def _along(emit: Emit, value: Value, *, rows: bool) -> Value:
    """Scales or zero points as they broadcast: one number, one per row, one per column, or as they are."""
    shape = shape_of(value)
    if np.prod(shape) == 1:
        return emit.reshaped(value, ())
    return emit.reshaped(value, (*shape, 1)) if rows and len(shape) == 1 else value


@rule("qlinear_matmul")
def quantized_matmul(emit: Emit, node: Node) -> None:
    """A product of int32, quantised again."""
    a, a_scale, a_zero, b, b_scale, b_zero, scale, zero = (operand(node, number) for number in range(8))
    left, right = centred(emit, a, a_zero, rows=True), centred(emit, b, b_zero, rows=False)
    scales = (_along(emit, a_scale, rows=True), _along(emit, b_scale, rows=False), emit.reshaped(scale, ()))
    _requantized(emit, node.outputs[0], emit.one(MatMul(), left, right), scales, zero)


@rule("qlinear_conv")
def quantized_convolution(emit: Emit, node: Node) -> None:
    """A convolution of integers, quantised again."""
    op = node.op
    assert isinstance(op, QLinearConv)
    x, x_scale, x_zero, w, w_scale, w_zero, scale, zero = (operand(node, number) for number in range(8))
    across = (-1, *(1,) * (len(shape_of(w)) - 2))
    total = _integer_convolution(emit, op, (x, x_zero), (w, w_zero))
    bias = optional(node, 8)
    if bias is not None:
        total = emit.one(Add(), total, emit.reshaped(bias, (shape_of(bias)[0], *across[1:])))
    wide = _along(emit, w_scale, rows=False)
    if shape_of(wide):
        wide = emit.reshaped(wide, (shape_of(wide)[0], *across[1:]))
    scales = (emit.reshaped(x_scale, ()), wide, emit.reshaped(scale, ()))
    _requantized(emit, node.outputs[0], total, scales, zero)


def _requantized(emit: Emit, made: Value, total: Value, scales: tuple[Value, Value, Value], zero: Value) -> None:
    """The sums times (left scale x right scale / result scale), rounded, shifted and limited."""
    left, right, result = scales
    factor = emit.one(Div(), emit.one(Mul(), left, right), result)
    numbers = emit.one(Mul(), emit.one(Cast(to=DType.FLOAT32), total), factor)
    emit.into(made, QuantizeLinear(), numbers, emit.number(1, DType.FLOAT32), emit.reshaped(zero, ()))


@rule("conv_integer")
def integer_convolution(emit: Emit, node: Node) -> None:
    """A convolution of integers in float32, in as many parts as make its sums exact."""
    op = node.op
    assert isinstance(op, ConvInteger)
    x, w = (operand(node, 0), optional(node, 2)), (operand(node, 1), optional(node, 3))
    emit.become(node.outputs[0], _integer_convolution(emit, op, x, w))


def _integer_convolution(
    emit: Emit, op: ConvInteger | QLinearConv, x: tuple[Value, Value | None], w: tuple[Value, Value | None]
) -> Value:
    """The int32 sums of (x - zero point) (w - zero point)."""
    conv = Conv(op.auto_pad, op.dilations, op.group, op.kernel_shape, op.pads, op.strides)
    fields, weights = _centred_float(emit, *x, across=0), _centred_float(emit, *w, across=len(shape_of(w[0])) - 1)
    largest = _largest_sum(emit, *w)
    if largest * 255 < _EXACT:
        return emit.one(Cast(to=DType.INT32), emit.one(conv, fields, weights))
    if largest * 16 >= _EXACT:
        raise NotInOdlaError("a convolution of integers whose sums are no float32 numbers")
    sixteen = emit.number(16, DType.FLOAT32)
    high = emit.one(Floor(), emit.one(Div(), fields, sixteen))
    low = emit.one(Sub(), fields, emit.one(Mul(), high, sixteen))
    parts = [emit.one(Cast(to=DType.INT32), emit.one(conv, part, weights)) for part in (high, low)]
    return emit.one(Add(), emit.one(Mul(), parts[0], emit.number(16, DType.INT32)), parts[1])


def _largest_sum(emit: Emit, w: Value, zero: Value | None) -> int:
    """The largest sum of the sizes of one output channel's weights."""
    contents = emit.known.get(w)
    shape = shape_of(w)
    if contents is None:
        return int(np.prod(shape[1:])) * 255
    point = None if zero is None else emit.known.get(zero)
    wide = contents.astype(np.int64)
    if point is not None:
        wide = wide - point.astype(np.int64).reshape(-1, *(1,) * (len(shape) - 1))
    elif zero is not None:
        wide = np.abs(wide) + 255
    return int(np.abs(wide).sum(axis=tuple(range(1, len(shape)))).max(initial=0))


def _centred_float(emit: Emit, value: Value, zero: Value | None, across: int) -> Value:
    wide = emit.one(Cast(to=DType.FLOAT32), value)
    if zero is None or (zero in emit.known and not np.any(emit.known[zero])):
        return wide
    point = emit.one(Cast(to=DType.FLOAT32), zero)
    count = int(np.prod(shape_of(zero)))
    return emit.one(Sub(), wide, emit.reshaped(point, () if count == 1 else (count, *(1,) * across)))
