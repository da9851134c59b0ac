"""Scan as operator set 8 had it: over a batch of sequences, each of its own length.

It becomes a Scan over the batch, whose body is a Scan over the steps of one sequence. Where lengths are given, the
steps after the end of a sequence keep the states and give zeros, as ONNX Runtime does (the standard leaves it open).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.onnx.control import Bodies, Built, ImportNodes, build_scan, slice_type, with_captured
from halo_frontends.onnx.draft import Draft
from halo_frontends.onnx.placed import PlacedNodes
from halo_frontends.onnx.scope import Scope
from halo_py.errors import ModelError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value
from halo_py.ops.control import Scan
from halo_py.ops.conversion import Cast
from halo_py.ops.elementwise import Sub
from halo_py.ops.indexing import Gather
from halo_py.ops.logic import Greater, Less
from halo_py.ops.logic import Where as Choose
from halo_py.ops.reshaping import Squeeze
from halo_py.ops.shape import Range, Shape
from halo_py.types import DType, TensorType, tensor

if TYPE_CHECKING:
    from halo_frontends.onnx.proto import GraphProto


def build_scan_of_batch(
    draft: Draft, body: GraphProto, scope: Scope, import_nodes: ImportNodes
) -> tuple[Draft, Bodies]:
    """The node as a Scan of today over the batch, and its body. Raises ModelError."""
    lengths, operands = draft.inputs[0] if draft.inputs else None, draft.inputs[1:]
    count = draft.integer("num_scan_inputs", 0)
    backwards = draft.ints("directions") or (0,) * count
    if not 1 <= count <= len(operands) or len(body.input) != len(operands) or None in operands:
        raise ModelError(f"the body takes {len(body.input)} values, the node gives {len(operands)}", draft.where)
    if len(backwards) != count:
        raise ModelError(f"has {len(backwards)} directions for {count} scanned operands", draft.where)
    given = operands if lengths is None else (*operands, lengths)
    outer = replace(draft, inputs=given, attributes={"num_scan_inputs": len(given)})
    maker = PlacedNodes(GraphBuilder(f"{draft.name}.sequence", scope.builder.file), draft.where)
    inside = Scope(maker.builder, scope)
    items = [maker.builder.input(f"item_{number}", slice_type(outer, number, 0)) for number in range(len(given))]
    if lengths is None:
        one = replace(outer, inputs=tuple(items), attributes={"num_scan_inputs": count})
        one = one.setting(scan_input_directions=backwards)
        ends = _scan(maker, one, build_scan(one, body, inside, import_nodes), len(body.output))
    else:
        ends = _bounded(maker, outer, body, inside, import_nodes, items, backwards)
    captured = tuple(inside.captured)
    graph = with_captured(Built(maker.builder.finish(ends), inside.captured), captured)
    return outer, Bodies((graph,), captured)


def _bounded(
    maker: PlacedNodes,
    draft: Draft,
    body: GraphProto,
    scope: Scope,
    import_nodes: ImportNodes,
    items: Sequence[Value],
    backwards: Sequence[int],
) -> tuple[Value, ...]:
    """The results for one sequence, `items` (states, sequences, length), of which the steps after its end are void."""
    count = len(backwards)
    states = len(items) - 1 - count
    length = maker.add(Cast(to=DType.INT64), items[-1])
    sequences = [
        _turned(maker, item, length) if back else item for item, back in zip(items[states:-1], backwards, strict=True)
    ]
    inputs = (*items[:states], length, *sequences)
    one = replace(draft, inputs=inputs, attributes={"num_scan_inputs": count})
    results = _scan(maker, one, _bounded_steps(one, body, scope, import_nodes), len(body.output) + 1)
    return (*results[:states], *results[states + 1 :])


def _bounded_steps(draft: Draft, body: GraphProto, scope: Scope, import_nodes: ImportNodes) -> Bodies:
    """The body with one more state, after its own: how many steps are left."""
    states = len(draft.inputs) - 1 - draft.integer("num_scan_inputs", 0)
    maker = PlacedNodes(GraphBuilder(body.name or draft.name, scope.builder.file), draft.where)
    inside = Scope(maker.builder, scope)
    names = [entry.name for entry in body.input]
    given = [draft.value(number) for number in range(states)]
    old = [maker.builder.input(name, value.type) for name, value in zip(names, given, strict=False)]
    left = maker.builder.input("steps_left", tensor(DType.INT64))
    slices = [
        maker.builder.input(name, slice_type(draft, number, 0))
        for number, name in enumerate(names[states:], states + 1)
    ]
    for name, value in zip(names, (*old, *slices), strict=True):
        inside.bind(name, value, draft.where)
    results = import_nodes(inside, body)
    if len(results) < states:
        raise ModelError(f"the body gives {len(results)} of {states} states", draft.where)
    going = maker.add(Greater(), left, maker.number(0))
    kept = [maker.add(Choose(), going, new, before) for new, before in zip(results, old, strict=False)]
    shown = [maker.add(Choose(), going, value, _nothing(maker, value)) for value in results[states:]]
    ends = (*kept, maker.add(Sub(), left, maker.number(1)), *shown)
    captured = tuple(inside.captured)
    return Bodies((with_captured(Built(maker.builder.finish(ends), inside.captured), captured),), captured)


def _nothing(maker: PlacedNodes, like: Value) -> Value:
    """A scalar zero of the element type of a tensor. Raises ModelError for anything else."""
    if not isinstance(like.type, TensorType):
        raise ModelError(f"a scan cannot stack {like.type}", maker.where)
    dtype = like.type.dtype
    zero = np.asarray("", object) if dtype is DType.STRING else np.zeros((), dtype.numpy)
    return maker.builder.constant(zero, "nothing", dtype)


def _turned(maker: PlacedNodes, sequence: Value, length: Value) -> Value:
    """The first `length` steps of a sequence in reverse order, then the others."""
    steps = maker.add(Squeeze(), maker.add(Shape(start=0, end=1), sequence), maker.builder.ints([0], "axes"))
    forwards = maker.add(Range(), maker.number(0), steps, maker.number(1))
    last = maker.add(Sub(), length, maker.number(1))
    order = maker.add(Choose(), maker.add(Less(), forwards, length), maker.add(Sub(), last, forwards), forwards)
    return maker.add(Gather(), sequence, order)


def _scan(maker: PlacedNodes, draft: Draft, bodies: Bodies, outputs: int) -> tuple[Value, ...]:
    op = Scan(
        num_scan_inputs=draft.integer("num_scan_inputs", 0),
        scan_input_directions=draft.ints("scan_input_directions"),
        captured=len(bodies.captured),
    )
    return maker.several(op, (*draft.inputs, *bodies.captured), outputs, bodies.graphs)
