"""`--verify`: the compiled program against ONNX Runtime on the user's own file, output by output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import VerificationError, Where
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import ImportOptions, batch_symbol, load_model
from halo_py.passes.base import Pipeline
from halo_py.passes.fold import FoldConstants
from halo_py.passes.precision import Precision
from halo_py.passes.specialize import Specialize
from halo_py.seeded_inputs import bounds_by_name, seeded_arrays
from halo_py.types import TensorType
from halo_py.verification import Comparison, OnnxRuntimeJudge, compare, nudged, quantises

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from halo_py.executable import Executable
    from halo_py.ir.graph import Graph
    from halo_py.ir.op import RuntimeValue

    Array = NDArray[np.generic]
    Run = Callable[[Sequence[RuntimeValue]], Sequence[RuntimeValue]]

_NUDGES = 8


def request_inputs(executable: Executable, imported: Graph, seed: int = 0) -> dict[str, Array]:
    """Seeded inputs of a whole request; the user's graph says which integers index which tables."""
    types: dict[str, TensorType] = {}
    for port in executable.inputs:
        type = port.request_type(executable.parts)
        if not isinstance(type, TensorType) or not type.is_static:
            raise VerificationError(f"no contents can be made for input {port.name!r}: {type}")
        types[port.name] = type
    return seeded_arrays(types, bounds_by_name(imported), seed)


def verify(executable: Executable, model: Path, options: ImportOptions, seed: int = 0) -> list[Comparison]:
    """Run the program on seeded inputs and compare every output with ONNX Runtime's.

    `options` are those the model was imported with. Raises VerificationError if ONNX Runtime cannot run the file.
    """
    import odla

    judge = OnnxRuntimeJudge(model)
    imported = load_model(model, options)
    inputs = request_inputs(executable, imported, seed)
    result = odla.execute(executable, inputs)
    axes = {port.name: port.batch_axis for port in (*executable.inputs, *executable.outputs)}
    judged = judge.run(inputs, executable.values, axes)
    baseline: dict[str, Array] = {}
    if executable.precision != "fp32":
        baseline = half_precision_baseline(executable, imported, inputs)

    def compared(moved: dict[str, Array]) -> list[Comparison]:
        return [
            compare(
                port.name,
                np.asarray(result[port.name]),
                np.asarray(judged[port.name]),
                executable.precision,
                baseline.get(port.name),
                moved.get(port.name),
            )
            for port in executable.outputs
        ]

    found = compared({})
    if executable.precision == "fp32" and quantises(imported) and not all(entry.equal for entry in found):
        return compared(boundary_effect(executable, imported, inputs))
    return found


def half_precision_baseline(executable: Executable, imported: Graph, inputs: dict[str, Array]) -> dict[str, Array]:
    """What 16-bit storage alone costs: the user's graph, neither fused nor otherwise changed, evaluated in NumPy.

    Every node rounds its results to float16 and adds up in float32.
    """
    plain = Pipeline("plain", (_specialised(executable, imported), FoldConstants(), Precision("fp16"))).run(imported)
    return _by_parts(executable, plain, inputs, lambda operands: evaluate_graph(plain, operands))


def boundary_effect(executable: Executable, imported: Graph, inputs: dict[str, Array]) -> dict[str, Array]:
    """How far each element of the outputs moves when numbers at rounding boundaries fall on their other side.

    The user's graph runs on the CPU as it is, and several times with every float32 constant moved by up to 2^-18 of
    itself.
    """
    import odla

    plain = Pipeline("plain", (_specialised(executable, imported),)).run(imported)

    def outputs(graph: Graph) -> dict[str, Array]:
        program = odla.Computation.of(graph).compile("cpu")
        return _by_parts(executable, graph, inputs, lambda operands: program.run(operands).in_order())

    still = outputs(plain)
    furthest = {name: np.zeros(array.shape) for name, array in still.items()}
    for seed in range(_NUDGES):
        for name, array in outputs(nudged(plain, seed)).items():
            moved = np.abs(array.astype(np.float64) - still[name].astype(np.float64))
            furthest[name] = np.maximum(furthest[name], moved)
    return {name: np.asarray(array) for name, array in furthest.items()}


def _specialised(executable: Executable, imported: Graph) -> Specialize:
    """The pass that fixes the batch to that of a micro-batch."""
    symbol = batch_symbol(imported)
    return Specialize(() if symbol is None else ((symbol, executable.program.micro_batch),))


def _by_parts(executable: Executable, graph: Graph, inputs: dict[str, Array], run: Run) -> dict[str, Array]:
    """Outputs of a whole request by name, from a graph of one micro-batch."""
    operands_of = {port.name: port for port in executable.inputs}
    parts: list[list[Array]] = []
    for number in range(executable.parts):
        operands = [operands_of[value.name].part(inputs[value.name], number) for value in graph.inputs]
        with np.errstate(all="ignore"):
            parts.append([np.asarray(output) for output in run(operands)])
    joined: dict[str, Array] = {}
    for name, results in zip(graph.output_names, zip(*parts, strict=True), strict=True):
        axis = next((port.batch_axis for port in executable.outputs if port.name == name), None)
        joined[name] = results[0] if axis is None else np.concatenate(results, axis)
    return joined


def refuse_if_different(compared: list[Comparison], model: Path) -> None:
    """Raises VerificationError that lists the outputs that differ."""
    wrong = [entry for entry in compared if not entry.equal]
    if not wrong:
        return
    hint = "no file was written; please report this"
    if all(entry.is_lost_in_half for entry in wrong):
        most = max(wrong, key=lambda entry: entry.baseline_error or 0.0)
        hint = (
            f"no file was written; 16-bit storage alone, without HALO, is off by {most.baseline_error:.3g} at "
            f"{most.name}: this model needs --precision fp32"
        )
    lines = "".join(f"\n  {entry}" for entry in wrong)
    message = f"{len(wrong)} of {len(compared)} outputs differ from ONNX Runtime's:{lines}"
    raise VerificationError(message, Where(str(model)), hint)
