"""Values of a tensor at fractional positions: interpolation over all field dimensions at once."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ops.interpolation import cubic_weight

Numbers = NDArray[Any]
PaddingMode = Literal["zeros", "border", "reflection"]
SamplingMode = Literal["linear", "nearest", "cubic"]

CUBIC_A = -0.75
"""Keys' parameter that GridSample prescribes."""


def denormalize(grid: Numbers, sizes: tuple[int, ...], align_corners: bool) -> Numbers:
    """Positions in [-1, 1] (last dimension: x, y, ..., the reverse of the field's order) as pixel coordinates."""
    extent = np.asarray(sizes, grid.dtype)
    points = grid[..., ::-1]
    return (points + 1) / 2 * (extent - 1) if align_corners else ((points + 1) * extent - 1) / 2


def reflect(x: Numbers, low: Numbers, high: Numbers) -> Numbers:
    """Fold positions into [low, high] by reflection at both ends."""
    span = high - low
    with np.errstate(all="ignore"):
        distance = np.where(x < low, low - x, np.where(x > high, x - high, 0))
        turns = np.where(span > 0, np.floor(distance / span), 0)
        rest = distance - turns * span
    even = turns % 2 == 0
    below = np.where(even, low + rest, high - rest)
    above = np.where(even, high - rest, low + rest)
    return np.where(x < low, below, np.where(x > high, above, x))


def sample_points(
    x: Numbers, points: Numbers, mode: SamplingMode, padding: PaddingMode, align_corners: bool = False
) -> Numbers:
    """Values of x [n, c, field...] at pixel coordinates points [n, p, r] to [n, c, p], in x's type."""
    sizes = np.asarray(x.shape[2:], points.dtype)
    low = np.zeros_like(sizes) if align_corners else np.full_like(sizes, -0.5)
    high = sizes - 1 if align_corners else sizes - points.dtype.type(0.5)
    if mode == "nearest":
        points = np.rint(points)
    if padding == "border" and mode != "cubic":
        points = np.clip(points, 0, sizes - 1)
    elif padding == "reflection":
        points = reflect(points, low, high)
    made: Numbers = np.zeros((x.shape[0], x.shape[1], points.shape[1]), x.dtype)
    base = np.floor(points)
    taps = {"nearest": (0,), "linear": (0, 1), "cubic": (-1, 0, 1, 2)}[mode]
    for corner in itertools.product(taps, repeat=points.shape[-1]):
        at = base + np.asarray(corner, points.dtype)
        distance = points - at
        weights = np.ones(points.shape[:2], points.dtype)
        if mode == "linear":
            weights = np.prod(np.clip(1 - np.abs(distance), 0, 1), axis=-1)
        elif mode == "cubic":
            weights = np.prod(cubic_weight(distance, CUBIC_A), axis=-1)
        made += _pixels(x, at, padding, low, high) * weights[:, None, :].astype(x.dtype)
    return made


def _pixels(x: Numbers, at: Numbers, padding: PaddingMode, low: Numbers, high: Numbers) -> Numbers:
    """Pixels at whole positions [n, p, r] to [n, c, p], padded."""
    extents = np.asarray(x.shape[2:])
    count = at.shape[1]
    inside: Numbers = np.ones((at.shape[0], 1, count), np.bool_)
    if padding == "zeros":
        inside = np.all((at >= 0) & (at < extents), axis=-1).reshape(-1, 1, count)
    elif padding == "reflection":
        at = np.trunc(reflect(at, low, high))
    at = np.where(np.isfinite(at), at, 0)
    index = np.clip(at, 0, extents - 1).astype(np.int64)
    flat = np.zeros((at.shape[0], count), np.int64)
    for number, extent in enumerate(extents.tolist()):
        flat = flat * extent + index[..., number]
    rows = x.reshape(*x.shape[:2], -1)
    found = np.take_along_axis(rows, np.broadcast_to(flat[:, None], (*x.shape[:2], count)), axis=2)
    return np.where(inside, found, np.zeros((), x.dtype))


def roi_bins(
    roi: Numbers, out: tuple[int, int], ratio: int, scale: float, half_pixel: bool
) -> tuple[Numbers, Numbers, int]:
    """Sample rows [out_h, samples] and columns [out_w, samples] of one region, and samples per bin."""
    offset = 0.5 if half_pixel else 0.0
    x1, y1, x2, y2 = (float(edge) * scale - offset for edge in roi)
    grids: list[Numbers] = []
    count = 1
    for start, end, bins in ((y1, y2, out[0]), (x1, x2, out[1])):
        length = end - start if half_pixel else max(end - start, 1.0)
        size = length / bins
        samples = ratio if ratio > 0 else max(int(np.ceil(size)), 0)
        count *= samples
        grids.append(start + (np.arange(bins)[:, None] + (np.arange(samples) + 0.5) / max(samples, 1)) * size)
    return grids[0], grids[1], max(count, 1)


def _corner(at: Numbers, extent: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Lower and upper pixel, weight of the upper one, and whether the position is near the field at all."""
    valid = (at >= -1.0) & (at <= extent)
    at = np.maximum(at, 0)
    low = np.minimum(at.astype(np.int64), extent - 1)
    high = np.minimum(low + 1, extent - 1)
    weight = np.where(low >= extent - 1, 0.0, at - low)
    return low, high, weight, valid


def roi_align(
    image: Numbers, roi: Numbers, out: tuple[int, int], ratio: int, scale: float, half_pixel: bool, average: bool
) -> Numbers:
    """One region of image [c, h, w] pooled to [c, *out] (K. He et al., 2017, "Mask R-CNN").

    'max' takes the largest weighted corner, not the largest interpolated value: ONNX's tests and ONNX Runtime do.
    """
    rows, columns, count = roi_bins(roi, out, ratio, scale, half_pixel)
    y0, y1, wy, in_y = (part[:, None, :, None] for part in _corner(rows, image.shape[1]))
    x0, x1, wx, in_x = (part[None, :, None, :] for part in _corner(columns, image.shape[2]))
    inside = (in_y & in_x).astype(image.dtype)
    corners = [
        image[:, y, x] * (inside * weight).astype(image.dtype)
        for y, x, weight in (
            (y0, x0, (1 - wy) * (1 - wx)),
            (y0, x1, (1 - wy) * wx),
            (y1, x0, wy * (1 - wx)),
            (y1, x1, wy * wx),
        )
    ]
    if average:
        return np.asarray(sum(corners)).sum(axis=(-2, -1)) / count
    if rows.shape[1] * columns.shape[1] == 0:
        return np.zeros((image.shape[0], *out), image.dtype)
    return np.max(np.stack(corners), axis=(0, -2, -1))
