"""Tile mappings: which box of a value lies on which tile, and how mappings meet.

A mapping holds at most one box per tile. Boxes are boxes of `shape`, a row-major view of the value's own shape.
Everything is
an array over tiles, so that a question about 1,472 tiles is a handful of NumPy operations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_py.tiling.parts import Ints, part_ways

if TYPE_CHECKING:
    from collections.abc import Sequence

    from halo_py.ir.space import Bounds

MINIMUM_BYTES_PER_TILE = 128
"""Smallest contiguous run of a linear mapping (PopLibs `TileMapping.cpp`)."""


def cut(extent: int, ways: int, grain: int = 1) -> tuple[Ints, Ints]:
    """Cuts [0, extent) into `ways` runs of whole grains whose lengths differ by at most one grain.

    Run i takes grains floor(i*g/ways) .. floor((i+1)*g/ways) (PopLibs `TileMapping.cpp`); the last grain may be ragged.
    """
    grains = -(-extent // grain)
    marks = np.minimum(np.arange(ways + 1, dtype=np.int64) * grains // ways * grain, extent)
    return marks[:-1], marks[1:]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The distinct boxes of a mapping, dimension by dimension.

    low[d], high[d] are the distinct intervals along dimension d, in rising order; `code` [boxes, rank] says which
    interval each box takes; `number` [boxes] is the distinct box it is, `counts` how many tiles hold each distinct box
    and `first` a tile position that holds it. `full`: every combination of intervals occurs.
    """

    low: tuple[Ints, ...]
    high: tuple[Ints, ...]
    code: Ints
    number: Ints
    counts: Ints
    first: Ints
    full: bool

    @property
    def disjoint(self) -> bool:
        """Whether no two intervals of a dimension overlap, so that no two distinct boxes do."""
        return all(bool((low[1:] >= high[:-1]).all()) for low, high in zip(self.low, self.high, strict=True))


