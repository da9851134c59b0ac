"""`--verify`: the compiled program against ONNX Runtime on the user's own file, output by output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import VerificationError, Where
from halo_py.evaluate import evaluate_graph
from halo_py.seeded_inputs import bounds_by_name, seeded_arrays
from halo_py.verification import Comparison, OnnxRuntimeJudge, compare

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.executable import Executable, Port

    Array = NDArray[np.generic]


def request_inputs(executable: Executable, seed: int = 0) -> dict[str, Array]:
    """Seeded inputs of a whole request."""
    types = {port.name: port.request_type(executable.parts) for port in executable.inputs}
    return seeded_arrays(types, bounds_by_name(executable.graph), seed)


def verify(executable: Executable, model: Path, seed: int = 0) -> list[Comparison]:
    """Run the program on seeded inputs and compare every output with ONNX Runtime's.

    Raises VerificationError if ONNX Runtime cannot run the file.
    """
    import odla

    judge = OnnxRuntimeJudge(model)
    inputs = request_inputs(executable, seed)
    result = odla.execute(executable, inputs)
    axes = {port.name: port.batch_axis for port in (*executable.inputs, *executable.outputs)}
    judged = judge.run(inputs, executable.values, axes)
    baseline = {} if executable.precision == "fp32" else half_precision_baseline(executable, inputs)
    return [
        compare(
            port.name,
            np.asarray(result[port.name]),
            np.asarray(judged[port.name]),
            executable.precision,
            baseline.get(port.name),
        )
        for port in executable.outputs
    ]


def half_precision_baseline(executable: Executable, inputs: dict[str, Array]) -> dict[str, Array]:
    """The graph in 16-bit storage by the ops' NumPy meanings, which add up in 32 bits: what rounding alone costs."""
    parts: list[list[Array]] = []
    for number in range(executable.parts):
        operands = [_part(port, inputs[port.name], number) for port in executable.inputs]
        parts.append([np.asarray(output) for output in evaluate_graph(executable.graph, operands)])
    return {
        port.name: results[0] if port.batch_axis is None else np.concatenate(results, port.batch_axis)
        for port, results in zip(executable.outputs, zip(*parts, strict=True), strict=True)
    }


def _part(port: Port, array: Array, number: int) -> Array:
    """What micro-batch `number` of a request gets of an input."""
    if port.batch_axis is None:
        return array
    size = port.type.static_shape[port.batch_axis]
    before = (slice(None),) * port.batch_axis
    return array[(*before, slice(number * size, (number + 1) * size))]


def refuse_if_different(compared: list[Comparison], model: Path) -> None:
    """Raises VerificationError that lists the outputs that differ."""
    wrong = [entry for entry in compared if not entry.equal]
    if wrong:
        lines = "".join(f"\n  {entry}" for entry in wrong)
        message = f"{len(wrong)} of {len(compared)} outputs differ from ONNX Runtime's:{lines}"
        raise VerificationError(message, Where(str(model)), "no file was written; please report this")
