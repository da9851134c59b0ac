"""Transpose sinking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.pattern import onnx_op, static_shape
from halo_py.ir.rewrite import Rewriter, every_rule, kind_of, rewrite_graph
from halo_py.ops.scalar_op import Elementwise
from halo_py.passes.base import Pass, PassContext
from halo_py.passes.into_contractions import INTO_CONTRACTIONS
from halo_py.passes.layout import LAYOUT, REDUCTIONS, transposed
from halo_py.passes.transposed_reshapes import keeps_order, swap

Perm = tuple[int, ...]


@dataclass(frozen=True)
class SinkTransposes(Pass):
    """Moves transposes through ops that compute along the same elements or axes until they meet and cancel.

    The result is taken only if fewer elements are transposed than before. Then contractions take up the transposes
    around them: a flag of Gemm, or an Einsum in place of a MatMul, which reads and writes its operands as they lie.
    """

    name: ClassVar[str] = "transposes"

    def run(self, graph: Graph, context: PassContext) -> Graph:
        down = rewrite_graph(graph, RULES)
        if down is not graph and moved_elements(down) > moved_elements(graph):
            down = graph
        return rewrite_graph(down, INTO_CONTRACTIONS)


def moved_elements(graph: Graph) -> int:
    """Elements that the transposes of a graph move (of known shape; constants are folded, so not counted)."""
    total = 0
    for node in graph.nodes:
        if kind_of(node) == "Transpose" and node.inputs[0] not in graph.constants:
            total += int(np.prod(static_shape(node.outputs[0]) or (0,)))
    return total


def inverse(perm: Perm) -> Perm:
    """The permutation that undoes `perm`."""
    result = [0] * len(perm)
    for position, axis in enumerate(perm):
        result[axis] = position
    return tuple(result)


def _sink(rewriter: Rewriter, node: Node, op: Any, inputs: Sequence[Value | None], perm: Perm, source: Node) -> bool:
    """Replace `node` by a Transpose of `op(inputs)`."""
    made = rewriter.insert(op, inputs, (source, node), outputs=len(node.outputs))
    for old, new in zip(node.outputs, made, strict=True):
        turned = rewriter.insert(onnx_op("Transpose", perm=perm), (new,), (source, node), types=[old.type])[0]
        rewriter.replace_value(old, turned)
    rewriter.erase(node)
    return True


def elementwise(rewriter: Rewriter, node: Node) -> bool:
    """op(Transpose(a), Transpose(b), constant) -> Transpose(op(a, b, constant)) when most operands are transposed."""
    result = static_shape(node.outputs[0])
    if not isinstance(node.op, Elementwise) or result is None or len(node.outputs) != 1:
        return False
    found = [transposed(rewriter, value) for value in node.inputs]
    first = next((item for item in found if item is not None), None)
    if first is None:
        return False
    perm = first[0]
    if len(perm) != len(result):
        return False
    alike = [item is not None and item[0] == perm for item in found]
    others = [value for value, same in zip(node.inputs, alike, strict=True) if value is not None and not same]
    if not all(_may_turn(rewriter, value, perm) for value in others):
        return False
    operands = [
        item[1] if item is not None and same else None if value is None else _turned(rewriter, value, perm, node)
        for value, item, same in zip(node.inputs, found, alike, strict=True)
    ]
    return _sink(rewriter, node, node.op, operands, perm, first[2])


def _may_turn(rewriter: Rewriter, value: Value | None, perm: Perm) -> bool:
    """Whether an operand can be turned for free: a constant, or a value whose elements stay in order."""
    shape = static_shape(value)
    if shape is None or len(shape) > len(perm):
        return False
    if all(size == 1 for size in shape) or rewriter.contents(value) is not None:
        return True
    return len(shape) == len(perm) and keeps_order(shape, inverse(perm))


def _turned(rewriter: Rewriter, value: Value, perm: Perm, node: Node) -> Value:
    """An operand of `node` turned so that the transpose can pass it."""
    shape, rank, back = static_shape(value) or (), len(perm), inverse(perm)
    if all(size == 1 for size in shape) and len(shape) < rank:
        return value
    contents = rewriter.contents(value)
    if contents is not None:
        return rewriter.constant(np.transpose(contents.reshape((1,) * (rank - len(shape)) + shape), back), value.name)
    turned = rewriter.ints([shape[axis] for axis in back], "shape")
    return rewriter.insert(onnx_op("Reshape", allowzero=0), (value, turned), rewriter.producer(value) or node)[0]


def _axis_moved(op: Any, perm: Perm) -> Any:
    """An op along one axis, for data that is not transposed yet."""
    return replace(op, axis=perm[op.axis % len(perm)])


def along_axis(rewriter: Rewriter, node: Node) -> bool:
    """Softmax, LogSoftmax, Hardmax, CumSum-like ops with an `axis` attribute on a transposed operand."""
    item = transposed(rewriter, node.inputs[0])
    if item is None or len(node.inputs) != 1:
        return False
    perm, source, maker = item
    return _sink(rewriter, node, _axis_moved(node.op, perm), (source,), perm, maker)


def scaled(rewriter: Rewriter, node: Node) -> bool:
    """QuantizeLinear or DequantizeLinear of a transposed operand -> Transpose of it, the axis of the scales moved."""
    item = transposed(rewriter, node.inputs[0])
    if item is None:
        return False
    perm, source, maker = item
    scales = [value for value in node.inputs[1:] if value is not None]
    changed = _axis_moved(node.op, perm)
    shapes = [static_shape(value) for value in scales]
    if all(shape is not None and len(shape) < 2 for shape in shapes):
        return _sink(rewriter, node, changed, (source, *node.inputs[1:]), perm, maker)
    if not all(_may_turn(rewriter, value, perm) for value in scales):
        return False
    turned = [None if value is None else _turned(rewriter, value, perm, node) for value in node.inputs[1:]]
    return _sink(rewriter, node, changed, (source, *turned), perm, maker)


def concat(rewriter: Rewriter, node: Node) -> bool:
    """Concat of operands that are transposed alike -> Transpose of their Concat."""
    found = [transposed(rewriter, value) for value in node.inputs]
    first = next((item for item in found if item is not None), None)
    if first is None:
        return False
    perm = first[0]
    alike = [item is not None and item[0] == perm for item in found]
    if not all(same or _may_turn(rewriter, value, perm) for value, same in zip(node.inputs, alike, strict=True)):
        return False
    operands = [
        item[1] if item is not None and same else None if value is None else _turned(rewriter, value, perm, node)
        for value, item, same in zip(node.inputs, found, alike, strict=True)
    ]
    axis: int = getattr(node.op, "axis", 0) % len(perm)
    return _sink(rewriter, node, onnx_op("Concat", axis=perm[axis]), operands, perm, first[2])


def reduction(rewriter: Rewriter, node: Node) -> bool:
    """Reduction of a transposed operand -> Transpose of the reduction (none if a dropped axis leaves order)."""
    item = transposed(rewriter, node.inputs[0])
    axes_value = node.inputs[1] if len(node.inputs) > 1 else None
    axes = rewriter.integers(axes_value)
    if item is None or axes is None or not axes.size:
        return False
    perm, source, maker = item
    reduced = {int(axis) % len(perm) for axis in axes.reshape(-1)}
    turned = rewriter.ints(sorted(perm[axis] for axis in reduced), "axes")
    if getattr(node.op, "keepdims", 1):
        return _sink(rewriter, node, node.op, (source, turned), perm, maker)
    kept = [perm[axis] for axis in range(len(perm)) if axis not in reduced]
    order = sorted(kept)
    return _sink(rewriter, node, node.op, (source, turned), tuple(order.index(axis) for axis in kept), maker)


def pad(rewriter: Rewriter, node: Node) -> bool:
    """Pad of a transposed operand, over all axes -> Transpose of the Pad."""
    item = transposed(rewriter, node.inputs[0])
    pads = rewriter.integers(node.inputs[1])
    if item is None or pads is None or (len(node.inputs) > 3 and node.inputs[3] is not None):
        return False
    perm, source, maker = item
    rank = len(perm)
    back = inverse(perm)
    turned = [int(pads[back[axis]]) for axis in range(rank)] + [int(pads[rank + back[axis]]) for axis in range(rank)]
    operands = (source, rewriter.ints(turned, "pads"), *node.inputs[2:3])
    return _sink(rewriter, node, node.op, operands, perm, maker)


def slice_(rewriter: Rewriter, node: Node) -> bool:
    """Slice of a transposed operand by given axes -> Transpose of the Slice."""
    item = transposed(rewriter, node.inputs[0])
    axes = rewriter.integers(node.inputs[3]) if len(node.inputs) > 3 else None
    if item is None or axes is None:
        return False
    perm, source, maker = item
    turned = rewriter.ints([perm[int(axis) % len(perm)] for axis in axes.reshape(-1)], "axes")
    return _sink(rewriter, node, node.op, (source, *node.inputs[1:3], turned, *node.inputs[4:]), perm, maker)


def split(rewriter: Rewriter, node: Node) -> bool:
    """Split of a transposed operand -> Transposes of its parts."""
    item = transposed(rewriter, node.inputs[0])
    if item is None:
        return False
    perm, source, maker = item
    return _sink(rewriter, node, _axis_moved(node.op, perm), (source, *node.inputs[1:]), perm, maker)


def reshape(rewriter: Rewriter, node: Node) -> bool:
    """Reshape of a transposed operand that splits or merges axes which lie together -> Transpose of a Reshape."""
    item, result = transposed(rewriter, node.inputs[0]), static_shape(node.outputs[0])
    shape = None if item is None else static_shape(item[1])
    if item is None or result is None or shape is None:
        return False
    perm, source, maker = item
    swapped = swap(shape, perm, result)
    if swapped is None:
        return False
    operands = (source, rewriter.ints(swapped.shape, "shape"))
    return _sink(rewriter, node, onnx_op("Reshape", allowzero=0), operands, swapped.perm, maker)


RULES = every_rule(
    {"Transpose": LAYOUT["Transpose"], "Reshape": [reshape, *LAYOUT["Reshape"]]},
    {kind: [along_axis] for kind in ("Softmax", "LogSoftmax", "Hardmax")},
    {kind: [scaled] for kind in ("QuantizeLinear", "DequantizeLinear")},
    {kind: [reduction] for kind in REDUCTIONS},
    {"Concat": [concat], "Pad": [pad], "Slice": [slice_], "Split": [split], "*": [elementwise]},
)
