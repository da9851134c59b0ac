"""BatchNormalization and per-channel arithmetic, folded into the weights of the convolution or product before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.pattern import onnx_op, static_shape
from halo_py.ir.rewrite import Rewriter, Rule, kind_of, rewrite_graph
from halo_py.passes.base import Pass, PassContext
from halo_py.types import DType, TensorType

Numbers = NDArray[np.float64]
Fold = Callable[[NDArray[np.float64], "Linear"], bool]

_FLOATS = frozenset([DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16])


@dataclass(frozen=True)
class FoldAffine(Pass):
    """Folds BatchNormalization, and products and sums with per-channel constants, into the weights before them.

    The new weights are computed in float64 and rounded once. A BatchNormalization with no such neighbour becomes a
    product and a sum.
    """

    name: ClassVar[str] = "affine"

    def run(self, graph: Graph, context: PassContext) -> Graph:
        return rewrite_graph(graph, RULES)


@dataclass(frozen=True, slots=True)
class Linear:
    """A node that is linear in its weights: where its result has its channels, and which axis of the weights they are.

    `groups` is that of a transposed convolution, whose weights [C, O/group, ...] hold channels group by group.
    """

    node: Node
    weights: Value
    bias: Value | None
    channels: int
    result_axis: int
    weight_axis: int
    groups: int = 1


def linear_before(rewriter: Rewriter, value: Value | None) -> Linear | None:
    """The convolution or product that makes `value`, if nothing else reads it and its weights are constant."""
    node = rewriter.producer(value)
    if node is None or value is None or not rewriter.has_one_use(value):
        return None
    if getattr(node.op, "epilogue", None) is not None:
        return None
    found = _describe(node)
    if found is None or not _is_constant(rewriter, found.weights):
        return None
    return found if found.bias is None or _is_constant(rewriter, found.bias) else None


def _is_constant(rewriter: Rewriter, value: Value) -> bool:
    type = value.type
    return rewriter.contents(value) is not None and isinstance(type, TensorType) and type.dtype in _FLOATS


def _describe(node: Node) -> Linear | None:
    _, weights, bias = (*node.inputs, None, None)[:3]
    shape, result = static_shape(weights), static_shape(node.outputs[0])
    if weights is None or shape is None or result is None:
        return None
    fields = node.op.attributes()
    match kind_of(node):
        case "Conv":
            return Linear(node, weights, bias, shape[0], 1, 0)
        case "ConvTranspose":
            group = fields["group"]
            return Linear(node, weights, bias, shape[1] * group, 1, 1, group)
        case "Gemm" if fields["alpha"] == 1 and fields["beta"] == 1:
            axis = 0 if fields["transB"] else 1
            return Linear(node, weights, bias, shape[axis], 1, axis)
        case "MatMul" if len(shape) == 2 and len(node.inputs) == 2:
            return Linear(node, weights, None, shape[1], len(result) - 1, 1)
        case _:
            return None


def per_channel(contents: Numbers, result: tuple[int, ...], axis: int, channels: int) -> Numbers | None:
    """A constant that broadcasts to `result` as one number per channel, None if it varies along another axis."""
    if contents.size == 1 and contents.ndim <= len(result):
        return np.full(channels, contents.reshape(-1)[0])
    shape = (1,) * (len(result) - contents.ndim) + contents.shape
    wanted = tuple(channels if number == axis else 1 for number in range(len(result)))
    return contents.reshape(channels) if shape == wanted else None


def refold(rewriter: Rewriter, node: Node, linear: Linear, scale: Numbers | None, shift: Numbers | None) -> bool:
    """Replace `node`, which computes scale x linear + shift per channel, by the linear node with other weights."""
    if kind_of(linear.node) == "MatMul" and shift is not None:
        return False
    if scale is not None and len(rewriter.users(linear.weights)) > 1:
        return False  # shared weights would have to be kept twice
    if linear.bias is not None and static_shape(linear.bias) not in ((linear.channels,), (1, linear.channels)):
        return False
    weights = linear.weights if scale is None else _scaled(rewriter, linear, scale)
    bias = linear.bias
    old = rewriter.floats(bias)
    if old is not None or shift is not None:
        total = (
            np.zeros(linear.channels)
            if old is None
            else old.reshape(linear.channels) * (1.0 if scale is None else scale)
        )
        bias = _constant(rewriter, total + (0.0 if shift is None else shift), "bias", linear.weights)
    operands = (linear.node.inputs[0], weights) if bias is None else (linear.node.inputs[0], weights, bias)
    rewriter.replace_with(node, linear.node.op, operands, (linear.node,))
    return True


def _scaled(rewriter: Rewriter, linear: Linear, scale: Numbers) -> Value:
    weights = rewriter.contents(linear.weights)
    assert weights is not None
    if linear.groups > 1:
        factor = np.repeat(scale.reshape(linear.groups, -1), weights.shape[0] // linear.groups, axis=0)
    else:
        factor = scale[None] if linear.weight_axis == 1 else scale[:, None]
    factor = factor.reshape(*factor.shape, *(1,) * (weights.ndim - 2))
    if weights.dtype.name not in ("float32", "float64"):
        return _constant(rewriter, weights.astype(np.float64) * factor, "scaled", linear.weights)
    scaled = np.empty(weights.shape, weights.dtype)
    np.multiply(weights, factor, out=scaled, casting="same_kind", dtype=np.float64)
    return rewriter.constant(scaled, f"{linear.weights.name}.scaled")


def _constant(rewriter: Rewriter, contents: Numbers, name: str, like: Value) -> Value:
    assert isinstance(like.type, TensorType)
    return rewriter.constant(contents.astype(like.type.dtype.numpy), f"{like.name}.{name}")


def batch_norm(rewriter: Rewriter, node: Node) -> bool:
    """BatchNormalization(linear) -> linear; else -> x scale + shift."""
    x, *parameters = node.inputs
    numbers = [rewriter.floats(value) for value in parameters]
    fields = node.op.attributes()
    if x is None or fields.get("training_mode") or any(rewriter.is_used(value) for value in node.outputs[1:]):
        return False
    if len(numbers) != 4 or any(array is None for array in numbers):
        return False
    gamma, beta, mean, variance = (array for array in numbers if array is not None)
    scale = gamma / np.sqrt(variance + fields["epsilon"])
    shift = beta - mean * scale
    if len(node.outputs) > 1:
        node = _alone(rewriter, node)
    linear = linear_before(rewriter, x)
    if linear is not None and linear.result_axis == 1 and kind_of(linear.node) != "MatMul":
        return refold(rewriter, node, linear, scale, shift)
    shape = static_shape(x)
    gamma_value = parameters[0]
    if shape is None or gamma_value is None:
        return False
    wide = (len(scale), *(1,) * (len(shape) - 2))
    product = rewriter.apply(onnx_op("Mul"), (x, _constant(rewriter, scale.reshape(wide), "scale", gamma_value)), node)
    shifted = _constant(rewriter, shift.reshape(wide), "shift", gamma_value)
    rewriter.replace_with(node, onnx_op("Add"), (product, shifted))
    return True


def _alone(rewriter: Rewriter, node: Node) -> Node:
    """The node with its first result only."""
    made = rewriter.insert(node.op, node.inputs, node, types=[node.outputs[0].type])[0]
    rewriter.replace_value(node.outputs[0], made)
    rewriter.erase(node)
    alone = rewriter.producer(made)
    assert alone is not None
    return alone


def scale_after(rewriter: Rewriter, node: Node) -> bool:
    """Linear(x) c, for a constant c per channel -> linear with other weights."""
    return _affine(rewriter, node, lambda numbers, linear: refold(rewriter, node, linear, numbers, None))


def shift_after(rewriter: Rewriter, node: Node) -> bool:
    """Linear(x) + c, for a constant c per channel -> linear with another bias."""
    return _affine(rewriter, node, lambda numbers, linear: refold(rewriter, node, linear, None, numbers))


def subtract_after(rewriter: Rewriter, node: Node) -> bool:
    """Linear(x) - c -> linear with another bias."""
    return _affine(rewriter, node, lambda numbers, linear: refold(rewriter, node, linear, None, -numbers), flip=False)


def divide_after(rewriter: Rewriter, node: Node) -> bool:
    """Linear(x) / c, for c without zeros -> linear with other weights."""

    def fold(numbers: Numbers, linear: Linear) -> bool:
        return bool(numbers.all()) and refold(rewriter, node, linear, 1 / numbers, None)

    return _affine(rewriter, node, fold, flip=False)


def _affine(rewriter: Rewriter, node: Node, fold: Fold, *, flip: bool = True) -> bool:
    result = node.outputs[0].type
    if not isinstance(result, TensorType) or result.dtype not in _FLOATS:
        return False
    for value, other in (node.inputs, node.inputs[::-1])[: 2 if flip else 1]:
        contents = rewriter.floats(other)
        if contents is None or value is None or value.type != result:
            continue
        linear = linear_before(rewriter, value)
        if linear is None:
            continue
        numbers = per_channel(contents, result.static_shape, linear.result_axis, linear.channels)
        if numbers is not None and bool(np.isfinite(numbers).all()):
            return fold(numbers, linear)
    return False


RULES: dict[str, list[Rule]] = {
    "BatchNormalization": [batch_norm],
    "Mul": [scale_after],
    "Div": [divide_after],
    "Add": [shift_after],
    "Sub": [subtract_after],
}
