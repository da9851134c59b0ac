"""Makes Keras networks as SavedModels, frozen graphs and TFLite files, with fixed seeds.

Run by `made.py` in a virtual environment that holds TensorFlow:

    python make_networks.py FOLDER NAME...

Every network gives a folder `NAME` with `saved/` (a SavedModel), `frozen.pb`, `WAY.tflite` for every way it is made for
TFLite, and arrays: `tensorflow.npz` with inputs `in__0` ..., TensorFlow's outputs `out__0` ..., and `exact__0` ..., the
outputs of the frozen graph computed in float64 (where it can be); `WAY.npz` with the same for TensorFlow Lite's default
kernels (`out__`) and its reference kernels (`ref__`). Random weights are scaled so that outputs vary.
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

sys.path.insert(0, str(Path(__file__).parents[3]))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
tf: Any = importlib.import_module("tensorflow")
convert: Any = importlib.import_module("tensorflow.python.framework.convert_to_constants")
table: Any = importlib.import_module("tests.frontends.tensorflow.networks")

Arrays = list[NDArray[Any]]
STATISTICS_BATCH = 8
CALIBRATION_BATCHES = 4


def contents(entry: Any, batch: int | None, rng: np.random.Generator) -> NDArray[Any]:
    """Random contents of an input."""
    shape = entry.shape if batch is None else (batch, *entry.shape[1:])
    if entry.below is not None:
        return rng.integers(0, entry.below, shape).astype(np.int32)
    return (entry.most * rng.random(shape)).astype(np.float32)


def all_contents(network: Any, batch: int | None, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return [contents(entry, batch, rng) for entry in network.inputs.values()]


def built(network: Any) -> Any:
    """The network with seeded, scaled weights, and batch statistics of one seeded batch."""
    tf.keras.utils.set_random_seed(0)
    model, rng = network.build(tf), np.random.default_rng(1)
    model.set_weights([scaled(rng, weight) for weight in model.get_weights()])
    normal = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]
    for layer in normal:
        layer.momentum = 0.0
    if normal:
        given = all_contents(network, STATISTICS_BATCH, 2)
        model(given if len(given) > 1 else given[0], training=True)
    return model


def scaled(rng: np.random.Generator, weight: NDArray[Any]) -> NDArray[Any]:
    """Random values for kernels (rank 2 and 4), so large that the signal survives; anything else is kept."""
    if weight.ndim not in (2, 4):
        return weight
    depthwise = weight.ndim == 4 and weight.shape[-1] == 1
    fan_in = weight.size // (weight.shape[2] if depthwise else weight.shape[-1])
    return rng.normal(0, (2.0 / fan_in) ** 0.5, weight.shape)


def caller(model: Any) -> Any:
    """The network as a function of its inputs."""

    def called(*given: Any) -> Any:
        inputs = list(given)
        return model(inputs if len(inputs) > 1 else inputs[0], training=False)

    return called


def specs(network: Any, *, any_batch: bool) -> list[Any]:
    return [
        tf.TensorSpec((None, *entry.shape[1:]) if any_batch else entry.shape, kind(entry), name=name)
        for name, entry in network.inputs.items()
    ]


def kind(entry: Any) -> Any:
    return tf.float32 if entry.below is None else tf.int32


def save_tensorflow(folder: Path, model: Any, network: Any) -> Any:
    """The SavedModel, the frozen graph and TensorFlow's outputs; answers the frozen function."""
    call = caller(model)
    if len(network.inputs) == 1:
        model.export(str(folder / "saved"), verbose=False)
    else:
        any_batch = tf.function(call).get_concrete_function(*specs(network, any_batch=True))
        tf.saved_model.save(model, str(folder / "saved"), signatures=any_batch)
    given = all_contents(network, None, 0)
    concrete = tf.function(call).get_concrete_function(*specs(network, any_batch=False))
    frozen = convert.convert_variables_to_constants_v2(concrete)
    graph = frozen.graph.as_graph_def()
    (folder / "frozen.pb").write_bytes(graph.SerializeToString())
    outputs = [output.numpy() for output in frozen(*(tf.constant(array) for array in given))]
    names = [output.name.removesuffix(":0") for output in frozen.outputs]
    check(outputs)
    exact = in_float64(graph, dict(zip(network.inputs, given, strict=True)), names)
    (folder / "outputs.json").write_text(json.dumps(names), encoding="utf-8")
    store(folder / "tensorflow.npz", given, out=outputs, exact=exact)
    return concrete


def store(path: Path, given: Arrays, **results: Arrays) -> None:
    groups = {"in": given, **results}
    arrays: dict[str, Any] = {
        f"{key}__{number}": array for key, group in groups.items() for number, array in enumerate(group)
    }
    np.savez_compressed(path, **arrays)