@dataclass(frozen=True, eq=False)
class TileMapping:
    """Boxes [low, high) of `shape`, box i on tile `tiles[i]`. Tiles that hold nothing do not appear.

    Two tiles may hold the same box (a copy each) or, for partial sums, the same box with different contents.
    """

    shape: tuple[int, ...]
    tiles: Ints
    low: Bounds
    high: Bounds
    _cache: dict[object, object] = field(default_factory=dict[object, object], repr=False)

    @staticmethod
    def of(shape: tuple[int, ...], tiles: Ints, low: Bounds, high: Bounds) -> TileMapping:
        """A mapping without the empty boxes among these, ordered by tile."""
        keep = (high > low).all(axis=1) if low.shape[1] else np.ones(len(tiles), bool)
        if not keep.all():
            tiles, low, high = tiles[keep], low[keep], high[keep]
        if (tiles[1:] < tiles[:-1]).any():
            order = np.argsort(tiles, kind="stable")
            tiles, low, high = tiles[order], low[order], high[order]
        return TileMapping(shape, tiles, low, high)

    @staticmethod
    def linear(elements: int, bits: int, tiles: int, grain: int = 1, start: int = 0) -> TileMapping:
        """The flattened value in contiguous runs of at least 128 bytes, over at most `tiles` tiles from `start`.

        Source: PopLibs `TileMapping.cpp`, restated: grains are cut evenly over as few tiles as the minimum run allows.
        """
        grains = max(1, -(-elements // grain))
        grain_bytes = max(1, grain * bits // 8)
        per_run = max(1, MINIMUM_BYTES_PER_TILE // grain_bytes)
        most = max(-(-grains // tiles), -(-grains // max(1, grains // per_run)))
        used = -(-grains // most)
        low, high = cut(elements, used, grain)
        numbers = (start + np.arange(used, dtype=np.int64)) % tiles
        return TileMapping.of((elements,), numbers, low[:, None], high[:, None])

    @staticmethod
    def single(shape: tuple[int, ...], tile: int = 0) -> TileMapping:
        """The whole value on one tile."""
        low = np.zeros((1, len(shape)), np.int64)
        return TileMapping.of(shape, np.array([tile], np.int64), low, np.array([shape], np.int64).reshape(1, -1))

    @property
    def rank(self) -> int:
        """Dimensions of the view."""
        return len(self.shape)

    @cached_property
    def volume(self) -> Ints:
        """Elements per box."""
        return np.prod(self.high - self.low, axis=1, dtype=np.int64)

    @cached_property
    def is_partition(self) -> bool:
        """Whether every element lies in exactly one box."""
        if self._cache.get("partition"):
            return True
        grid = self.grid
        if int(self.volume.sum()) != prod(self.shape) or len(grid.counts) != len(self.tiles):
            return False
        return grid.disjoint or not _any_overlap(self.low, self.high)

    @cached_property
    def grid(self) -> Grid:
        """The distinct boxes, dimension by dimension."""
        boxes = len(self.tiles)
        code = np.zeros((boxes, self.rank), np.int64)
        number = np.zeros(boxes, np.int64)
        lows: list[Ints] = []
        highs: list[Ints] = []
        combinations = 1
        for dimension, extent in enumerate(self.shape):
            low, high = self.low[:, dimension], self.high[:, dimension]
            pair = low * (extent + 1) + high
            if boxes == 0 or (pair == pair[0]).all():
                lows.append(low[:1])
                highs.append(high[:1])
                continue
            values, code[:, dimension] = np.unique(pair, return_inverse=True)
            lows.append(values // (extent + 1))
            highs.append(values % (extent + 1))
            combinations *= len(values)
            if combinations >= 1 << 62:  # the codes seen so far, renumbered, leave room for more
                number = np.unique(number, return_inverse=True)[1].astype(np.int64)
                combinations = (boxes + 1) * len(values)
            number = number * len(values) + code[:, dimension]
        _values, first, inverse, counts = np.unique(number, return_index=True, return_inverse=True, return_counts=True)
        full = len(counts) == prod(len(values) for values in lows)
        return Grid(
            tuple(lows),
            tuple(highs),
            code,
            inverse.astype(np.int64),
            counts.astype(np.int64),
            first.astype(np.int64),
            full,
        )

    @property
    def distinct(self) -> tuple[Bounds, Bounds, Ints, Ints]:
        """The distinct boxes: their low, high, how many tiles hold each, and for each tile the number of its box."""
        grid = self.grid
        return self.low[grid.first], self.high[grid.first], grid.counts, grid.number

    @property
    def distinct_boxes(self) -> tuple[Ints, Bounds, Bounds]:
        """Each distinct box once: a tile that holds it, its low and its high."""
        first = self.grid.first
        return self.tiles[first], self.low[first], self.high[first]

    def elements_on(self, tiles: int) -> Ints:
        """Elements per tile for all `tiles` tiles."""
        counts = np.zeros(tiles, np.int64)
        np.add.at(counts, self.tiles, self.volume)
        return counts

    def same_as(self, other: TileMapping) -> bool:
        """Whether both hold the same boxes on the same tiles in the same view."""
        return self is other or (
            self.shape == other.shape
            and np.array_equal(self.tiles, other.tiles)
            and np.array_equal(self.low, other.low)
            and np.array_equal(self.high, other.high)
        )

    def key(self) -> bytes:
        """A digest of the mapping: equal mappings have equal keys."""
        found = self._cache.get("key")
        if not isinstance(found, bytes):
            import hashlib

            digest = hashlib.blake2b(repr(self.shape).encode(), digest_size=16)
            for array in (self.tiles, self.low, self.high):
                digest.update(np.ascontiguousarray(array).tobytes())
            found = digest.digest()
            self._cache["key"] = found
        return found

    def viewed(self, shape: tuple[int, ...]) -> TileMapping | None:
        """The same placement as boxes of another row-major view, or None if some box is not a box there."""
        if shape == self.shape:
            return self
        if shape not in self._cache:
            bounds = _view_boxes(self.shape, shape, self.low, self.high)
            viewed = None if bounds is None else TileMapping(shape, self.tiles, *bounds)
            if viewed is not None and "is_partition" in self.__dict__:
                viewed._cache["partition"] = self.is_partition
            self._cache[shape] = viewed
        found = self._cache[shape]
        return found if isinstance(found, TileMapping) else None

    def spread(self, minimum_elements: int = 1) -> TileMapping:
        """Each box shared by several tiles is cut into parts, one per tile: nothing is held twice.

        A part has at least `minimum_elements` (but a box has one part at least), so some of the tiles may hold nothing.
        """
        grid = self.grid
        if len(grid.counts) == len(self.tiles):
            return self
        order = np.argsort(grid.number, kind="stable")
        first = np.concatenate([[0], np.cumsum(grid.counts)[:-1]])
        part = np.empty(len(self.tiles), np.int64)
        part[order] = np.arange(len(self.tiles)) - first[grid.number[order]]
        parts = np.minimum(grid.counts[grid.number], np.maximum(1, self.volume // max(1, minimum_elements)))
        low, high = _cut_boxes(self.low, self.high, part, parts)
        made = TileMapping.of(self.shape, self.tiles, low, high)
        if grid.disjoint and int(made.volume.sum()) == prod(self.shape):
            made._cache["partition"] = True
        return made

    def disjoint(self) -> TileMapping | None:
        """Boxes that overlap their neighbours (windows) or leave gaps (strides) made to meet: box i ends where its next
        neighbour starts. Tiles that held equal boxes still do. None if the boxes are not a full grid.
        """
        grid = self.grid
        if not grid.full or not len(self.tiles):
            return None
        low, high = np.empty_like(self.low), np.empty_like(self.high)
        for dimension, (lows, extent) in enumerate(zip(grid.low, self.shape, strict=True)):
            marks = np.append(lows, extent)
            marks[0] = 0
            low[:, dimension] = marks[grid.code[:, dimension]]
            high[:, dimension] = marks[grid.code[:, dimension] + 1]
        return TileMapping.of(self.shape, self.tiles, low, high)

    def shifted(self, start: int, tiles: int) -> TileMapping:
        """The same boxes on tiles numbered from `start`, modulo `tiles`."""
        return TileMapping.of(self.shape, (self.tiles + start) % tiles, self.low, self.high)


def _cut_boxes(low: Bounds, high: Bounds, part: Ints, parts: Ints) -> tuple[Bounds, Bounds]:
    """Part `part[i]` of `parts[i]` of box i; empty if the box has fewer parts than that."""
    low, high = low.copy(), high.copy()
    size = high - low
    kinds, kind = _rows([*size.T, parts])
    cuts = np.array([part_ways(tuple(row[:-1]), row[-1]) for row in kinds.tolist()], np.int64).reshape(len(kinds), -1)
    ways, index = cuts[kind], part.copy()
    for dimension in range(low.shape[1]):
        count = ways[:, dimension]
        mine = index % count
        index //= count
        start = low[:, dimension].copy()
        low[:, dimension] = start + mine * size[:, dimension] // count
        high[:, dimension] = start + (mine + 1) * size[:, dimension] // count
    surplus = index > 0
    high[surplus] = low[surplus]
    return low, high


def _rows(columns: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Distinct rows of a table given by columns, and for each row the number of its distinct row."""
    number, count = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        if len(column) and (column == column[0]).all():
            continue
        values, code = np.unique(column, return_inverse=True)
        if count * len(values) >= 1 << 62:
            number = np.unique(number, return_inverse=True)[1].astype(np.int64)
        number, count = number * len(values) + code, count * len(values)
    _values, first, inverse = np.unique(number, return_index=True, return_inverse=True)
    return np.stack([column[first] for column in columns], axis=1), inverse.astype(np.int64)


def _view_boxes(old: tuple[int, ...], new: tuple[int, ...], low: Bounds, high: Bounds) -> tuple[Bounds, Bounds] | None:
    """Boxes of view `old` as boxes of view `new` (same elements, row-major), or None if one of them is none."""
    if prod(old) != prod(new) or 0 in old:
        return None
    lows = np.zeros((len(low), len(new)), np.int64)
    highs = np.ones_like(lows)
    for old_dims, new_dims in _dimension_groups(old, new):
        merged = _merge(old, old_dims, low, high)
        if merged is None or not _split(new, new_dims, merged, lows, highs):
            return None
    return lows, highs


def _dimension_groups(old: tuple[int, ...], new: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """Smallest runs of dimensions of both views with equal products, in order."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        left, right = ([i], []) if i < len(old) else ([], [j])
        size_left = old[i] if left else 1
        size_right = 1 if left else new[j]
        i, j = i + len(left), j + len(right)
        while size_left != size_right:
            if size_left < size_right:
                size_left, left, i = size_left * old[i], [*left, i], i + 1
            else:
                size_right, right, j = size_right * new[j], [*right, j], j + 1
        groups.append((left, right))
    return groups


def _merge(shape: tuple[int, ...], dims: list[int], low: Bounds, high: Bounds) -> tuple[Ints, Ints] | None:
    """The contiguous flat interval that each box takes along these dimensions together, or None if it is not
    contiguous.
    """
    start = np.zeros(len(low), np.int64)
    end = np.ones(len(low), np.int64)
    for dim in dims:
        whole = (low[:, dim] == 0) & (high[:, dim] == shape[dim])
        single = end - start == 1
        if not (whole | single).all():
            return None
        start, end = (
            np.where(single, start * shape[dim] + low[:, dim], start * shape[dim]),
            np.where(single, start * shape[dim] + high[:, dim], end * shape[dim]),
        )
    return start, end


def _split(shape: tuple[int, ...], dims: list[int], flat: tuple[Ints, Ints], low: Bounds, high: Bounds) -> bool:
    """Writes each flat interval as a box of these dimensions; False if one of them is not a box."""
    start, end = flat
    stride = prod(shape[dim] for dim in dims)
    settled = np.zeros(len(start), bool)
    for dim in dims:
        size = shape[dim]
        stride //= size
        first, last = start // stride % size, (end - 1) // stride % size
        low[:, dim] = np.where(settled, 0, first)
        high[:, dim] = np.where(settled, size, last + 1)
        spans = ~settled & (last > first)
        if (spans & ((start % stride != 0) | (end % stride != 0))).any():
            return False
        settled |= spans
    return True


def _any_overlap(low: Bounds, high: Bounds) -> bool:
    """Whether any two boxes have an element in common."""
    if not low.size:
        return len(low) > 1
    # Along the dimension that is cut most, few boxes come near some consecutive ones.
    most_cut = max(range(low.shape[1]), key=lambda dimension: len(np.unique(low[:, dimension])))
    order = np.argsort(low[:, most_cut], kind="stable")
    low, high = low[order], high[order]
    for start in range(0, len(low), _BOXES_AT_ONCE):
        some = slice(start, start + _BOXES_AT_ONCE)
        first, last = low[some], high[some]
        near = (low[:, most_cut] < last[:, most_cut].max()) & (high[:, most_cut] > first[:, most_cut].min())
        meets = np.ones((len(first), int(near.sum())), bool)
        for dimension in range(low.shape[1]):
            meets &= first[:, dimension, None] < high[near, dimension]
            meets &= low[near, dimension] < last[:, dimension, None]
        if int(meets.sum()) > len(first):
            return True
    return False


_BOXES_AT_ONCE = 64
"""How many boxes are compared with those near them at once."""


def boxes_of(mapping: TileMapping, indices: Sequence[int]) -> list[tuple[slice, ...]]:
    """Boxes `indices` as tuples of slices into an array of the mapping's view."""
    return [tuple(slice(int(a), int(b)) for a, b in zip(mapping.low[i], mapping.high[i], strict=True)) for i in indices]
