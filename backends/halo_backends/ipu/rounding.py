"""Stochastic rounding from float32 to float16, seeded, as the chip does at a vertex's write."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class StochasticRounding:
    """Rounds up or down with a probability equal to the remainder, so that the expected value is exact.

    The generator is seeded: the same program, inputs and seed give the same values.
    """

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def to_float16(self, values: NDArray[np.float32]) -> NDArray[np.float16]:
        """`values` in float16. Overflow saturates to infinity as in round-to-nearest; NaN stays NaN."""
        nearest = values.astype(np.float16)
        with np.errstate(invalid="ignore"):  # infinity minus infinity: not finite, so it stays
            error = values - nearest.astype(np.float32)
        towards = np.where(error > 0, np.float16(np.inf), np.float16(-np.inf))
        other = np.nextafter(nearest, towards)
        with np.errstate(invalid="ignore"):
            gap = np.abs(other.astype(np.float32) - nearest.astype(np.float32))
        exact = (error == 0) | ~np.isfinite(nearest) | ~np.isfinite(other)
        chance = np.where(exact, 0.0, np.abs(error) / np.where(exact, 1.0, gap))
        return np.where(self._generator.random(values.shape) < chance, other, nearest)
