"""The tiles' memories: every block a tile holds is an array of its own, poisoned until something writes it."""

from __future__ import annotations

from dataclasses import dataclass
from operator import lt
from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import SimulationError
from halo_py.tiling.mapping import Ints, TileMapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from halo_py.ir.space import Bounds

    Array = NDArray[np.generic]


def poisoned(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    """Memory nobody wrote: NaN where the type has one, else a pattern that the readers' coverage check backs up."""
    if dtype.kind in "fc":
        return np.full(shape, np.nan, dtype)
    raw = np.full(int(np.prod(shape)) * dtype.itemsize, 0xA5, np.uint8)
    return raw.view(dtype).reshape(shape) if dtype.kind != "b" else np.ones(shape, dtype)


@dataclass(slots=True)
class TiledValue:
    """One value over the tiles: `arrays[i]` is the block that tile `mapping.tiles[i]` holds, box i of the mapping.

    Only code that acts for tile `mapping.tiles[i]` may read or write `arrays[i]`; exchange is the exception.
    `unfinished` counts the elements that nobody wrote yet, by row, so that a read of an unwritten block of a type
    without NaN is caught too.
    """

    mapping: TileMapping
    arrays: list[Array]
    rows: dict[int, int]
    unfinished: dict[int, int]

    @staticmethod
    def empty(mapping: TileMapping, dtype: np.dtype[np.generic]) -> TiledValue:
        """Poisoned blocks."""
        shapes = (mapping.high - mapping.low).tolist()
        arrays = [poisoned(tuple(shape), dtype) for shape in shapes]
        return TiledValue(mapping, arrays, _rows(mapping), {row: array.size for row, array in enumerate(arrays)})

    @staticmethod
    def filled(mapping: TileMapping, arrays: list[Array]) -> TiledValue:
        """Blocks that are completely written."""
        return TiledValue(mapping, arrays, _rows(mapping), {})

    @staticmethod
    def scatter(mapping: TileMapping, contents: Array) -> TiledValue:
        """Blocks loaded from outside (weights, host input), each a copy."""
        whole = contents.reshape(mapping.shape)
        arrays = [whole[box].copy() for box in block_slices(mapping)]
        return TiledValue.filled(mapping, arrays)

    def gather(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
        """The whole value, collected from the tiles; what no tile holds stays poisoned.

        Raises SimulationError if an element that has no NaN to show it is held by no tile.
        """
        whole = poisoned(self.mapping.shape, dtype)
        covered = 0
        for box, array in zip(block_slices(self.mapping), self.arrays, strict=True):
            whole[box] = array
            covered += array.size
        if covered < whole.size and dtype.kind not in "fc":
            raise SimulationError(f"{whole.size - covered} elements of a result lie on no tile")
        return whole.reshape(shape)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Element type of the blocks."""
        return self.arrays[0].dtype

    def rows_of(self, tiles: Ints) -> Ints:
        """The row of each of these tiles' blocks. Raises SimulationError if one of them holds nothing."""
        rows = np.minimum(np.searchsorted(self.mapping.tiles, tiles), len(self.mapping.tiles) - 1)
        strangers = tiles[self.mapping.tiles[rows] != tiles]
        if len(strangers):
            raise SimulationError(f"tile {strangers[0]} is read from and holds nothing of the value")
        return rows

    def check_inside(self, rows: Ints, low: Bounds, high: Bounds) -> None:
        """Raises SimulationError unless block `rows[i]` holds all of [low[i], high[i]), and it was written."""
        if (low < self.mapping.low[rows]).any() or (high > self.mapping.high[rows]).any():
            wrong = (low < self.mapping.low[rows]).any(axis=1) | (high > self.mapping.high[rows]).any(axis=1)
            at = int(np.flatnonzero(wrong)[0])
            tile, box = self.mapping.tiles[rows[at]], f"{low[at].tolist()}..{high[at].tolist()}"
            raise SimulationError(f"tile {tile} reads {box}, outside the block it holds")
        if self.unfinished and self.dtype.kind not in "fc" and not self.unfinished.keys().isdisjoint(rows.tolist()):
            raise SimulationError("a tile reads elements that nobody wrote")

    def parts(self, tiles: Ints, low: Bounds, high: Bounds) -> list[Array]:
        """For each tile its own block's part [low[i], high[i]), in the mapping's view; empty boxes need no block.

        Raises SimulationError if a tile does not hold all of its part or it was never written.
        """
        full = (high > low).all(axis=1)
        rows = np.zeros(len(tiles), np.int64)
        rows[full] = self.rows_of(tiles[full])
        self.check_inside(rows[full], low[full], high[full])
        base = self.mapping.low[rows]
        found: list[Array] = []
        lows: list[list[int]] = (low - base).tolist()
        highs: list[list[int]] = (high - base).tolist()
        for row, a, b in zip(rows.tolist(), lows, highs, strict=True):
            if all(map(lt, a, b)):
                found.append(self.arrays[row][tuple(map(slice, a, b))])
            else:
                found.append(np.empty([end - start for start, end in zip(a, b, strict=True)], self.dtype))
        return found

    def write(self, tile: int, low: tuple[int, ...], contents: Array) -> None:
        """Write a part of the block on `tile`, starting at `low` in the mapping's view."""
        row = self.rows.get(tile)
        if row is None:
            raise SimulationError(f"tile {tile} writes a value it has no room for")
        base = self.mapping.low[row].tolist()
        part = tuple(slice(a - o, a - o + n) for a, o, n in zip(low, base, contents.shape, strict=True))
        array = self.arrays[row]
        if any(cut.start < 0 or cut.stop > size for cut, size in zip(part, array.shape, strict=True)):
            raise SimulationError(f"tile {tile} writes outside the block it holds")
        array[part] = contents
        if row in self.unfinished:
            self.unfinished[row] -= contents.size
            if self.unfinished[row] <= 0:
                del self.unfinished[row]

    def viewed(self, shape: tuple[int, ...]) -> TiledValue | None:
        """The same memory seen as boxes of another row-major view, or None if some block is no box there."""
        mapping = self.mapping.viewed(shape)
        if mapping is None:
            return None
        sizes = (mapping.high - mapping.low).tolist()
        arrays = [array.reshape(tuple(size)) for array, size in zip(self.arrays, sizes, strict=True)]
        return TiledValue(mapping, arrays, self.rows, self.unfinished)


def _rows(mapping: TileMapping) -> dict[int, int]:
    tiles: list[int] = mapping.tiles.tolist()
    rows = {tile: row for row, tile in enumerate(tiles)}
    if len(rows) != len(tiles):
        raise SimulationError("a tile is given two blocks of one value")
    return rows


def block_slices(mapping: TileMapping) -> list[tuple[slice, ...]]:
    """Every box of a mapping as slices of its view."""
    lows: list[list[int]] = mapping.low.tolist()
    highs: list[list[int]] = mapping.high.tolist()
    return [tuple(map(slice, low, high)) for low, high in zip(lows, highs, strict=True)]


def flat_positions(shape: Sequence[int], low: Sequence[int], high: Sequence[int]) -> Ints:
    """Row-major positions, within an array of `shape`, of the elements of a box, in the box's own order."""
    positions = np.zeros((1,), np.int64)
    stride = 1
    for size, start, end in reversed(list(zip(shape, low, high, strict=True))):
        inner = np.arange(start, end, dtype=np.int64) * stride
        positions = (inner[:, None] + positions[None, :]).reshape(-1)
        stride *= size
    return positions
