"""IF and WHILE: a known condition takes its branch, a known number of rounds makes a counted Loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow_ops.bodies import Counter, Generaliser, with_captured
from halo_frontends.tflite.model import Subgraph
from halo_frontends.tflite.operation import Operation, maps
from halo_frontends.tflite.subgraphs import SubgraphImporter
from halo_py.errors import ModelError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.types import DType, TensorType, Type

_MOST_ROUNDS = 10_000
"""Conditions are followed at most so far to learn how many rounds there are."""
_MOST_TRIALS = 8


def _run(op: Operation, graph: Subgraph, inputs: Sequence[Value], nest: Nest) -> list[Value]:
    if len(inputs) != len(graph.inputs):
        raise ModelError(f"{len(inputs)} operands do not fit a graph of {len(graph.inputs)} inputs", op.emit.where)
    return SubgraphImporter(op.model, graph, nest).run(inputs)


def _nest(op: Operation, graph: Subgraph) -> Nest:
    return Nest(GraphBuilder(f"{op.emit.name}.{graph.name or 'body'}", str(op.model.path)), op.nest)


@maps("IF", integers="own")
def _if(op: Operation) -> Sequence[Value]:
    """The results of the first graph where the condition holds, else those of the second."""
    condition, arguments = op.value(0), op.values()[1:]
    graphs = [op.model.subgraphs[op.integer(name)] for name in ("then_subgraph", "else_subgraph")]
    known = op.emit.known(condition)
    if known is not None and known.size == 1:
        return _run(op, graphs[0 if bool(known.reshape(-1)[0]) else 1], arguments, op.nest)
    nests = [_nest(op, graph) for graph in graphs]
    results = [
        _run(op, graph, [nest.capture(value) for value in arguments], nest)
        for graph, nest in zip(graphs, nests, strict=True)
    ]
    captured = tuple(dict.fromkeys(value for nest in nests for value in nest.captured))
    bodies = tuple(
        with_captured(nest.builder.finish(values), nest.captured, captured)
        for nest, values in zip(nests, results, strict=True)
    )
    flag = op.emit.reshape(condition, ())
    return op.emit.with_bodies("If", (flag, *captured), bodies, len(results[0]), captured=len(captured))


# -- loops --------------------------------------------------------------------------------------------------------


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
    return loop.run(rounds)


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

    @property
    def carried(self) -> list[int]:
        """The variables that rounds change."""
        return [number for number in range(len(self.initial)) if number not in self.stays | self.counters.keys()]

    def rounds(self) -> int | None:
        """How often the body runs, if the condition follows from counters and what is known."""
        if not self.counters:
            return None
        nest = _nest(self.op, self.condition)
        emit = Emitter(nest.builder, self.op.emit.where, self.op.emit.name)
        others = [
            nest.capture(value) if number in self.stays else nest.builder.input(value.name, value.type)
            for number, value in enumerate(self.initial)
        ]
        for round in range(_MOST_ROUNDS):
            here = [
                self.counters[number].at(round, emit) if number in self.counters else value
                for number, value in enumerate(others)
            ]
            known = nest.builder.known(_run(self.op, self.condition, here, nest)[0])
            if known is None:
                return None
            if not known.reshape(-1)[0]:
                return round
        return None

    def run(self, rounds: int | None) -> list[Value]:
        """The variables after the loop, whose number of rounds may be known."""
        if rounds is None:
            self.counters = {}
        emit = self.op.emit
        starts = [self.initial[number] for number in self.carried]
        graph, nest = self._to_fixed_point([value.type for value in starts], rounds)
        most = None if rounds is None else emit.constant(np.asarray(rounds, np.int64), "rounds")
        going = None
        if rounds is None:
            (flag,) = _run(self.op, self.condition, self.initial, self.op.nest)
            going = emit.reshape(flag, ())
        captured = tuple(nest.captured)
        graph = with_captured(graph, nest.captured, captured)
        inputs = (most, going, *starts, *captured)
        made = emit.with_bodies("Loop", inputs, (graph,), len(starts), captured=len(captured)) if starts else ()
        after = list(self.initial)
        for number, value in zip(self.carried, made, strict=True):
            after[number] = value
        for number, counter in self.counters.items():
            after[number] = counter.at(rounds or 0, emit)
        return after

    def _to_fixed_point(self, types: list[Type], rounds: int | None) -> tuple[Graph, Nest]:
        """The body, built until the types of its carried variables are those it gives back."""
        general = Generaliser(self.op.emit.name, self.op.emit.where)
        for _ in range(_MOST_TRIALS):
            nest = _nest(self.op, self.body)
            outputs = self._body(nest, types, rounds)
            merged = [general.merge(old, value.type) for old, value in zip(types, outputs[1:], strict=True)]
            if merged == types:
                return nest.builder.finish(outputs), nest
            types = merged
        raise ModelError("the types of the loop variables do not settle", self.op.emit.where)

    def _body(self, nest: Nest, types: Sequence[Type], rounds: int | None) -> list[Value]:
        """Whether there is another round, and the carried variables at the end of this one."""
        emit = Emitter(nest.builder, self.op.emit.where, self.op.emit.name)
        round = nest.builder.input("round", TensorType(DType.INT64, ()))
        nest.builder.input("going", TensorType(DType.BOOL, ()))
        entered = {
            number: nest.builder.input(f"variable_{number}", type)
            for number, type in zip(self.carried, types, strict=True)
        }
        variables = [
            entered[number]
            if number in entered
            else self.counters[number].during(round, emit)
            if number in self.counters
            else nest.capture(value)
            for number, value in enumerate(self.initial)
        ]
        ends = _run(self.op, self.body, variables, nest)
        if rounds is None:
            (flag,) = _run(self.op, self.condition, ends, nest)
            going = emit.reshape(flag, ())
        else:
            going = emit.constant(np.asarray(True), "going")
        return [going, *(ends[number] for number in self.carried)]
