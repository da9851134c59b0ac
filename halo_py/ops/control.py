"""If, Loop and Scan: nested graphs that run on the host unless folding removes them. Require: what is left of an If.

Values that a body needs from outside are operands after the ONNX operands (`captured` of them), and inputs of every
body after its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.errors import UsageError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph
from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, op
from halo_py.ops.dims import normalize_axis, unknown_dim
from halo_py.ops.elementwise import Add, Mul
from halo_py.ops.logic import Less
from halo_py.ops.reshaping import Identity
from halo_py.ops.sampling import floats
from halo_py.types import Dim, DType, OptionalType, SequenceType, TensorType, Type, tensor

Numbers = NDArray[Any]
CONTROL = "control flow that depends on data runs on the host"


def merge_types(args: InferArgs, left: Type, right: Type, label: str) -> Type:
    """What is known of a value that has one of two types. Raises ShapeError if they are of different kinds."""
    if left == right:
        return left
    if isinstance(left, TensorType) and isinstance(right, TensorType):
        if left.dtype is not right.dtype:
            raise args.error(f"{left} and {right} have different element types")
        if left.shape is None or right.shape is None or len(left.shape) != len(right.shape):
            return TensorType(left.dtype, None)
        pairs = enumerate(zip(left.shape, right.shape, strict=True))
        return TensorType(
            left.dtype, tuple(a if a == b else unknown_dim(args, f"{label}_{number}") for number, (a, b) in pairs)
        )
    if isinstance(left, SequenceType) and isinstance(right, SequenceType):
        return SequenceType(merge_types(args, left.element, right.element, label))
    if isinstance(left, OptionalType) or isinstance(right, OptionalType):
        inner = [type.element if isinstance(type, OptionalType) else type for type in (left, right)]
        return OptionalType(merge_types(args, inner[0], inner[1], label))
    raise args.error(f"{left} and {right} are different kinds of values")


def _flag(value: RuntimeValue) -> bool:
    return bool(np.asarray(value).reshape(-1)[0])


@op("if", onnx="If", since=25, odla="odla_If", host_only=CONTROL)
class If(Op):
    """The results of body 0 where the condition holds, else those of body 1."""

    captured: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        then, other = (tuple(value.type for value in body.outputs) for body in args.bodies)
        if len(then) != len(other):
            raise args.error(f"the branches have {len(then)} and {len(other)} results")
        condition = args.constant(0)
        if condition is not None:
            return then if _flag(condition) else other
        return tuple(
            merge_types(args, a, b, f"out{number}") for number, (a, b) in enumerate(zip(then, other, strict=True))
        )

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return tuple(args.run_body(0 if _flag(args.inputs[0]) else 1, args.inputs[1:]))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        bodies = (_double_body("then"), _square_body("else"))
        x = floats(1, 3, 2)
        for flag in (True, False):
            yield Sample(cls(captured=1), (np.asarray(flag), x), bodies=bodies)
        yield Sample(cls(captured=1), (np.asarray([True]), x), constant=(0,), bodies=bodies)


@op("require", host_only=CONTROL)
class Require(Op):
    """Operand 1 unchanged, if the condition (operand 0) is not `refused`; else the run ends with the message."""

    message: str
    refused: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        found = args.types[1]
        if found is None:
            raise args.error("operand 1 is missing")
        return (found,)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        if _flag(args.inputs[0]) == bool(self.refused):
            raise UsageError(self.message, hint="give inputs and shapes that belong together (--shape, --value)")
        return (args.inputs[1],)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls("the flag is not set"), (np.asarray(True), floats(1, 3, 2)))
        yield Sample(cls("the flag is set", refused=1), (np.asarray([False]), floats(1, 3, 2)))
        yield Sample(cls("the flag is set", refused=1), (np.asarray(False), np.arange(4, dtype=np.int64)))


@op("loop", onnx="Loop", since=25, odla="odla_Loop", host_only=CONTROL)
class Loop(Op):
    """Body 0 again and again: operands are the most iterations, the condition, then the carried values.

    The body takes the iteration number, the condition and the carried values; it answers the condition, the carried
    values, and slices that are stacked into further results.
    """

    captured: int = 0

    def _carried(self, operands: int) -> int:
        return operands - 2 - self.captured

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        body = args.bodies[0]
        carried = self._carried(len(args))
        found: list[Type] = []
        for number, value in enumerate(body.outputs[1 : 1 + carried]):
            initial = args.types[2 + number]
            found.append(value.type if initial is None else merge_types(args, initial, value.type, f"carried{number}"))
        trips = self._trips(args, body)
        for number, value in enumerate(body.outputs[1 + carried :]):
            count = unknown_dim(args, "trips") if trips is None else trips
            found.append(_stacked(args, value.type, count, number))
        return tuple(found)

    def _trips(self, args: InferArgs, body: Graph) -> Dim | None:
        """The number of iterations if it does not depend on data: nothing ends the loop early."""
        kept = body.outputs[0] is body.inputs[1]
        for node in body.nodes:
            if body.outputs[0] in node.outputs and isinstance(node.op, Identity):
                kept = node.inputs[0] is body.inputs[1] or node.inputs[0] in body.constants
        contents = body.constants.get(body.outputs[0])
        if contents is not None:
            kept = _flag(contents)
        first = args.constant(1)
        if not kept or (args.has(1) and first is None):
            return None
        if first is not None and not _flag(first):
            return 0
        most = args.dims(0) if args.has(0) else None
        return most[0] if most else None

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        count = self._carried(len(args))
        most = args.optional(0)
        limit = None if most is None else int(most.reshape(-1)[0])
        going = _flag(args.inputs[1]) if args.has(1) else True
        carried = list(args.inputs[2 : 2 + count])
        captured = args.inputs[2 + count :]
        stacks: list[list[Numbers]] = [[] for _ in range(args.outputs - count)]
        trip = 0
        while going and (limit is None or trip < limit):
            results = args.run_body(0, [np.asarray(trip, np.int64), np.asarray(going), *carried, *captured])
            going, carried = _flag(results[0]), results[1 : 1 + count]
            for stack, value in zip(stacks, results[1 + count :], strict=True):
                stack.append(np.asarray(value))
            trip += 1
        return (*carried, *(_stack(stack, args.output_types[count + n], 0) for n, stack in enumerate(stacks)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        start, step = floats(1, 3), floats(2, 3)
        most, always = np.asarray(5, np.int64), np.asarray(True)
        yield Sample(cls(), (most, always, start), constant=(0, 1), outputs=2, bodies=(_growing_body(captured=False),))
        yield Sample(cls(captured=1), (most, None, start, step), outputs=2, bodies=(_growing_body(captured=True),))
        limited = _limited_body()
        yield Sample(cls(), (None, always, np.asarray(1.0, np.float32)), outputs=1, bodies=(limited,))
        yield Sample(cls(), (np.asarray(2, np.int64), always, np.asarray(1.0, np.float32)), bodies=(limited,))


@op("scan", onnx="Scan", since=25, host_only=CONTROL)
class Scan(Op):
    """Body 0 for every slice of the last `num_scan_inputs` operands; states are handed on, slices stacked."""

    num_scan_inputs: int
    scan_input_axes: tuple[int, ...] | None = None
    scan_input_directions: tuple[int, ...] | None = None
    scan_output_axes: tuple[int, ...] | None = None
    scan_output_directions: tuple[int, ...] | None = None
    captured: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        body = args.bodies[0]
        states = len(args) - self.captured - self.num_scan_inputs
        found: list[Type] = []
        for number, value in enumerate(body.outputs[:states]):
            initial = args.types[number]
            found.append(value.type if initial is None else merge_types(args, initial, value.type, f"state{number}"))
        length: Dim | None = None
        for number in range(self.num_scan_inputs):
            shape = args.shape(states + number)
            if shape is not None:
                dim = shape[normalize_axis((self.scan_input_axes or (0,) * (number + 1))[number], len(shape))]
                length = dim if length is None or isinstance(dim, int) else length
        for number, value in enumerate(body.outputs[states:]):
            axis = self.scan_output_axes[number] if self.scan_output_axes else 0
            count = unknown_dim(args, "length") if length is None else length
            found.append(_stacked(args, value.type, count, number, axis))
        return tuple(found)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        count = self.num_scan_inputs
        states_count = len(args) - self.captured - count
        axes = self.scan_input_axes or (0,) * count
        backwards = self.scan_input_directions or (0,) * count
        scanned: list[Numbers] = []
        for number in range(count):
            rows = np.moveaxis(args.array(states_count + number), axes[number], 0)
            scanned.append(rows[::-1] if backwards[number] else rows)
        states = list(args.inputs[:states_count])
        captured = args.inputs[states_count + count :]
        stacks: list[list[Numbers]] = [[] for _ in range(args.outputs - states_count)]
        for step in range(len(scanned[0])):
            results = args.run_body(0, [*states, *(np.asarray(rows[step]) for rows in scanned), *captured])
            states = results[:states_count]
            for stack, value in zip(stacks, results[states_count:], strict=True):
                stack.append(np.asarray(value))
        out_axes = self.scan_output_axes or (0,) * len(stacks)
        reverse = self.scan_output_directions or (0,) * len(stacks)
        stacked = [
            _stack(stack[::-1] if reverse[n] else stack, args.output_types[states_count + n], out_axes[n])
            for n, stack in enumerate(stacks)
        ]
        return (*states, *stacked)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        body = _scan_body()
        state = floats(1, 2)
        yield Sample(cls(1), (state, floats(2, 4, 2)), outputs=2, bodies=(body,))
        yield Sample(
            cls(1, scan_input_axes=(1,), scan_input_directions=(1,), scan_output_axes=(-1,)),
            (state, floats(3, 2, 5)),
            outputs=2,
            bodies=(body,),
        )
        yield Sample(cls(1, scan_output_directions=(1,)), (state, floats(4, 3, 2)), outputs=2, bodies=(body,))


def _stacked(args: InferArgs, type: Type, count: Dim, number: int, axis: int = 0) -> TensorType:
    if not isinstance(type, TensorType):
        raise args.error(f"result {number} of the body must be a tensor to be stacked, found {type}")
    if type.shape is None:
        return type
    at = normalize_axis(axis, len(type.shape) + 1)
    return TensorType(type.dtype, (*type.shape[:at], count, *type.shape[at:]))


def _stack(slices: Sequence[Numbers], type: Type, axis: int) -> Numbers:
    """Slices as one tensor; without any, a tensor of the inferred rank with no elements."""
    if slices:
        return np.stack(slices, axis=axis)
    assert isinstance(type, TensorType)
    shape = [dim if isinstance(dim, int) else 0 for dim in type.shape or (0,)]
    shape[axis] = 0
    return np.zeros(shape, type.dtype.numpy)


# -- bodies of the samples ------------------------------------------------------------------------------------------


def _double_body(name: str) -> Graph:
    builder = GraphBuilder(name)
    x = builder.input("x", tensor(DType.FLOAT32, 3, 2))
    return builder.finish(builder.add(Add(), (x, x)))


def _square_body(name: str) -> Graph:
    builder = GraphBuilder(name)
    x = builder.input("x", tensor(DType.FLOAT32, 3, 2))
    return builder.finish(builder.add(Mul(), (x, x)))


def _growing_body(*, captured: bool) -> Graph:
    builder = GraphBuilder("body")
    builder.input("trip", tensor(DType.INT64))
    going = builder.input("going", tensor(DType.BOOL))
    total = builder.input("total", tensor(DType.FLOAT32, 3))
    step = builder.input("step", tensor(DType.FLOAT32, 3)) if captured else total
    (grown,) = builder.add(Add(), (total, step))
    (still,) = builder.add(Identity(), (going,))
    (square,) = builder.add(Mul(), (grown, grown))
    return builder.finish((still, grown, square))


def _limited_body() -> Graph:
    """Doubles while the value is below 20."""
    builder = GraphBuilder("body")
    builder.input("trip", tensor(DType.INT64))
    builder.input("going", tensor(DType.BOOL))
    value = builder.input("value", tensor(DType.FLOAT32))
    (grown,) = builder.add(Add(), (value, value))
    (still,) = builder.add(Less(), (grown, builder.constant(np.asarray(20.0, np.float32))))
    return builder.finish((still, grown))


def _scan_body() -> Graph:
    builder = GraphBuilder("body")
    state = builder.input("state", tensor(DType.FLOAT32, 2))
    row = builder.input("row", tensor(DType.FLOAT32, 2))
    (grown,) = builder.add(Add(), (state, row))
    (square,) = builder.add(Mul(), (grown, row))
    return builder.finish((grown, square))
