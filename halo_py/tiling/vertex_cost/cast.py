"""Cycles of type conversions and fills. Source: graphcore/poplibs 7eac0f26, lib/popops, restated."""

from __future__ import annotations

import numpy as np

from halo_py.tiling.vertex_cost.counts import Counts, bit_count, ceil_div, counts, element_bytes

_FROM_BYTE = np.array((2, 12, 14, 22))
_TO_BYTE = np.array((2, 14, 21, 29))


def cast_1d(elements: Counts, from_type: str, to_type: str, workers: int = 6) -> Counts:
    """Cycles of a one-dimensional cast of `elements`, split over the workers."""
    return 12 + workers * (18 + cast_core(ceil_div(elements, workers), from_type, to_type))


def cast_core(elements: Counts, from_type: str, to_type: str) -> Counts:
    """Cycles of one worker's loop of a cast."""
    n = counts(elements)
    quarter = "quarter" if from_type.startswith("float8") else from_type, to_type.startswith("float8")
    match quarter[0], "quarter" if quarter[1] else to_type:
        case "float32", "float16":
            return _vector_core(n, 4, 2)
        case "float16", "float32":
            return _vector_core(n, 2, 1)
        case "quarter", "float16":
            return _vector_core(n, 4, 1)
        case "float16", "quarter":
            return _vector_core(n, 8, 2)
        case "quarter", "quarter":
            return 19 + 13 * ceil_div(n, 8)
        case "uint8" | "int8", "float16":
            return 4 + _byte_loop(n, 14, 9) + _FROM_BYTE[n % 4]
        case "float16", "uint8" | "int8":
            return 8 + _byte_loop(n, 19, 16) + _TO_BYTE[n % 4]
        case _:
            return 19 + 2 * n


def _vector_core(n: Counts, vector: int, cycles: int) -> Counts:
    return 19 + cycles * (n // vector) + vector.bit_length() - 1 + 2 * bit_count(n % vector)


def _byte_loop(n: Counts, first: int, further: int) -> Counts:
    fours = n // 4
    return np.where(fours > 0, first + further * (fours - 1), 0)


def fill_1d(elements: Counts, element_type: str, workers: int = 6) -> Counts:
    """Cycles of writing a constant, split over the workers."""
    return workers * fill_worker(ceil_div(elements, workers), element_type)


def fill_worker(elements: Counts, element_type: str) -> Counts:
    """Cycles of one worker that fills `elements`."""
    n = counts(elements)
    size = element_bytes(element_type)
    if size >= 8:
        return 5 + n * int(size // 8)
    if size == 4:
        return 23 + n // 2 + n % 2
    if size == 2:
        return np.where(n == 1, 15, np.where(n == 2, 21, 26 + n // 4))
    small = ceil_div(n * int(size * 8), 8)
    return np.where(small < 64, 28 + small // 4, 39 + small // 8)
