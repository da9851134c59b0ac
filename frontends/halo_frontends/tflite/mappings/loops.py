"""WHILE: a Loop that is counted where the number of rounds is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow_ops.bodies import Counter, Generaliser, count_rounds, with_captured
from halo_frontends.tflite.filling import Filling
from halo_frontends.tflite.mappings.control import nest_for, run
from halo_frontends.tflite.model import Subgraph
from halo_frontends.tflite.operation import Operation, maps
from halo_frontends.tflite.ports import operators_between
from halo_frontends.tflite.subgraphs import SubgraphImporter
from halo_py.errors import ModelError, ShapeError, UnsupportedError
from halo_py.ir.graph import Graph, Value
from halo_py.types import DType, TensorType, Type

_MONOTONE = frozenset({"LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "LOGICAL_AND"})
"""Of counters and what stays as it is they make conditions that, once false, stay false."""
_MOST_UNROLLED = 512
_MOST_TRIALS = 8


@maps("WHILE", integers="own")
def _while(op: Operation) -> Sequence[Value]:
    condition, body = (op.model.subgraphs[op.integer(name)] for name in ("cond_subgraph", "body_subgraph"))
    initial = op.values()
    if not len(initial) == len(body.inputs) == len(body.outputs) == len(condition.inputs):
        raise ModelError(f"{len(initial)} loop variables do not fit their graphs", op.emit.where)
    if len(condition.outputs) != 1:
        raise ModelError("the condition of a loop must answer one value", op.emit.where)
    loop = _Loop(op, condition, body, initial, _stays(body), _counters(op, body, initial))
    rounds = loop.rounds()
    if rounds == 0:
        return initial
    try:
        return loop.run(rounds)
    except (ShapeError, UnsupportedError):  # shapes that depend on the round
        if rounds is None or rounds > _MOST_UNROLLED:
            raise
        return loop.unrolled(rounds)


def _stays(body: Subgraph) -> frozenset[int]:
    """Variables that the body hands on as they are."""
    return frozenset(
        number for number, (before, after) in enumerate(zip(body.inputs, body.outputs, strict=True)) if before == after
    )


def _counters(op: Operation, body: Subgraph, initial: Sequence[Value]) -> dict[int, Counter]:
    """Integer variables that grow by a constant."""
    makers = {number: entry for entry in body.operators for number in entry.outputs}
    found: dict[int, Counter] = {}
    for number, (before, after) in enumerate(zip(body.inputs, body.outputs, strict=True)):
        maker, start = makers.get(after), op.emit.known(initial[number])
        if maker is None or maker.name != "ADD" or before not in maker.inputs or len(maker.inputs) != 2:
            continue
        other = body.tensors[maker.inputs[1 - maker.inputs.index(before)]]
        if start is None or start.ndim or start.dtype.kind != "i" or not op.model.is_constant(other):
            continue
        step = op.model.read(other)
        if step.ndim == 0 and step.dtype == start.dtype:
            found[number] = Counter(int(start.item()), int(step.item()), DType.from_numpy(start.dtype))
    return found


@dataclass(slots=True)
class _Loop:
    """A loop: its graphs, what its variables begin with, and which of them stay or count."""

    op: Operation
    condition: Subgraph
    body: Subgraph
    initial: Sequence[Value]
    stays: frozenset[int]
    counters: dict[int, Counter]

    def rounds(self) -> int | None:
        """How often the body runs, if the condition follows from counters and what is known."""
        if not self.counters:
            return None
        nest = nest_for(self.op, self.condition)
        emit = Emitter(nest.builder, self.op.emit.where, self.op.emit.name)
        others = [
            nest.capture(value) if number in self.stays else nest.builder.input(value.name, value.type)
            for number, value in enumerate(self.initial)
        ]

        def holds(round: int) -> bool | None:
            try:
                here = [
                    self.counters[number].at(round, emit) if number in self.counters else value
                    for number, value in enumerate(others)
                ]
            except OverflowError:  # no counter gets so far
                return None
            known = nest.builder.known(run(self.op, self.condition, here, nest)[0])
            return None if known is None else bool(known.reshape(-1)[0])

        kinds = {entry.name for entry in self.condition.operators}
        return count_rounds(holds, lambda: kinds <= _MONOTONE)

    def unrolled(self, rounds: int) -> list[Value]:
        """The variables after every round has been written out."""
        values = list(self.initial)
        for round in range(rounds):
            for number, counter in self.counters.items():
                values[number] = counter.at(round, self.op.emit)
            values = run(self.op, self.body, values, self.op.nest)
        return values

    def run(self, rounds: int | None) -> list[Value]:
        """The variables after the loop, whose number of rounds may be known."""
        if rounds is None:
            self.counters = {}
        return _Builder(self, rounds, self._filled(rounds)).run()

    def _filled(self, rounds: int | None) -> dict[int, int]:
        """Variables that are lists with room for an entry per round -> the tensor of the body that is the entry."""
        found: dict[int, int] = {}
        filling = Filling(self.op.model, self.body, self.counters)
        for number, value in enumerate(self.initial):
            shape = value.type.shape if isinstance(value.type, TensorType) else None
            if rounds is None or not shape or not isinstance(shape[0], int) or shape[0] < rounds:
                continue
            entry = filling.entry(number)
            if entry is not None:
                found[number] = entry
        return found


@dataclass(slots=True)
class _Builder:
    """Builds the Loop of a loop; `filled` are its lists and their entries."""

    loop: _Loop
    rounds: int | None
    filled: dict[int, int]

    @property
    def carried(self) -> list[int]:
        """The variables that rounds change."""
        others = self.loop.stays | self.loop.counters.keys() | self.filled.keys()
        return [number for number in range(len(self.loop.initial)) if number not in others]

    def run(self) -> list[Value]:
        """The variables after the loop."""
        op, emit, carried = self.loop.op, self.loop.op.emit, self.carried
        starts = [self.loop.initial[number] for number in carried]
        graph, nest = self._to_fixed_point([value.type for value in starts])
        most = going = None
        if self.rounds is None:
            (flag,) = run(op, self.loop.condition, self.loop.initial, op.nest)
            going = emit.reshape(flag, ())
        else:
            most = emit.constant(np.asarray(self.rounds, np.int64), "rounds")
        captured = tuple(nest.captured)
        graph = with_captured(graph, nest.captured, captured)
        count = len(starts) + len(self.filled)
        inputs = (most, going, *starts, *captured)
        made = emit.with_bodies("Loop", inputs, (graph,), count, captured=len(captured)) if count else ()
        return self._after(made)

    def _after(self, made: Sequence[Value]) -> list[Value]:
        """The variables after the loop, from its results."""
        emit, after = self.loop.op.emit, list(self.loop.initial)
        for number, value in zip(self.carried, made, strict=False):
            after[number] = value
        for number, counter in self.loop.counters.items():
            after[number] = counter.at(self.rounds or 0, emit)
        for number, stacked in zip(self.filled, made[len(self.carried) :], strict=True):
            shape = emit.shape(stacked)
            entries = emit.reshape(stacked, (shape[0], *shape[2:]))
            before = self.loop.initial[number]
            rest = emit.static_shape(before)[0] - (self.rounds or 0)
            after[number] = emit.concat([entries, emit.slice(before, 0, -rest)], 0) if rest else entries
        return after

    def _to_fixed_point(self, types: list[Type]) -> tuple[Graph, Nest]:
        """The body, built until the types of its carried variables are those it gives back."""
        op = self.loop.op
        general = Generaliser(op.emit.name, op.emit.where)
        for _ in range(_MOST_TRIALS):
            nest = nest_for(op, self.loop.body)
            outputs = self._body(nest, types)
            ends = outputs[1 : 1 + len(types)]
            merged = [general.merge(old, value.type) for old, value in zip(types, ends, strict=True)]
            if merged == types:
                return nest.builder.finish(outputs), nest
            types = merged
        raise ModelError("the types of the loop variables do not settle", op.emit.where)

    def _body(self, nest: Nest, types: Sequence[Type]) -> list[Value]:
        """Whether there is another round, the carried variables at the end of this one, and its entries of lists."""
        op, body, counters = self.loop.op, self.loop.body, self.loop.counters
        emit = Emitter(nest.builder, op.emit.where, op.emit.name)
        round = nest.builder.input("round", TensorType(DType.INT64, ()))
        nest.builder.input("going", TensorType(DType.BOOL, ()))
        given: dict[int, Value] = {}
        for number, type in zip(self.carried, types, strict=True):
            given[body.inputs[number]] = nest.builder.input(f"variable_{number}", type)
        for number, counter in counters.items():
            given[body.inputs[number]] = counter.during(round, emit)
        for number in self.loop.stays:
            given[body.inputs[number]] = nest.capture(self.loop.initial[number])
        wanted = [*(body.outputs[number] for number in self.carried), *self.filled.values()]
        if self.rounds is None:
            wanted = list(body.outputs)
        operators, _ = operators_between(body, wanted, set(given))
        ends = SubgraphImporter(op.model, body, nest).run_between(given, operators, wanted)
        if self.rounds is not None:
            return [emit.constant(np.asarray(True), "going"), *ends]
        (flag,) = run(op, self.loop.condition, ends, nest)
        return [emit.reshape(flag, ()), *(ends[number] for number in self.carried)]
