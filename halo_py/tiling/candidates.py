"""Plan space: which splits of a kernel over at most T tiles the search looks at.

Two splits whose pieces have the same sizes are one (the one that takes fewer tiles). Up to `EXHAUSTIVE_TILES` tiles
every split is there. Beyond, an axis is cut in ways from its *menu*: all ways while the space is small, else a
geometric ladder of piece sizes that prefers even cuts. The menu does not depend on T, so the candidates for T tiles
include those for every smaller T: with more tiles no plan gets worse.
"""

from __future__ import annotations

from bisect import bisect_left
from math import prod

import numpy as np

from halo_py.ir.space import Kernel
from halo_py.tiling.parts import Ints, combinations, distinct_ways

EXHAUSTIVE_TILES = 64
"""Splits over at most so many tiles are all candidates."""

MOST_CANDIDATES = 32_000
"""Menus are thinned until a machine of `REFERENCE_TILES` has at most so many candidates."""

REFERENCE_TILES = 1472
"""Tiles of the machine for which the number of candidates is bounded (Mk2)."""

_RATIOS = (1.0, *(1 + 0.02 * 1.25**step for step in range(32)))
"""Ratios between neighbouring piece sizes of a thinned menu, from none to the ends of the range only."""


def thinned(ways: Ints, grains: int, ratio: float) -> Ints:
    """At most one number of pieces per range of piece sizes that differ by `ratio`, the one that wastes least.

    The ends of the range stay.
    """
    if ratio <= 1 or len(ways) <= 2:
        return ways
    pieces = -(-grains // ways)
    bucket = np.floor(np.log(grains / pieces) / np.log(ratio) + 1e-9).astype(np.int64)
    waste = pieces * ways / grains
    order = np.lexsort((ways, np.round(waste, 9), bucket))
    first = np.concatenate([[True], bucket[order][1:] != bucket[order][:-1]])
    kept = np.union1d(ways[order[first]], ways[[0, -1]])
    return kept.astype(np.int64)


def candidates(kernel: Kernel, tiles: int) -> Ints:
    """int64[rows, axes]: the numbers of pieces per axis of every candidate; their product is at most `tiles`."""
    grains = _grains(kernel)
    small = combinations(
        [distinct_ways(count, min(tiles, EXHAUSTIVE_TILES)) for count in grains], min(tiles, EXHAUSTIVE_TILES)
    )
    if tiles <= EXHAUSTIVE_TILES:
        return small
    menus = _menus(grains)
    limited = [menu[menu <= tiles] for menu in menus]
    large = combinations(limited, tiles)
    return np.concatenate([small, large[np.prod(large, axis=1) > EXHAUSTIVE_TILES]])


def all_candidates(kernel: Kernel, tiles: int) -> Ints:
    """The same without thinned menus: many more, for judging what thinning costs."""
    return combinations([distinct_ways(count, tiles) for count in _grains(kernel)], tiles)


def _grains(kernel: Kernel) -> list[int]:
    """Grains per axis, 1 for an axis that may not be cut."""
    return [
        -(-extent // axis.grain) if may_split else 1
        for axis, extent, may_split in zip(kernel.axes, kernel.extents, kernel.splittable, strict=True)
    ]


def _menus(grains: list[int]) -> list[Ints]:
    """Menus of all axes, thinned by the smallest ratio that keeps the number of candidates within bounds."""
    full = [distinct_ways(count, count) for count in grains]

    def thin(ratio: float) -> list[Ints]:
        return [thinned(ways, count, ratio) for ways, count in zip(full, grains, strict=True)]

    def few(ratio: float) -> bool:
        return _count(thin(ratio), REFERENCE_TILES) <= MOST_CANDIDATES

    if few(_RATIOS[0]):
        return full
    return thin(_RATIOS[bisect_left(_RATIOS, True, 1, len(_RATIOS) - 1, key=few)])


def _count(menus: list[Ints], tiles: int) -> int:
    """How many combinations have a product of at most `tiles`."""
    within = [menu[menu <= tiles] for menu in menus if len(menu) > 1]
    if prod(len(menu) for menu in within) <= MOST_CANDIDATES:
        return prod(len(menu) for menu in within)
    counts = np.zeros(tiles + 1, np.int64)
    counts[1] = 1
    for menu in within:
        following = np.zeros_like(counts)
        for ways in menu.tolist():
            reach = tiles // ways
            following[ways : ways * reach + 1 : ways] += counts[1 : reach + 1]
        counts = following
    return int(counts.sum())


def serial_candidates(kernel: Kernel, ways: Ints) -> tuple[Ints, Ints]:
    """Splits `ways` [rows, axes] with one axis of each tile's piece cut in 2, 4, 8, ... serial steps: (ways, steps)."""
    more_ways: list[Ints] = []
    more_steps: list[Ints] = []
    for axis, (grains, may_split) in enumerate(zip(_grains(kernel), kernel.splittable, strict=True)):
        if not may_split:
            continue
        piece = -(-grains // ways[:, axis])
        count = 2
        while (fits := piece >= count).any():
            steps = np.ones_like(ways[fits])
            steps[:, axis] = count
            more_ways.append(ways[fits])
            more_steps.append(steps)
            count *= 2
    if not more_ways:
        return ways[:0], ways[:0]
    return np.concatenate(more_ways), np.concatenate(more_steps)
