"""Regions and boxes (ODLA/ops/odla_ops_nn.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import UsageError
from halo_py.ops.regions import MaxRoiPool, NonMaxSuppression
from halo_py.ops.reshaping import Squeeze
from halo_py.ops.slicing import Concat, Slice
from halo_py.ops.vision import RoiAlign
from halo_py.ops.yolo import YoloBoxes
from halo_py.types import DType
from odla.c.decode import ValueType
from odla.c.operators.emit import Emit, Node, dtype_of, operator, size_of
from odla.c.operators.layout import Layout, channels_first, restored

if TYPE_CHECKING:
    from odla.c.operators.emit import Dims

_FRAMED = 4
"""Numbers of a region without the number of its image."""


@operator("odla_NMS")
def non_max_suppression(
    emit: Emit,
    boxes: Node,
    scores: Node,
    max_num_outputs: int,
    iou_threshold: float,
    score_threshold: float,
    output_value_type: ValueType,
) -> Node:
    """Triples (image, class, box) of the boxes that no better box of their class overlaps too much."""
    limits = (
        emit.constant([max_num_outputs], DType.INT64),
        emit.constant([iou_threshold], DType.FLOAT32),
        emit.constant([score_threshold], DType.FLOAT32),
    )
    return emit.cast(emit.add(NonMaxSuppression(), boxes, scores, *limits), output_value_type.type.dtype)


def _columns(emit: Emit, rois: Node, start: int, end: int) -> Node:
    return emit.add(Slice(), rois, emit.ints((start,)), emit.ints((end,)), emit.ints((1,)))


def _framed(emit: Emit, rois: Node) -> tuple[Node, Node]:
    """Regions [n, 4] and the numbers of their images [n, 1]; regions of 4 numbers are of image 0."""
    width = size_of(rois, 1, "the width of rois")
    if width == _FRAMED:
        count = size_of(rois, 0, "the number of regions")
        return rois, emit.constant(np.zeros((count, 1)), dtype_of(rois))
    if width != _FRAMED + 1:
        raise UsageError(f"rois have 4 numbers, or 5 with the image first, found {width}")
    return _columns(emit, rois, 1, _FRAMED + 1), _columns(emit, rois, 0, 1)


@operator("odla_ROIAlign")
def roi_align(
    emit: Emit, x: Node, input_layout: int, rois: Node, sampling_ratio: int, scale: float, output_dim: Dims | None
) -> Node:
    """Regions (x1, y1, x2, y2) pooled by the mean of bilinear samples to the height and width of output_dim."""
    if output_dim is None or len(output_dim) != 4:
        raise UsageError("output_dim is needed, with 4 dimensions")
    height, width = output_dim[1:3] if input_layout == Layout.CHANNELS_LAST else output_dim[2:4]
    if height < 1 or width < 1:
        raise UsageError(f"the regions cannot be pooled to {height} x {width}")
    frames, images = _framed(emit, rois)
    numbers = emit.cast(emit.add(Squeeze(), images, emit.ints((1,))), DType.INT64)
    op = RoiAlign(output_height=height, output_width=width, sampling_ratio=sampling_ratio, spatial_scale=scale)
    return restored(emit, emit.add(op, channels_first(emit, x, input_layout), frames, numbers), input_layout)


@operator("odla_ROIMaxPool")
def roi_max_pool(
    emit: Emit,
    x: Node,
    input_layout: int,
    rois: Node,
    win_h: int,
    win_w: int,
    scale: float,
    output_dim: Dims | None,
) -> Node:
    """Regions (x1, y1, x2, y2) pooled by the maximum to win_h x win_w."""
    frames, images = _framed(emit, rois)
    regions = emit.add(Concat(axis=1), images, frames)
    op = MaxRoiPool(pooled_shape=(win_h, win_w), spatial_scale=scale)
    return restored(emit, emit.add(op, channels_first(emit, x, input_layout), regions), input_layout)


@operator("odla_PostProcess")
def post_process(
    emit: Emit, orig_img_w: Node, orig_img_h: Node, bb13: Node, bb26: Node, bb52: Node
) -> tuple[Node, ...]:
    """The boxes of YOLOv3 decoded, and per class those that do not overlap the one before."""
    return emit.add_all(YoloBoxes(), orig_img_w, orig_img_h, bb13, bb26, bb52, outputs=2)
