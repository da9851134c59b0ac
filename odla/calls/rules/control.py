"""Conditionals, loops and scans as ODLA's control flow: what stands in a body sees the values around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_py.ops.control import If, Loop, Scan
from halo_py.ops.conversion import Cast
from halo_py.ops.dims import normalize_axis
from halo_py.ops.elementwise import Add, Mul, Sub
from halo_py.ops.indexing import Gather
from halo_py.ops.movement import Transpose
from halo_py.ops.reshaping import Identity
from halo_py.types import DType
from odla.calls.emit import Emit, dtype_of, operand, optional, rule, shape_of
from odla.calls.model import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from halo_py.ir.graph import Node, Value

_LAST, _STACKED, _REVERSED = "ODLA_LOOP_LAST_VALUE", "ODLA_LOOP_FWD_AFTER", "ODLA_LOOP_REV_AFTER"
_UNLIMITED = np.iinfo(np.int64).max


@rule("if")
def conditional(emit: Emit, node: Node) -> None:
    """Both branches; what each one answers are its outputs."""
    assert isinstance(node.op, If)
    for value in node.outputs:
        shape_of(value)
    condition, *captured = (operand(node, number) for number in range(len(node.inputs)))
    emit.step("odla_BeginIf", (condition, None))
    for flag, body in zip((True, False), node.bodies, strict=True):
        emit.step("odla_EnterBranchBody", (flag,))
        for value in emit.body(body, captured):
            emit.step("odla_SetValueAsOutput", (value,))
    emit.call("odla_EndIf", (), *node.outputs)


@rule("loop")
def loop(emit: Emit, node: Node) -> None:
    """The number of the iteration is a loop variable of its own, before those that are carried."""
    assert isinstance(node.op, Loop)
    for value in node.outputs:
        shape_of(value)
    (body,) = node.bodies
    count = len(node.inputs) - 2 - node.op.captured
    initial = [operand(node, 2 + number) for number in range(count)]
    captured = [operand(node, 2 + count + number) for number in range(node.op.captured)]
    emit.step("odla_BeginLoop", (_trips(emit, node), None))
    counted = body.inputs[0] in {value for each in body.nodes for value in each.inputs} | set(body.outputs)
    start = [emit.constant(np.asarray(0, np.int64), "zero")] if counted else []
    variables = [_variable(emit, value) for value in (*start, *initial)]
    going = emit.constant(np.asarray(True), "always")
    trip, carried = (variables[0], variables[1:]) if counted else (going, variables)
    condition, *results = emit.body(body, [trip, going, *carried, *captured])
    steps = [_next(emit, trip)] if counted else []
    updates = [*steps, *_kept(emit, results[:count], carried), *_own(emit, results[count:])]
    names = (_LAST,) * (len(steps) + count) + (_STACKED,) * (len(results) - count)
    always = condition in emit.known and bool(emit.known[condition].reshape(-1)[0])
    made = [emit.value(DType.INT64, (), f"{emit.node}.trips")] if counted else []
    made += list(node.outputs)
    emit.call("odla_EndLoop", (None if always else condition, tuple(updates), Names(names)), *made)


def _trips(emit: Emit, node: Node) -> Value:
    """The most iterations; none where the condition does not hold at first."""
    given, first = optional(node, 0), optional(node, 1)
    most = emit.constant(np.asarray(_UNLIMITED, np.int64), "unlimited") if given is None else given
    if first is None:
        return most
    contents = emit.known.get(first)
    if contents is None:
        wide = emit.one(Cast(to=DType.INT64), first)
        return emit.one(Mul(), most, emit.reshaped(wide, shape_of(most)))
    return most if bool(contents.reshape(-1)[0]) else emit.constant(np.asarray(0, np.int64), "zero")


def _variable(emit: Emit, initial: Value) -> Value:
    made = emit.value(dtype_of(initial), shape_of(initial), f"{emit.node}.variable")
    return emit.call("odla_CreateLoopVariable", (initial,), made)


def _next(emit: Emit, trip: Value) -> Value:
    return emit.one(Add(), trip, emit.constant(np.asarray(1, np.int64), "one"))


def _kept(emit: Emit, results: Sequence[Value], variables: Sequence[Value]) -> list[Value]:
    """What loop variables become: themselves, or values of the body."""
    return [
        value if value is variable else _own(emit, [value])[0]
        for value, variable in zip(results, variables, strict=True)
    ]


def _own(emit: Emit, values: Sequence[Value]) -> list[Value]:
    """The same as values of their own: a loop variable among a loop's outputs would mean what becomes of it."""
    made = {value for call in emit.calls for value in call.results if call.function != "odla_CreateLoopVariable"}
    return [value if value in made else emit.one(Identity(), value) for value in values]


