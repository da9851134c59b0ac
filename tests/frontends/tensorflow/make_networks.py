"""Makes Keras networks as SavedModels, frozen graphs and TFLite files, with fixed seeds.

Run by `made.py` in a virtual environment that holds TensorFlow:

    python make_networks.py FOLDER

Every network gives `NAME/` (a SavedModel), `NAME_frozen.pb`, `NAME.tflite`, `NAME_int8.tflite` where it can be
quantised, and `NAME.npz`: inputs `in__0` ..., TensorFlow's outputs `out__0` ..., and `exact__0` ..., the outputs of the
frozen graph computed in float64 (where it can be). Outputs of TFLite files are in `NAME.tflite.npz`, with TensorFlow
Lite's default kernels (`out__`) and, where there are all, its reference kernels (`ref__`). Random weights are scaled so
that outputs vary.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
tf: Any = importlib.import_module("tensorflow")
convert: Any = importlib.import_module("tensorflow.python.framework.convert_to_constants")
keras, applications, layers = tf.keras, tf.keras.applications, tf.keras.layers

Arrays = list[NDArray[Any]]
IMAGE = {"weights": None, "classes": 1000, "classifier_activation": None}
STATISTICS_BATCH = 8
CALIBRATION_BATCHES = 4


@dataclass(frozen=True, slots=True)
class Network:
    """A network: how it is built, the shape of its input, and whether TFLite files are made of it."""

    build: Callable[[], Any]
    shape: tuple[int, ...]
    lite: bool = True
    quantised: bool = False


def attention() -> Any:
    x = keras.Input((16, 32))
    y = layers.LayerNormalization()(layers.MultiHeadAttention(4, 8)(x, x) + x)
    return keras.Model(x, layers.Dense(32, activation="gelu")(y))


def lstm() -> Any:
    x = keras.Input((20, 8))
    return keras.Model(x, layers.Dense(40)(layers.LSTM(16, return_sequences=True)(x)))


def lstm_last() -> Any:
    """The last state of a stack of two, over more steps than are worth unrolling."""
    x = keras.Input((60, 12))
    return keras.Model(x, layers.Dense(128)(layers.LSTM(24)(layers.LSTM(16, return_sequences=True)(x))))


def gru() -> Any:
    x = keras.Input((20, 8))
    return keras.Model(x, layers.Dense(4)(layers.Bidirectional(layers.GRU(16, return_sequences=True))(x)))


def simple_rnn() -> Any:
    x = keras.Input((30, 8))
    return keras.Model(x, layers.Dense(8)(layers.SimpleRNN(16, return_sequences=True, go_backwards=True)(x)))


def keyword_spotter() -> Any:
    """A small audio network: depthwise-separable convolutions over a spectrogram."""
    x = keras.Input((49, 10, 1))
    y = layers.ReLU()(layers.Conv2D(16, (10, 4), strides=2, padding="same")(x))
    for _ in range(2):
        y = layers.ReLU()(layers.DepthwiseConv2D(3, padding="same")(y))
        y = layers.ReLU(6.0)(layers.Conv2D(16, 1)(y))
    y = layers.AveragePooling2D((5, 5))(y)
    return keras.Model(x, layers.Dense(12)(layers.Flatten()(y)))


def segmenter() -> Any:
    """An encoder and decoder: pools, transposed convolutions, resizing, joins."""
    x = keras.Input((32, 32, 3))
    a = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    b = layers.Conv2D(16, 3, padding="same", activation="elu")(layers.MaxPooling2D(2)(a))
    c = layers.Conv2DTranspose(8, 3, strides=2, padding="same")(b)
    d = layers.UpSampling2D(2, interpolation="bilinear")(layers.AveragePooling2D(2)(a))
    y = layers.LeakyReLU()(layers.Concatenate()([a, c, d]))
    return keras.Model(x, layers.Conv2D(4, 1, activation="sigmoid")(layers.PReLU(shared_axes=[1, 2])(y)))


def networks() -> dict[str, Network]:
    return {
        "mobilenet": Network(lambda: applications.MobileNet((96, 96, 3), alpha=0.25, **IMAGE), (1, 96, 96, 3)),
        "mobilenet_v2": Network(
            lambda: applications.MobileNetV2((96, 96, 3), alpha=0.35, **IMAGE), (1, 96, 96, 3), quantised=True
        ),
        "mobilenet_v3_small": Network(lambda: applications.MobileNetV3Small((96, 96, 3), **IMAGE), (1, 96, 96, 3)),
        "efficientnet_b0": Network(
            lambda: applications.EfficientNetB0(input_shape=(64, 64, 3), **IMAGE), (1, 64, 64, 3), lite=False
        ),
        "resnet50": Network(
            lambda: applications.ResNet50(input_shape=(64, 64, 3), **IMAGE), (1, 64, 64, 3), lite=False
        ),
        "densenet121": Network(
            lambda: applications.DenseNet121(input_shape=(64, 64, 3), **IMAGE), (1, 64, 64, 3), lite=False
        ),
        "lstm": Network(lstm, (1, 20, 8)),
        "lstm_last": Network(lstm_last, (1, 60, 12)),
        "gru_bidirectional": Network(gru, (1, 20, 8)),
        "simple_rnn": Network(simple_rnn, (1, 30, 8)),
        "attention": Network(attention, (1, 16, 32), quantised=True),
        "keyword_spotter": Network(keyword_spotter, (1, 49, 10, 1), quantised=True),
        "segmenter": Network(segmenter, (1, 32, 32, 3), quantised=True),
    }


def built(network: Network) -> Any:
    """The network with seeded, scaled weights, and batch statistics of one seeded batch."""
    keras.utils.set_random_seed(0)
    model, rng = network.build(), np.random.default_rng(1)
    model.set_weights([scaled(rng, weight) for weight in model.get_weights()])
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
    model(rng.random((STATISTICS_BATCH, *network.shape[1:])).astype("float32"), training=True)
    return model


def scaled(rng: np.random.Generator, weight: NDArray[Any]) -> NDArray[Any]:
    """Random values for kernels (rank 2 and 4), so large that the signal survives; anything else is kept."""
    if weight.ndim not in (2, 4):
        return weight
    depthwise = weight.ndim == 4 and weight.shape[-1] == 1
    fan_in = np.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
    return rng.normal(0, (2.0 / fan_in) ** 0.5, weight.shape)


def save_tensorflow(folder: Path, name: str, model: Any, x: NDArray[Any]) -> Any:
    """The SavedModel, the frozen graph and TensorFlow's outputs; answers the frozen function."""
    model.export(str(folder / name), verbose=False)

    def called(v: Any) -> Any:
        return model(v, training=False)

    concrete = tf.function(called).get_concrete_function(tf.TensorSpec(x.shape, tf.float32, name="x"))
    frozen = convert.convert_variables_to_constants_v2(concrete)
    graph = frozen.graph.as_graph_def()
    (folder / f"{name}_frozen.pb").write_bytes(graph.SerializeToString())
    outputs = [frozen(tf.constant(x))[0].numpy()]
    check(name, outputs)
    exact = in_float64(graph, x)
    arrays = {"in__0": x, **numbered("out__", outputs), **numbered("exact__", exact)}
    store(folder / f"{name}.npz", arrays)
    return concrete


