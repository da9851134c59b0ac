"""A graph on the CPU: ONNX Runtime for all it takes, NumPy for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from halo_backends.cpu.departures import why_not_here
from halo_backends.cpu.runtime import RefusedError
from halo_backends.cpu.segments import Segment, cut
from halo_backends.cpu.session import NodeFailedError, Session, open_session, refusal
from halo_py.evaluate import evaluate_graph
from halo_py.ir.encode import structural_key
from odla.driver import Refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph, Node, Value
    from halo_py.ir.op import RuntimeValue

    Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A segment and, if ONNX Runtime runs it, its session."""

    graph: Graph
    session: Session | None

    def run(self, inputs: Sequence[RuntimeValue]) -> Sequence[RuntimeValue]:
        """The segment's outputs in order."""
        return evaluate_graph(self.graph, inputs) if self.session is None else self.session.run(inputs)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A graph cut into steps. `whole` is the session that runs all of it, if one does."""

    graph: Graph
    steps: tuple[Step, ...]
    whole: Session | None
    refused: Mapping[Node, str]
    """Nodes that NumPy evaluates, and why."""

    def run(self, inputs: Sequence[RuntimeValue]) -> Sequence[RuntimeValue]:
        """Outputs in order. Raises SimulationError."""
        if self.whole is not None:
            return self.whole.run(inputs)
        contents: dict[Value, RuntimeValue] = dict(self.graph.constants)
        contents.update(zip(self.graph.inputs, inputs, strict=True))
        for step in self.steps:
            results = step.run([contents[value] for value in step.graph.inputs])
            contents.update(zip(step.graph.outputs, results, strict=True))
        return [contents[value] for value in self.graph.outputs]


class CpuProgram:
    """A graph on the CPU. A node that ONNX Runtime takes but fails to run is left to NumPy from then on."""

    def __init__(self, graph: Graph, threads: int | None = None) -> None:
        self.graph = graph
        self._threads = threads
        self._plan = _plan(graph, {}, threads)

    @property
    def plan(self) -> Plan:
        """How the graph runs now."""
        return self._plan

    @property
    def fallbacks(self) -> tuple[Refused, ...]:
        """The nodes that NumPy evaluates, each with its reason."""
        return _listed(self._plan.refused)

    def run(self, inputs: Sequence[RuntimeValue]) -> Sequence[RuntimeValue]:
        """Outputs in order. Raises SimulationError."""
        try:
            return self._plan.run(inputs)
        except NodeFailedError as error:
            return self._run_without(error, inputs)

    def _run_without(self, failed: NodeFailedError, inputs: Sequence[RuntimeValue]) -> Sequence[RuntimeValue]:
        """The same with failing nodes evaluated by NumPy: ONNX Runtime finds some gaps only while it runs."""
        refused: dict[Node, str] = {}
        while failed.node is not None and failed.node not in refused:
            refused[failed.node] = f"ONNX Runtime fails to run it: {failed.message}"
            plan = _plan(self.graph, {**self._plan.refused, **refused}, self._threads)
            try:
                results = plan.run(inputs)
            except NodeFailedError as error:
                failed = error
            else:
                # Only a plan that worked is kept: inputs that are wrong for the model change nothing.
                self._plan = plan
                return results
        raise failed


def compile_graph(graph: Graph, threads: int | None = None) -> CpuProgram:
    """The graph as sessions. Nodes that ONNX Runtime refuses are left to NumPy."""
    return CpuProgram(graph, threads)


def _plan(graph: Graph, known: Mapping[Node, str], threads: int | None) -> Plan:
    """Steps for a graph of which some nodes are known to be refused."""
    refused = {node: reason for node in graph.nodes if (reason := why_not_here(node, graph.constants)) is not None}
    refused.update(known)
    if not refused and graph.nodes:
        try:
            return Plan(graph, (), open_session(graph, threads), {})
        except RefusedError:
            refused = _Probes(graph.constants).refused(graph.nodes)
    steps: list[Step] = []
    probes = _Probes(graph.constants)
    for segment in cut(graph, lambda node: node not in refused):
        steps += _steps(segment, refused, probes, threads)
    return Plan(graph, tuple(steps), None, refused)


def _steps(segment: Segment, refused: dict[Node, str], probes: _Probes, threads: int | None) -> list[Step]:
    """A segment as steps; culprits found in a segment that is refused as a whole are added to `refused`."""
    if not segment.native:
        return [Step(segment.graph, None)]
    try:
        return [Step(segment.graph, open_session(segment.graph, threads))]
    except RefusedError as error:
        culprits = probes.refused(segment.graph.nodes)
        if not culprits:
            culprits = dict.fromkeys(segment.graph.nodes, f"ONNX Runtime refuses the nodes together: {error}")
    refused.update(culprits)
    inner = cut(segment.graph, lambda node: node not in culprits)
    return [step for part in inner for step in _steps(part, refused, probes, threads)]


@dataclass(slots=True)
class _Probes:
    """Tries nodes one by one; equal nodes are tried once."""

    constants: Mapping[Value, Array]
    _known: dict[object, str | None] = field(default_factory=dict[object, str | None])

    def refused(self, nodes: Sequence[Node]) -> dict[Node, str]:
        """The nodes that ONNX Runtime does not take, with its reasons."""
        return {node: reason for node in nodes if (reason := self._reason(node)) is not None}

    def _reason(self, node: Node) -> str | None:
        reason = why_not_here(node, self.constants)
        if reason is not None:
            return reason
        key = structural_key(node, self.constants)
        if key not in self._known:
            self._known[key] = refusal(node, self.constants)
        return self._known[key]


def probe(graph: Graph) -> tuple[Refused, ...]:
    """The nodes that ONNX Runtime does not take, each with its reason."""
    return _listed(_Probes(graph.constants).refused(graph.nodes))


def _listed(refused: Mapping[Node, str]) -> tuple[Refused, ...]:
    return tuple(Refused(node.where.node or node.name, node.op.kind, reason) for node, reason in refused.items())
