"""Resampling of images."""

from __future__ import annotations

from typing import Literal

from halo_frontends.emitter import Emitter
from halo_py.errors import ModelError
from halo_py.ir.graph import Value

Method = Literal["bilinear", "nearest", "bicubic"]


def resize(
    x: Value, size: Value, method: Method, emit: Emitter, *, align_corners: bool, half_pixel_centers: bool
) -> Value:
    """Images [N, height, width, C] at another size."""
    if align_corners and half_pixel_centers:
        raise ModelError("aligns corners and centres of pixels at once", emit.where)
    attributes: dict[str, object] = {"axes": (2, 3), "coordinate_transformation_mode": "asymmetric"}
    if align_corners:
        attributes["coordinate_transformation_mode"] = "align_corners"
    elif half_pixel_centers:
        attributes["coordinate_transformation_mode"] = "half_pixel"
    match method:
        case "bilinear":
            attributes["mode"] = "linear"
        case "nearest":
            attributes["mode"] = "nearest"
            attributes["nearest_mode"] = "round_prefer_ceil" if align_corners or half_pixel_centers else "floor"
        case "bicubic":
            attributes["mode"] = "cubic"
            attributes["cubic_coeff_a"] = -0.5 if half_pixel_centers else -0.75
            attributes["exclude_outside"] = int(half_pixel_centers)
    moved = emit.transpose(x, (0, 3, 1, 2))
    made = emit.op("Resize", moved, None, None, emit.int64(size), **attributes)
    return emit.transpose(made, (0, 2, 3, 1))
