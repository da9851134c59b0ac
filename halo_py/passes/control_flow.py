"""Control flow that is known while compiling: branches that are taken, loops that are unrolled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.pattern import onnx_op
from halo_py.ir.rewrite import kind_of
from halo_py.passes.replay import ControlFlow, Operands, Replay, copied
from halo_py.types import TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class ControlLimits:
    """How many nodes control flow may be turned into.

    `unrolled` bounds a loop, `both_branches` the two branches of an If whose condition is data: both are computed
    and one is selected.
    """

    unrolled: int
    both_branches: int


def control_flow(limits: ControlLimits) -> ControlFlow:
    """How a replay treats If, Loop and Scan under these limits."""

    def resolve(replay: Replay, node: Node, inputs: Operands) -> list[Value] | None:
        before = len(replay.nodes)
        match kind_of(node):
            case "If":
                results = _branch(replay, node, inputs)
                if results is None and _may_select(node, limits.both_branches):
                    results = _selected(replay, node, inputs)
            case "Loop":
                results = _unrolled_loop(replay, node, inputs, limits.unrolled)
            case "Scan":
                results = _unrolled_scan(replay, node, inputs, limits.unrolled)
            case _:
                results = None
        if results is None:
            del replay.nodes[before:]  # what a failed attempt has appended
        return results

    return ControlFlow(resolve, _body)


def _branch(replay: Replay, node: Node, inputs: Operands) -> list[Value] | None:
    """The results of the branch that a known condition takes."""
    condition = replay.known(inputs[0])
    if condition is None or condition.size != 1:
        return None
    return replay.call(node.bodies[0 if _truth(condition) else 1], inputs[1:])


def _may_select(node: Node, most: int) -> bool:
    """Whether computing both branches is harmless: pure, small, and of results that a selection can choose from."""
    inner = [step for body in node.bodies for step in body.walk()]
    if len(inner) > most or any(step.op.declaration.family == "random" for step in inner):
        return False
    return all(step.op.declaration.host_only is None for step in inner)


def _selected(replay: Replay, node: Node, inputs: Operands) -> list[Value] | None:
    """Where(condition, then, else) of the results of both branches, if these have equal static types."""
    condition = inputs[0]
    if condition is None or not isinstance(condition.type, TensorType) or not condition.type.is_static:
        return None
    then, other = (replay.call(body, inputs[1:]) for body in node.bodies)
    if any(a.type != b.type or not _selectable(a.type) for a, b in zip(then, other, strict=True)):
        return None
    if condition.type.shape:
        shape = replay.literal(np.zeros(0, np.int64), "shape")
        condition = replay.emit(onnx_op("Reshape"), (condition, shape), node)
    return [replay.emit(onnx_op("Where"), (condition, a, b), node) for a, b in zip(then, other, strict=True)]


def _selectable(type: Type) -> bool:
    return isinstance(type, TensorType) and type.is_static


def _unrolled_loop(replay: Replay, node: Node, inputs: Operands, budget: int) -> list[Value] | None:
    """Iterations one after another while it is known that there is a next one."""
    body, count = node.bodies[0], len(inputs) - 2 - captured_operands(node)
    most = replay.known(inputs[0])
    condition = replay.known(inputs[1]) if inputs[1] is not None else np.asarray(True)
    if condition is None or (inputs[0] is not None and most is None):
        return None
    limit = int(most.reshape(-1).tolist()[0]) if most is not None else None
    carried, extra = list(inputs[2 : 2 + count]), inputs[2 + count :]
    stacks: list[list[Value]] = [[] for _ in node.outputs[count:]]
    trip = 0
    while _truth(condition) and (limit is None or trip < limit):
        if (trip + 1) * (len(body.nodes) + 1) > budget:
            return None
        here = [replay.literal(np.asarray(trip, np.int64), "iteration"), replay.literal(condition, "condition")]
        results = replay.call(body, (*here, *carried, *extra))
        condition = replay.known(results[0])
        if condition is None:
            return None
        carried = list[Value | None](results[1 : 1 + count])
        _push(stacks, results[1 + count :])
        trip += 1
    return _results(replay, node, carried, stacks, (0,) * len(stacks))


def _unrolled_scan(replay: Replay, node: Node, inputs: Operands, budget: int) -> list[Value] | None:
    """One call of the body for each slice of the scanned operands."""
    body, fields = node.bodies[0], node.op.attributes()
    scanned: int = fields["num_scan_inputs"]
    count = len(inputs) - captured_operands(node) - scanned
    states, rows, extra = list(inputs[:count]), inputs[count : count + scanned], inputs[count + scanned :]
    axes: tuple[int, ...] = fields["scan_input_axes"] or (0,) * scanned
    backwards: tuple[int, ...] = fields["scan_input_directions"] or (0,) * scanned
    length = _length(rows[0], axes[0]) if scanned else None
    if not length or length * (len(body.nodes) + scanned) > budget:
        return None
    stacks: list[list[Value]] = [[] for _ in node.outputs[count:]]
    for step in range(length):
        slices: list[Value | None] = []
        for value, axis, backward in zip(rows, axes, backwards, strict=True):
            index = replay.literal(np.asarray(length - 1 - step if backward else step, np.int64), "index")
            slices.append(replay.emit(onnx_op("Gather", axis=axis), (value, index), node))
        results = replay.call(body, (*states, *slices, *extra))
        states = list[Value | None](results[:count])
        _push(stacks, results[count:])
    turned: tuple[int, ...] = fields["scan_output_directions"] or (0,) * len(stacks)
    ordered = [stack[::-1] if turn else stack for stack, turn in zip(stacks, turned, strict=True)]
    return _results(replay, node, states, ordered, fields["scan_output_axes"] or (0,) * len(stacks))


def _length(value: Value | None, axis: int) -> int | None:
    if value is None or not isinstance(value.type, TensorType) or not value.type.is_static:
        return None
    return value.type.static_shape[axis]


def _push(stacks: list[list[Value]], values: Sequence[Value]) -> None:
    for stack, value in zip(stacks, values, strict=True):
        stack.append(value)


def _results(
    replay: Replay, node: Node, carried: Sequence[Value | None], stacks: list[list[Value]], axes: tuple[int, ...]
) -> list[Value] | None:
    """The results of an unrolled node: carried values, then stacks; None if a stack cannot be made."""
    count = len(carried)
    stacked = [
        _stacked(replay, stack, axis, node, count + number)
        for number, (stack, axis) in enumerate(zip(stacks, axes, strict=True))
    ]
    ends = [value for value in (*carried, *stacked) if value is not None]
    return ends if len(ends) == len(node.outputs) else None


def _stacked(replay: Replay, values: Sequence[Value], axis: int, node: Node, result: int) -> Value | None:
    """Values along a new axis; None if they are no tensors, or none are there and the shape is not known."""
    type = node.outputs[result].type
    if values:
        if not all(isinstance(value.type, TensorType) for value in values):
            return None
        where = replay.literal(np.asarray([axis], np.int64), "axes")
        parts = [replay.emit(onnx_op("Unsqueeze"), (value, where), node) for value in values]
        return replay.emit(onnx_op("Concat", axis=axis), parts, node)
    if not isinstance(type, TensorType) or type.shape is None:
        return None
    sizes = [size for size in type.shape[1:] if isinstance(size, int)]
    if len(sizes) != len(type.shape) - 1:
        return None
    return replay.literal(np.zeros((0, *sizes), type.dtype.numpy), node.outputs[result].name)


# -- nested graphs that stay --------------------------------------------------------------------------------------


def _body(replay: Replay, node: Node, number: int, inputs: Operands) -> Graph:
    """A nested graph with what is known of its operands."""
    body = node.bodies[number]
    captured = captured_operands(node)
    first = len(inputs) - captured
    known = [None] * (len(body.inputs) - captured) + [replay.known(value) for value in inputs[first:]]
    outer = [None if value is None else value.type for value in inputs]
    match kind_of(node):
        case "If":
            return replay.nested(body, outer[1:], known)
        case "Loop":
            return _settled(replay, body, [None, None, *outer[2:]], known, range(2, first), 1)
        case "Scan":
            states = first - int(node.op.attributes()["num_scan_inputs"])
            types = [*outer[:states], *[None] * (first - states), *outer[first:]]
            return _settled(replay, body, types, known, range(states), 0)
        case _:
            return replay.nested(body)


def _settled(
    replay: Replay,
    body: Graph,
    types: list[Type | None],
    known: Sequence[Array | None],
    carried: range,
    first_result: int,
) -> Graph:
    """The body with its carried values of the types they enter with, where they leave with the same."""
    found = replay.nested(copied(body), types, known)
    for number, index in enumerate(carried):
        if found.outputs[first_result + number].type != found.inputs[index].type:
            types[index] = None
    return replay.nested(body, types, known)


def _truth(contents: Array) -> bool:
    return bool(contents.reshape(-1)[0])


def captured_operands(node: Node) -> int:
    """How many operands of a node with bodies are values captured from outside."""
    count: int = node.op.attributes().get("captured", 0)
    return count
