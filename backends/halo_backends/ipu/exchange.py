"""Exchange made concrete: a Move becomes multicasts, each one stream of pieces to all tiles that want the same box."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_backends.ipu.store import TiledValue, flat_positions, poisoned
from halo_py.errors import SimulationError
from halo_py.tiling.mapping import Ints, TileMapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.bsp.program import Move

    Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a wanted box that one tile sends: [low, high) in the view both ends share.

    `part` numbers the partial sum it belongs to (0 when there is only one). `shift` displaces the box at the source;
    a correct program never does (mutation tests do).
    """

    source: int
    low: tuple[int, ...]
    high: tuple[int, ...]
    part: int = 0
    shift: tuple[int, ...] | None = None

    @property
    def elements(self) -> int:
        """How many elements travel."""
        return prod(end - start for start, end in zip(self.low, self.high, strict=True))


@dataclass(frozen=True, slots=True)
class FlatPiece:
    """Part of a wanted box whose ends see the value through different views: positions in both tiles' blocks."""

    source: int
    source_positions: Ints
    target_positions: Ints
    part: int = 0

    @property
    def elements(self) -> int:
        """How many elements travel."""
        return len(self.target_positions)


@dataclass(frozen=True, slots=True)
class Multicast:
    """`targets` all receive the box [low, high), put together from `pieces`: one copy, or `depth` partials of it."""

    targets: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    pieces: tuple[Piece | FlatPiece, ...]
    depth: int = 1

    def assemble(self, value: TiledValue) -> Array:
        """What a target then holds: the box, or [depth, box] for partials. Poison shows what never came."""
        box = tuple(b - a for a, b in zip(self.low, self.high, strict=True))
        dtype = value.arrays[0].dtype
        buffer = poisoned((self.depth, *box), dtype)
        covered = 0
        for piece in self.pieces:
            covered += _copy(piece, value, buffer, self.low)
        if covered < buffer.size and dtype.kind not in "fc":
            raise SimulationError(f"{buffer.size - covered} elements of an operand were never received")
        return buffer if self.depth > 1 else buffer[0, ...]


def _copy(piece: Piece | FlatPiece, value: TiledValue, buffer: Array, base: tuple[int, ...]) -> int:
    if isinstance(piece, FlatPiece):
        row = value.rows.get(piece.source)
        if row is None:
            raise SimulationError(f"tile {piece.source} sends a value it holds nothing of")
        target = buffer[piece.part, ...].reshape(-1)
        target[piece.target_positions] = value.arrays[row].reshape(-1)[piece.source_positions]
        return len(piece.target_positions)
    shift = piece.shift or (0,) * len(piece.low)
    contents = value.block(
        piece.source,
        tuple(a + s for a, s in zip(piece.low, shift, strict=True)),
        tuple(b + s for b, s in zip(piece.high, shift, strict=True)),
    )
    part = tuple(slice(a - o, b - o) for a, b, o in zip(piece.low, piece.high, base, strict=True))
    target = buffer[piece.part, ...]
    if any(cut.start < 0 or cut.stop > size for cut, size in zip(part, target.shape, strict=True)):
        raise SimulationError("a transfer arrives outside the memory its receiver set aside")
    target[part] = contents
    return contents.size


def multicasts(move: Move, shift: tuple[int, ...] | None = None) -> list[Multicast]:
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
    home_low, home_high, _counts, holder_box = home.distinct
    need_low, need_high, _need_counts, wanted = need.distinct
    holders = _holders(home.tiles, holder_box, len(home_low))
    targets = _holders(need.tiles, wanted, len(need_low))
    result: list[Multicast] = []
    for number in range(len(need_low)):
        low = np.maximum(home_low, need_low[number])
        high = np.minimum(home_high, need_high[number])
        hits = np.flatnonzero((high > low).all(axis=1))
        pieces: list[Piece] = []
        lows: list[list[int]] = low[hits].tolist()
        highs: list[list[int]] = high[hits].tolist()
        for hit, piece_low, piece_high in zip(hits.tolist(), lows, highs, strict=True):
            sources = holders[hit][:depth] if depth > 1 else _nearest(holders[hit], targets[number])
            if len(sources) < depth:
                raise SimulationError(f"{depth} partials are wanted, {len(sources)} tiles hold one")
            for part, source in enumerate(sources):
                pieces.append(Piece(source, tuple(piece_low), tuple(piece_high), part))
        result.append(
            Multicast(
                tuple(targets[number]),
                tuple(need_low[number].tolist()),
                tuple(need_high[number].tolist()),
                tuple(pieces),
                depth,
            )
        )
    return result


def _nearest(holders: list[int], targets: list[int]) -> list[int]:
    """One holder of a copy: a tile that wants it for itself if there is one."""
    if len(holders) == 1:
        return holders
    wanted = set(targets)
    return [next((tile for tile in holders if tile in wanted), holders[0])]


def _holders(tiles: Ints, box: Ints, boxes: int) -> list[list[int]]:
    holders: dict[int, list[int]] = {number: [] for number in range(boxes)}
    for tile, number in zip(tiles.tolist(), box.tolist(), strict=True):
        holders[int(number)].append(int(tile))
    return list(holders.values())


def _flat_multicasts(home: TileMapping, need: TileMapping) -> list[Multicast]:
    elements = prod(home.shape)
    owner = np.full(elements, -1, np.int64)
    local = np.zeros(elements, np.int64)
    for row in range(len(home.tiles) - 1, -1, -1):
        positions = flat_positions(home.shape, home.low[row].tolist(), home.high[row].tolist())
        owner[positions] = row
        local[positions] = np.arange(len(positions))
    need_low, need_high, _counts, wanted = need.distinct
    targets = _holders(need.tiles, wanted, len(need_low))
    result: list[Multicast] = []
    for number in range(len(need_low)):
        low, high = tuple(need_low[number].tolist()), tuple(need_high[number].tolist())
        positions = flat_positions(need.shape, low, high)
        rows = owner[positions]
        order = np.argsort(rows, kind="stable")
        marks = np.flatnonzero(np.diff(rows[order])) + 1
        pieces = tuple(
            FlatPiece(int(home.tiles[rows[chunk[0]]]), local[positions[chunk]], chunk)
            for chunk in np.split(order, marks)
            if rows[chunk[0]] >= 0
        )
        result.append(Multicast(tuple(targets[number]), low, high, pieces))
    return result
