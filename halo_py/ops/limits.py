"""Ranges of integer element types."""

from __future__ import annotations

from halo_py.types import DType


def integer_limits(dtype: DType) -> tuple[int, int]:
    """Smallest and largest number of an integer type."""
    if dtype.is_signed:
        return -(1 << (dtype.bits - 1)), (1 << (dtype.bits - 1)) - 1
    return 0, (1 << dtype.bits) - 1
