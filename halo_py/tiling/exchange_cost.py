"""What moving a value from one tile mapping to another costs: bytes and fragments per tile, then cycles.

Rules (sources: PopLibs `ExchangeEstimator.cpp`, public Mk2 exchange studies): a tile receives what it needs and does
not hold, each byte at `exchange_bytes_per_cycle`; a tile sends each byte once however many receive it; tiles that
share a receiving bus and need the same bytes receive them at the rate of the bus; every independent piece received
costs `exchange_cycles_per_fragment`. A phase takes as long as its busiest tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_py.tiling.mapping import Ints, TileMapping
from halo_py.tiling.overlap import Overlap, box_overlap, run_overlap
from halo_py.tiling.plan import Cycles

if TYPE_CHECKING:
    from halo_py.targets import Chip

TILES_PER_BUS = 2
"""Tiles 2i and 2i+1 share a receiving bus (PopLibs asserts it for every chip so far)."""

_CACHE_SIZE = 256
_cache: dict[tuple[bytes, bytes, int, int, int, int], MovePrice] = {}


@dataclass(frozen=True, slots=True, eq=False)
class MovePrice:
    """One move in bytes. The arrays are per tile of the machine; `bus_by_tile` is what counts against the tile's
    receiving rate (less than it receives where its bus brings the same bytes to a neighbour).

    received_bytes, sent_bytes, fragments: the largest of each over tiles. total_bytes: received by all tiles together.
    paired: every tile that receives anything shares its bus with tiles that need the same bytes.
    """

    received_by_tile: Ints
    bus_by_tile: Ints
    sent_by_tile: Ints
    fragments_by_tile: Ints
    received_bytes: int
    sent_bytes: int
    fragments: int
    total_bytes: int
    paired: bool

    @property
    def free(self) -> bool:
        """Whether nothing moves."""
        return self.total_bytes == 0


def price_move(
    home: TileMapping,
    need: TileMapping,
    element_bits: int,
    machine_tiles: int,
    depth: int = 1,
    tiles_per_bus: int = TILES_PER_BUS,
) -> MovePrice:
    """The price of bringing every tile its box of `need` from the tiles of `home`, which hold all of the value.

    With `depth` > 1 `home` holds partial sums: each tile gets `depth` copies of its box, all but its own. Fragments are
    source blocks when both mappings are boxes of one view, contiguous runs when they are not.
    """
    key = (home.key(), need.key(), element_bits, machine_tiles, depth, tiles_per_bus)
    found = _cache.get(key)
    if found is None:
        if len(_cache) >= _CACHE_SIZE:
            _cache.pop(next(iter(_cache)))
        found = _cache[key] = _price(home, need, element_bits, machine_tiles, depth, tiles_per_bus)
    return found


def _price(home: TileMapping, need: TileMapping, bits: int, tiles: int, depth: int, per_bus: int) -> MovePrice:
    if depth == 1 and home.same_as(need):
        nothing = np.zeros(tiles, np.int64)
        return MovePrice(nothing, nothing, nothing, nothing, 0, 0, 0, 0, False)
    overlap = overlap_of(home, need, depth)
    received, sent, fragments = (np.zeros(tiles, np.int64) for _ in range(3))
    received[need.tiles] = -(-(overlap.received * bits) // 8)
    sent[home.tiles] = -(-(overlap.sent * bits) // 8)
    fragments[need.tiles] = np.where(overlap.received > 0, overlap.fragments, 0)
    shares = _shares_bus(need, tiles, per_bus) if depth == 1 else np.zeros(len(need.tiles), bool)
    bus = received.copy()
    # all that the tiles of a bus lack together is at most their box, which comes once at the rate of the whole bus
    box_bytes = -(-(need.volume * bits) // 8)
    at_bus_rate = np.minimum(received[need.tiles], -(-box_bytes // per_bus))
    bus[need.tiles] = np.where(shares, at_bus_rate, received[need.tiles])
    receives = received[need.tiles] > 0
    return MovePrice(
        received_by_tile=received,
        bus_by_tile=bus,
        sent_by_tile=sent,
        fragments_by_tile=fragments,
        received_bytes=int(received.max(initial=0)),
        sent_bytes=int(sent.max(initial=0)),
        fragments=int(fragments.max(initial=0)),
        total_bytes=int(received.sum()),
        paired=bool(receives.any() and shares[receives].all()),
    )


def overlap_of(home: TileMapping, need: TileMapping, depth: int) -> Overlap:
    """Elements that each tile of `need` receives and each tile of `home` sends."""
    same_view = home.shape == need.shape
    if not same_view:
        if (viewed := home.viewed(need.shape)) is not None:
            home, same_view = viewed, True
        elif (viewed := need.viewed(home.shape)) is not None:
            need, same_view = viewed, True
    if same_view and home.rank:
        found = box_overlap(home, need, depth)
        if found is not None:
            return found
    return run_overlap(home, need, depth, count_runs=not same_view)


def _shares_bus(need: TileMapping, tiles: int, per_bus: int) -> NDArray[np.bool_]:
    """For each box whether all tiles of its tile's bus need that box."""
    if per_bus <= 1:
        return np.zeros(len(need.tiles), bool)
    buses = -(-tiles // per_bus)
    box = np.full(buses * per_bus, -1, np.int64)
    box[need.tiles] = need.grid.number
    by_bus = box.reshape(buses, per_bus)
    same = (by_bus == by_bus[:, :1]).all(axis=1) & (by_bus[:, 0] >= 0)
    return same[need.tiles // per_bus]


def exchange_cycles(prices: Sequence[MovePrice], chip: Chip) -> Cycles:
    """float64[3]: cycles of one exchange phase in which all these moves take part, without its sync.

    Exact per tile: what a tile receives (or sends) in several moves adds up; the busiest tile counts.
    """
    moving = [price for price in prices if not price.free]
    if not moving:
        return np.zeros(3)
    rate = chip.scenarios("exchange_bytes_per_cycle")
    per_fragment = chip.scenarios("exchange_cycles_per_fragment")
    bus = np.sum([price.bus_by_tile for price in moving], axis=0)[:, None]
    sent = np.sum([price.sent_by_tile for price in moving], axis=0)[:, None]
    fragments = np.sum([price.fragments_by_tile for price in moving], axis=0)[:, None]
    receiving = bus / rate + fragments * per_fragment
    return np.asarray(np.maximum(receiving.max(axis=0), (sent / rate).max(axis=0)), np.float64)