def open_loop(emit: Emit, trips: int, initial: Sequence[Value]) -> tuple[Value, list[Value]]:
    """Begin a loop of so many iterations; answers the number of the iteration, and a variable per initial value."""
    emit.step("odla_BeginLoop", (emit.constant(np.asarray(trips, np.int64), "trips"), None))
    zero = emit.constant(np.asarray(0, np.int64), "zero")
    trip, *variables = (_variable(emit, value) for value in (zero, *initial))
    return trip, variables


def close_loop(
    emit: Emit,
    trip: Value,
    variables: Sequence[Value],
    updates: Sequence[Value],
    stacked: Sequence[tuple[Value, bool]],
    made: Sequence[Value],
) -> None:
    """End a loop: what variables become, what is stacked and whether in reverse, and the values that it makes."""
    outputs = [_next(emit, trip), *_kept(emit, updates, variables), *_own(emit, [value for value, _ in stacked])]
    modes = (_LAST,) * (len(variables) + 1) + tuple(_REVERSED if back else _STACKED for _, back in stacked)
    count = emit.value(DType.INT64, (), f"{emit.node}.trips")
    emit.call("odla_EndLoop", (None, tuple(outputs), Names(modes)), count, *made)


@rule("scan")
def scan(emit: Emit, node: Node) -> None:
    """A loop whose body picks its slices by the number of the iteration."""
    op = node.op
    assert isinstance(op, Scan)
    states = len(node.inputs) - op.captured - op.num_scan_inputs
    operands = [operand(node, number) for number in range(len(node.inputs))]
    scanned, captured = operands[states : len(operands) - op.captured], operands[len(operands) - op.captured :]
    axes = [
        normalize_axis(axis, len(shape_of(value)))
        for axis, value in zip(op.scan_input_axes or (0,) * len(scanned), scanned, strict=True)
    ]
    length = shape_of(scanned[0])[axes[0]]
    stacked, moved = _rows(emit, node, states)
    trip, carried = open_loop(emit, length, operands[:states])
    backwards = op.scan_input_directions or (0,) * len(scanned)
    turned = emit.one(Sub(), emit.number(length - 1, DType.INT64), trip) if any(backwards) else trip
    slices = [
        emit.one(Gather(axis=axis), value, turned if back else trip)
        for value, axis, back in zip(scanned, axes, backwards, strict=True)
    ]
    results = emit.body(node.bodies[0], [*carried, *slices, *captured])
    reverse = op.scan_output_directions or (0,) * len(stacked)
    ends = [(value, bool(back)) for value, back in zip(results[states:], reverse, strict=True)]
    close_loop(emit, trip, carried, results[:states], ends, [*node.outputs[:states], *stacked])
    for value, rows, axis in moved:
        order = list(range(1, len(shape_of(value))))
        order.insert(axis, 0)
        emit.into(value, Transpose(perm=tuple(order)), rows)


def _rows(emit: Emit, node: Node, states: int) -> tuple[list[Value], list[tuple[Value, Value, int]]]:
    """Stacked results as the loop makes them, and those (result, rows, axis) that want their new axis elsewhere."""
    op = node.op
    assert isinstance(op, Scan)
    stacked: list[Value] = []
    moved: list[tuple[Value, Value, int]] = []
    for number, value in enumerate(node.outputs[states:]):
        shape = shape_of(value)
        axis = normalize_axis(op.scan_output_axes[number], len(shape)) if op.scan_output_axes else 0
        rows = value
        if axis:
            rows = emit.value(dtype_of(value), (shape[axis], *shape[:axis], *shape[axis + 1 :]), f"{value.name}.rows")
            moved.append((value, rows, axis))
        stacked.append(rows)
    return stacked, moved
