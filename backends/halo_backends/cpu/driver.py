"""The CPU device behind the ODLA driver interface. ONNX Runtime is imported when something is compiled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halo_backends.graph_file import graph_signature, load_graph, save_graph
from halo_py.frontend import load_model
from odla.driver import (
    DeviceInfo,
    Options,
    Refused,
    RunResult,
    Signature,
    archive_kind,
    check_options,
    import_options,
)

if TYPE_CHECKING:
    from halo_backends.cpu.engine import CpuProgram
    from halo_py.ir.graph import Graph
    from halo_py.ir.op import RuntimeValue

DEVICE = "cpu"
_KIND = "halo-cpu-executable"


class CpuBackend:
    """Runs graphs on ONNX Runtime, and on NumPy what ONNX Runtime lacks. Option `threads`: how many it may use."""

    name = "cpu"

    def devices(self) -> Sequence[DeviceInfo]:
        return (DeviceInfo(DEVICE, "cpu", "this computer, by ONNX Runtime"),)

    def claims(self, device: str) -> bool:
        return device == DEVICE

    def supports(self, graph: Graph, device: str) -> Sequence[Refused]:
        """Nothing is refused: what ONNX Runtime lacks is evaluated in NumPy."""
        return ()

    def compile(self, model: Graph | Path, device: str, options: Options) -> CpuProgram:
        from halo_backends.cpu.engine import compile_graph
        from halo_py.passes.pipelines import pipeline

        check_options(DEVICE, options, ("threads",))
        if isinstance(model, Path):
            model = load_model(model, import_options(options, keep_symbolic=True))
        return compile_graph(pipeline("cpu").run(model), options.get("threads"))

    def export_onnx(self, graph: Graph, path: Path) -> None:
        """Write a graph as an ONNX file. Raises OutputError, UnsupportedError."""
        from halo_py.onnx_export import save_onnx

        save_onnx(graph, path)

    def owns(self, artefact: object) -> bool:
        # By name, so that asking does not import ONNX Runtime.
        cls: type[Any] = type(artefact)
        return cls.__module__ == "halo_backends.cpu.engine" and cls.__name__ == "CpuProgram"

    def reads(self, path: Path, head: bytes) -> bool:
        return archive_kind(path, head) == _KIND

    def load(self, path: Path) -> CpuProgram:
        from halo_backends.cpu.engine import compile_graph

        return compile_graph(load_graph(path, _KIND))

    def save(self, artefact: CpuProgram, path: Path) -> None:
        save_graph(artefact.graph, path, _KIND)

    def signature(self, artefact: CpuProgram) -> Signature:
        return graph_signature(artefact.graph)

    def device_of(self, artefact: CpuProgram) -> str:
        return DEVICE

    def run(self, artefact: CpuProgram, inputs: Sequence[RuntimeValue]) -> RunResult:
        return RunResult(artefact.run(inputs))
