"""What is not left to ONNX Runtime: nodes that ONNX cannot express, and those whose values ONNX Runtime gets wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from halo_py.byte_products import bytes_saturate
from halo_py.onnx_export import why_not
from halo_py.ops.attention import Attention
from halo_py.ops.conv_transpose import ConvTranspose
from halo_py.ops.dropout import Dropout
from halo_py.ops.image import Resize
from halo_py.ops.lookup import LabelEncoder
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Node, Value

    Array = NDArray[np.generic]
    Constants = Mapping[Value, Array]

_OTHER_SEEDS = "ONNX Runtime draws other random numbers, of its own generator"


def why_not_here(node: Node, constants: Constants) -> str | None:
    """Why the node, or something inside its nested graphs, cannot go to ONNX Runtime whatever that says."""
    for found, known in _with_nested(node, constants):
        reason = why_not(found) or _departure(found, known)
        if reason is not None:
            return reason
    return None


def _with_nested(node: Node, constants: Constants) -> Iterator[tuple[Node, Constants]]:
    """The node and those of its nested graphs, each with the constants of its graph."""
    yield node, constants
    for body in node.bodies:
        for inner in body.nodes:
            yield from _with_nested(inner, body.constants)


def _departure(node: Node, constants: Constants) -> str | None:
    """Why ONNX Runtime's result is known to differ from what the ONNX standard, or its reference, says."""
    match node.op.kind:
        case "max_unpool" if len(node.inputs) > 2:
            return "ONNX Runtime counts the indices in the given output shape, ONNX in the inferred one"
        case "resize":
            return _resize(node, constants)
        case "average_pool" | "lp_pool" | "max_pool" if _is_dilated_with_automatic_pads(node):
            return "ONNX Runtime leaves dilations out of automatic pads"
        case "lp_pool" if _is_narrow_with_automatic_pads(node):
            return "ONNX Runtime pads by less than nothing where a window is narrower than its stride"
        case "conv" | "conv_integer" | "qlinear_conv" if _is_dilated_with_automatic_pads(node):
            return "ONNX Runtime fails at dilations with automatic pads"
        case "conv_integer" if _has_unsigned_window(node) and bytes_saturate():
            return "ONNX Runtime's sums of products of int8 data and a uint8 window saturate on this processor"
        case "conv_transpose":
            return _conv_transpose(node)
        case "attention" if _has_coarse_softmax(node):
            return "ONNX Runtime takes no softmax in a type that is coarser than the data's"
        case "non_zero" if _rank(_operand(node, 0)) in (0, None):
            return "ONNX Runtime takes a scalar for a list of one element"
        case "mean_variance_normalization":
            return "ONNX Runtime divides by a deviation of zero, to which ONNX adds a small number first"
        case "dft" | "stft" if _dtype(_operand(node, 0)) is not DType.FLOAT64:
            return "ONNX Runtime's transforms lose digits with every point that they add up"
        case "dropout" if _trains(node, constants):
            return _OTHER_SEEDS
        case "label_encoder" if isinstance(node.op, LabelEncoder) and node.op.repeats_keys():
            return "ONNX Runtime takes the first of equal keys, ONNX the last"
        case _:
            return _OTHER_SEEDS if node.op.declaration.family == "random" else None


def _operand(node: Node, index: int) -> Value | None:
    return node.inputs[index] if index < len(node.inputs) else None


def _dtype(value: Value | None) -> DType | None:
    return value.type.dtype if value is not None and isinstance(value.type, TensorType) else None


def _rank(value: Value | None) -> int | None:
    shape = value.type.shape if value is not None and isinstance(value.type, TensorType) else None
    return None if shape is None else len(shape)


def _has_coarse_softmax(node: Node) -> bool:
    assert isinstance(node.op, Attention)
    precision, dtype = node.op.softmax_precision, _dtype(_operand(node, 0))
    return precision is not None and dtype is not None and precision.numpy.itemsize < dtype.numpy.itemsize


def _trains(node: Node, constants: Constants) -> bool:
    """Whether a dropout may draw numbers."""
    training = _operand(node, Dropout.TRAINING)
    known = None if training is None else constants.get(training)
    return training is not None and (known is None or bool(known.reshape(())))


def _resize(node: Node, constants: Constants) -> str | None:
    assert isinstance(node.op, Resize)
    if node.op.keep_aspect_ratio_policy != "stretch" and any(axis < 0 for axis in node.op.axes or ()):
        return "ONNX Runtime keeps no ratio along axes that are counted from the end"
    data, scales = _operand(node, 0), _operand(node, 2)
    if scales is None or data is None or not isinstance(data.type, TensorType):
        return None
    if node.op.may_have_fractional_lengths(data.type.shape, constants.get(scales)):
        return "ONNX Runtime aligns corners by whole lengths, ONNX by the length that the scale gives"
    return None


def _is_dilated_with_automatic_pads(node: Node) -> bool:
    attributes = node.op.attributes()
    dilated = any(size > 1 for size in attributes["dilations"] or ())
    return dilated and str(attributes["auto_pad"]).startswith("SAME")


def _has_unsigned_window(node: Node) -> bool:
    return (_dtype(_operand(node, 0)), _dtype(_operand(node, 1))) == (DType.INT8, DType.UINT8)


def _is_narrow_with_automatic_pads(node: Node) -> bool:
    attributes = node.op.attributes()
    kernel = attributes["kernel_shape"]
    strides = attributes["strides"] or (1,) * len(kernel)
    narrow = any(size < stride for size, stride in zip(kernel, strides, strict=True))
    return narrow and str(attributes["auto_pad"]).startswith("SAME")


def _conv_transpose(node: Node) -> str | None:
    op, weights = node.op, _operand(node, 1)
    assert isinstance(op, ConvTranspose)
    if not op.auto_pad.startswith("SAME") or op.output_shape is not None or weights is None:
        return None
    kernel = op.kernel_shape
    if kernel is None and isinstance(weights.type, TensorType) and weights.type.is_static:
        kernel = weights.type.static_shape[2:]
    if kernel is None:
        return "whether the window is as wide as the stride is not known"
    ones = (1,) * len(kernel)
    parts = zip(kernel, op.dilations or ones, op.strides or ones, op.output_padding or (0,) * len(kernel), strict=True)
    if any((size - 1) * dilation + 1 + extra < stride for size, dilation, stride, extra in parts):
        return "ONNX Runtime makes the result of a window narrower than its stride too small"
    return None
