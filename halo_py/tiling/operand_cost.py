"""What bringing operands to the tiles of a split costs, estimated for many splits at once.

A free operand (weights) will be laid out for its kernel: a box that several tiles need is spread over them in parts of
at least `SPREAD_BYTES`. A placed operand lies in pieces of its own: a tile receives its whole box, from as many tiles
as the box meets pieces. `select` prices the plans that come out of these estimates exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, Affine, Kernel
from halo_py.tiling.parts import Ints

if TYPE_CHECKING:
    from halo_py.targets import Chip
    from halo_py.tiling.mapping import TileMapping
    from halo_py.types import DType

Floats = NDArray[np.float64]

SPREAD_BYTES = 512
"""A box that several tiles need is kept in parts of at least so many bytes: a part costs its receivers a fragment."""

COPY_BYTES = 128
"""A free operand of which every tile needs at most so many bytes lies on all of them: nothing moves."""


def spread_elements(bits: int) -> int:
    """Least elements of a part when a shared box is spread."""
    return max(1, SPREAD_BYTES * 8 // bits)


@dataclass(frozen=True, slots=True)
class Lying:
    """How a placed operand lies, as far as estimates look: `largest` elements on its fullest tile, in `boxes` boxes.

    `cells`: number of intervals per dimension of the kernel's view of it; empty if its boxes are none in that view.
    """

    largest: int
    boxes: int
    cells: tuple[int, ...]

    @staticmethod
    def of(home: TileMapping, access: Access) -> Lying:
        """How `home` lies in the eyes of a kernel that reads it through `access`."""
        viewed = home.viewed(access.shape)
        largest = int(home.volume.max(initial=0))
        if viewed is None:
            return Lying(largest, len(home.tiles), ())
        grid = viewed.grid
        return Lying(largest, len(grid.counts), tuple(len(low) for low in grid.low))

    def pieces_met(self, sizes: list[Ints], shape: tuple[int, ...]) -> Floats:
        """About how many of its pieces boxes of these sizes [dimension][rows] meet."""
        if len(self.cells) != len(shape):
            return _runs(sizes, shape)
        met = np.ones(1)
        for size, extent, cells in zip(sizes, shape, self.cells, strict=True):
            cell = max(1, -(-extent // cells))
            even = extent % cells == 0
            aligned = (even & ((size % cell == 0) | (cell % np.maximum(size, 1) == 0))) | (size >= extent)
            met = met * np.minimum(np.where(aligned, -(-size // cell), size // cell + 2), cells)
        return np.maximum(met * (self.boxes / max(1, prod(self.cells))), 1)


def _runs(sizes: list[Ints], shape: tuple[int, ...]) -> Floats:
    """Contiguous runs of the flattened operand that boxes of these sizes consist of."""
    run = np.ones(1)
    elements = np.ones(1)
    open_ended = np.ones(1, bool)
    for size, extent in zip(reversed(sizes), reversed(shape), strict=True):
        run = np.where(open_ended, run * size, run)
        elements = elements * size
        open_ended = open_ended & (size == extent)
    return elements / np.maximum(run, 1)


@dataclass(frozen=True, slots=True, eq=False)
class OperandCosts:
    """Cycles [rows, 3] of the exchange, the axis that should run fastest in the tile numbering (-1: any), bytes."""

    exchange: Floats
    fastest: Ints
    bytes_always: Ints
    bytes_temporary: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """One operand on the busiest tile, per row."""

    axes: set[int]
    box: Floats
    received: Floats
    sent: Floats
    fragments: Floats
    kept: Floats


def operand_costs(
    kernel: Kernel,
    chip: Chip,
    ways: Ints,
    steps: Ints | None,
    piece: Ints,
    lying: tuple[Lying | None, ...] = (),
) -> OperandCosts:
    """Estimates for the splits `ways` [rows, axes] with pieces `piece`; `lying[i]` is None for a free operand i."""
    rows, axes = ways.shape
    cut = set(np.flatnonzero((ways > 1).any(axis=0)).tolist())
    per_bus = chip.tiles_per_exchange_bus
    evenly = {axis: ways[:, axis] % per_bus == 0 for axis in range(axes) if per_bus > 1 and axis in cut}
    on_bus = {axis: np.zeros(rows) for axis in (*evenly, axes)}
    sent, fragments, kept, temporary = (np.zeros(rows) for _ in range(4))
    operands = zip(kernel.reads, kernel.read_types, lying or (None,) * len(kernel.reads), strict=True)
    for access, dtype, place in operands:
        mine = moving_axes(access)
        sharers = row_product(ways, cut - mine)
        read = (
            _free(access, dtype, mine, piece, ways, sharers)
            if place is None
            else _placed(access, dtype, mine, piece, place)
        )
        shared = np.minimum(read.received, read.box / per_bus)
        for axis, even in evenly.items():
            on_bus[axis] += read.received if axis in mine else np.where(even, shared, read.received)
        on_bus[axes] += read.received
        sent += read.sent
        fragments += read.fragments
        kept += np.ceil(read.kept)
        temporary += np.ceil(read.received if steps is None else read.received / row_product(steps, mine))
    least, fastest = on_bus[axes].copy(), np.full(rows, -1, np.int64)
    for axis in evenly:
        better = on_bus[axis] < least
        least[better], fastest[better] = on_bus[axis][better], axis
    rate, per_fragment = (chip.scenarios(f"exchange_{name}") for name in ("bytes_per_cycle", "cycles_per_fragment"))
    receiving = least[:, None] / rate + fragments[:, None] * per_fragment
    exchange = np.maximum(receiving, sent[:, None] / rate)
    return OperandCosts(exchange, fastest, kept.astype(np.int64), temporary.astype(np.int64))


def _sizes(access: Access, piece: Ints) -> list[Ints]:
    """Sizes of an operand's largest box per dimension, per row."""
    rows = len(piece)
    found = access.extents(tuple(piece[:, axis] for axis in range(piece.shape[1])))
    return [np.broadcast_to(np.asarray(size, np.int64), (rows,)) for size in found]


