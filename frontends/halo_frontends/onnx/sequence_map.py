"""SequenceMap as a Loop over the positions of its first sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.onnx.control import Built, ImportNodes, with_captured
from halo_frontends.onnx.draft import Draft
from halo_frontends.onnx.placed import PlacedNodes
from halo_frontends.onnx.scope import Scope
from halo_py.errors import ModelError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ops.control import Loop
from halo_py.ops.reshaping import Identity
from halo_py.ops.sequence import SequenceAt, SequenceEmpty, SequenceInsert, SequenceLength
from halo_py.types import DType, SequenceType, TensorType, tensor

if TYPE_CHECKING:
    from halo_frontends.onnx.proto import GraphProto


def build_sequence_map(draft: Draft, body: GraphProto, scope: Scope, import_nodes: ImportNodes) -> tuple[Value, ...]:
    """The sequences of what the body answers for each element; operands that are tensors are the same for each.

    Raises ModelError.
    """
    operands = [draft.value(number) for number in range(len(draft.inputs))]
    if not operands or not isinstance(operands[0].type, SequenceType):
        raise ModelError("operand 0 must be a sequence", draft.where)
    if len(body.input) != len(operands):
        raise ModelError(f"the body takes {len(body.input)} values, the node gives {len(operands)}", draft.where)
    maker = PlacedNodes(GraphBuilder(body.name or draft.name, scope.builder.file), draft.where)
    inside = Scope(maker.builder, scope)
    number = maker.builder.input("position", tensor(DType.INT64))
    going = maker.builder.input("going", tensor(DType.BOOL))
    for entry, outer in zip(body.input, operands, strict=True):
        value = inside.captured.get(outer) or inside.capture(entry.name, outer)
        if isinstance(outer.type, SequenceType):
            value = maker.add(SequenceAt(), value, number)
        inside.bind(entry.name, value, draft.where)
    results = import_nodes(inside, body)
    before = [maker.builder.input(f"before_{index}", _sequence_of(draft, value)) for index, value in enumerate(results)]
    after = [maker.add(SequenceInsert(), old, value) for old, value in zip(before, results, strict=True)]
    built = Built(maker.builder.finish((maker.add(Identity(), going), *after)), inside.captured)
    return _loop(draft, scope, with_captured(built, tuple(inside.captured)), tuple(inside.captured), before)


def _loop(
    draft: Draft, scope: Scope, body: Graph, captured: tuple[Value, ...], carried: list[Value]
) -> tuple[Value, ...]:
    maker = PlacedNodes(scope.builder, draft.where)
    empty: list[Value] = []
    for value in carried:
        assert isinstance(value.type, SequenceType)
        assert isinstance(value.type.element, TensorType)
        empty.append(maker.add(SequenceEmpty(dtype=value.type.element.dtype)))
    trips = maker.add(SequenceLength(), draft.value(0))
    always = scope.builder.constant(np.asarray(True), "always")
    inputs = (trips, always, *empty, *captured)
    names = [*draft.outputs, *[""] * (len(carried) - len(draft.outputs))]
    return maker.several(Loop(captured=len(captured)), inputs, names, (body,), draft.name)


def _sequence_of(draft: Draft, value: Value) -> SequenceType:
    """The type of a sequence of such tensors, of which each may have a shape of its own. Raises ModelError."""
    if not isinstance(value.type, TensorType):
        raise ModelError(f"the body must answer tensors, found {value.type}", draft.where)
    return SequenceType(TensorType(value.type.dtype, None))