def store(path: Path, arrays: dict[str, Any]) -> None:
    np.savez_compressed(path, **arrays)


def numbered(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {f"{prefix}{number}": array for number, array in enumerate(arrays)}


def check(name: str, outputs: Arrays) -> None:
    """Outputs that are all alike would check nothing."""
    for output in outputs:
        distinct = len({round(float(number), 3) for number in (output / output.std()).reshape(-1)})
        if not 1e-4 < output.std() < 1e4 or distinct < min(100, output.size // 3):
            raise SystemExit(f"{name}: the outputs hardly vary")


def in_float64(graph: Any, x: NDArray[Any]) -> Arrays:
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
    with tf.Graph().as_default() as made:
        try:
            tf.import_graph_def(graph, name="")
        except ValueError:
            return []
        with tf.compat.v1.Session(graph=made) as session:
            return [session.run("Identity:0", {"x:0": x.astype(np.float64)})]


# -- TFLite -------------------------------------------------------------------------------------------------------


def lite_files(model: Any, concrete: Any, network: Network) -> dict[str, bytes]:
    """Suffix -> contents of every TFLite file of a network."""

    whole = convert.convert_variables_to_constants_v2(concrete, lower_control_flow=False)

    def converter() -> Any:
        return tf.lite.TFLiteConverter.from_concrete_functions([whole], model)

    files = {"": converter().convert()}
    half = converter()
    half.optimizations = [tf.lite.Optimize.DEFAULT]
    half.target_spec.supported_types = [tf.float16]
    files["_float16"] = half.convert()
    if not network.quantised:
        return files
    samples = [
        np.random.default_rng(seed).random(network.shape).astype("float32") for seed in range(CALIBRATION_BATCHES)
    ]
    for suffix, per_channel in (("_int8", True), ("_int8_per_tensor", False)):
        made = converter()
        made.optimizations = [tf.lite.Optimize.DEFAULT]
        made.representative_dataset = lambda: ([sample] for sample in samples)
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        made.inference_input_type = made.inference_output_type = tf.int8
        made._experimental_disable_per_channel = not per_channel
        files[suffix] = made.convert()
    return files


def save_lite(path: Path, contents: bytes, x: NDArray[Any]) -> None:
    """A TFLite file, and the outputs of the default and of the reference kernels."""
    path.write_bytes(contents)
    kinds = tf.lite.experimental.OpResolverType
    given, arrays = x, dict[str, NDArray[Any]]()
    for prefix, kernels in (("out__", kinds.AUTO), ("ref__", kinds.BUILTIN_REF)):
        try:
            interpreter = tf.lite.Interpreter(model_content=contents, experimental_op_resolver_type=kernels)
        except ValueError:  # the reference kernels lack an operator
            continue
        interpreter.allocate_tensors()
        (entry,) = interpreter.get_input_details()
        given = stored(x, entry)
        interpreter.set_tensor(entry["index"], given)
        interpreter.invoke()
        outputs = [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]
        arrays |= numbered(prefix, outputs)
    store(path.with_name(f"{path.name}.npz"), {"in__0": given, **arrays})


def stored(x: NDArray[Any], entry: dict[str, Any]) -> NDArray[Any]:
    """The input as the file wants it: quantised with its scale and zero point, or as it is."""
    scale, zero = entry["quantization"]
    if not scale:
        return x
    limits = np.iinfo(entry["dtype"])
    steps = np.rint(x / np.float32(scale)) + np.float32(zero)
    return np.clip(steps, limits.min, limits.max).astype(entry["dtype"])


def main(folder: Path) -> None:
    for name, network in networks().items():
        model = built(network)
        x = np.random.default_rng(0).random(network.shape).astype("float32")
        concrete = save_tensorflow(folder, name, model, x)
        if network.lite:
            for suffix, contents in lite_files(model, concrete, network).items():
                save_lite(folder / f"{name}{suffix}.tflite", contents, x)
        print(name, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
