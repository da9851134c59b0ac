"""Search over the splits of one kernel: the plans that no other plan beats in both time and temporary memory."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Kernel
from halo_py.tiling.candidates import candidates, serial_candidates
from halo_py.tiling.cost import RowCosts, price, price_promising, slowest_vertex
from halo_py.tiling.operand_cost import Lying
from halo_py.tiling.parts import Ints
from halo_py.tiling.plan import KernelPlan, Split

if TYPE_CHECKING:
    from halo_py.targets import Chip

MOST_PLANS = 12
"""Plans of a front."""

NEARBY_PLANS = 3
"""Plans that selection prices exactly: estimates are within a few per cent, the first one nearly always wins."""

SLACK = 1.25
"""Plans slower than this multiple of the fastest one are looked at only when memory is short."""

SERIAL_SEEDS = 64
"""Splits that are tried with serial steps when no split alone fits the memory."""


EXACT_ROWS = 64
"""Rows at a time for which all classes of tiles are priced."""


def plans(
    kernel: Kernel, chip: Chip, tiles: int, bytes_limit: int | None = None, lying: tuple[Lying | None, ...] = ()
) -> tuple[KernelPlan, ...]:
    """The Pareto front over (nominal cycles with syncs, temporary bytes of the fullest tile), fastest first.

    `bytes_limit` bounds temporary bytes. Where no split fits, axes are cut in serial steps; where that does not help
    either, the plans with the least memory are given all the same: the memory account decides. `lying[i]` says how
    read operand i lies, None that it is free to be laid out for this kernel; no entries: all are free.
    """
    return _search(kernel, chip, min(tiles, chip.tiles), bytes_limit, lying)[0]


def nearby(
    kernel: Kernel, chip: Chip, tiles: int, bytes_limit: int | None = None, lying: tuple[Lying | None, ...] = ()
) -> tuple[KernelPlan, ...]:
    """The fastest plans of all, whatever their memory within the limit: what selection prices with real homes."""
    return _search(kernel, chip, min(tiles, chip.tiles), bytes_limit, lying)[1]


def plan_of(kernel: Kernel, chip: Chip, split: Split) -> KernelPlan:
    """The price of one given split (a pinned one)."""
    ways, steps = np.array([split.ways], np.int64), np.array([split.steps], np.int64)
    return _plan(price(kernel, chip, ways, steps), ways, steps, 0, split)


def clear_searches() -> None:
    """Forgets all searches (benchmarks)."""
    _search.cache_clear()


@lru_cache(maxsize=4096)
def _search(
    kernel: Kernel, chip: Chip, tiles: int, bytes_limit: int | None, lying: tuple[Lying | None, ...]
) -> tuple[tuple[KernelPlan, ...], tuple[KernelPlan, ...]]:
    ways = candidates(kernel, tiles)
    rows, costs = price_promising(kernel, chip, ways, SLACK, lying)
    ways, steps = ways[rows], np.ones_like(ways[rows])
    room = chip.bytes_per_tile if bytes_limit is None else bytes_limit
    if not _fits(costs, chip, room).any():
        ways, steps, costs = _within(kernel, chip, candidates(kernel, tiles), room, lying)
    if (fits := np.flatnonzero(_fits(costs, chip, room))).size:
        ways, steps, costs = ways[fits], steps[fits], costs.take(fits)
    if (steps == 1).all():
        rows, costs = _exact(kernel, chip, ways, costs)
        ways, steps = ways[rows], steps[rows]
    order = _by_time(ways, costs)
    front, fastest = _front(costs, order), _varied(ways, order)
    return tuple(_plan(costs, ways, steps, row) for row in front), tuple(
        _plan(costs, ways, steps, row) for row in fastest
    )


def _by_time(ways: Ints, costs: RowCosts) -> Ints:
    return np.lexsort((np.prod(ways, axis=1), costs.bytes_temporary, costs.total[:, 1]))


def _exact(kernel: Kernel, chip: Chip, ways: Ints, costs: RowCosts) -> tuple[Ints, RowCosts]:
    """Rows worth keeping, priced with their slowest class of tiles instead of their largest piece.

    The largest piece is a lower bound: rows are made exact in rising order of it until the best exact one beats the
    next bound, so the best of all is among them. The front of the lower bounds is kept too.
    """
    order = _by_time(ways, costs)
    others = (costs.total - costs.vertex)[:, 1]
    front = np.array(_front(costs, order), np.int64)
    found, start = [(front, slowest_vertex(kernel, chip, ways[front]))], 0
    best = float((found[0][1][:, 1] + others[front]).min())
    while start < len(order) and (start == 0 or costs.total[order[start], 1] < best):
        some = order[start : start + EXACT_ROWS]
        vertex = slowest_vertex(kernel, chip, ways[some])
        best = min(best, float((vertex[:, 1] + others[some]).min()))
        found.append((some, vertex))
        start += EXACT_ROWS
    rows, first = np.unique(np.concatenate([part for part, _vertex in found]), return_index=True)
    vertex = np.concatenate([vertex for _part, vertex in found])[first]
    return rows, replace(costs.take(rows), vertex=vertex)


def _fits(costs: RowCosts, chip: Chip, room: int) -> NDArray[np.bool_]:
    """Rows whose temporary bytes keep the limit and that fit a tile together with the operands and results."""
    within = costs.bytes_always + costs.bytes_temporary <= chip.bytes_per_tile
    return within & (costs.bytes_temporary <= room)


def _excess(costs: RowCosts, chip: Chip, room: int) -> Ints:
    """Bytes by which rows miss their limits."""
    over = np.maximum(costs.bytes_always + costs.bytes_temporary - chip.bytes_per_tile, 0)
    return np.maximum(over, costs.bytes_temporary - room)


def _within(
    kernel: Kernel, chip: Chip, ways: Ints, room: int, lying: tuple[Lying | None, ...]
) -> tuple[Ints, Ints, RowCosts]:
    """All splits, and where none fits the memory the fastest and the smallest ones with serial steps."""
    costs = price(kernel, chip, ways, None, lying)
    steps = np.ones_like(ways)
    if _fits(costs, chip, room).any():
        return ways, steps, costs
    by_time = np.argsort(costs.total[:, 1], kind="stable")[:SERIAL_SEEDS]
    by_memory = np.argsort(_excess(costs, chip, room), kind="stable")[:SERIAL_SEEDS]
    seeds = np.unique(np.concatenate([by_time, by_memory]))
    serial_ways, serial_steps = serial_candidates(kernel, ways[seeds])
    if not len(serial_ways):
        return ways, steps, costs
    serial = price(kernel, chip, serial_ways, serial_steps, lying)
    if _fits(serial, chip, room).any():
        return serial_ways, serial_steps, serial
    best, best_serial = (int(_excess(made, chip, room).min()) for made in (costs, serial))
    if best_serial < best:
        kept = np.flatnonzero(_excess(serial, chip, room) <= best_serial * NEAR_LEAST)
        return serial_ways[kept], serial_steps[kept], serial.take(kept)
    kept = np.flatnonzero(_excess(costs, chip, room) <= best * NEAR_LEAST)
    return ways[kept], steps[kept], costs.take(kept)


NEAR_LEAST = 1.1
"""Where nothing fits, plans that miss the memory by at most this multiple of the least are kept."""


def _front(costs: RowCosts, order: Ints) -> list[int]:
    """Rows (in rising time) that need less memory than all faster ones, evenly thinned to MOST_PLANS."""
    memory = costs.bytes_temporary[order]
    before = np.minimum.accumulate(np.concatenate([[np.iinfo(np.int64).max], memory[:-1]]))
    front = order[memory < before]
    if len(front) > MOST_PLANS:
        front = front[np.unique(np.linspace(0, len(front) - 1, MOST_PLANS).round().astype(np.int64))]
    return front.tolist()


def _varied(ways: Ints, order: Ints) -> list[int]:
    """The fastest rows, leaving out those that cut the same axes as two faster ones."""
    seen: dict[bytes, int] = {}
    chosen: list[int] = []
    for row in order[:200].tolist():
        pattern = (ways[row] > 1).tobytes()
        seen[pattern] = seen.get(pattern, 0) + 1
        if seen[pattern] <= 2:
            chosen.append(row)
        if len(chosen) == NEARBY_PLANS:
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
