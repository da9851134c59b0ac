"""A program as data for the executable's file, and back.

Stored are the decisions (splits by kernel, order of nodes, supersteps) and everything that was predicted. Mappings and
steps follow from the decisions, so they are made again when something runs; time, memory and profile never need them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_py.bsp.program import (
    Call,
    Collective,
    Decision,
    HostCall,
    HostCopy,
    InterIpuCopy,
    MemoryAccount,
    Program,
    Recipe,
    StageProgram,
    Superstep,
    Template,
    TemplateBody,
)
from halo_py.errors import ExecutableError, InternalError
from halo_py.ir.graph import Graph, Node, StateUpdate, Value
from halo_py.tiling.plan import Cycles, Split
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_py.targets import System
    from halo_py.tiling.mapping import TileMapping

Document = dict[str, Any]

_TEMPLATE_COUNTS = (
    "temporary_bytes", "code_bytes", "vertex_bytes", "exchange_code_bytes", "multiply_accumulates", "exchanged_bytes",
    "busy_tile_cycles",
)  # fmt: skip
_TEMPLATE_CYCLES = ("compute_cycles", "exchange_cycles", "sync_cycles")
_STEP_CYCLES = ("cycles", "compute_cycles", "exchange_cycles", "sync_cycles")
_MEMORY_COUNTS = ("capacity_bytes", "fullest_tile", "fullest_bytes", "peak_step")


def encode_program(program: Program, graph: Graph) -> Document:
    """The program of `graph` as JSON-able data; equal programs give equal data.

    Raises InternalError if a stage was put together by hand (it has no recipe).
    """
    return _Encoder(graph).program(program)


def decode_program(document: Document, graph: Graph, system: System) -> Program:
    """The program that `encode_program` stored; `graph` and `system` are those it was made for.

    Raises ExecutableError, KeyError, ValueError, TypeError or IndexError if the document is not such a program.
    """
    templates: list[Template] = []
    sources = _Sources(document, graph, system)
    for number, entry in enumerate(cast("list[Document]", document["templates"])):
        templates.append(_template(entry, sources.body(number)))
    sources.templates = templates
    return Program(
        tuple(sources.stage(number) for number in range(len(document["stages"]))),
        _count(document["replicas"]),
        _count(document["micro_batches"]),
        _count(document["micro_batch"]),
        tuple(sources.copy(*entry) for entry in document["copies"]),
        tuple(Collective(*entry) for entry in document["collectives"]),
        tuple(document["notes"]),
    )


class _Encoder:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = {node: number for number, node in enumerate(graph.nodes)}
        self.values = {value: number for number, value in enumerate(graph.values())}
        self.templates: dict[Template, int] = {}
        self.first_call: list[list[int]] = []

    def program(self, program: Program) -> Document:
        stages = [self._stage(number, stage) for number, stage in enumerate(program.stages)]
        return {
            "replicas": program.replicas,
            "micro_batches": program.micro_batches,
            "micro_batch": program.micro_batch,
            "stages": stages,
            "templates": [
                {**_encode_template(template), "made_by": place}
                for template, place in zip(self.templates, self.first_call, strict=True)
            ],
            "copies": [
                [self.values[copy.value], copy.source, copy.target, copy.bytes, copy.hops] for copy in program.copies
            ],
            "collectives": [[entry.kind, entry.group, entry.bytes] for entry in program.collectives],
            "notes": list(program.notes),
        }

    def _stage(self, number: int, stage: StageProgram) -> Document:
        if stage.recipe is None:
            raise InternalError(f"stage {number} does not know how it was lowered")
        graph = stage.graph
        return {
            "name": graph.name,
            "nodes": [self.nodes[node] for node in graph.nodes],
            "inputs": [self.values[value] for value in graph.inputs],
            "outputs": [self.values[value] for value in graph.outputs],
            "states": [[self.values[update.state], self.values[update.updated]] for update in graph.states],
            "tiles": stage.recipe.tiles,
            "partials_type": stage.recipe.partials_type.text,
            "order": list(stage.recipe.order),
            "homed": sorted(self.values[value] for value in stage.homes),
            "steps": [self._step(number, step) for step in stage.supersteps],
            "memory": _encode_memory(stage.memory),
            "cycles": stage.cycles.tolist(),
            "copies": [[self.values[copy.value], copy.direction, copy.bytes] for copy in stage.copies],
            "ipu": stage.ipu,
        }

    def _step(self, stage: int, step: Superstep) -> Document:
        calls: list[list[Any]] = []
        for call in step.calls:
            node = self.nodes[call.node]
            if isinstance(call, HostCall):
                calls.append([node, None, call.reason, call.bytes_to_host, call.bytes_from_host])
                continue
            if call.template not in self.templates:
                self.templates[call.template] = len(self.templates)
                self.first_call.append([stage, node])
            calls.append([node, self.templates[call.template]])
        return {"calls": calls, **{name: getattr(step, name).tolist() for name in _STEP_CYCLES}}


def _encode_template(template: Template) -> Document:
    return {
        "name": template.name,
        "decisions": [
            [
                list(decision.split.ways),
                list(decision.split.steps),
                list(decision.split.order),
                decision.split.start,
                None if decision.followed is None else list(decision.followed),
                number,
            ]
            for number, decision in template.taken
        ],
        "matrix_types": None if template.matrix_types is None else list(template.matrix_types),
        **{name: getattr(template, name) for name in _TEMPLATE_COUNTS},
        **{name: getattr(template, name).tolist() for name in _TEMPLATE_CYCLES},
    }


def _encode_memory(account: MemoryAccount) -> Document:
    return {
        "always_live": account.always_live,
        "bytes_over_time": list(account.bytes_over_time),
        "bytes_by_tile": list(account.bytes_by_tile),
        "largest": [list(entry) for entry in account.largest],
        **{name: getattr(account, name) for name in _MEMORY_COUNTS},
    }


@dataclass(eq=False)
class _Sources:
    """Where the parts of a stored program come from: its document, and the stages lowered again on demand."""

    document: Document
    graph: Graph
    system: System
    templates: Sequence[Template] = ()

    @cached_property
    def values(self) -> list[Value]:
        """Every value of the graph by number."""
        return list(self.graph.values())

    def _value(self, number: int) -> Value:
        return self.values[number]

    def _node(self, number: int) -> Node:
        return self.graph.nodes[number]

    def _made(self, number: int) -> Template:
        return self.templates[number]

    @cached_property
    def stage_graphs(self) -> list[Graph]:
        """The graph of each stage."""
        return [self._stage_graph(entry) for entry in self.document["stages"]]

    @cached_property
    def _again(self) -> dict[int, tuple[dict[Node, Template], Mapping[Value, TileMapping]]]:
        return {}

    def _stage_graph(self, entry: Document) -> Graph:
        nodes = tuple(self._node(number) for number in entry["nodes"])
        if len(nodes) == len(self.graph.nodes):
            return self.graph
        read = dict.fromkeys(value for node in nodes for value in node.inputs if value is not None)
        constants = {value: self.graph.constants[value] for value in read if value in self.graph.constants}
        return Graph(
            entry["name"],
            tuple(self._value(number) for number in entry["inputs"]),
            tuple(self._value(number) for number in entry["outputs"]),
            nodes,
            constants,
            tuple(StateUpdate(self._value(state), self._value(updated)) for state, updated in entry["states"]),
        )

    def stage(self, number: int) -> StageProgram:
        """A stage whose supersteps and figures are at hand and whose homes are made when somebody asks."""
        entry = self.document["stages"][number]
        recipe = Recipe(entry["tiles"], DType.from_text(entry["partials_type"]), tuple(map(int, entry["order"])))
        homed = frozenset(self._value(value) for value in entry["homed"])
        return StageProgram(
            self.stage_graphs[number],
            tuple(self._superstep(step) for step in entry["steps"]),
            _StoredHomes(homed, lambda: self.lowered(number)[1]),
            _memory(entry["memory"]),
            _cycles(entry["cycles"]),
            tuple(HostCopy(self._value(value), way, int(size)) for value, way, size in entry["copies"]),
            int(entry["ipu"]),
            recipe,
        )

    def copy(self, value: int, source: int, target: int, size: int, hops: int) -> InterIpuCopy:
        """A copy between stages."""
        return InterIpuCopy(self._value(value), source, target, size, hops)

    def _superstep(self, step: Document) -> Superstep:
        calls: list[Call | HostCall] = []
        for number, template, *rest in step["calls"]:
            node = self._node(number)
            if template is None:
                calls.append(HostCall(node, node.where, *rest))
            else:
                calls.append(Call(self._made(template), node))
        return Superstep(tuple(calls), *(_cycles(step[name]) for name in _STEP_CYCLES))

    def body(self, number: int) -> Callable[[], TemplateBody]:
        """A function that makes the body of template `number`."""
        stage, node = self.document["templates"][number]["made_by"]

        def make() -> TemplateBody:
            made = self.lowered(stage)[0][self._node(node)]
            if not np.array_equal(made.cycles, self.templates[number].cycles):
                raise ExecutableError(
                    f"the program does not come out as it was stored (template {number}, {made.name})",
                    hint="compile the model again with this version",
                )
            return made.body

        return make

    def lowered(self, number: int) -> tuple[dict[Node, Template], Mapping[Value, TileMapping]]:
        """Templates by node, and homes, of a stage."""
        found = self._again.get(number)
        if found is None:
            from halo_py.bsp.lower import lower_again  # needs far more than a program that is only looked at

            stage = self.document["stages"][number]
            decided = {
                self._node(call[0]): tuple(decision for _number, decision in self._made(call[1]).taken)
                for step in stage["steps"]
                for call in step["calls"]
                if call[1] is not None
            }
            recipe = Recipe(stage["tiles"], DType.from_text(stage["partials_type"]), tuple(stage["order"]))
            found = lower_again(self.stage_graphs[number], self.system.chip, recipe, decided)
            self._again[number] = found
        return found


@dataclass(frozen=True, eq=False)
class _StoredHomes(Mapping["Value", "TileMapping"]):
    """Homes of a stored stage: which values have one is known, where it is only when asked."""

    homed: frozenset[Value]
    source: Callable[[], Mapping[Value, TileMapping]]

    @cached_property
    def _made(self) -> Mapping[Value, TileMapping]:
        return self.source()

    def __getitem__(self, value: Value) -> TileMapping:
        return self._made[value]

    def __iter__(self) -> Iterator[Value]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self.homed)

    def __contains__(self, value: object) -> bool:
        return value in self.homed


def _template(entry: Document, source: Callable[[], TemplateBody]) -> Template:
    taken = [
        (
            int(number),
            Decision(
                Split(tuple(ways), tuple(steps), tuple(order), start),
                None if followed is None else (followed[0], followed[1]),
            ),
        )
        for ways, steps, order, start, followed, number in entry["decisions"]
    ]
    types = entry["matrix_types"]
    figures: Document = {name: entry[name] for name in _TEMPLATE_COUNTS}
    figures.update((name, _cycles(entry[name])) for name in _TEMPLATE_CYCLES)
    known = None if types is None else (types[0], types[1])
    return Template(entry["name"], source, tuple(taken), matrix_types=known, **figures)


def _memory(entry: Document) -> MemoryAccount:
    return MemoryAccount(
        always_live=dict(entry["always_live"]),
        bytes_over_time=tuple(entry["bytes_over_time"]),
        bytes_by_tile=tuple(entry["bytes_by_tile"]),
        largest=tuple((name, size) for name, size in entry["largest"]),
        **{name: entry[name] for name in _MEMORY_COUNTS},
    )


def _cycles(numbers: Sequence[float]) -> Cycles:
    found = np.asarray(numbers, np.float64)
    if found.shape != (3,):
        raise ValueError("cycles are three numbers")
    return found


def _count(number: object) -> int:
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"{number!r} is not a count")
    return number
