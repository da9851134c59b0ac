"""The reference device: the naive evaluator that defines the IR. Slow, exact, and independent of any framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from halo_backends.graph_file import graph_signature, load_graph, save_graph
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import load_model
from odla.driver import DeviceInfo, Options, Refused, RunResult, Signature, archive_kind, check_options, import_options

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph
    from halo_py.ir.op import RuntimeValue

DEVICE = "reference"
_KIND = "halo-reference-executable"


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceProgram:
    """A graph to be evaluated."""

    graph: Graph


class ReferenceBackend:
    """Evaluates a graph node by node."""

    name = "reference"

    def devices(self) -> Sequence[DeviceInfo]:
        return (DeviceInfo(DEVICE, "reference", "the meaning of every op in NumPy, node by node"),)

    def claims(self, device: str) -> bool:
        return device == DEVICE

    def supports(self, graph: Graph, device: str) -> Sequence[Refused]:
        return ()

    def compile(self, model: Graph | Path, device: str, options: Options) -> ReferenceProgram:
        check_options(device, options)
        if isinstance(model, Path):
            model = load_model(model, import_options(options, keep_symbolic=True))
        return ReferenceProgram(model)

    def owns(self, artefact: object) -> bool:
        return isinstance(artefact, ReferenceProgram)

    def reads(self, path: Path, head: bytes) -> bool:
        return archive_kind(path, head) == _KIND

    def load(self, path: Path) -> ReferenceProgram:
        return ReferenceProgram(load_graph(path, _KIND))

    def save(self, artefact: ReferenceProgram, path: Path) -> None:
        save_graph(artefact.graph, path, _KIND)

    def signature(self, artefact: ReferenceProgram) -> Signature:
        return graph_signature(artefact.graph)

    def device_of(self, artefact: ReferenceProgram) -> str:
        return DEVICE

    def run(self, artefact: ReferenceProgram, inputs: Sequence[RuntimeValue]) -> RunResult:
        return RunResult(evaluate_graph(artefact.graph, inputs))
