"""Ops of torchvision that detectors are saved with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.convolution import spread
from halo_frontends.torchscript.table import aten
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Value


@aten("torchvision::nms")
def nms(m: Maker, dets: Value, scores: Value, iou_threshold: float) -> Value:
    """Positions of the boxes that are kept, best first."""
    boxes = m.unsqueeze(dets, 0)
    found = m.op(
        "NonMaxSuppression",
        boxes,
        m.unsqueeze(scores, 0, 1),
        m.const(np.asarray(np.iinfo(np.int64).max)),
        m.const(np.asarray(iou_threshold, np.float32)),
    )
    return m.op("Gather", found, m.const(np.asarray(2, np.int64)), axis=1)


@aten("torchvision::roi_align")
def roi_align(
    m: Maker,
    input: Value,
    rois: Value,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Value:
    """`rois` are rows of (batch item, x1, y1, x2, y2)."""
    item = m.op("Gather", rois, m.const(np.asarray(0, np.int64)), axis=1)
    return m.op(
        "RoiAlign",
        input,
        m.slice(rois, 1, 1, 5),
        m.cast(item, DType.INT64),
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
        output_height=pooled_height,
        output_width=pooled_width,
        sampling_ratio=max(sampling_ratio, 0),
        spatial_scale=spatial_scale,
    )


@aten("torchvision::deform_conv2d")
def deform_conv2d(
    m: Maker,
    input: Value,
    weight: Value,
    offset: Value,
    mask: Value,
    bias: Value,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Value:
    return m.op(
        "DeformConv",
        input,
        weight,
        offset,
        bias,
        mask if use_mask else None,
        strides=(stride_h, stride_w),
        pads=spread((pad_h,), 1) + spread((pad_w,), 1) + (pad_h, pad_w),
        dilations=(dilation_h, dilation_w),
        group=groups,
        offset_group=offset_groups,
    )
