"""Exchange made concrete: a Move becomes multicasts, each one stream of pieces to all tiles that want the same box."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_backends.ipu.store import TiledValue, flat_positions, poisoned
from halo_py.errors import SimulationError
from halo_py.tiling.mapping import Ints, TileMapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.bsp.program import Move
    from halo_py.ir.space import Bounds

    Array = NDArray[np.generic]

_PAIRS_AT_ONCE = 4_000_000
"""Pairs of boxes that are compared in one go."""


@dataclass(frozen=True, slots=True)
class Multicast:
    """`targets` all receive the box [low, high), put together from pieces: one copy, or `depth` partials of it.

    Piece i comes from tile `sources[i]`: the box [piece_low[i], piece_high[i]) in the view both ends share, of partial
    sum `parts[i]`. `shift[i]` displaces the box at the source; a correct program has none (mutation tests do).
    """

    targets: Ints
    low: Ints
    high: Ints
    sources: Ints
    piece_low: Bounds
    piece_high: Bounds
    parts: Ints
    depth: int = 1
    shift: Bounds | None = None

    def elements(self) -> Ints:
        """Elements of each piece."""
        return np.prod(self.piece_high - self.piece_low, axis=1, dtype=np.int64)

    def assemble(self, value: TiledValue) -> Array:
        """What a target then holds: the box, or [depth, box] for partials. Poison shows what never came."""
        dtype = value.dtype
        buffer = poisoned((self.depth, *(self.high - self.low).tolist()), dtype)
        rows = value.rows_of(self.sources)
        first = self.piece_low if self.shift is None else self.piece_low + self.shift
        last = self.piece_high if self.shift is None else self.piece_high + self.shift
        value.check_inside(rows, first, last)
        base = value.mapping.low[rows]
        _check_arrival(self.piece_low - self.low, self.piece_high - self.low, self.high - self.low)
        arrays = value.arrays
        for row, part, a, b, c, d in zip(
            rows.tolist(),
            self.parts.tolist(),
            (first - base).tolist(),
            (last - base).tolist(),
            (self.piece_low - self.low).tolist(),
            (self.piece_high - self.low).tolist(),
            strict=True,
        ):
            buffer[(part, *map(slice, c, d))] = arrays[row][tuple(map(slice, a, b))]
        if dtype.kind not in "fc" and int(self.elements().sum()) < buffer.size:
            raise SimulationError("elements of an operand were never received")
        return buffer if self.depth > 1 else buffer[0, ...]


def _check_arrival(low: Bounds, high: Bounds, size: Ints) -> None:
    if len(low) and ((low < 0).any() or (high > size).any()):
        raise SimulationError("a transfer arrives outside the memory its receiver set aside")


@dataclass(frozen=True, slots=True)
class FlatMulticast:
    """As Multicast, for ends that see the value through different views: positions in the blocks of both ends."""

    targets: Ints
    low: Ints
    high: Ints
    sources: Ints
    source_positions: tuple[Ints, ...]
    target_positions: tuple[Ints, ...]
    depth: int = 1

    def elements(self) -> Ints:
        """Elements of each piece."""
        return np.array([len(positions) for positions in self.target_positions], np.int64)

    def assemble(self, value: TiledValue) -> Array:
        """What a target then holds."""
        dtype = value.dtype
        buffer = poisoned(tuple((self.high - self.low).tolist()), dtype)
        flat = buffer.reshape(-1)
        covered = 0
        rows = value.rows_of(self.sources).tolist()
        for row, there, here in zip(rows, self.source_positions, self.target_positions, strict=True):
            block: Array = value.arrays[int(row)]
            flat[here] = block.reshape(-1)[there]
            covered += len(here)
        if covered < buffer.size and dtype.kind not in "fc":
            raise SimulationError(f"{buffer.size - covered} elements of an operand were never received")
        return buffer


def multicasts(move: Move, shift: tuple[int, ...] | None = None) -> list[Multicast] | list[FlatMulticast]:
    """The concrete exchange of a move; `shift` displaces the wanted boxes to the loop counter's slice."""
    need = move.need
    if shift is not None and any(shift):
        offset = np.asarray(shift, np.int64)
        need = TileMapping(need.shape, need.tiles, need.low + offset, need.high + offset)
    home = move.home.viewed(need.shape)
    if home is not None:
        return _box_multicasts(home, need, move.depth)
    if move.depth > 1:
        raise SimulationError("partial sums cannot be exchanged between different views")
    return _flat_multicasts(move.home, need)


