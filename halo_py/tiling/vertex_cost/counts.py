"""Integer arithmetic of the cycle estimators, on numbers or arrays alike.

The estimators floor every division unless a ceiling is written, and split work over worker contexts by the rule that
worker i takes positions floor(i n / W) to floor((i + 1) n / W).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

_BITS = re.compile(r"[a-z]+([0-9]+)")
_MANY = 2048


def counts(value: int | Counts) -> Counts:
    """A count as an int64 array (0-d for a number)."""
    return np.asarray(value, dtype=np.int64)


def ceil_div(dividend: int | Counts, divisor: int | Counts) -> Counts:
    """The quotient rounded up."""
    return counts(-(-dividend // divisor))


def floor_rule(cycles: int, elements: Counts, per: int) -> Counts:
    """floor(cycles x (elements + per - 1) / per), the loop count of natural vector loops; not cycles x ceil."""
    return counts(cycles * (elements + per - 1) // per)


def ceil_rule(cycles: int, elements: Counts, per: int) -> Counts:
    """Cycles x ceil(elements / per), the loop count of unrolled loops."""
    return cycles * ceil_div(elements, per)


def bit_count(value: Counts) -> Counts:
    """Number of set bits."""
    return np.bitwise_count(value).astype(np.int64)


@lru_cache(maxsize=256)
def element_bytes(element_type: str) -> float:
    """Bytes of one element, by the number in the type's name ('float16' 2, 'int4' 0.5, 'bool' 1)."""
    bits = _BITS.match(element_type)
    return int(bits[1]) / 8 if bits else 1.0


def slowest_and_fastest_worker(
    rows: Counts, row_width: Counts, workers: int, cost: Callable[[Counts], Counts]
) -> tuple[Counts, Counts]:
    """Most and least cycles of a worker when rows x row_width positions are split over the workers.

    A worker's share is a run of the flattened field, so it touches several part rows; `cost` gives the cycles of a part
    row of n positions. A worker without positions counts 0.
    """
    rows, row_width = np.broadcast_arrays(rows, np.maximum(row_width, 1))
    if rows.size <= _MANY:
        return _slowest_and_fastest(rows, row_width, workers, cost)
    # a search meets few distinct fields among many candidates
    keys, inverse = np.unique(rows.astype(np.int64) << 32 | row_width, return_inverse=True)
    slowest, fastest = _slowest_and_fastest(keys >> 32, keys & 0xFFFFFFFF, workers, cost)
    return slowest[inverse].reshape(rows.shape), fastest[inverse].reshape(rows.shape)


def _slowest_and_fastest(
    rows: Counts, row_width: Counts, workers: int, cost: Callable[[Counts], Counts]
) -> tuple[Counts, Counts]:
    width = row_width[..., None]
    positions = (rows * row_width)[..., None]
    worker = np.arange(workers)
    start, end = worker * positions // workers, (worker + 1) * positions // workers
    first_row, last_row = start // width, (end - 1) // width
    one_row = first_row == last_row
    first = np.minimum(end - start, width - start % width)
    whole_rows = np.maximum(last_row - first_row - 1, 0) * cost(row_width)[..., None]
    cycles = cost(first) + np.where(one_row, 0, whole_rows + cost(end - last_row * width))
    cycles = np.where(end > start, cycles, 0)
    return cycles.max(axis=-1), cycles.min(axis=-1)
