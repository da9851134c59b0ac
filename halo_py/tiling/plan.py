"""Plan space of one kernel: how its axes are cut over tiles and in time, and the boxes that follow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Kernel
from halo_py.tiling.mapping import Ints, TileMapping, cut

if TYPE_CHECKING:
    from halo_py.ir.space import Access, Bounds


Cycles = NDArray[np.float64]
"""float64[3]: cycles in the fast, nominal and slow scenario of the machine's uncertain constants."""


@dataclass(frozen=True, slots=True)
class Split:
    """How each axis of a kernel is cut.

    ways: pieces per axis over tiles; their product is the number of tiles used.
    steps: serial pieces per axis inside each tile's piece (1: the vertex runs once).
    order: axes from slowest to fastest in the tile numbering; the fastest-running axis should be one that the largest
    operand does not have, so that neighbouring tiles receive the same bytes and share their exchange bus.
    start: first tile.
    """

    ways: tuple[int, ...]
    steps: tuple[int, ...]
    order: tuple[int, ...]
    start: int = 0

    @property
    def tiles(self) -> int:
        """How many tiles take part."""
        return prod(self.ways)


@dataclass(frozen=True, eq=False)
class Placement:
    """A kernel with a split on a machine of `machine_tiles` tiles: the box of every participating tile.

    `low`, `high` [tiles, axes] are iteration boxes (the loop axis is [0, 1)); empty boxes are dropped.
    """

    kernel: Kernel
    split: Split
    machine_tiles: int

    @cached_property
    def boxes(self) -> tuple[Ints, Bounds, Bounds]:
        """Tile numbers and iteration boxes."""
        axes = self.kernel.axes
        count = self.split.tiles
        index = np.arange(count, dtype=np.int64)
        low = np.empty((count, len(axes)), np.int64)
        high = np.empty_like(low)
        stride = 1
        for axis in reversed(self.split.order):
            ways = self.split.ways[axis]
            extent = self.kernel.extents[axis]
            lows, highs = cut(extent, ways, axes[axis].grain)
            coordinate = index // stride % ways
            low[:, axis], high[:, axis] = lows[coordinate], highs[coordinate]
            stride *= ways
        keep = (high > low).all(axis=1) if len(axes) else np.ones(count, bool)
        tiles = (self.split.start + index) % self.machine_tiles
        return tiles[keep], low[keep], high[keep]

    def operand(self, access: Access) -> TileMapping:
        """What each tile touches of an operand, as boxes of `access.shape`."""
        tiles, low, high = self.boxes
        lows, highs = access.boxes(low, high)
        return TileMapping.of(access.shape, tiles, lows, highs)

    @cached_property
    def reads(self) -> tuple[TileMapping, ...]:
        """What each tile needs of each read operand."""
        return tuple(self.operand(access) for access in self.kernel.reads)

    @cached_property
    def writes(self) -> tuple[TileMapping, ...]:
        """What each tile writes of each result (partial sums when a reduce axis is cut: several tiles, same box)."""
        return tuple(self.operand(access) for access in self.kernel.writes)

    @property
    def depth(self) -> int:
        """How many partials each result element has: the ways of the reduce axes."""
        return prod(ways for ways, axis in zip(self.split.ways, self.kernel.axes, strict=True) if axis.role == "reduce")

    @cached_property
    def classes(self) -> tuple[Bounds, Ints]:
        """Distinct iteration-box sizes [classes, axes] and how many tiles have each."""
        _tiles, low, high = self.boxes
        sizes, counts = np.unique(high - low, axis=0, return_counts=True)
        return sizes, counts.astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class KernelPlan:
    """A candidate for one kernel with its price; `*_cycles` are float64[3]: fast, nominal, slow scenario.

    vertex_cycles: slowest tile, all serial steps. exchange_cycles: operands in (as estimated by the search: an operand
    shared
    by n tiles is assumed spread over them). combine_cycles: exchange and addition of partials. bytes_always: operands
    and
    results a tile keeps; bytes_temporary: received operands, partials and their copies on the fullest tile.
    """

    split: Split
    vertex_cycles: Cycles
    exchange_cycles: Cycles
    combine_cycles: Cycles
    bytes_always: int
    bytes_temporary: int

    @property
    def cycles(self) -> Cycles:
        """All of it, without syncs."""
        return self.vertex_cycles + self.exchange_cycles + self.combine_cycles
