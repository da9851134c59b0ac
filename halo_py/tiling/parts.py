"""Numbers of pieces: how many ways extents can be cut, alone and together."""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def distinct_ways(grains: int, most: int) -> Ints:
    """Every number of pieces up to `most` that gives a largest piece of its own, each as the fewest pieces for it."""
    most = max(1, min(grains, most))
    ways = np.arange(1, most + 1, dtype=np.int64)
    pieces = -(-grains // ways)
    return ways[np.concatenate([[True], pieces[1:] < pieces[:-1]])]


def combinations(menus: list[Ints], tiles: int) -> Ints:
    """Every combination of one entry per menu whose product is at most `tiles`."""
    rows = np.ones((1, len(menus)), np.int64)
    used = np.ones(1, np.int64)
    for axis, menu in enumerate(menus):
        if len(menu) == 1:
            continue
        fits = np.searchsorted(menu, tiles // used, side="right")
        source = np.repeat(np.arange(len(rows)), fits)
        choice = np.arange(len(source)) - np.repeat(np.cumsum(fits) - fits, fits)
        rows = rows[source]
        rows[:, axis] = menu[choice]
        used = used[source] * menu[choice]
    return rows


@lru_cache(maxsize=65_536)
def piece_sizes(extent: int, grain: int, ways: int) -> tuple[int, ...]:
    """The distinct sizes, largest first, of the pieces that `mapping.cut` makes."""
    grains = -(-extent // grain)
    short = grains * grain - extent
    small, longer = divmod(grains, ways)
    last = small + (longer > 0)
    counts = {small: ways - longer, small + 1: longer}
    sizes = {size * grain for size, count in counts.items() if size and count - (size == last) > 0}
    return tuple(sorted({*sizes, last * grain - short}, reverse=True))


EVEN_ENOUGH = 1.02
"""A cut whose largest part is at most this multiple of the mean is not improved."""

_MOST_COMBINATIONS = 20_000


@lru_cache(maxsize=65_536)
def part_ways(sizes: tuple[int, ...], parts: int) -> tuple[int, ...]:
    """Into how many pieces to cut each side of a box so that at most `parts` parts come out, the largest as small as
    can be. Leading sides are cut first where that is as good, because parts are then contiguous.
    """
    ways = _leading_first(sizes, parts)
    ideal = max(1.0, prod(sizes) / max(parts, 1))
    if _largest(sizes, ways) <= EVEN_ENOUGH * ideal:
        return ways
    menus = [distinct_ways(size, parts) for size in sizes]
    if prod(len(menu) for menu in menus) > _MOST_COMBINATIONS:
        menus = [menu[(parts % menu == 0) | (size % menu == 0)] for menu, size in zip(menus, sizes, strict=True)]
    rows = combinations(menus, parts)
    pieces = -(-np.array(sizes, np.int64) // rows)
    best = np.lexsort((*pieces.T[::-1], np.prod(pieces, axis=1)))[0]
    found = tuple(rows[best].tolist())
    return found if _largest(sizes, found) < _largest(sizes, ways) else ways


def _leading_first(sizes: tuple[int, ...], parts: int) -> tuple[int, ...]:
    ways: list[int] = []
    for size in sizes:
        ways.append(max(1, min(size, parts)))
        parts //= ways[-1]
    return tuple(ways)


def _largest(sizes: tuple[int, ...], ways: tuple[int, ...]) -> int:
    return prod(-(-size // count) for size, count in zip(sizes, ways, strict=True))