def _box_multicasts(home: TileMapping, need: TileMapping, depth: int) -> list[Multicast]:
    home_low, home_high, counts, holder_box = home.distinct
    need_low, need_high, need_counts, wanted = need.distinct
    targets = _grouped(need.tiles, wanted, need_counts)
    wanting, holding = _overlapping(need_low, need_high, home_low, home_high)
    holders = _grouped(home.tiles, holder_box, counts)
    if depth > 1:
        few = counts.min(initial=depth)
        if few < depth:
            raise SimulationError(f"{depth} partials are wanted, {few} tiles hold one")
        by_box = np.stack([tiles[:depth] for tiles in holders])
        sources = by_box[holding].reshape(-1)
        parts = np.tile(np.arange(depth, dtype=np.int64), len(holding))
        wanting, holding = np.repeat(wanting, depth), np.repeat(holding, depth)
    else:
        sources = np.array([tiles[0] for tiles in holders], np.int64)[holding]
        parts = np.zeros(len(holding), np.int64)
    low = np.maximum(need_low[wanting], home_low[holding])
    high = np.minimum(need_high[wanting], home_high[holding])
    marks = np.searchsorted(wanting, np.arange(len(need_low) + 1))
    result: list[Multicast] = []
    for n, (a, b) in enumerate(zip(marks[:-1].tolist(), marks[1:].tolist(), strict=True)):
        shared = Multicast(targets[n], need_low[n], need_high[n], sources[a:b], low[a:b], high[a:b], parts[a:b], depth)
        copies = depth == 1 and int(counts[holding[a:b]].max(initial=0)) > 1
        result.extend(_from_own_copies(shared, [holders[box] for box in holding[a:b]]) if copies else [shared])
    return result


def _from_own_copies(shared: Multicast, holders: list[Ints]) -> list[Multicast]:
    """The multicast with every target that holds a copy of some pieces taking those from itself."""
    owned = np.array([np.isin(shared.targets, tiles) for tiles in holders])
    alone = owned.any(axis=0)
    result = [replace(shared, targets=shared.targets[~alone])] if not alone.all() else []
    for number in np.flatnonzero(alone).tolist():
        sources = np.where(owned[:, number], shared.targets[number], shared.sources)
        result.append(replace(shared, targets=shared.targets[number : number + 1], sources=sources))
    return result


def _overlapping(low: Bounds, high: Bounds, other_low: Bounds, other_high: Bounds) -> tuple[Ints, Ints]:
    """Pairs (box, other box) that overlap, ordered by box."""
    firsts: list[Ints] = []
    seconds: list[Ints] = []
    chunk = max(1, _PAIRS_AT_ONCE // max(1, len(other_low)))
    for start in range(0, len(low), chunk):
        part = slice(start, start + chunk)
        meets = np.ones((len(low[part]), len(other_low)), bool)
        for dimension in range(low.shape[1]):
            meets &= low[part, dimension, None] < other_high[None, :, dimension]
            meets &= other_low[None, :, dimension] < high[part, dimension, None]
        first, second = np.nonzero(meets)
        firsts.append(first + start)
        seconds.append(second)
    return np.concatenate(firsts), np.concatenate(seconds)


def _grouped(tiles: Ints, box: Ints, counts: Ints) -> list[Ints]:
    """The tiles of each box, in ascending order."""
    order = np.argsort(box, kind="stable")
    return np.split(tiles[order], np.cumsum(counts)[:-1])


def _flat_multicasts(home: TileMapping, need: TileMapping) -> list[FlatMulticast]:
    elements = prod(home.shape)
    owner = np.full(elements, -1, np.int64)
    local = np.zeros(elements, np.int64)
    for row in range(len(home.tiles) - 1, -1, -1):
        positions = flat_positions(home.shape, home.low[row].tolist(), home.high[row].tolist())
        owner[positions] = row
        local[positions] = np.arange(len(positions))
    need_low, need_high, counts, wanted = need.distinct
    targets = _grouped(need.tiles, wanted, counts)
    result: list[FlatMulticast] = []
    for number in range(len(need_low)):
        low, high = need_low[number], need_high[number]
        positions = flat_positions(need.shape, low.tolist(), high.tolist())
        rows = owner[positions]
        order = np.argsort(rows, kind="stable")
        chunks = np.split(order, np.flatnonzero(np.diff(rows[order])) + 1)
        held = [chunk for chunk in chunks if rows[chunk[0]] >= 0]
        result.append(
            FlatMulticast(
                targets[number],
                low,
                high,
                home.tiles[[int(rows[chunk[0]]) for chunk in held]],
                tuple(local[positions[chunk]] for chunk in held),
                tuple(held),
            )
        )
    return result
