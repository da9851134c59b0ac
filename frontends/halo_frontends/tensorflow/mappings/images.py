"""Resampling of images."""

from __future__ import annotations

from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow_ops import images
from halo_frontends.tensorflow_ops.images import Method
from halo_py.ir.graph import Value
from halo_py.types import DType

_METHODS: dict[str, Method] = {
    "ResizeBilinear": "bilinear",
    "ResizeNearestNeighbor": "nearest",
    "ResizeBicubic": "bicubic",
}


@maps(*_METHODS)
def _resize(op: Operation) -> Value:
    """Only the nearest neighbour keeps the element type; the others answer float32."""
    method = _METHODS[op.node.op]
    x = op.value(0) if method == "nearest" else op.emit.cast(op.value(0), DType.FLOAT32)
    return images.resize(
        x,
        op.value(1),
        method,
        op.emit,
        align_corners=op.attributes.flag("align_corners"),
        half_pixel_centers=op.attributes.flag("half_pixel_centers"),
    )
