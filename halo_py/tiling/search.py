"""Search over the splits of one kernel: the plans that no other plan beats in both time and temporary memory."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from halo_py.ir.space import Kernel
from halo_py.tiling.candidates import candidates, serial_candidates
from halo_py.tiling.cost import RowCosts, price, price_promising
from halo_py.tiling.mapping import Ints
from halo_py.tiling.plan import KernelPlan, Split

if TYPE_CHECKING:
    from halo_py.targets import Chip

MOST_PLANS = 12
"""Plans of a front."""

SLACK = 1.25
"""Plans slower than this multiple of the fastest one are looked at only when memory is short."""

SERIAL_SEEDS = 64
"""Splits that are tried with serial steps when no split alone fits the memory."""


def plans(kernel: Kernel, chip: Chip, tiles: int, bytes_limit: int | None = None) -> tuple[KernelPlan, ...]:
    """The Pareto front over (nominal cycles with syncs, temporary bytes of the fullest tile), fastest first.

    `bytes_limit` bounds temporary bytes. Where no split fits, axes are cut in serial steps; where that does not help
    either, the plans with the least memory are given all the same: the memory account decides.
    """
    return _search(kernel, chip, min(tiles, chip.tiles), bytes_limit)[0]


def nearby(kernel: Kernel, chip: Chip, tiles: int, bytes_limit: int | None = None) -> tuple[KernelPlan, ...]:
    """The fastest plans of all, whatever their memory within the limit: what selection prices with real homes."""
    return _search(kernel, chip, min(tiles, chip.tiles), bytes_limit)[1]


def plan_of(kernel: Kernel, chip: Chip, split: Split) -> KernelPlan:
    """The price of one given split (a pinned one)."""
    ways, steps = np.array([split.ways], np.int64), np.array([split.steps], np.int64)
    return _plan(price(kernel, chip, ways, steps), ways, steps, 0, split)


@lru_cache(maxsize=4096)
def _search(
    kernel: Kernel, chip: Chip, tiles: int, bytes_limit: int | None
) -> tuple[tuple[KernelPlan, ...], tuple[KernelPlan, ...]]:
    ways = candidates(kernel, tiles)
    rows, costs = price_promising(kernel, chip, ways, SLACK)
    ways, steps = ways[rows], np.ones_like(ways[rows])
    if bytes_limit is not None and not (costs.bytes_temporary <= bytes_limit).any():
        ways, steps, costs = _within(kernel, chip, candidates(kernel, tiles), bytes_limit)
    order = np.lexsort((np.prod(ways, axis=1), costs.bytes_temporary, costs.total[:, 1]))
    if bytes_limit is not None:
        fits = costs.bytes_temporary[order] <= bytes_limit
        order = order[fits] if fits.any() else order
    front = _front(costs, order)
    fastest = _varied(ways, order)
    return tuple(_plan(costs, ways, steps, row) for row in front), tuple(
        _plan(costs, ways, steps, row) for row in fastest
    )


def _within(kernel: Kernel, chip: Chip, ways: Ints, bytes_limit: int) -> tuple[Ints, Ints, RowCosts]:
    """All splits, and where none fits the memory the fastest and the smallest ones with serial steps."""
    costs = price(kernel, chip, ways)
    steps = np.ones_like(ways)
    if (costs.bytes_temporary <= bytes_limit).any():
        return ways, steps, costs
    by_time = np.argsort(costs.total[:, 1], kind="stable")[:SERIAL_SEEDS]
    by_memory = np.argsort(costs.bytes_temporary, kind="stable")[:SERIAL_SEEDS]
    seeds = np.unique(np.concatenate([by_time, by_memory]))
    serial_ways, serial_steps = serial_candidates(kernel, ways[seeds])
    if not len(serial_ways):
        return ways, steps, costs
    serial = price(kernel, chip, serial_ways, serial_steps)
    if (serial.bytes_temporary <= bytes_limit).any():
        return serial_ways, serial_steps, serial
    least = min(int(serial.bytes_temporary.min()), int(costs.bytes_temporary.min()))
    if least < int(costs.bytes_temporary.min()):
        kept = np.flatnonzero(serial.bytes_temporary <= least * 1.1)
        return serial_ways[kept], serial_steps[kept], serial.take(kept)
    kept = np.flatnonzero(costs.bytes_temporary <= least * 1.1)
    return ways[kept], steps[kept], costs.take(kept)


def _front(costs: RowCosts, order: Ints) -> list[int]:
    """Rows (in rising time) that need less memory than all faster ones, evenly thinned to MOST_PLANS."""
    memory = costs.bytes_temporary[order]
    before = np.minimum.accumulate(np.concatenate([[np.iinfo(np.int64).max], memory[:-1]]))
    front = order[memory < before]
    if len(front) > MOST_PLANS:
        front = front[np.unique(np.linspace(0, len(front) - 1, MOST_PLANS).round().astype(np.int64))]
    return front.tolist()


def _varied(ways: Ints, order: Ints, count: int = 6) -> list[int]:
    """The fastest rows, leaving out those that cut the same axes as two faster ones."""
    seen: dict[bytes, int] = {}
    chosen: list[int] = []
    for row in order[:200].tolist():
        pattern = (ways[row] > 1).tobytes()
        seen[pattern] = seen.get(pattern, 0) + 1
        if seen[pattern] <= 2:
            chosen.append(row)
        if len(chosen) == count:
            break
    return chosen


def _plan(costs: RowCosts, ways: Ints, steps: Ints, row: int, split: Split | None = None) -> KernelPlan:
    if split is None:
        axes = ways.shape[1]
        order = list(range(axes))
        fastest = int(costs.fastest[row])
        if fastest >= 0:
            order.append(order.pop(order.index(fastest)))
        split = Split(tuple(ways[row].tolist()), tuple(steps[row].tolist()), tuple(order))
    return KernelPlan(
        split,
        costs.vertex[row],
        costs.exchange[row],
        costs.combine[row],
        int(costs.bytes_always[row]),
        int(costs.bytes_temporary[row]),
        costs.sync[row],
    )
