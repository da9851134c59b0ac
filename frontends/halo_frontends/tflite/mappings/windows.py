"""Convolutions and pools."""

from __future__ import annotations

from halo_frontends.tensorflow_ops import images, windows
from halo_frontends.tensorflow_ops.images import Method
from halo_frontends.tensorflow_ops.windows import Window
from halo_frontends.tflite.activation import activated
from halo_frontends.tflite.operation import Operation, maps
from halo_frontends.tflite.quantised import is_quantised, quantised_conv, quantised_pool, real_bias, rounded
from halo_py.errors import ModelError
from halo_py.ir.graph import Value
from halo_py.types import DType


def _window(op: Operation, *, dilated: bool = True, rank: int = 2) -> Window:
    names = ("d", "h", "w")[-rank:]
    strides = tuple(op.integer(f"stride_{name}") for name in names)
    dilations = tuple(op.integer(f"dilation_{name}") for name in names) if dilated else (1,) * rank
    return Window(strides, dilations, "VALID" if op.integer("padding") else "SAME")


@maps("CONV_2D", integers="own")
def _conv_2d(op: Operation) -> Value:
    """Weights are [O, height, width, C]."""
    weights = op.emit.transpose(op.value(1), (0, 3, 1, 2))
    return quantised_conv(op, weights, _window(op))


@maps("DEPTHWISE_CONV_2D", integers="own")
def _depthwise(op: Operation) -> Value:
    """Weights are [1, height, width, O]."""
    weights = op.emit.transpose(op.value(1), (3, 0, 1, 2))
    return quantised_conv(op, weights, _window(op))


@maps("CONV_3D")
def _conv_3d(op: Operation) -> Value:
    """Weights are [depth, height, width, C, O]."""
    made = windows.conv(op.value(0), op.value(1), op.optional(2), _window(op, rank=3), op.emit)
    return activated(made, op.integer("activation"), op.emit)


@maps("TRANSPOSE_CONV")
def _transpose_conv(op: Operation) -> Value:
    """Operands are the output's shape, weights [O, height, width, C], the data and perhaps a bias."""
    emit = op.emit
    shape = emit.dims_of(op.value(0))
    weights = emit.transpose(op.value(1), (3, 0, 1, 2))
    if shape is None or len(shape) != 4:
        raise ModelError("has no output shape of four dimensions", emit.where)
    window = _window(op, dilated=False)
    made = windows.conv_transpose(op.value(2), weights, real_bias(op, 3), shape[1:3], window, emit)
    return activated(made, op.integer("activation"), emit)


@maps("CONV_3D_TRANSPOSE")
def _transpose_conv_3d(op: Operation) -> Value:
    """Operands are the output's shape, weights [depth, height, width, O, C], the data and perhaps a bias."""
    emit = op.emit
    shape = emit.dims_of(op.value(0))
    weights = emit.transpose(op.value(1), (4, 3, 0, 1, 2))
    if shape is None or len(shape) != 5:
        raise ModelError("has no output shape of five dimensions", emit.where)
    made = windows.conv_transpose(op.value(2), weights, op.optional(3), shape[1:4], _window(op, rank=3), emit)
    return activated(made, op.integer("activation"), emit)


@maps("AVERAGE_POOL_2D", integers="own")
def _average_pool(op: Operation) -> Value:
    return quantised_pool(op, "AveragePool", _window(op, dilated=False))


@maps("MAX_POOL_2D", integers="own")
def _max_pool(op: Operation) -> Value:
    return quantised_pool(op, "MaxPool", _window(op, dilated=False))


@maps("L2_POOL_2D")
def _l2_pool(op: Operation) -> Value:
    """The root of the mean of squares."""
    kernel = (op.integer("filter_height"), op.integer("filter_width"))
    squares = op.emit.op("Mul", op.value(0), op.value(0))
    mean = windows.pool("AveragePool", squares, kernel, _window(op, dilated=False), op.emit)
    return activated(op.emit.op("Sqrt", mean), op.integer("activation"), op.emit)


@maps("RESIZE_NEAREST_NEIGHBOR", integers="stored")
def _resize_nearest(op: Operation) -> Value:
    return _resized(op, op.value(0), "nearest")


@maps("RESIZE_BILINEAR", integers="own")
def _resize_bilinear(op: Operation) -> Value:
    """Stored integers are interpolated as they are, and the results rounded."""
    tensor = op.input_tensors[0]
    if tensor is None or not is_quantised(tensor):
        return _resized(op, op.value(0), "bilinear")
    found = _resized(op, op.emit.cast(op.value(0), DType.FLOAT32), "bilinear")
    return op.emit.cast(rounded(found, op.emit), op.emit.dtype(op.value(0)))


def _resized(op: Operation, x: Value, method: Method) -> Value:
    corners, centres = op.flag("align_corners"), op.flag("half_pixel_centers")
    return images.resize(x, op.value(1), method, op.emit, align_corners=corners, half_pixel_centers=centres)
