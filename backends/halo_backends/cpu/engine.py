"""A graph on the CPU: ONNX Runtime for all it takes, NumPy for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from halo_backends.cpu.runtime import RefusedError
from halo_backends.cpu.segments import Segment, cut
from halo_backends.cpu.session import Session, open_session, refusal
from halo_py.evaluate import evaluate_graph
from halo_py.ir.encode import structural_key
from halo_py.onnx_export import why_not
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
class CpuProgram:
    """A graph cut into steps. `whole` is the session that runs all of it, if one does."""

    graph: Graph
    steps: tuple[Step, ...]
    whole: Session | None
    fallbacks: tuple[Refused, ...] = ()
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


def compile_graph(graph: Graph, threads: int | None = None) -> CpuProgram:
    """The graph as sessions. Nodes that ONNX Runtime refuses are left to NumPy."""
    refused = {node: reason for node in graph.nodes if (reason := _why_not_exported(node)) is not None}
    if not refused and graph.nodes:
        try:
            return CpuProgram(graph, (), open_session(graph, threads))
        except RefusedError:
            refused = _Probes(graph.constants).refused(graph.nodes)
    return _in_segments(graph, refused, threads)


def _in_segments(graph: Graph, refused: dict[Node, str], threads: int | None) -> CpuProgram:
    """Steps for a graph of which some nodes are refused; a segment that is refused as a whole goes to NumPy."""
    steps: list[Step] = []
    probes = _Probes(graph.constants)
    for segment in cut(graph, lambda node: node not in refused):
        steps += _steps(segment, refused, probes, threads)
    listed = [Refused(node.where.node or node.name, node.op.kind, reason) for node, reason in refused.items()]
    return CpuProgram(graph, tuple(steps), None, tuple(listed))


def _steps(segment: Segment, refused: dict[Node, str], probes: _Probes, threads: int | None) -> list[Step]:
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
        reason = _why_not_exported(node)
        if reason is not None:
            return reason
        key = structural_key(node, self.constants)
        if key not in self._known:
            self._known[key] = refusal(node, self.constants)
        return self._known[key]


def _why_not_exported(node: Node) -> str | None:
    """Why ONNX cannot express the node or something inside its nested graphs."""
    reason = why_not(node)
    if reason is not None:
        return reason
    inner = (why_not(found) for body in node.bodies for found in body.walk())
    return next((found for found in inner if found is not None), None)


def probe(graph: Graph) -> list[Refused]:
    """The nodes that ONNX Runtime does not take, each with its reason."""
    refused = _Probes(graph.constants).refused(graph.nodes)
    return [Refused(node.where.node or node.name, node.op.kind, reason) for node, reason in refused.items()]
