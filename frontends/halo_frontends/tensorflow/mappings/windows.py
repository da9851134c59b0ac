"""Convolutions and pools."""

from __future__ import annotations

from dataclasses import replace

from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow_ops import windows
from halo_frontends.tensorflow_ops.windows import Window
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import Dim


def channels_last(op: Operation) -> bool:
    """Whether the data has its channels behind. Raises UnsupportedError for other layouts than the two usual ones."""
    layout = op.attributes.text("data_format", "NHWC")
    if layout in ("NHWC", "NDHWC", "NWC"):
        return True
    if layout in ("NCHW", "NCDHW", "NCW"):
        return False
    raise UnsupportedError(f"data of layout {layout} is not supported", op.emit.where)


def _window(op: Operation, kernel_attribute: str = "") -> tuple[Window, tuple[int, ...]]:
    """How the window moves, and its size if that is an attribute."""
    last, where = channels_last(op), op.emit.where
    strides = op.attributes.ints("strides") or (1, 1, 1, 1)
    dilations = op.attributes.ints("dilations") or (1,) * len(strides)
    kernel = op.attributes.ints(kernel_attribute) if kernel_attribute else (1,) * len(strides)
    if not len(strides) == len(dilations) == len(kernel) >= 3:
        raise ModelError(f"strides {strides}, dilations {dilations} and sizes {kernel} do not fit", where)
    still = (0, len(strides) - 1 if last else 1)
    if any(numbers[axis] != 1 for numbers in (strides, dilations, kernel) for axis in still):
        raise UnsupportedError("a window that moves along the batch or the channels is not supported", where)
    spatial = slice(1, -1) if last else slice(2, None)
    padding = op.attributes.text("padding")
    if padding == "EXPLICIT":
        amounts = op.attributes.ints("explicit_paddings")
        pairs = tuple(zip(amounts[::2], amounts[1::2], strict=False))[spatial]
        found = Window(strides[spatial], dilations[spatial], pairs, last)
    elif padding == "SAME":
        found = Window(strides[spatial], dilations[spatial], "SAME", last)
    elif padding == "VALID":
        found = Window(strides[spatial], dilations[spatial], "VALID", last)
    else:
        raise ModelError(f"the padding {padding!r} is unknown", where)
    return found, kernel[spatial]


@maps("Conv2D", "Conv3D")
def _conv(op: Operation) -> Value:
    return windows.conv(op.value(0), op.value(1), None, _window(op)[0], op.emit)


@maps("DepthwiseConv2dNative")
def _depthwise(op: Operation) -> Value:
    weights = windows.depthwise_weights(op.value(1), op.emit)
    return windows.conv_of_turned(op.value(0), weights, None, _window(op)[0], op.emit)


@maps("Conv2DBackpropInput", "Conv3DBackpropInputV2")
def _conv_transpose(op: Operation) -> Value:
    """Operands are the shape of the result, weights [kernel..., O, C] and the data."""
    emit, window = op.emit, _window(op)[0]
    rank = emit.rank(op.value(1))
    weights = emit.transpose(op.value(1), (rank - 1, rank - 2, *range(rank - 2)))
    return windows.conv_transpose(op.value(2), weights, None, _field(op, rank, window), window, emit)


def _field(op: Operation, rank: int, window: Window) -> tuple[Dim, ...]:
    """The spatial dimensions of the shape in operand 0."""
    dims = op.emit.dims_of(op.value(0))
    if dims is None or len(dims) not in (rank, rank - 2):
        raise UnsupportedError("the shape of the result must be known", op.emit.where)
    if len(dims) == rank - 2:
        return dims
    return dims[1:-1] if window.channels_last else dims[2:]


@maps("MaxPool", "MaxPool3D")
def _max_pool(op: Operation) -> Value:
    window, kernel = _window(op, "ksize")
    return windows.pool("MaxPool", op.value(0), kernel, window, op.emit)


@maps("MaxPoolV2")
def _max_pool_v2(op: Operation) -> Value:
    """Sizes and strides are operands."""
    sizes, strides = op.ints(1, "the size of the window"), op.ints(2, "the strides of the window")
    last = channels_last(op)
    spatial = slice(1, -1) if last else slice(2, None)
    padding = op.attributes.text("padding")
    window = Window(strides[spatial], (1, 1), "SAME" if padding == "SAME" else "VALID", last)
    return windows.pool("MaxPool", op.value(0), sizes[spatial], window, op.emit)


@maps("AvgPool", "AvgPool3D")
def _average_pool(op: Operation) -> Value:
    window, kernel = _window(op, "ksize")
    return windows.pool("AveragePool", op.value(0), kernel, window, op.emit)


@maps("Dilation2D")
def _dilation(op: Operation) -> Value:
    """The greatest sum of data and filter under the window, per channel."""
    emit = op.emit
    strides, rates = op.attributes.ints("strides")[1:3], op.attributes.ints("rates")[1:3]
    height, width, channels = emit.static_shape(op.value(1))
    window = Window(strides, rates, "SAME" if op.attributes.text("padding") == "SAME" else "VALID")
    x, best = windows.to_channels_first(op.value(0), window, emit), None
    shape = emit.shape(x)
    attributes = window.attributes(shape[2:], (height, width), emit)
    if "pads" not in attributes:
        raise UnsupportedError("the spatial dimensions must be known", emit.where)
    pads = window.pads(shape[2:], (height, width))
    field = emit.numbers(shape[2:], "the spatial dimensions")
    assert pads is not None
    (top, bottom), (left, right) = pads
    padded = emit.op("Pad", x, emit.ints(0, 0, top, left, 0, 0, bottom, right), emit.scalar(float("-inf"), x))
    reach = ((height - 1) * rates[0] + 1, (width - 1) * rates[1] + 1)
    out = [(size + a + b - r) // s + 1 for size, (a, b), r, s in zip(field, pads, reach, strides, strict=True)]
    weights = emit.reshape(emit.transpose(op.value(1), (2, 0, 1)), (1, channels, height, width))
    for row in range(height):
        for column in range(width):
            part = emit.slice(padded, 2, row * rates[0], row * rates[0] + (out[0] - 1) * strides[0] + 1, strides[0])
            part = emit.slice(part, 3, column * rates[1], column * rates[1] + (out[1] - 1) * strides[1] + 1, strides[1])
            shift = emit.slice(emit.slice(weights, 2, row, row + 1), 3, column, column + 1)
            moved = emit.op("Add", part, shift)
            best = moved if best is None else emit.op("Max", best, moved)
    assert best is not None
    return windows.as_it_was(best, replace(window), emit)