def box_elements(access: Access, piece: Ints) -> Ints:
    """Elements of an operand's largest box, per row."""
    product = np.ones(len(piece), np.int64)
    for size in _sizes(access, piece):
        product = product * size
    return product


def _placed(access: Access, dtype: DType, mine: set[int], piece: Ints, place: Lying) -> _Read:
    """An operand that lies in pieces of its own."""
    sizes = _sizes(access, piece)
    box = np.prod(sizes, axis=0, dtype=np.float64) * dtype.bits / 8 if sizes else np.full(len(piece), dtype.bits / 8)
    largest = np.full(len(piece), place.largest * dtype.bits / 8)
    met = np.broadcast_to(place.pieces_met(sizes, access.shape), box.shape)
    return _Read(mine, box, box, largest, met, largest)


def _free(access: Access, dtype: DType, mine: set[int], piece: Ints, ways: Ints, sharers: Ints) -> _Read:
    """An operand that will be laid out for this kernel."""
    box = box_elements(access, piece) * dtype.bits / 8
    owned_elements, reach = _owned(access, piece, ways)
    owned = owned_elements * dtype.bits / 8
    parts = np.minimum(sharers, np.maximum(1, owned // SPREAD_BYTES))
    own = np.where(parts < sharers, 0, owned / parts)
    moves = ((sharers > 1) | (box > owned)) & (box > COPY_BYTES)
    # where only windows overlap, a tile sends its edges
    sent = np.where(sharers > 1, owned / parts, np.minimum(owned, box - owned))
    return _Read(
        mine,
        box,
        np.where(moves, box - own, 0),
        np.where(moves, sent, 0),
        np.where(moves, parts * reach - (own > 0), 0),
        np.where(moves, owned / parts, box),
    )


def _owned(access: Access, piece: Ints, ways: Ints) -> tuple[Ints, Ints]:
    """Per row: elements of the largest box without what windows share with their neighbours, and over how many such
    boxes, its own and its neighbours', the largest box reaches.
    """
    product, reach = np.ones(len(piece), np.int64), np.ones(len(piece), np.int64)
    for dim, size, extent in zip(access.dims, _sizes(access, piece), access.shape, strict=True):
        cell = size
        if isinstance(dim, Affine) and len(dim.terms) > 1:
            cells = row_product(ways, {axis for axis, _factor in dim.terms})
            cell = -(-extent // cells)
            for axis, factor in dim.terms:
                cell = np.where(ways[:, axis] == cells, abs(factor) * piece[:, axis], cell)
            cell = np.where(cells == 1, size, np.minimum(size, cell))
            reach *= np.minimum(-(-size // cell), cells)
        product = product * cell
    return product, reach


def moving_axes(access: Access) -> set[int]:
    """Axes that move an operand's box."""
    return {axis for dim in access.dims if isinstance(dim, Affine) for axis, factor in dim.terms if factor}


def row_product(table: Ints, columns: set[int]) -> Ints:
    """Per row the product of these columns."""
    result = np.ones(len(table), np.int64)
    for column in sorted(columns):
        result *= table[:, column]
    return result
