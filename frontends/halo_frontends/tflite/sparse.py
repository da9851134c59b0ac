"""Sparse constants: only some entries are stored, and where they stand.

The layout is that of TACO (Kjolstad et al., 2017) as tensorflow/compiler/mlir/lite/schema/schema.fbs describes it:
dimensions, perhaps cut into blocks, are walked in an order of their own; each has all its entries, or lists per
position so far where its entries begin and their indices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.tflite.flatbuffer import MalformedError, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.int64]

_LISTED = 1
_INDEX_CODES = {1: "i", 2: "H", 3: "B"}
_MOST_LEVELS = 16


@dataclass(frozen=True, slots=True)
class Level:
    """A dimension in the order of the walk: `size` entries, or those that segments and indices list."""

    size: int
    segments: Indices | None = None
    indices: Indices | None = None


@dataclass(frozen=True, slots=True)
class Sparsity:
    """Where stored entries stand. `order` has a dimension per level, those behind the tensor's rank are of blocks."""

    order: tuple[int, ...]
    blocked: tuple[int, ...]
    levels: tuple[Level, ...]

    def places(self, dims: tuple[int, ...], most: int) -> Indices:
        """The flat position of every stored entry, of at most so many, in a tensor of this shape.

        Raises MalformedError.
        """
        sizes = self._sizes(dims)
        coordinates: dict[int, Indices] = {}
        count = 1
        for dimension, level in zip(self.order, self.levels, strict=True):
            repeats, own = _entries(level, sizes[dimension], count, most)
            coordinates = {key: np.repeat(found, repeats) for key, found in coordinates.items()}
            coordinates[dimension] = own
            count = own.size
        for number, dimension in enumerate(self.blocked, len(dims)):
            coordinates[dimension] = coordinates[dimension] * sizes[number] + coordinates[number]
        place = np.zeros(count, np.int64)
        for dimension, size in enumerate(dims):
            place = place * size + coordinates[dimension]
        return place

    def _sizes(self, dims: tuple[int, ...]) -> list[int]:
        """The size of every dimension: those of the tensor in whole blocks, then those of a block."""
        rank = len(dims)
        if sorted(self.order) != list(range(rank + len(self.blocked))) or len(self.levels) != len(self.order):
            raise MalformedError
        if len(set(self.blocked)) != len(self.blocked) or not all(0 <= entry < rank for entry in self.blocked):
            raise MalformedError
        own = {dimension: level.size for dimension, level in zip(self.order, self.levels, strict=True)}
        sizes = [*dims, *(own[number] for number in range(rank, len(self.order)))]
        for number, dimension in enumerate(self.blocked, rank):
            if sizes[number] <= 0 or dims[dimension] % sizes[number]:
                raise MalformedError
            sizes[dimension] //= sizes[number]
        return sizes


def _entries(level: Level, size: int, count: int, most: int) -> tuple[Indices | int, Indices]:
    """How many entries each of `count` positions has, and the index of every entry."""
    if level.segments is None or level.indices is None:
        if level.size != size or count * size > most:
            raise MalformedError
        return size, np.tile(np.arange(size, dtype=np.int64), count)
    repeats = np.diff(level.segments)
    bad = level.segments.size != count + 1 or level.segments[0] != 0 or (repeats < 0).any()
    if bad or level.segments[-1] != level.indices.size or level.indices.size > most:
        raise MalformedError
    if level.indices.size and not (level.indices.min() >= 0 and level.indices.max() < size):
        raise MalformedError
    return repeats, level.indices


def read_sparsity(table: Table | None) -> Sparsity | None:
    """What a tensor's table says; None if it is dense. Raises MalformedError."""
    if table is None:
        return None
    levels = table.tables(2)
    if len(levels) > _MOST_LEVELS:
        raise MalformedError
    order, blocked = (tuple(int(number) for number in table.numbers(slot, "i")) for slot in (0, 1))
    return Sparsity(order, blocked, tuple(_level(entry) for entry in levels))


def _level(table: Table) -> Level:
    size = table.integer(1)
    if table.integer(0, "b") != _LISTED:
        return Level(size)
    return Level(size, *(_numbers(table, slot) for slot in (2, 4)))


def _numbers(table: Table, slot: int) -> Indices:
    """A vector of indices, whose type stands in one slot and itself in the next."""
    code, found = _INDEX_CODES.get(table.integer(slot, "B")), table.table(slot + 1)
    if code is None or found is None:
        raise MalformedError
    return found.numbers(0, code).astype(np.int64)