def check(outputs: Arrays) -> None:
    """Outputs that are all alike would check nothing."""
    for output in outputs:
        spread = float(np.std(output))
        distinct = len({round(float(number), 3) for number in (output / (spread or 1)).reshape(-1)})
        if not 1e-4 < spread < 1e4 or distinct < min(100, output.size // 3):
            raise SystemExit(f"the outputs hardly vary: {spread=} {distinct=}")


def in_float64(graph: Any, given: dict[str, NDArray[Any]], names: list[str]) -> Arrays:
    """The outputs of the frozen graph with all of float32 made float64; none if it loops or demands float32."""
    if any(node.op == "Enter" for node in graph.node):
        return []
    for node in graph.node:
        if node.op == "Const" and node.attr["value"].tensor.dtype == 1:
            wide = tf.make_ndarray(node.attr["value"].tensor).astype(np.float64)
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(wide))
        for key in node.attr:
            if node.attr[key].type == 1:
                node.attr[key].type = 2
            elif 1 in node.attr[key].list.type:
                kinds = node.attr[key].list.type
                kinds[:] = [2 if kind == 1 else kind for kind in kinds]
    wide = {
        f"{name}:0": array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in given.items()
    }
    with tf.Graph().as_default() as made:
        try:
            tf.import_graph_def(graph, name="")
            with tf.compat.v1.Session(graph=made) as session:
                return session.run([f"{name}:0" for name in names], wide)
        except (ValueError, tf.errors.OpError):
            return []


# -- TFLite -------------------------------------------------------------------------------------------------------


def lite_file(model: Any, concrete: Any, network: Any, way: str) -> bytes:
    """A TFLite file made in this way."""
    whole = convert.convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([whole], model)
    if way != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if way == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if way.startswith("int8"):
        converter.representative_dataset = lambda: samples(network)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        converter._experimental_disable_per_channel = way.endswith("per_tensor")
    return converter.convert()


def samples(network: Any) -> Iterator[dict[str, NDArray[Any]] | Arrays]:
    """Inputs to calibrate with: by name if there are several (the converter gives some files no signature)."""
    for seed in range(CALIBRATION_BATCHES):
        contents = all_contents(network, None, seed)
        yield contents if len(contents) == 1 else dict(zip(network.inputs, contents, strict=True))


def save_lite(folder: Path, way: str, file: bytes, given: dict[str, NDArray[Any]]) -> None:
    """A TFLite file, and the outputs of the default and of the reference kernels."""
    (folder / f"{way}.tflite").write_bytes(file)
    kinds = tf.lite.experimental.OpResolverType
    stored: Arrays = []
    results: dict[str, Arrays] = {}
    for key, kernels in (("out", kinds.AUTO), ("ref", kinds.BUILTIN_REF)):
        try:
            interpreter = tf.lite.Interpreter(model_content=file, experimental_op_resolver_type=kernels)
            arguments, found = run(interpreter, given)
        except (ValueError, RuntimeError):  # the reference kernels lack an operator
            if key == "out":
                raise
            continue
        stored = [arguments[name] for name in given]
        results[key] = [found[name] for name in sorted(found)]
        (folder / f"{way}.json").write_text(json.dumps(sorted(found)), encoding="utf-8")
    store(folder / f"{way}.npz", stored, **results)


def run(interpreter: Any, given: dict[str, NDArray[Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs as the file stores them and its outputs, by the names of its signature or of its tensors."""
    if interpreter.get_signature_list():
        runner = interpreter.get_signature_runner()
        details = runner.get_input_details()
        arguments = {name: as_stored(given[name], details[name]) for name in details}
        return arguments, runner(**arguments)
    (entry,) = interpreter.get_input_details()
    ((name, x),) = given.items()
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], as_stored(x, entry))
    interpreter.invoke()
    outputs = interpreter.get_output_details()
    return {name: as_stored(x, entry)}, {out["name"]: interpreter.get_tensor(out["index"]) for out in outputs}


def as_stored(x: NDArray[Any], entry: dict[str, Any]) -> NDArray[Any]:
    """The input as the file wants it: quantised with its scale and zero point, or as it is."""
    scale, zero = entry["quantization"]
    if not scale or x.dtype.kind != "f":
        return x.astype(entry["dtype"])
    limits = np.iinfo(entry["dtype"])
    steps = np.rint(x / np.float32(scale)) + np.float32(zero)
    return np.clip(steps, limits.min, limits.max).astype(entry["dtype"])


def main(folder: Path, names: list[str]) -> None:
    networks = table.networks()
    for name in names:
        network, own = networks[name], folder / name
        own.mkdir(parents=True, exist_ok=True)
        tf.keras.backend.clear_session()
        model = built(network)
        concrete = save_tensorflow(own, model, network)
        given = dict(zip(network.inputs, all_contents(network, None, 0), strict=True))
        for way in network.lite:
            save_lite(own, way, lite_file(model, concrete, network, way), given)
        (own / "complete").touch()
        print(name, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
