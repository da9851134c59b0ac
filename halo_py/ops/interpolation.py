"""Where resized positions come from: ONNX's coordinate transformations and interpolation weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ops.kernels.table import Taps

Numbers = NDArray[Any]


def cubic_weight(distance: Numbers, a: float) -> Numbers:
    """The cubic convolution kernel (R. Keys, 1981, "Cubic convolution interpolation for digital image processing")."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def linear_weight(distance: Numbers) -> Numbers:
    """The triangle kernel."""
    return np.clip(1 - np.abs(distance), 0, 1)


USES_LENGTH = ("align_corners", "tf_crop_and_resize")
"""Coordinate transformations in which the length of the result counts."""


@dataclass(frozen=True, slots=True)
class ResizeTable:
    """How one dimension of `size` is resized to `out` (the attributes of ONNX's Resize).

    `length`: the length of the result that coordinates count with, a fraction where `out` is rounded down.
    """

    mode: str
    coordinates: str
    nearest: str
    size: int
    out: int
    scale: float
    length: float
    roi: tuple[float, float] = (0.0, 1.0)
    cubic_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False

    def source(self) -> NDArray[np.float32]:
        """The input coordinate of every output position, in float32 like the scales."""
        x = np.arange(self.out, dtype=np.float32)
        scale, half = np.float32(self.scale), np.float32(0.5)
        last, steps = np.float32(self.size - 1), np.float32(self.length) - np.float32(1)
        match self.coordinates:
            case "half_pixel":
                return (x + half) / scale - half
            case "half_pixel_symmetric":
                exact = np.float32(self.size) * scale
                offset = np.float32(self.size) / 2 * (1 - np.float32(self.out) / exact)
                return offset + (x + half) / scale - half
            case "pytorch_half_pixel":
                return (x + half) / scale - half if self.out > 1 else np.zeros_like(x)
            case "align_corners":
                return x * last / steps if self.length != 1 else np.zeros_like(x)
            case "asymmetric":
                return x / scale
            case "tf_crop_and_resize":
                start, end = (np.float32(bound) for bound in self.roi)
                if self.length == 1:
                    return np.full_like(x, half * (start + end) * last)
                return start * last + x * ((end - start) * last / steps)
            case other:
                raise ValueError(f"unknown coordinate_transformation_mode {other!r}")

    def taps(self) -> Taps:
        """Positions and weights of every output position."""
        x = self.source()
        if self.mode == "nearest":
            positions = np.clip(_round(x, self.nearest), 0, self.size - 1)[:, None]
            weights = None
        else:
            positions, weights = self._weighted(x.astype(np.float64))
        if self.coordinates == "tf_crop_and_resize":
            positions = np.where(((x < 0) | (x > self.size - 1))[:, None], -1, positions)
        return Taps(positions, weights)

    def _weighted(self, x: Numbers) -> tuple[NDArray[np.int64], Numbers]:
        squeeze = min(self.scale, 1.0) if self.antialias else 1.0
        if self.mode == "linear":
            radius = int(np.ceil(1 / squeeze))
        elif self.mode == "cubic":
            radius = int(np.ceil(2 / squeeze))
        else:
            raise ValueError(f"unknown mode {self.mode!r}")
        positions = np.floor(x).astype(np.int64)[:, None] + np.arange(1 - radius, radius + 1)
        distance = (positions - x[:, None]) * squeeze
        weights = linear_weight(distance) if self.mode == "linear" else cubic_weight(distance, self.cubic_a)
        if self.exclude_outside:
            weights = np.where((positions >= 0) & (positions < self.size), weights, 0.0)
        if self.exclude_outside or self.antialias:
            weights = weights / weights.sum(axis=1, keepdims=True)
        return np.clip(positions, 0, self.size - 1), weights


def _round(x: NDArray[np.float32], mode: str) -> NDArray[np.int64]:
    match mode:
        case "round_prefer_floor":
            found = np.ceil(x - np.float32(0.5))
        case "round_prefer_ceil":
            found = np.floor(x + np.float32(0.5))
        case "floor":
            found = np.floor(x)
        case "ceil":
            found = np.ceil(x)
        case other:
            raise ValueError(f"unknown nearest_mode {other!r}")
    return found.astype(np.int64)


def matrix(taps: Taps, size: int) -> Numbers:
    """The taps as a dense matrix [outputs, inputs]; rows of fill positions are zero."""
    made: Numbers = np.zeros((len(taps.positions), size), np.float64)
    inside = taps.positions >= 0
    weights = np.ones_like(taps.positions, np.float64) if taps.weights is None else taps.weights
    rows = np.broadcast_to(np.arange(len(made))[:, None], taps.positions.shape)
    np.add.at(made, (rows[inside], taps.positions[inside]), weights[inside])
    return made
