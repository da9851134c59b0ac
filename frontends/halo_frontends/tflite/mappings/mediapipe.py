"""Custom operators of MediaPipe's models.

Source: mediapipe/util/tflite/operations/ of MediaPipe.
"""

from __future__ import annotations

import struct

from halo_frontends.tensorflow_ops import windows
from halo_frontends.tensorflow_ops.windows import Window
from halo_frontends.tflite.operation import Operation, maps
from halo_py.errors import ModelError
from halo_py.ir.graph import Value

_SAME = 1


@maps("CUSTOM Convolution2DTransposeBias")
def _transpose_conv(op: Operation) -> Value:
    """Operands are the data, weights [O, height, width, C] and a bias; the output is as large as it gets.

    Its options are TfLiteTransposeConvParams: padding, width and height of the stride. SAME padding takes what the
    kernel sticks out behind the last of `size` entries.
    """
    emit, options = op.emit, op.info.custom_options
    if len(options) < 12:
        raise ModelError("has no padding and strides", emit.where)
    padding, width, height = struct.unpack_from("<3i", options)
    if min(width, height) < 1:
        raise ModelError(f"has the strides {height} and {width}", emit.where)
    window = Window((height, width), (1, 1), "VALID")
    moved = windows.to_channels_first(op.value(0), window, emit)
    weights = emit.transpose(op.value(1), (3, 0, 1, 2))
    kernel = emit.static_shape(weights)[2:]
    field = emit.numbers(emit.shape(moved)[2:], "the spatial dimensions")
    cut = [
        max(0, size - (entries - 1) % stride - 1) if padding == _SAME else 0
        for size, entries, stride in zip(kernel, field, window.strides, strict=True)
    ]
    pads = (*(total // 2 for total in cut), *(total - total // 2 for total in cut))
    result = emit.op(
        "ConvTranspose", moved, weights, op.value(2), kernel_shape=kernel, strides=window.strides, pads=pads
    )
    return windows.as_it_was(result, window, emit)
