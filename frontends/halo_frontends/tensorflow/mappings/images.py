"""Resampling of images."""

from __future__ import annotations

from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow_ops import images
from halo_py.ir.graph import Value
from halo_py.types import DType


@maps("ResizeBilinear", "ResizeNearestNeighbor")
def _resize(op: Operation) -> Value:
    """Only the nearest neighbour keeps the element type; the others answer float32."""
    linear = op.node.op == "ResizeBilinear"
    return images.resize(
        op.emit.cast(op.value(0), DType.FLOAT32) if linear else op.value(0),
        op.value(1),
        "bilinear" if linear else "nearest",
        op.emit,
        align_corners=op.attributes.flag("align_corners"),
        half_pixel_centers=op.attributes.flag("half_pixel_centers"),
    )


@maps("ResizeBicubic")
def _resize_cubic(op: Operation) -> Value:
    return images.resize_cubic(
        op.emit.cast(op.value(0), DType.FLOAT32),
        op.value(1),
        op.emit,
        align_corners=op.attributes.flag("align_corners"),
        half_pixel_centers=op.attributes.flag("half_pixel_centers"),
    )
