"""Rules about ops that only move data: those that do nothing go, chains become one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from halo_py.ir.graph import Node, Value
from halo_py.ir.pattern import onnx_op, static_shape
from halo_py.ir.rewrite import Rewriter, Rule, kind_of
from halo_py.passes.algebra import take
from halo_py.types import TensorType

RESHAPES = frozenset(["Reshape", "Squeeze", "Unsqueeze", "Flatten"])
"""Ops whose result has the elements of operand 0 in the same order."""


def reshape(rewriter: Rewriter, node: Node, source: Value, also: tuple[Node, ...] = ()) -> Value:
    """Replace a node of known shape by a Reshape of `source`."""
    shape = static_shape(node.outputs[0])
    assert shape is not None
    return rewriter.replace_with(node, onnx_op("Reshape", allowzero=0), (source, rewriter.ints(shape, "shape")), also)


def same_type(rewriter: Rewriter, node: Node) -> bool:
    """An op that can only move, repeat or drop elements, with a result of its operand's type -> its operand.

    A Slice that reverses an axis keeps the type too, so it must not: its steps are checked.
    """
    source = node.inputs[0]
    if source is None or static_shape(source) is None or source.type != node.outputs[0].type:
        return False
    if kind_of(node) == "Slice" and not _forward(rewriter, node):
        return False
    return take(rewriter, node, source)


def _forward(rewriter: Rewriter, node: Node) -> bool:
    if len(node.inputs) < 5 or node.inputs[4] is None:
        return True
    steps = rewriter.integers(node.inputs[4])
    return steps is not None and bool((steps > 0).all())


def drop_pad(rewriter: Rewriter, node: Node) -> bool:
    """Pad by nothing -> its operand (pads of opposite sign keep the type but move)."""
    pads = rewriter.contents(node.inputs[1])
    return pads is not None and not pads.any() and take(rewriter, node, node.inputs[0])


def pad_into_conv(rewriter: Rewriter, node: Node) -> bool:
    """Conv(Pad(x) with zeros, of the field only) -> Conv with larger pads."""
    pad, fields = rewriter.producer(node.inputs[0]), node.op.attributes()
    if pad is None or kind_of(pad) != "Pad" or fields["auto_pad"] not in ("NOTSET", "VALID"):
        return False
    source, amounts, value, axes = (*pad.inputs, None, None, None)[:4]
    added, shape = rewriter.integers(amounts), static_shape(source)
    zero = value is None or rewriter.scalar(value) == 0
    if added is None or shape is None or axes is not None or not zero or pad.op.attributes()["mode"] != "constant":
        return False
    rank = len(shape)
    numbers = [int(number) for number in added]
    outside = [*numbers[:2], *numbers[rank : rank + 2]]
    if any(outside) or min(numbers) < 0:
        return False
    field = [*numbers[2:rank], *numbers[rank + 2 :]]
    old = fields["pads"] if fields["auto_pad"] == "NOTSET" and fields["pads"] else (0,) * len(field)
    pads = tuple(a + b for a, b in zip(old, field, strict=True))
    changed: Any = node.op
    rewriter.update(
        node,
        op=replace(changed, auto_pad="NOTSET", pads=pads),
        inputs=(source, *node.inputs[1:]),
        where=node.where.merge(pad.where),
    )
    return True


def to_reshape(rewriter: Rewriter, node: Node) -> bool:
    """Squeeze, Unsqueeze, Flatten, Reshape by a computed shape -> Reshape to the known shape."""
    source = node.inputs[0]
    shape = static_shape(node.outputs[0])
    if source is None or shape is None or static_shape(source) is None or 0 in shape:
        return False
    if source.type == node.outputs[0].type:
        return take(rewriter, node, source)
    inner = rewriter.producer(source)
    earlier = inner.inputs[0] if inner is not None and kind_of(inner) in RESHAPES else None
    if inner is not None and earlier is not None and static_shape(earlier) is not None:
        reshape(rewriter, node, earlier, (inner,))
        return True
    if kind_of(node) == "Reshape":
        wanted = rewriter.contents(node.inputs[1])
        if wanted is not None and tuple(wanted.tolist()) == shape:
            return False
    reshape(rewriter, node, source)
    return True


def flat_gemm(rewriter: Rewriter, node: Node) -> bool:
    """Reshape(Gemm(x, W, b)) that splits the rows only -> MatMul(Reshape(x), W) + b.

    Exporters flatten the leading dimensions around a Gemm; without that, what follows can be fused into the product.
    """
    gemm, after = rewriter.producer(node.inputs[0]), static_shape(node.outputs[0])
    if gemm is None or after is None or len(after) < 3 or kind_of(gemm) != "Gemm":
        return False
    fields = gemm.op.attributes()
    plain = (fields["transA"], fields["alpha"], fields["beta"], fields.get("epilogue")) == (0, 1, 1, None)
    if not plain or not rewriter.has_one_use(gemm.outputs[0]):
        return False
    source, weights, bias = (*gemm.inputs, None)[:3]
    contents, width, made = rewriter.contents(weights), static_shape(weights), static_shape(bias)
    if source is None or contents is None or weights is None or width is None or len(made or ()) > 1:
        return False
    depth, columns = width[::-1] if fields["transB"] else width
    if after[-1] != columns:
        return False
    if fields["transB"]:
        weights = rewriter.constant(contents.T, weights.name)
    shape = rewriter.ints((*after[:-1], depth), "shape")
    rows = rewriter.apply(onnx_op("Reshape", allowzero=0), (source, shape), gemm)
    product = rewriter.apply(onnx_op("MatMul"), (rows, weights), (gemm, node))
    if bias is not None:
        product = rewriter.apply(onnx_op("Add"), (product, bias), (gemm, node))
    rewriter.replace(node, product)
    return True


def permutation(node: Node) -> tuple[int, ...] | None:
    """The permutation of a Transpose of known rank."""
    type = node.outputs[0].type
    if not isinstance(type, TensorType) or type.shape is None:
        return None
    given: tuple[int, ...] | None = getattr(node.op, "perm", None)
    return tuple(range(len(type.shape)))[::-1] if given is None else tuple(axis % len(given) for axis in given)


def transposed(rewriter: Rewriter, value: Value | None) -> tuple[tuple[int, ...], Value, Node] | None:
    """(perm, x, node) where the value is Transpose(x, perm) and nothing else reads it."""
    node = rewriter.producer(value)
    if node is None or value is None or kind_of(node) != "Transpose" or node.inputs[0] is None:
        return None
    perm = permutation(node)
    return None if perm is None or static_shape(value) is None else (perm, node.inputs[0], node)


def transposes(rewriter: Rewriter, node: Node) -> bool:
    """Transpose that moves nothing -> operand or Reshape; Transpose(Transpose(x)) -> one."""
    perm, source = permutation(node), node.inputs[0]
    if perm is None or source is None:
        return False
    if perm == tuple(range(len(perm))):
        return take(rewriter, node, source)
    inner = rewriter.producer(source)
    if inner is not None and kind_of(inner) == "Transpose" and inner.inputs[0] is not None:
        first = permutation(inner)
        assert first is not None
        both = tuple(first[axis] for axis in perm)
        if both == tuple(range(len(both))):
            return take(rewriter, node, inner.inputs[0])
        rewriter.replace_with(node, onnx_op("Transpose", perm=both), (inner.inputs[0],), (inner,))
        return True
    shape = static_shape(source)
    if shape is None or 0 in shape:
        return False
    moved = [axis for axis in perm if shape[axis] != 1]
    if moved == sorted(moved):
        reshape(rewriter, node, source)
        return True
    return False


def _concat_axis(node: Node, rank: int) -> int | None:
    return getattr(node.op, "axis", 0) % rank if kind_of(node) == "Concat" else None


def nested_concat(rewriter: Rewriter, node: Node) -> bool:
    """Concat(a, Concat(b, c)) along one axis -> Concat(a, b, c); operands without elements go."""
    type = node.outputs[0].type
    if not isinstance(type, TensorType) or type.shape is None:
        return False
    rank = len(type.shape)
    axis: int = getattr(node.op, "axis", 0) % rank
    operands: list[Value | None] = []
    absorbed: list[Node] = []
    for value in node.inputs:
        shape = static_shape(value)
        if shape is not None and shape[axis] == 0:
            continue
        inner = rewriter.producer(value)
        if inner is not None and _concat_axis(inner, rank) == axis and rewriter.has_one_use(inner.outputs[0]):
            operands.extend(inner.inputs)
            absorbed.append(inner)
        else:
            operands.append(value)
    if not operands or (len(operands) == len(node.inputs) and not absorbed):
        return False
    rewriter.replace_with(node, node.op, operands, absorbed)
    return True


def gather_of_a_range(rewriter: Rewriter, node: Node) -> bool:
    """Gather of constant consecutive indices -> Slice (and Reshape): a slice moves only what it needs."""
    data, indices = node.inputs
    shape, result = static_shape(data), static_shape(node.outputs[0])
    contents = rewriter.integers(indices)
    if data is None or shape is None or result is None or contents is None or not contents.size or 0 in shape:
        return False
    axis: int = getattr(node.op, "axis", 0) % len(shape)
    numbers = np.where(contents < 0, contents + shape[axis], contents).reshape(-1)
    first = int(numbers[0])
    if (
        contents.ndim > 1
        or not 0 <= first <= shape[axis] - numbers.size
        or (numbers != first + np.arange(numbers.size)).any()
    ):
        return False
    bounds = [[first], [first + numbers.size], [axis], [1]]
    names = ("starts", "ends", "axes", "steps")
    operands = [rewriter.ints(bound, name) for bound, name in zip(bounds, names, strict=True)]
    part = rewriter.apply(onnx_op("Slice"), (data, *operands), node)
    if contents.ndim == 1:
        rewriter.replace(node, part)
    else:
        reshape(rewriter, node, part)
    return True


def drop_expand_operand(rewriter: Rewriter, node: Node) -> bool:
    """op(Expand(x), y) -> op(x, y) where broadcasting gives the same shape."""
    result = static_shape(node.outputs[0])
    if result is None or len(node.outputs) != 1:
        return False
    for index, value in enumerate(node.inputs):
        inner = rewriter.producer(value)
        if inner is None or kind_of(inner) != "Expand":
            continue
        operands = [*node.inputs[:index], inner.inputs[0], *node.inputs[index + 1 :]]
        shapes = [static_shape(operand) for operand in operands if operand is not None]
        known = [shape for shape in shapes if shape is not None]
        if len(known) == len(shapes) and np.broadcast_shapes(*known) == result:
            rewriter.set_inputs(node, operands)
            return True
    return False


def plain_axes(rewriter: Rewriter, node: Node) -> bool:
    """Negative or unsorted axes of a reduction -> the same axes counted from the front, in order."""
    if len(node.inputs) < 2 or node.inputs[0] is None or not isinstance(node.inputs[0].type, TensorType):
        return False
    axes, shape = rewriter.integers(node.inputs[1]), node.inputs[0].type.shape
    if axes is None or shape is None or not axes.size:
        return False
    plain = sorted(int(axis) % len(shape) for axis in axes.reshape(-1))
    if plain == axes.reshape(-1).tolist():
        return False
    rewriter.set_inputs(node, (node.inputs[0], rewriter.ints(plain, "axes")))
    return True


REDUCTIONS = (
    *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare"),
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"),
)

_BROADCASTING = (
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Sum", "Mean", "Where", "PRelu"),
    *("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Xor"),
)

LAYOUT: dict[str, list[Rule]] = {
    "Reshape": [flat_gemm, to_reshape],
    "Squeeze": [to_reshape],
    "Unsqueeze": [to_reshape],
    "Flatten": [to_reshape],
    "Expand": [same_type],
    "Tile": [same_type],
    "Slice": [same_type],
    "Split": [same_type],
    "Pad": [drop_pad],
    "Conv": [pad_into_conv],
    "Transpose": [transposes],
    "Concat": [nested_concat],
    "Gather": [gather_of_a_range],
    **{kind: [plain_axes] for kind in REDUCTIONS},
    **{kind: [drop_expand_operand] for kind in _BROADCASTING},
}
