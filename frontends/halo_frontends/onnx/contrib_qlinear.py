"""Element-wise, pooling and joining operators of `com.microsoft` on quantised operands.

ONNX Runtime computes them by dequantizing, applying the operator in float32 and quantizing the result, or by tables and
fixed point arithmetic that agree with that up to one step of the result. That composition is the meaning here.
"""

from __future__ import annotations

import numpy as np

from halo_frontends.onnx.attributes import AttributeValue
from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.draft import Draft, Maker, constant_like
from halo_frontends.onnx.expanding import check_attributes
from halo_frontends.onnx.quantities import dequantized, known_rank, moved_channels, operand, quantized
from halo_frontends.onnx.upgrade import upgrade
from halo_py.errors import ModelError
from halo_py.ir.graph import Value
from halo_py.types import DType

_WINDOW = ("auto_pad", "ceil_mode", "count_include_pad", "dilations", "group", "kernel_shape", "pads", "strides")
"""Attributes of windows, which have the names and meanings of ONNX's."""


@expands("QLinearAdd", "QLinearMul")
def _binary(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: A, its scale and zero point, B, its scale and zero point, C's scale and zero point."""
    check_attributes(draft)
    left, right = dequantized(draft, maker, 0), dequantized(draft, maker, 3)
    result = maker.make(draft.op.removeprefix("QLinear"), [left, right], draft)
    return quantized(draft, maker, result, 6)


@expands("QLinearSigmoid")
def _sigmoid(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: X, its scale and zero point, Y's scale and zero point."""
    check_attributes(draft)
    return quantized(draft, maker, maker.make("Sigmoid", [dequantized(draft, maker, 0)], draft), 3)


@expands("QLinearLeakyRelu")
def _leaky_relu(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """As QLinearSigmoid, with the slope `alpha` below 0."""
    check_attributes(draft, "alpha")
    alpha = draft.number("alpha")
    result = maker.make("LeakyRelu", [dequantized(draft, maker, 0)], draft, alpha=0.01 if alpha is None else alpha)
    return quantized(draft, maker, result, 3)


@expands("QLinearSoftmax")
def _softmax(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """As QLinearSigmoid; `opset` says which operator set's Softmax is meant (below 13: over all axes from `axis`)."""
    check_attributes(draft, "axis", "opset")
    opset = draft.integer("opset", 13)
    attributes: dict[str, AttributeValue] = {"axis": draft.integer("axis", -1 if opset >= 13 else 1)}
    name = f"{draft.name}.Softmax"
    plain = Draft("Softmax", (dequantized(draft, maker, 0),), (name,), attributes, name, draft.where)
    newest = upgrade(plain, opset, maker)
    if isinstance(newest, Draft):
        newest = maker.finish(newest.op, newest.inputs, newest, **newest.attributes)
    return quantized(draft, maker, newest[0], 3)


@expands("QLinearWhere")
def _where(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: condition, X, its scale and zero point, Y, its scale and zero point, Z's scale and zero point."""
    check_attributes(draft)
    result = maker.make("Where", [draft.value(0), dequantized(draft, maker, 1), dequantized(draft, maker, 4)], draft)
    return maker.finish("QuantizeLinear", [result, draft.value(7), draft.value(8)], draft)


@expands("QLinearConcat")
def _concat(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: Y's scale and zero point, then every part with its scale and zero point."""
    check_attributes(draft, "axis")
    firsts = range(2, len(draft.inputs), 3)
    parts = [dequantized(draft, maker, first) for first in firsts]
    if not parts:
        raise ModelError("joins no operands", draft.where)
    result = maker.make("Concat", parts, draft, axis=draft.integer("axis", 0))
    return maker.finish("QuantizeLinear", [result, draft.value(0), draft.value(1)], draft)


@expands("QLinearReduceMean")
def _reduce_mean(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands as QLinearSigmoid; without `axes` all dimensions are reduced."""
    check_attributes(draft, "axes", "keepdims")
    operands: list[Value | None] = [dequantized(draft, maker, 0)]
    axes = draft.ints("axes")
    if axes:
        operands.append(constant_like(maker, draft, np.asarray(axes, np.int64), "axes"))
    result = maker.make("ReduceMean", operands, draft, keepdims=draft.integer("keepdims", 1))
    return quantized(draft, maker, result, 3)


# -- windows ------------------------------------------------------------------------------------------------------


@expands("QLinearAveragePool", "QLinearGlobalAveragePool")
def _average_pool(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands as QLinearSigmoid; channels are the last dimension if `channels_last` is set."""
    check_attributes(draft, *_WINDOW, "channels_last")
    kind, attributes = draft.op.removeprefix("QLinear"), _window_attributes(draft)
    x = dequantized(draft, maker, 0)
    if not draft.integer("channels_last", 0):
        return quantized(draft, maker, maker.make(kind, [x], draft, **attributes), 3)
    rank = known_rank(draft, 0)
    pooled = maker.make(kind, [moved_channels(draft, maker, x, rank, last=False)], draft, **attributes)
    return quantized(draft, maker, moved_channels(draft, maker, pooled, rank, last=True), 3)


@expands("NhwcMaxPool")
def _nhwc_max_pool(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """MaxPool of quantised numbers whose channels are the last dimension."""
    check_attributes(draft, *_WINDOW)
    rank = known_rank(draft, 0)
    x = moved_channels(draft, maker, draft.value(0), rank, last=False)
    pooled = maker.make("MaxPool", [x], draft, **_window_attributes(draft))
    return maker.finish("Transpose", [pooled], draft, perm=(0, *range(2, rank), 1))


@expands("QLinearConv")
def _conv(draft: Draft, maker: Maker) -> Draft | tuple[Value, ...]:
    """ONNX's QLinearConv, whose operands it has; channels of x and y are last if `channels_last` is set."""
    check_attributes(draft, *_WINDOW, "channels_last")
    attributes = _window_attributes(draft)
    if not draft.integer("channels_last", 0):
        return draft.renamed("QLinearConv").without("channels_last")
    rank = known_rank(draft, 0)
    x = moved_channels(draft, maker, draft.value(0), rank, last=False)
    made = maker.make("QLinearConv", [x, *draft.inputs[1:]], draft, **attributes)
    return maker.finish("Transpose", [made], draft, perm=(0, *range(2, rank), 1))


def _window_attributes(draft: Draft) -> dict[str, AttributeValue]:
    return {name: value for name, value in draft.attributes.items() if name in _WINDOW}


# -- conversion ---------------------------------------------------------------------------------------------------


@expands("QuantizeLinear", "DequantizeLinear")
def _conversion(draft: Draft, _maker: Maker) -> Draft:
    """ONNX's operators of these names, which have taken 16-bit and 4-bit integers since opset 21."""
    return draft.renamed(draft.op)


@expands("MulInteger")
def _mul_integer(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """(A - its zero point) * (B - its zero point) in int32. Operands: A, its zero point, B, its zero point."""
    check_attributes(draft)
    return maker.finish("Mul", [_centred(draft, maker, 0), _centred(draft, maker, 2)], draft)


def _centred(draft: Draft, maker: Maker, index: int) -> Value:
    """An operand less the zero point after it, as int32."""
    wide = maker.make("Cast", [draft.value(index)], draft, to=DType.INT32.onnx_number)
    zero = operand(draft, index + 1)
    if zero is None:
        return wide
    return maker.make("Sub", [wide, maker.make("Cast", [zero], draft, to=DType.INT32.onnx_number)], draft)


@expands("ReduceSumInteger")
def _reduce_sum_integer(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """The sum of 8-bit integers in 32 bits, signed as they are; without `axes` over all dimensions."""
    check_attributes(draft, "axes", "keepdims")
    wide = DType.INT32 if draft.dtype(0).is_signed else DType.UINT32
    operands = [maker.make("Cast", [draft.value(0)], draft, to=wide.onnx_number)]
    axes = draft.ints("axes")
    if axes:
        operands.append(constant_like(maker, draft, np.asarray(axes, np.int64), "axes"))
    return maker.finish("ReduceSum", operands, draft, keepdims=draft.integer("keepdims", 1))
