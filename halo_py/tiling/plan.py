"""Plan space of one kernel: how its axes are cut over tiles and in time, and the boxes that follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Affine, Kernel
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
    given: tuple[Ints, Bounds, Bounds] | None = None
    """Tile numbers and boxes of a placement that follows an operand; `split` then only counts the pieces per axis."""

    @cached_property
    def boxes(self) -> tuple[Ints, Bounds, Bounds]:
        """Tile numbers and iteration boxes."""
        if self.given is not None:
            return self.given
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

    @staticmethod
    def following(kernel: Kernel, access: Access, mapping: TileMapping, machine_tiles: int) -> Placement | None:
        """The placement in which every tile computes what belongs to its own box of one operand.

        `mapping` says where that operand (`access`, a read or a write of the kernel) lies; axes that the operand lacks
        run entirely on every tile. A box held by several tiles is shared out among them. None if no such placement
        exists: the access is a window or reads whole dimensions, an axis would be cut that may not be, or a
        reduction would be cut.
        """
        axes = plain_axes(access, kernel)
        viewed = mapping.viewed(access.shape)
        if axes is None or viewed is None:
            return None
        viewed = viewed.spread()
        if not viewed.is_partition:
            return None
        low = np.zeros((len(viewed.tiles), len(kernel.axes)), np.int64)
        high = np.empty_like(low)
        high[:] = np.array(kernel.extents, np.int64)
        for dimension, axis in enumerate(axes):
            if axis is not None:
                low[:, axis], high[:, axis] = viewed.low[:, dimension], viewed.high[:, dimension]
        if not _may_cut(kernel, low, high):
            return None
        ways = tuple(len(np.unique(low[:, axis])) for axis in range(len(kernel.axes)))
        split = Split(ways, (1,) * len(ways), tuple(range(len(ways))))
        return Placement(kernel, split, machine_tiles, (viewed.tiles, low, high))

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

    @cached_property
    def results(self) -> tuple[TileMapping, ...]:
        """Where finished results lie: what each tile writes or, of partial sums, the part that it adds up."""
        if self.depth == 1:
            return self.writes
        bits = self.kernel.partials_type.bits
        return tuple(write.spread(combine_elements(bits)) for write in self.writes)

    @property
    def depth(self) -> int:
        """How many partials each result element has: the ways of the reduce axes."""
        return prod(ways for ways, axis in zip(self.split.ways, self.kernel.axes, strict=True) if axis.role == "reduce")

    @cached_property
    def classes(self) -> tuple[Bounds, Ints]:
        """Distinct iteration-box sizes [classes, axes] and how many tiles have each."""
        _tiles, low, high = self.boxes
        sizes, _inverse, counts = distinct_rows(high - low)
        return sizes, counts

    @cached_property
    def class_of_box(self) -> Ints:
        """For each box of `boxes` the number of its class."""
        _tiles, low, high = self.boxes
        return distinct_rows(high - low)[1]


def distinct_rows(rows: Ints) -> tuple[Ints, Ints, Ints]:
    """The distinct rows of non-negative numbers in ascending order, which one each row is, and how many are equal.

    One number per row sorts like the row and far faster.
    """
    if rows.shape[1] == 0 or not len(rows):
        return rows[:1], np.zeros(len(rows), np.int64), np.full(min(len(rows), 1), len(rows), np.int64)
    bases = [int(base) + 1 for base in rows.max(axis=0)]
    if prod(bases) >= 1 << 62:
        found, inverse, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
        return found, inverse.reshape(-1).astype(np.int64), counts.astype(np.int64)
    strides = np.array([prod(bases[column + 1 :]) for column in range(len(bases))], np.int64)
    _codes, first, inverse, counts = np.unique(
        rows @ strides, return_index=True, return_inverse=True, return_counts=True
    )
    return rows[first], inverse.astype(np.int64), counts.astype(np.int64)


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
    sync_cycles: Cycles = field(default_factory=lambda: np.zeros(3))
    """Syncs and control program of all phases."""

    @property
    def cycles(self) -> Cycles:
        """All of it, without syncs."""
        return self.vertex_cycles + self.exchange_cycles + self.combine_cycles

    @property
    def total_cycles(self) -> Cycles:
        """All of it, with syncs."""
        return self.cycles + self.sync_cycles


COMBINE_BYTES = 16
"""A tile adds up partials of at least so many bytes (one vector of accumulators)."""


def combine_elements(bits: int) -> int:
    """Least results that a tile adds up when partial sums of `bits` each are shared out."""
    return max(1, COMBINE_BYTES * 8 // bits)


def plain_axes(access: Access, kernel: Kernel) -> list[int | None] | None:
    """The axis of each dimension (None: a dimension of one element), if every dimension is a whole axis of its own."""
    axes: list[int | None] = []
    for dim, extent in zip(access.dims, access.shape, strict=True):
        if extent == 1:
            axes.append(None)
        elif isinstance(dim, Affine) and dim.offset == 0 and len(dim.terms) == 1 and dim.terms[0][1] == 1:
            axis = dim.terms[0][0]
            if kernel.extents[axis] != extent:  # concat: the operand is only a part of the axis
                return None
            axes.append(axis)
        else:
            return None
    used = [axis for axis in axes if axis is not None]
    return axes if len(set(used)) == len(used) else None


def _may_cut(kernel: Kernel, low: Bounds, high: Bounds) -> bool:
    """Whether boxes cut only parallel axes, and those in whole grains where the grain is more than a vector."""
    for number, (axis, extent) in enumerate(zip(kernel.axes, kernel.extents, strict=True)):
        cut_here = (low[:, number] > 0) | (high[:, number] < extent)
        if not cut_here.any():
            continue
        if axis.role != "parallel":
            return False
        in_grains = (low[:, number] % axis.grain == 0) & (
            (high[:, number] % axis.grain == 0) | (high[:, number] == extent)
        )
        is_vector = axis.grain * min((dtype.bits for dtype in kernel.write_types), default=8) <= VECTOR_BITS
        if not (is_vector or in_grains.all()):
            return False
    return True


VECTOR_BITS = 64
"""A grain of at most so many bits is for speed only; a larger one is part of the kernel's meaning."""
