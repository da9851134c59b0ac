"""Functions that TensorFlow's converter turns into each TFLite operator."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
INT8 = ("int8",)
WEIGHTS = ("int8", "int8_per_tensor", "int16")


@dataclass(frozen=True, slots=True)
class Case:
    """A function of arrays, in which quantised forms it is converted too, and whether the file leaves sizes open."""

    name: str
    call: Callable[..., Any]
    inputs: dict[str, Array]
    quantised: tuple[str, ...] = ()
    open: bool = False


def one(name: str, call: Callable[[Any], Any], x: Array, *quantised: str) -> Case:
    """A function of one array."""
    return Case(name, call, {"x": x}, quantised)


def two(name: str, call: Callable[[Any, Any], Any], x: Array, y: Array, *quantised: str) -> Case:
    """A function of two arrays."""
    return Case(name, call, {"x": x, "y": y}, quantised)


def three(name: str, call: Callable[[Any, Any, Any], Any], c: Array, x: Array, y: Array) -> Case:
    """A function of three arrays."""
    return Case(name, call, {"c": c, "x": x, "y": y})


_rng = np.random.default_rng(11)


def f(*shape: int, low: float = -2.0, high: float = 2.0) -> Array:
    """Floats."""
    return _rng.uniform(low, high, shape).astype(np.float32)


def i(*shape: int, low: int = -5, high: int = 6, dtype: Any = np.int32) -> Array:
    """Integers."""
    return _rng.integers(low, high, shape).astype(dtype)


def b(*shape: int) -> Array:
    """Booleans."""
    return _rng.random(shape) < 0.5


def all_cases(tf: Any) -> Iterator[Case]:
    """Every case, always with the same numbers."""
    global _rng
    _rng = np.random.default_rng(11)
    for family in (
        _unary, _binary, _integers, _activations, _reductions, _windows, _pools, _products, _arranging, _joining,
        _blocks, _slicing, _images, _boxes, _signals, _control, _open,
    ):  # fmt: skip
        yield from family(tf)


def _unary(tf: Any) -> Iterator[Case]:
    x, positive = f(3, 5), f(3, 5, low=0.1, high=5)
    math = tf.math
    for name in ("abs", "ceil", "cos", "exp", "floor", "round", "sign", "sin", "square", "tanh", "sigmoid", "negative"):
        quantised = INT8 if name in ("abs", "tanh", "sigmoid", "exp") else ()
        yield one(name, getattr(math, name), x, *quantised)
    for name in ("log", "sqrt", "rsqrt"):
        yield one(name, getattr(math, name), positive, *(INT8 if name != "sqrt" else ()))
    yield one("logical_not", tf.logical_not, b(3, 5))
    yield one("zeros_like", lambda x: tf.raw_ops.ZerosLike(x=x), x)
    for to in ("int32", "bool", "float16"):
        yield one(f"cast_{to}", lambda x, to=to: tf.cast(x, to), x)


def _binary(tf: Any) -> Iterator[Case]:
    x, y = f(2, 3, 4), f(3, 1)
    for name in ("add", "subtract", "multiply", "maximum", "minimum", "squared_difference"):
        kinds = INT8 if name == "squared_difference" else (*INT8, "int16")
        yield two(name, getattr(tf.math, name), x, y, *kinds)
    yield two("divide", tf.math.divide, x, f(3, 1, low=0.5))
    yield two("pow", tf.pow, f(3, 4, low=0.1), f(3, 4))
    yield two("floordiv", tf.math.floordiv, f(3, 4, low=-9, high=9), f(3, 4, low=0.3))
    yield two("floormod", tf.math.floormod, f(3, 4, low=-9, high=9), f(3, 4, low=0.3))
    yield two("atan2", tf.atan2, x, f(2, 3, 4))
    for name in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"):
        yield two(name, getattr(tf, name), x, y, *INT8)
    yield two("add_n", lambda x, y: tf.add_n([x, y, x * y]), f(3, 4), f(3, 4))
    yield three("select", lambda c, x, y: tf.where(c, x, y), b(3, 4), f(3, 4), f(3, 4))
    choose = tf.raw_ops.Select
    yield three("select_row", lambda c, x, y: choose(condition=c, x=x, y=y), b(3), f(3, 4), f(3, 4))


def _integers(tf: Any) -> Iterator[Case]:
    x, y = i(20, low=-20, high=20), i(20, low=1, high=6)
    yield two("floordiv_int", tf.math.floordiv, x, y)
    yield two("floormod_int", tf.math.floormod, x, y)
    yield two("add_int", tf.add, x, y)
    yield two("bitwise_xor", tf.bitwise.bitwise_xor, x, y)
    unsigned = i(9, low=0, high=99, dtype=np.uint32), i(9, low=0, high=5, dtype=np.uint32)
    yield two("right_shift", tf.bitwise.right_shift, *unsigned)
    yield two("logical", lambda x, y: (tf.logical_and(x, y), tf.logical_or(x, y)), b(9), b(9))
    yield one("bitcast", lambda x: tf.bitcast(x, tf.int32), f(3, 4))
    yield one("bucketize", lambda x: tf.raw_ops.Bucketize(input=x, boundaries=[-1.0, 0.0, 0.5]), f(3, 4))
    yield one("unique", lambda x: tf.unique(x), i(20, low=0, high=6))
    yield one("where", lambda x: tf.where(x), b(4, 5))
    yield one("segment_sum", lambda x: tf.math.segment_sum(x, [0, 0, 1, 2, 2]), f(5, 3))


def _activations(tf: Any) -> Iterator[Case]:
    nn, x = tf.nn, f(3, 8, low=-7, high=7)
    functions: dict[str, Callable[[Any], Any]] = {
        "relu": nn.relu,
        "relu6": nn.relu6,
        "elu": nn.elu,
        "softmax": nn.softmax,
        "log_softmax": nn.log_softmax,
        "leaky_relu": lambda x: nn.leaky_relu(x, 0.3),
        "relu_n1": lambda x: tf.minimum(tf.maximum(x, -1.0), 1.0),
        "hard_swish": lambda x: x * nn.relu6(x + 3) * (1 / 6),
        "l2_normalize": lambda x: nn.l2_normalize(x, -1),
    }
    for name, function in functions.items():
        yield one(name, function, x, *INT8)
    yield one("gelu", nn.gelu, x)
    yield one("gelu_tanh", lambda x: nn.gelu(x, approximate=True), x)
    yield one("relu_0_to_1", lambda x: tf.minimum(tf.maximum(x, 0.0), 1.0), x)
    yield one("fake_quant", lambda x: tf.quantization.fake_quant_with_min_max_args(x, -3, 4) + 1.0, x)
    slope = tf.constant(f(1, 1, 4, low=0, high=1))
    yield one("prelu", lambda x: nn.relu(x) - slope * nn.relu(-x), f(2, 3, 5, 4), *INT8)
    yield one("lrn", lambda x: nn.local_response_normalization(x, 2, 1.5, 0.3, 0.7), f(1, 3, 4, 9))


def _reductions(tf: Any) -> Iterator[Case]:
    x = f(2, 3, 4)
    for name in ("reduce_mean", "reduce_sum", "reduce_max", "reduce_min", "reduce_prod"):
        quantised = INT8 if name in ("reduce_mean", "reduce_max", "reduce_min", "reduce_sum") else ()
        yield one(name, lambda x, name=name: getattr(tf, name)(x, 1), x, *quantised)
        yield one(f"{name}_kept", lambda x, n=name: getattr(tf, n)(x, [0, -1], keepdims=True), x, *quantised)
    yield one("reduce_all", lambda x: tf.reduce_all(x, 1), b(3, 4))
    yield one("reduce_any", lambda x: tf.reduce_any(x, [0, 1], keepdims=True), b(3, 4))
    yield one("mean_of_image", lambda x: tf.reduce_mean(x, [1, 2]), f(1, 7, 5, 6), *INT8)
    yield one("argmax", lambda x: tf.argmax(x, 1, tf.int32), x, *INT8)
    yield one("argmin", lambda x: tf.argmin(x, -1), x, *INT8)
    yield one("cumsum", lambda x: tf.cumsum(x, 1, exclusive=True, reverse=True), x)
    yield one("top_k", lambda x: tf.math.top_k(x, 3), f(3, 9), *INT8)


def _windows(tf: Any) -> Iterator[Case]:
    nn, x = tf.nn, f(1, 9, 8, 4)
    w, depthwise, bias, wide_bias = f(3, 2, 4, 6), f(3, 3, 4, 2), f(6), f(8)

    def conv(strides: tuple[int, int], padding: str) -> Callable[[Any], Any]:
        return lambda x: nn.relu(nn.conv2d(x, w, strides, padding) + bias)

    def by_channel(padding: str) -> Callable[[Any], Any]:
        return lambda x: nn.relu6(nn.depthwise_conv2d(x, depthwise, (1, 2, 2, 1), padding) + wide_bias)

    for padding in ("SAME", "VALID"):
        for strides in ((1, 1), (2, 3)):
            yield one(f"conv_{padding.lower()}_{strides[0]}", conv(strides, padding), x, *WEIGHTS)
        yield one(f"depthwise_{padding.lower()}", by_channel(padding), x, *WEIGHTS)
    yield one("conv_dilated", lambda x: nn.conv2d(x, w, 1, "SAME", dilations=(1, 2)), x, *INT8)
    yield one("conv_no_bias", lambda x: nn.conv2d(x, w, 1, "SAME"), x, *INT8)
    yield one("conv_grouped", lambda x: nn.conv2d(x, w[:, :, :2], 1, "SAME"), x)
    volume, turned = f(2, 3, 2, 3, 4), f(3, 2, 3, 5, 2)
    yield one("conv_3d", lambda x: nn.conv3d(x, volume, (1, 1, 2, 1, 1), "SAME"), f(1, 5, 6, 4, 3))
    yield one(
        "conv_3d_transpose", lambda x: nn.conv3d_transpose(x, turned, (1, 6, 4, 8, 5), 2, "SAME"), f(1, 3, 2, 4, 2)
    )
    yield from _transposed(tf, bias)


def _transposed(tf: Any, bias: Array) -> Iterator[Case]:
    weights = f(3, 3, 6, 3)

    def conv(size: tuple[int, ...], padding: str) -> Callable[[Any], Any]:
        return lambda x: tf.nn.conv2d_transpose(x, weights, size, 2, padding) + bias

    for padding, size in (("SAME", (1, 8, 10, 6)), ("VALID", (1, 9, 11, 6))):
        yield one(f"transpose_conv_{padding.lower()}", conv(size, padding), f(1, 4, 5, 3), *INT8)


def _pools(tf: Any) -> Iterator[Case]:
    def pool(kind: Any, padding: str) -> Callable[[Any], Any]:
        return lambda x: kind(x, (3, 2), 2, padding)

    x = f(1, 9, 8, 4)
    for padding in ("SAME", "VALID"):
        yield one(f"max_pool_{padding.lower()}", pool(tf.nn.max_pool2d, padding), x, *INT8)
        yield one(f"avg_pool_{padding.lower()}", pool(tf.nn.avg_pool2d, padding), x, *INT8)


def _products(tf: Any) -> Iterator[Case]:
    w, bias = f(6, 5), f(5)
    yield one("fully_connected", lambda x: tf.nn.relu(x @ w + bias), f(3, 6), *WEIGHTS)
    yield one("fully_connected_kept", lambda x: tf.tensordot(x, w, 1), f(2, 3, 6), *INT8)
    yield two("batch_matmul", lambda x, y: x @ y, f(2, 3, 4), f(2, 4, 5), *INT8)
    yield two("batch_matmul_turned", lambda x, y: tf.matmul(x, y, transpose_b=True), f(2, 3, 4), f(2, 5, 4))
    yield one("embedding", lambda x: tf.nn.embedding_lookup(w, x), i(4, low=0, high=6))


def _arranging(tf: Any) -> Iterator[Case]:
    x = f(2, 3, 4)
    yield one("reshape", lambda x: tf.reshape(x, (4, 6)), x, *INT8)
    yield one("expand_dims", lambda x: tf.expand_dims(x, -2), x, *INT8)
    yield one("squeeze", lambda x: tf.squeeze(x, [1]), f(2, 1, 3), *INT8)
    yield one("transpose", lambda x: tf.transpose(x, (2, 0, 1)), x, *INT8)
    yield one("pad", lambda x: tf.pad(x, ((0, 0), (1, 2), (0, 3))), x, *INT8)
    yield one("padv2", lambda x: tf.pad(x, ((0, 0), (1, 2), (0, 3)), constant_values=1.5), x, *INT8)
    for mode in ("REFLECT", "SYMMETRIC"):
        yield one(f"mirror_{mode.lower()}", lambda x, m=mode: tf.pad(x, ((0, 0), (1, 2), (2, 0)), m), x, *INT8)
    yield one("tile", lambda x: tf.tile(x, (2, 1, 3)), x, *INT8)
    yield one("broadcast_to", lambda x: tf.broadcast_to(x, (2, 3, 4)), f(3, 1))
    yield one("fill", lambda x: tf.fill(tf.shape(x), 2.5) + x, x)
    yield one("range", lambda x: tf.range(x), np.asarray(7, np.int32))
    yield one("reverse", lambda x: tf.reverse(x, [1]), x, *INT8)
    yield one("reverse_sequence", lambda x: tf.reverse_sequence(x, [2, 3], 1, 0), x)
    yield one("one_hot", lambda x: tf.one_hot(x, 5, 2.0, -1.0), i(4, low=0, high=5))
    yield one("shape", lambda x: (tf.raw_ops.Shape(input=x), tf.raw_ops.Rank(input=x)), x)
    yield one("matrix_diag", lambda x: tf.linalg.diag(x), f(2, 4))
    yield two("matrix_set_diag", lambda x, d: tf.linalg.set_diag(x, d), f(2, 4, 4), f(2, 4))
    dense = tf.raw_ops.SparseToDense
    places = {"sparse_indices": [[0, 1], [2, 3]], "output_shape": [3, 4], "default_value": -1.0}
    yield one("sparse_to_dense", lambda x: dense(sparse_values=x, **places), f(2))


def _joining(tf: Any) -> Iterator[Case]:
    x, y = f(2, 3, 4), f(2, 3, 4, low=-5, high=9)
    yield two("concat", lambda x, y: tf.concat([x, y], 1), x, y, *INT8)
    yield two("pack", lambda x, y: tf.stack([x, y], -2), x, y, *INT8)
    yield one("unpack", lambda x: tf.unstack(x, axis=1), x, *INT8)
    yield one("split", lambda x: tf.split(x, 2, 2), x, *INT8)
    yield one("split_v", lambda x: tf.split(x, [1, 2], 1), x, *INT8)
    yield one("scaled", lambda x: x * 1.0 + 0.0 * x, x)


def _blocks(tf: Any) -> Iterator[Case]:
    yield one("space_to_depth", lambda x: tf.nn.space_to_depth(x, 2), f(2, 4, 6, 3), *INT8)
    yield one("depth_to_space", lambda x: tf.nn.depth_to_space(x, 2), f(2, 2, 3, 12), *INT8)
    yield one("space_to_batch", lambda x: tf.space_to_batch(x, (2, 3), ((0, 2), (1, 0))), f(2, 4, 5, 3), *INT8)
    back = tf.raw_ops.BatchToSpaceND
    amounts = {"block_shape": [2, 3], "crops": [[1, 0], [0, 2]]}
    yield one("batch_to_space", lambda x: back(input=x, **amounts), f(12, 2, 3, 3), *INT8)


def _slicing(tf: Any) -> Iterator[Case]:
    x = f(4, 5, 6)
    yield one("strided_slice", lambda x: x[1:3, ::-2, 2:5], x, *INT8)
    yield one("strided_slice_axes", lambda x: x[tf.newaxis, ..., -1], x)
    yield one("slice", lambda x: tf.slice(x, (1, 0, 2), (2, -1, 3)), x, *INT8)
    yield two("gather", lambda x, n: tf.gather(x, n, axis=1), x, i(2, 3, low=0, high=5), *INT8)
    in_batches = i(4, 2, low=0, high=5)
    yield two("gather_batch", lambda x, n: tf.gather(x, n, axis=1, batch_dims=1), x, in_batches)
    yield two("gather_nd", lambda x, n: tf.gather_nd(x, n), x, i(3, 2, low=0, high=4))
    yield one("scatter_nd", lambda v: tf.scatter_nd([[1], [3], [1]], v, (5, 2)), f(3, 2))
    xla: Any = importlib.import_module("tensorflow.compiler.tf2xla.python.xla")
    yield two("dynamic_update_slice", lambda x, v: xla.dynamic_update_slice(x, v, [1, 3, 0]), x, f(2, 2, 6))


def _images(tf: Any) -> Iterator[Case]:
    def resize(op: str, size: tuple[int, int], flags: dict[str, bool]) -> Callable[[Any], Any]:
        return lambda x: getattr(tf.raw_ops, op)(images=x, size=size, **flags)

    ways = {"plain": {}, "corners": {"align_corners": True}, "centres": {"half_pixel_centers": True}}
    for op in ("ResizeBilinear", "ResizeNearestNeighbor"):
        for label, flags in ways.items():
            for size in ((10, 14), (3, 4)):
                yield one(f"{op}_{label}_{size[0]}", resize(op, size, flags), f(1, 5, 7, 3), *INT8)


def _boxes(tf: Any) -> Iterator[Case]:
    corners = f(30, 2, low=0, high=0.6)
    x, scores = np.concatenate([corners, corners + f(30, 2, low=0.1, high=0.4)], -1), f(30, low=0, high=1)
    given = {"iou_threshold": 0.4, "score_threshold": 0.3, "pad_to_max_output_size": True}
    for most in (6, 25):

        def plain(x: Any, y: Any, most: int = most) -> Any:
            return tuple(tf.raw_ops.NonMaxSuppressionV4(boxes=x, scores=y, max_output_size=most, **given))

        def scored(x: Any, y: Any, most: int = most) -> Any:
            made = tf.raw_ops.NonMaxSuppressionV5
            return tuple(made(boxes=x, scores=y, max_output_size=most, soft_nms_sigma=0.0, **given))

        yield two(f"non_max_{most}", plain, x, scores)
        yield two(f"non_max_scored_{most}", scored, x, scores)


def _signals(tf: Any) -> Iterator[Case]:
    signal, parts = tf.signal, (tf.math.real, tf.math.imag)
    yield one("spectrum", lambda x: tuple(part(signal.rfft(x)) for part in parts), f(3, 16))
    yield one("spectrum_filled_up", lambda x: tf.abs(signal.rfft(x, [32])), f(3, 20))
    yield one("spectrum_of_image", lambda x: tf.abs(signal.rfft2d(x)), f(2, 8, 16))
    yield one("spectrogram", lambda x: tf.math.log(tf.abs(signal.stft(x, 16, 8)) + 0.1), f(2, 80))


def _control(tf: Any) -> Iterator[Case]:
    def choose(x: Any, flag: Any) -> Any:
        return tf.cond(flag, lambda: x * 2, lambda: tf.nn.relu(x) - 1)

    def counted(x: Any) -> Any:
        def below(n: Any, _y: Any) -> Any:
            return n < 5

        def body(n: Any, y: Any) -> Any:
            return n + 1, tf.sin(y) + x

        return tf.while_loop(below, body, [0, x])[1]

    def by_data(x: Any) -> Any:
        def test(y: Any) -> Any:
            return tf.reduce_sum(y) < 50

        def body(y: Any) -> Any:
            return [tf.abs(y) * 2]

        return tf.while_loop(test, body, [x])[0]

    x = f(3, 4)
    for flag in (True, False):
        yield two(f"if_{flag}", choose, x, np.asarray(flag))
    yield one("while", counted, x)
    yield one("while_by_data", by_data, x)


def _open(tf: Any) -> Iterator[Case]:
    """Operators that remain only where sizes are known at run time."""

    def flat(x: Any) -> Any:
        size = tf.shape(x)
        return tf.reshape(x, [size[0], size[1] * size[2]])

    functions: dict[str, Callable[[Any], Any]] = {
        "expand_dims": lambda x: tf.expand_dims(x, 1),
        "squeeze": lambda x: tf.squeeze(x[:, :1], [1]),
        "shape": lambda x: tf.shape(x),
        "fill": lambda x: tf.fill(tf.shape(x), 1.5) * 2.0,
        "rank": lambda x: tf.rank(x) + tf.shape(x)[0],
        "flat": flat,
        "broadcast": lambda x: tf.broadcast_to(x, tf.broadcast_dynamic_shape(tf.shape(x), [5, 1, 3, 4])),
    }
    for name, function in functions.items():
        yield Case(f"open_{name}", function, {"x": f(2, 3, 4)}, open=True)
