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
_TABLE = 32
MANY = 1024
"""From this many candidates on, values that depend on few counts are computed once per distinct count."""


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
    if rows.size > MANY:
        # a search meets few distinct fields among many candidates
        stride = int(row_width.max()) + 1
        keys, inverse = distinct(rows * stride + row_width)
        slowest, fastest = _slowest_and_fastest(keys // stride, keys % stride, workers, cost)
        return slowest[inverse], fastest[inverse]
    return _slowest_and_fastest(rows, row_width, workers, cost)


def slowest_linear_worker(
    rows: Counts, row_width: Counts, workers: int, per_row: int | Counts, per_position: int | Counts
) -> Counts:
    """Most cycles of a worker when a part row of n positions costs per_row + n x per_position (arrays of both).

    The workers' positions differ by at most one, so the slowest has either most positions (and most part rows among
    those) or most part rows (and most positions among those). Weights that put one count before the other find both.
    """
    big = 1 << 20
    positions_first, _ = slowest_and_fastest_worker(rows, row_width, workers, lambda n: n * big + 1)
    rows_first, _ = slowest_and_fastest_worker(rows, row_width, workers, lambda n: n + big)
    return np.maximum(
        positions_first % big * per_row + positions_first // big * per_position,
        rows_first // big * per_row + rows_first % big * per_position,
    )


def distinct(keys: Counts) -> tuple[Counts, Counts]:
    """Distinct values of an array of counts, and for each element the position of its value among them."""
    largest = int(keys.max(initial=0))
    if largest > _TABLE * max(keys.size, 1):
        values, inverse = np.unique(keys, return_inverse=True)
        return values, inverse.reshape(keys.shape)
    seen = np.zeros(largest + 1, dtype=np.bool_)
    seen[keys] = True
    values = np.flatnonzero(seen)
    position = np.empty(largest + 1, dtype=np.int64)
    position[values] = np.arange(values.size)
    return values, position[keys]


def _one_row(positions: Counts, workers: int, cost: Callable[[Counts], Counts]) -> tuple[Counts, Counts]:
    """The workers' shares of one row are the quotient, rounded up for some of them and down for the others."""
    more, fewer = cost(ceil_div(positions, workers)), cost(positions // workers)
    more = np.where(positions > 0, more, 0)
    fewer = np.where(positions >= workers, fewer, 0)
    return np.maximum(more, fewer), np.minimum(more, fewer)


def _slowest_and_fastest(
    rows: Counts, row_width: Counts, workers: int, cost: Callable[[Counts], Counts]
) -> tuple[Counts, Counts]:
    if rows.max(initial=0) <= 1:
        return _one_row(rows * row_width, workers, cost)
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
