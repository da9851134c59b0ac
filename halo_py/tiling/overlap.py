"""How two tile mappings of one value overlap: exact element counts without looking at elements.

Two methods with one answer. Boxes of one view: dimension by dimension, as products of interval lengths. Anything else:
as contiguous runs of the flattened value. Tests compare both with explicit sets of element indexes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from halo_py.tiling.mapping import Ints, TileMapping


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """Counts of elements and pieces.

    received, fragments: for each box of the needing mapping, elements its tile lacks and pieces they come in.
    sent: for each box of the home mapping, elements its tile sends (each once, however many tiles receive it).
    """

    received: Ints
    fragments: Ints
    sent: Ints


def _partners(of: TileMapping, among: TileMapping) -> Ints:
    """For each box of `of` the position of its tile's box in `among`, or -1."""
    if not len(among.tiles) or not len(of.tiles):
        return np.full(len(of.tiles), -1, np.int64)
    position = np.full(int(max(of.tiles.max(), among.tiles.max())) + 1, -1, np.int64)
    position[among.tiles] = np.arange(len(among.tiles))
    return position[of.tiles]


def box_overlap(home: TileMapping, need: TileMapping, depth: int) -> Overlap | None:
    """Both mappings boxes of one view, the home's disjoint and each held `depth` times: without looking at elements.

    None if what is needed overlaps itself in a way that is no product of intervals, or if the home is of another kind.
    """
    if not len(home.tiles) or not len(need.tiles) or not _held(home, depth):
        return None
    own = own_elements(home, need)
    sent = _sent_of_partition(home, need) if need.is_partition else _sent_of_grid(home, need)
    if sent is None:
        return None
    pieces = _source_boxes(home, need)
    return Overlap(depth * need.volume - own, depth * pieces - (own > 0), sent)


def _held(home: TileMapping, times: int) -> bool:
    """Whether every element lies in one distinct box, which so many tiles hold."""
    if times == 1:
        return home.is_partition
    grid = home.grid
    if (grid.counts != times).any() or int(home.volume.sum()) != times * prod(home.shape):
        return False
    return grid.disjoint or TileMapping(home.shape, *home.distinct_boxes).is_partition


def _sent_of_partition(home: TileMapping, need: TileMapping) -> Ints:
    """Every element is needed by one tile: a tile sends all that it does not need itself."""
    mine = np.zeros(len(home.tiles), np.int64)
    partner = _partners(need, home)
    mine[partner[partner >= 0]] = own_elements(home, need)[partner >= 0]
    return home.volume - mine


def _sent_of_grid(home: TileMapping, need: TileMapping) -> Ints | None:
    """What is needed is a product of intervals: points that any tile needs less those that only their holder needs."""
    grid = need.grid
    if not grid.full:
        return None
    needed = np.ones(len(home.tiles), np.int64)
    needed_once = np.ones(len(home.tiles), np.int64)
    of_home = _partners(home, need)
    for d in range(home.rank):
        covered = _Coverage(grid.low[d], grid.high[d])
        low, high = home.low[:, d], home.high[:, d]
        needed *= covered.at_least_once(low, high)
        own_low, own_high = np.maximum(low, need.low[of_home, d]), np.minimum(high, need.high[of_home, d])
        needed_once *= covered.exactly_once(own_low, np.maximum(own_low, own_high))
    alone = (of_home >= 0) & (grid.counts[grid.number[of_home]] == 1)
    return needed - np.where(alone, needed_once, 0)


