"""Indices in 32 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.pattern import onnx_op, static_shape
from halo_py.ir.rewrite import Rewriter, Rule, every_rule, kind_of, rewrite_graph
from halo_py.passes.algebra import ALGEBRA
from halo_py.passes.base import Pass, PassContext
from halo_py.types import DType, TensorType

_INDEX_OPERANDS = {"Gather": 1, "GatherElements": 1, "ScatterElements": 1}
"""Ops that take int32 indices, and which operand those are."""

_DATA_OPERANDS: dict[str, tuple[int, ...] | None] = {
    **dict.fromkeys(("Reshape", "Transpose", "Slice", "Expand", "Tile", "Gather", "Squeeze", "Unsqueeze"), (0,)),
    **dict.fromkeys(("Concat", "Add", "Sub", "Mul", "Neg", "Identity")),
    "Where": (1, 2),
}
"""Ops that commute with keeping the low 32 bits, and the operands (None: all) whose bits those are."""


@dataclass(frozen=True)
class NarrowIndices(Pass):
    """Computes indices in int32 where a tiled machine has no 64-bit integers; exact for every index that is valid.

    Conversion to int32 keeps the low 32 bits. That commutes with moves, selection, sums, differences and products, so
    it can be done before them; an index inside a dimension of less than 2^31 is unchanged by it.
    """

    name: ClassVar[str] = "indices"

    def run(self, graph: Graph, context: PassContext) -> Graph:
        found = rewrite_graph(graph, RULES)
        if found is not graph:
            context.note(self, "indices are computed in int32")
        return found


def narrow_operand(rewriter: Rewriter, node: Node) -> bool:
    """Gather(x, int64 indices) -> Gather(x, Cast(indices, int32))."""
    position = _INDEX_OPERANDS[kind_of(node)]
    value, shape = node.inputs[position], static_shape(node.inputs[0])
    if value is None or shape is None or max(shape, default=0) >= 2**31 or not _is_int64(value):
        return False
    operands = list(node.inputs)
    operands[position] = _narrowed(rewriter, value, node)
    rewriter.set_inputs(node, operands)
    return True


def cast_earlier(rewriter: Rewriter, node: Node) -> bool:
    """Cast(op(a, b), int32) from int64 -> op(Cast(a), Cast(b)), if nothing else reads the result of op."""
    source, result = rewriter.producer(node.inputs[0]), node.outputs[0].type
    if source is None or not isinstance(result, TensorType) or result.dtype is not DType.INT32:
        return False
    made = source.outputs[0]
    if kind_of(source) not in _DATA_OPERANDS or not _is_int64(made) or not rewriter.has_one_use(made):
        return False
    positions = _DATA_OPERANDS[kind_of(source)]
    operands = [
        _narrowed(rewriter, value, node) if value is not None and (positions is None or index in positions) else value
        for index, value in enumerate(source.inputs)
    ]
    rewriter.replace_with(node, source.op, operands, (source,))
    return True


def _is_int64(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype is DType.INT64


def _narrowed(rewriter: Rewriter, value: Value, at: Node) -> Value:
    contents = rewriter.contents(value)
    if contents is not None:
        return rewriter.constant(contents.astype(np.int32), value.name)
    return rewriter.apply(onnx_op("Cast", to=DType.INT32), (value,), at)


_NARROW: dict[str, list[Rule]] = {kind: [narrow_operand] for kind in _INDEX_OPERANDS} | {"Cast": [cast_earlier]}
RULES = every_rule({"Cast": ALGEBRA["Cast"]}, _NARROW)
