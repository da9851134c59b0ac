"""Small seeded arrays for the samples of ops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from halo_py.types import DType

Array = NDArray[np.generic]


def floats(
    seed: int, *shape: int, low: float = -2.0, high: float = 2.0, dtype: DType = DType.FLOAT32
) -> NDArray[np.generic]:
    """Uniform numbers in [low, high)."""
    return np.asarray(np.random.default_rng(seed).uniform(low, high, shape)).astype(dtype.numpy)


def integers(seed: int, *shape: int, low: int = -9, high: int = 10, dtype: DType = DType.INT32) -> NDArray[np.generic]:
    """Uniform integers in [low, high)."""
    return np.asarray(np.random.default_rng(seed).integers(low, high, shape)).astype(dtype.numpy)


def booleans(seed: int, *shape: int) -> NDArray[np.generic]:
    """Fair coins."""
    return np.asarray(np.random.default_rng(seed).integers(0, 2, shape)).astype(np.bool_)


def numbers(seed: int, dtype: DType, *shape: int, low: float = -2.0, high: float = 2.0) -> NDArray[np.generic]:
    """Numbers of any element type, within [low, high] as far as the type can hold them."""
    if dtype is DType.BOOL:
        return booleans(seed, *shape)
    if dtype.is_integer:
        first = int(low) if dtype.is_signed else max(0, int(low))
        return integers(seed, *shape, low=first, high=max(int(high), first) + 1, dtype=dtype)
    return floats(seed, *shape, low=low, high=high, dtype=dtype)


def axes(*values: int) -> NDArray[np.generic]:
    """A rank-1 int64 operand."""
    return np.asarray(values, np.int64)