def _source_boxes(home: TileMapping, need: TileMapping) -> Ints:
    """For each box of `need` how many distinct boxes of `home` it meets."""
    homes, needs = home.grid, need.grid
    if homes.full and homes.disjoint:
        pieces = np.ones(len(need.tiles), np.int64)
        for d in range(home.rank):
            first = np.searchsorted(homes.high[d], needs.low[d], side="right")
            last = np.searchsorted(homes.low[d], needs.high[d], side="left")
            pieces *= (last - first)[needs.code[:, d]]
        return pieces
    if needs.full and all(bool((high[1:] >= high[:-1]).all()) for high in needs.high):
        return _cells_met(home, need)
    low, high = home.low[homes.first], home.high[homes.first]
    counts = np.zeros(len(needs.counts), np.int64)
    for some in np.array_split(np.arange(len(counts)), -(-len(counts) * len(low) // _MOST_PAIRS)):
        meets = np.ones((len(some), len(low)), bool)
        for d in range(home.rank):
            begins, ends = need.low[needs.first[some], d], need.high[needs.first[some], d]
            meets &= (low[:, d] < ends[:, None]) & (high[:, d] > begins[:, None])
        counts[some] = meets.sum(axis=1)
    return counts[needs.number]


_MOST_PAIRS = 1 << 18
"""Pairs of boxes compared at once."""


def _cells_met(home: TileMapping, need: TileMapping) -> Ints:
    """The same count when what is needed is a full grid: each home box adds one to a block of cells of that grid.

    Blocks are added by their corners, as differences that are summed up along every dimension afterwards.
    """
    homes, needs = home.grid, need.grid
    cuts = [d for d in range(home.rank) if len(needs.low[d]) > 1]
    change = np.zeros([len(needs.low[d]) + 1 for d in cuts], np.int64)
    ranges: list[tuple[Ints, Ints]] = [
        (
            np.searchsorted(needs.high[d], home.low[homes.first, d], side="right"),
            np.searchsorted(needs.low[d], home.high[homes.first, d], side="left"),
        )
        for d in cuts
    ]
    meets = np.ones(len(homes.first), bool)
    for d in range(home.rank):
        if d not in cuts:
            meets &= (home.low[homes.first, d] < needs.high[d][0]) & (home.high[homes.first, d] > needs.low[d][0])
    for first, last in ranges:
        meets &= first < last
    if not cuts:
        return np.full(len(need.tiles), int(meets.sum()), np.int64)
    for corner in np.ndindex(*(2,) * len(cuts)):
        index: list[Ints] = [ranges[axis][side][meets] for axis, side in enumerate(corner)]
        np.add.at(change, tuple(index), -1 if sum(corner) % 2 else 1)
    for axis in range(len(cuts)):
        change = np.cumsum(change, axis=axis)
    return np.asarray(change[tuple(needs.code[:, d] for d in cuts)], np.int64).reshape(-1)


def own_elements(home: TileMapping, need: TileMapping) -> Ints:
    """For each box of `need` the elements of it that its tile holds in `home` (same view)."""
    partner = _partners(need, home)
    if not len(home.tiles):
        return np.zeros(len(need.tiles), np.int64)
    size = np.minimum(need.high, home.high[partner]) - np.maximum(need.low, home.low[partner])
    return np.where(partner >= 0, np.prod(np.maximum(size, 0), axis=1, dtype=np.int64), 0)


class _Coverage:
    """How many points of an interval lie in at least one, or in exactly one, of some (distinct) intervals."""

    def __init__(self, low: Ints, high: Ints) -> None:
        if (low[1:] >= high[:-1]).all():
            marks = np.stack([low, high], axis=1).ravel()
            once = np.cumsum(np.stack([np.zeros_like(low), high - low], axis=1).ravel())
            self._marks, self._any, self._once = marks, once, once
            return
        marks, inverse = np.unique(np.concatenate([low, high]), return_inverse=True)
        change = np.zeros(len(marks), np.int64)
        np.add.at(change, inverse, np.repeat([1, -1], len(low)))
        covering = np.cumsum(change)[:-1]
        length = np.diff(marks)
        self._marks = marks
        self._any = np.concatenate([[0], np.cumsum(length * (covering >= 1))])
        self._once = np.concatenate([[0], np.cumsum(length * (covering == 1))])

    def at_least_once(self, low: Ints, high: Ints) -> Ints:
        return self._between(self._any, low, high)

    def exactly_once(self, low: Ints, high: Ints) -> Ints:
        return self._between(self._once, low, high)

    def _between(self, total: Ints, low: Ints, high: Ints) -> Ints:
        # linear between marks, so interpolation is exact (in float64, for lengths below 2^53)
        ends = np.interp(np.concatenate([low, high]), self._marks, total)
        return np.rint(ends[len(low) :] - ends[: len(low)]).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """Contiguous runs [start, end) of the flattened value, each of distinct box `box`; sorted within a box."""

    start: Ints
    end: Ints
    box: Ints


def _flat_runs(shape: tuple[int, ...], low: Ints, high: Ints) -> _Runs:
    """The boxes as runs of the flattened value, neighbours joined."""
    boxes, rank = len(low), len(shape)
    inner = rank
    while inner > 0 and (low[:, inner - 1] == 0).all() and (high[:, inner - 1] == shape[inner - 1]).all():
        inner -= 1
    width = prod(shape[inner:])
    if inner == 0:
        return _Runs(np.zeros(boxes, np.int64), np.full(boxes, width, np.int64), np.arange(boxes))
    size = high - low
    rows = np.prod(size[:, : inner - 1], axis=1, dtype=np.int64)
    box = np.repeat(np.arange(boxes), rows)
    rest = np.arange(len(box)) - np.repeat(np.cumsum(rows) - rows, rows)
    start = low[box, inner - 1] * width
    stride = width * shape[inner - 1]
    for d in range(inner - 2, -1, -1):
        extent = size[box, d]
        start += (low[box, d] + rest % extent) * stride
        rest //= extent
        stride *= shape[d]
    end = start + (size[:, inner - 1] * width)[box]
    joins = np.zeros(len(box), bool)
    joins[1:] = (start[1:] == end[:-1]) & (box[1:] == box[:-1])
    begins = ~joins
    return _Runs(start[begins], end[np.append(np.flatnonzero(begins)[1:] - 1, len(box) - 1)], box[begins])


def _disjoint_runs(runs: _Runs) -> _Runs:
    """Sorted by start; where boxes overlap, the run that starts first keeps the elements."""
    order = np.argsort(runs.start, kind="stable")
    start, end, box = runs.start[order], runs.end[order], runs.box[order]
    reached = np.maximum.accumulate(np.concatenate([[0], end[:-1]]))
    start = np.maximum(start, reached)
    keep = end > start
    return _Runs(start[keep], end[keep], box[keep])


def run_overlap(home: TileMapping, need: TileMapping, depth: int, *, count_runs: bool) -> Overlap:
    """Any two mappings, by runs of the flattened value. `count_runs`: fragments are runs, else source blocks.

    A box that several tiles hold (`depth` 1) is sent by all of them in equal parts. Where distinct home boxes overlap,
    the first one owns the elements.
    """
    if not len(home.tiles) or not len(need.tiles):
        return Overlap(*(np.zeros(len(m.tiles), np.int64) for m in (need, need, home)))
    home_low, home_high, holders, home_box = home.distinct
    need_low, need_high, needers, need_box = need.distinct
    sources = _disjoint_runs(_flat_runs(home.shape, home_low, home_high))
    wanted = _flat_runs(need.shape, need_low, need_high)
    pieces, by, of = _cut_at(wanted, sources)
    if not len(by):
        return Overlap(*(np.zeros(len(m.tiles), np.int64) for m in (need, need, home)))
    pair = by * len(holders) + of
    pairs, inverse = np.unique(pair, return_inverse=True)
    length = np.bincount(inverse, pieces.end - pieces.start).astype(np.int64)
    count = np.bincount(inverse) if count_runs else np.ones(len(pairs), np.int64)
    in_pair = _pair_of_tiles(home, need, home_box, need_box, pairs, len(holders))
    own = np.where(in_pair >= 0, length[in_pair], 0)
    own_count = np.where(in_pair >= 0, count[in_pair], 0)
    covered = np.bincount(pairs // len(holders), length, len(needers)).astype(np.int64)[need_box]
    blocks = np.bincount(pairs // len(holders), count, len(needers)).astype(np.int64)[need_box]
    if depth == 1:
        remote = needers[pairs // len(holders)] - np.bincount(in_pair[in_pair >= 0], minlength=len(pairs))
        kept = remote[inverse] > 0
        sent = _union_by(pieces.start[kept], pieces.end[kept], of[kept], len(holders))
        return Overlap(covered - own, blocks - own_count, (-(-sent // holders))[home_box])
    sent = _sent_partials(pieces, by, of, need, need_box, needers, home, home_box)
    return Overlap(depth * covered - own, depth * blocks - own_count, sent)


def _cut_at(wanted: _Runs, sources: _Runs) -> tuple[_Runs, Ints, Ints]:
    """The wanted runs cut where sources meet: pieces, the need box and the home box of each."""
    first = np.searchsorted(sources.end, wanted.start, side="right")
    last = np.searchsorted(sources.start, wanted.end, side="left")
    count = np.maximum(last - first, 0)
    run = np.repeat(np.arange(len(count)), count)
    source = np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count) + first[run]
    start = np.maximum(wanted.start[run], sources.start[source])
    end = np.minimum(wanted.end[run], sources.end[source])
    by, of = wanted.box[run], sources.box[source]
    return _Runs(start, end, by), by, of


def _pair_of_tiles(
    home: TileMapping, need: TileMapping, home_box: Ints, need_box: Ints, pairs: Ints, home_boxes: int
) -> Ints:
    """For each box of `need` the position in `pairs` of (its box, the box its tile holds), or -1."""
    partner = _partners(need, home)
    wanted = np.where(partner >= 0, need_box * home_boxes + home_box[partner], -1)
    place = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    return np.where((partner >= 0) & (pairs[place] == wanted), place, -1)


def _union_by(start: Ints, end: Ints, owner: Ints, owners: int) -> Ints:
    """Per owner the number of points in the union of its intervals (intervals of different owners are disjoint)."""
    order = np.argsort(start, kind="stable")
    start, end, owner = start[order], end[order], owner[order]
    reached = np.maximum.accumulate(np.concatenate([[0], end[:-1]])) if len(end) else end
    new = np.maximum(end - np.maximum(start, reached), 0)
    return np.bincount(owner, new, owners).astype(np.int64)


def _sent_partials(
    pieces: _Runs,
    by: Ints,
    of: Ints,
    need: TileMapping,
    need_box: Ints,
    needers: Ints,
    home: TileMapping,
    home_box: Ints,
) -> Ints:
    """Each holder of a partial sends all of it that any tile but itself needs."""
    some_tile = np.zeros(len(needers), np.int64)
    some_tile[need_box] = need.tiles
    marks, inverse = np.unique(np.concatenate([pieces.start, pieces.end]), return_inverse=True)
    weight, tile = needers[by], some_tile[by]
    covering, tiles = np.zeros(len(marks), np.int64), np.zeros(len(marks), np.int64)
    np.add.at(covering, inverse, np.concatenate([weight, -weight]))
    np.add.at(tiles, inverse, np.concatenate([tile, -tile]))
    covering, tiles = np.cumsum(covering)[:-1], np.cumsum(tiles)[:-1]
    segment = np.diff(marks)
    owner = np.zeros(len(segment), np.int64)
    order = np.argsort(pieces.start, kind="stable")
    at = np.searchsorted(pieces.start[order], marks[:-1], side="right") - 1
    owner = of[order][at]
    boxes = int(home_box.max()) + 1
    total = np.bincount(owner, segment * (covering >= 1), boxes).astype(np.int64)
    once = covering == 1
    # where only one tile needs a segment, that tile is the one whose numbers the sum of tile numbers has left over
    limit = int(max(home.tiles.max(), need.tiles.max())) + 1
    alone = owner[once] * limit + tiles[once]
    keys, index = np.unique(alone, return_inverse=True)
    amount = np.bincount(index, segment[once]).astype(np.int64)
    mine = home_box * limit + home.tiles
    place = np.minimum(np.searchsorted(keys, mine), max(len(keys) - 1, 0))
    found = (keys[place] == mine) if len(keys) else np.zeros(len(mine), bool)
    return total[home_box] - (np.where(found, amount[place], 0) if len(keys) else 0)
