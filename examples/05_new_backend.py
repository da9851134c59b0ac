"""Add a device from outside: a driver behind ODLA.

An installed package names the class in the entry-point group `odla.backends`; here `odla.register` does it. The
device runs graphs by the reference meaning of their ops, and its profile counts the bytes that each kind of op made.

    python examples/05_new_backend.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import odla
from halo_py.errors import ExecutableError, OutputError, Where
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import load_model
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import RuntimeValue
from odla.driver import DeviceInfo, Options, Port, Refused, RunResult, Signature, import_options

FOLDER = Path(__file__).parent


class CountingDriver:
    """One device, `counting`. What it compiles to is the graph itself."""

    name = "counting"

    def devices(self) -> Sequence[DeviceInfo]:
        return (DeviceInfo("counting", "example", "the reference meaning, with a count of bytes"),)

    def claims(self, device: str) -> bool:
        return device == "counting"

    def supports(self, graph: Graph, device: str) -> Sequence[Refused]:
        """Everything but control flow."""
        return [Refused(node.name, node.op.kind, "has nested graphs") for node in graph.nodes if node.bodies]

    def compile(self, model: Graph | Path, device: str, options: Options) -> Graph:
        return model if isinstance(model, Graph) else load_model(model, import_options(options))

    def owns(self, artefact: object) -> bool:
        return False  # a Graph may be compiled by any driver

    def reads(self, path: Path, head: bytes) -> bool:
        return False

    def load(self, path: Path) -> Graph:
        raise ExecutableError("this device saves nothing", Where(str(path)))

    def save(self, artefact: Graph, path: Path) -> None:
        raise OutputError("this device saves nothing", Where(str(path)))

    def signature(self, artefact: Graph) -> Signature:
        inputs = tuple(Port(value.name, value.type) for value in artefact.inputs)
        names = zip(artefact.output_names, artefact.outputs, strict=True)
        return Signature(inputs, tuple(Port(name, value.type) for name, value in names))

    def device_of(self, artefact: Graph) -> str:
        return "counting"

    def run(self, artefact: Graph, inputs: Sequence[RuntimeValue]) -> RunResult:
        seen: dict[Value, RuntimeValue] = {}
        watched = {value: None for node in artefact.nodes for value in node.outputs}
        outputs = evaluate_graph(artefact, inputs, watch=watched, seen=seen)
        made: Counter[str] = Counter()
        for node in artefact.nodes:
            arrays = [seen[value] for value in node.outputs]
            made[node.op.kind] += sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
        return RunResult(outputs, made)


def main() -> None:
    """Runs the digits network on the new device and on the CPU, which must agree."""
    odla.register(CountingDriver())
    with np.load(FOLDER / "digits_samples.npz", allow_pickle=False) as samples:
        images = samples["image"]

    result = odla.execute(FOLDER / "digits.onnx", [images], device="counting")
    expected = odla.execute(FOLDER / "digits.onnx", [images], device="cpu")

    np.testing.assert_allclose(result["logits"], expected["logits"], rtol=1e-3, atol=1e-4)
    for kind, size in result.profile.most_common():
        print(f"{kind:24} {size:>9,} bytes")


if __name__ == "__main__":
    main()
