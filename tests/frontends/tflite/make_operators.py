"""Converts one small function per operator and form to TFLite, float and quantised, with TensorFlow Lite's outputs.

Run by `tests.frontends.tensorflow.made` in a virtual environment that holds TensorFlow:

    python make_operators.py FOLDER

Every case gives `NAME.tflite` and `NAME.npz`: inputs `in__name`, outputs `out__0` ... of the default kernels (XNNPACK
where it has one) and `own__0` ... of TensorFlow Lite's own kernels, which round differently in places. `index.json`
lists them with the operators of each file, the names of its outputs, and whether it is quantised.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
tf: Any = importlib.import_module("tensorflow")
cases: Any = importlib.import_module("operator_functions")
by_hand: Any = importlib.import_module("assembled")

CALIBRATION_BATCHES = 4
KINDS: Any = tf.lite.experimental.OpResolverType


def contents_of(case: Any, quantised: str) -> bytes:
    """The TFLite file of a case: float, or quantised with weights per channel or per tensor."""
    specs = [
        tf.TensorSpec([None] * array.ndim if case.open else array.shape, array.dtype, name=name)
        for name, array in case.inputs.items()
    ]

    def called(*given: Any) -> Any:
        return case.call(*given)

    concrete = tf.function(called).get_concrete_function(*specs)
    made = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    if not quantised:
        return made.convert()
    made.optimizations = [tf.lite.Optimize.DEFAULT]
    made.representative_dataset = lambda: samples(case)
    if quantised == "int16":
        made.target_spec.supported_ops = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
        made.inference_input_type = made.inference_output_type = tf.int16
    else:
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        made.inference_input_type = made.inference_output_type = tf.int8
        made._experimental_disable_per_channel = quantised == "int8_per_tensor"
    return made.convert()


def samples(case: Any) -> Iterator[dict[str, NDArray[Any]]]:
    """Inputs to calibrate with: the case's own, and others like it."""
    rng = np.random.default_rng(3)
    yield case.inputs
    for _ in range(CALIBRATION_BATCHES):
        yield {name: rng.permutation(array.reshape(-1)).reshape(array.shape) for name, array in case.inputs.items()}


def run(
    contents: bytes, given: dict[str, NDArray[Any]], kernels: Any
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Inputs as the file stores them, and its outputs, both by name."""
    interpreter = tf.lite.Interpreter(model_content=contents, experimental_op_resolver_type=kernels)
    runner = interpreter.get_signature_runner()
    details = runner.get_input_details()
    stored = {name: as_stored(given[name], entry) for name, entry in details.items()}
    return stored, dict(runner(**stored))


def as_stored(array: NDArray[Any], entry: dict[str, Any]) -> NDArray[Any]:
    scale, zero = entry["quantization"]
    if not scale or array.dtype != np.float32:
        return array.astype(entry["dtype"])
    limits = np.iinfo(entry["dtype"])
    steps = np.rint(array / np.float32(scale)) + np.float32(zero)
    return np.clip(steps, limits.min, limits.max).astype(entry["dtype"])


def operators(contents: bytes) -> list[str]:
    """All operators of a file's main graph."""
    details = tf.lite.Interpreter(
        model_content=contents,
        experimental_op_resolver_type=KINDS.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )._get_ops_details()
    return sorted({entry["op_name"] for entry in details})


def converted() -> Iterator[tuple[str, bytes, dict[str, NDArray[Any]], bool]]:
    """Name, file, inputs, and whether the file is quantised, of every case."""
    for case in cases.all_cases(tf):
        for quantised in ("", *case.quantised):
            name = f"{case.name}_{quantised}" if quantised else case.name
            try:
                yield name, contents_of(case, quantised), case.inputs, bool(quantised)
            except Exception as error:
                raise SystemExit(f"{name}: {error}") from error
    for case in by_hand.all_cases():
        yield f"assembled_{case.name}", by_hand.assembled(case), case.inputs, False


def main(folder: Path) -> None:
    index: list[dict[str, Any]] = []
    for name, contents, inputs, quantised in converted():
        try:
            stored, results = run(contents, inputs, KINDS.AUTO)
            _, own = run(contents, inputs, KINDS.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        except Exception as error:
            raise SystemExit(f"{name}: {error}") from error
        (folder / f"{name}.tflite").write_bytes(contents)
        arrays: dict[str, Any] = {f"in__{key}": array for key, array in stored.items()}
        arrays |= {f"out__{number}": value for number, value in enumerate(results.values())}
        arrays |= {f"own__{number}": own[name] for number, name in enumerate(results)}
        np.savez(folder / f"{name}.npz", **arrays)
        index.append({"name": name, "operators": operators(contents), "outputs": list(results), "quantised": quantised})
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
