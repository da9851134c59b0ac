"""Resampling of images."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_frontends.emitter import Emitter
from halo_py.errors import ModelError
from halo_py.ir.graph import Value

Method = Literal["bilinear", "nearest"]

_CUBIC_STEPS = 1024
"""TensorFlow looks the cubic up at this many places per pixel."""


def resize(
    x: Value, size: Value, method: Method, emit: Emitter, *, align_corners: bool, half_pixel_centers: bool
) -> Value:
    """Images [N, height, width, C] at another size."""
    _check_centres(emit, align_corners, half_pixel_centers)
    attributes: dict[str, object] = {"axes": (2, 3), "coordinate_transformation_mode": "asymmetric"}
    if align_corners:
        attributes["coordinate_transformation_mode"] = "align_corners"
    elif half_pixel_centers:
        attributes["coordinate_transformation_mode"] = "half_pixel"
    if method == "bilinear":
        attributes["mode"] = "linear"
    else:
        attributes["mode"] = "nearest"
        attributes["nearest_mode"] = "round_prefer_ceil" if align_corners or half_pixel_centers else "floor"
    moved = emit.transpose(x, (0, 3, 1, 2))
    made = emit.op("Resize", moved, None, None, emit.int64(size), **attributes)
    return emit.transpose(made, (0, 2, 3, 1))


def _check_centres(emit: Emitter, align_corners: bool, half_pixel_centers: bool) -> None:
    if align_corners and half_pixel_centers:
        raise ModelError("aligns corners and centres of pixels at once", emit.where)


def resize_cubic(x: Value, size: Value, emit: Emitter, *, align_corners: bool, half_pixel_centers: bool) -> Value:
    """The same with cubics through four pixels, as products with matrices of their weights."""
    _check_centres(emit, align_corners, half_pixel_centers)
    height, width = emit.must_know_ints(size, "the size of the images")
    moved = emit.transpose(x, (0, 3, 1, 2))
    field = emit.numbers(emit.shape(moved)[2:], "the spatial dimensions")
    rows = _cubic_weights(field[0], height, align_corners, half_pixel_centers)
    columns = _cubic_weights(field[1], width, align_corners, half_pixel_centers)
    made = emit.op("MatMul", emit.constant(rows, "rows"), moved)
    made = emit.op("MatMul", made, emit.constant(np.ascontiguousarray(columns.T), "columns"))
    return emit.transpose(made, (0, 2, 3, 1))


def _cubic_weights(size: int, made: int, align_corners: bool, half_pixel_centers: bool) -> NDArray[np.float32]:
    """How much of each of `size` pixels each of `made` pixels has.

    Pixels outside repeat the border; with half-pixel centres they count nothing and the others count more.
    """
    single = np.float32
    scale = single(size - 1) / single(made - 1) if align_corners and made > 1 else single(size) / single(made)
    places = np.arange(made, dtype=np.float32)
    source = (places + single(0.5)) * scale - single(0.5) if half_pixel_centers else places * scale
    first = np.floor(source).astype(np.int64)
    step = np.rint((source - first) * single(_CUBIC_STEPS)) / _CUBIC_STEPS
    a = -0.5 if half_pixel_centers else -0.75
    weights = np.stack([_far(step + 1, a), _near(step, a), _near(1 - step, a), _far(2 - step, a)], axis=1)
    pixels = first[:, None] + np.arange(-1, 3)
    inside = np.clip(pixels, 0, size - 1)
    if half_pixel_centers:
        weights = np.where(inside == pixels, weights, 0)
        weights /= weights.sum(axis=1, keepdims=True)
    found: NDArray[Any] = np.zeros((made, size))
    np.add.at(found, (np.arange(made)[:, None], inside), weights)
    return found.astype(np.float32)


def _near(x: NDArray[Any], a: float) -> NDArray[Any]:
    """The cubic at distances up to 1."""
    return ((a + 2) * x - (a + 3)) * x * x + 1


def _far(x: NDArray[Any], a: float) -> NDArray[Any]:
    """The cubic at distances from 1 to 2."""
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
