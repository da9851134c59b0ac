"""What splits of a kernel cost: many at once, one row each, without looking at tiles.

A row is priced by its largest piece. A shared operand box is assumed spread over the tiles that share it (in parts of
at least `SPREAD_BYTES`), everything else to lie where it is needed; where operands really lie is the business of
`select`. Every time is float64[rows, 3]: fast, nominal, slow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, Affine, Kernel
from halo_py.ir.work import ContractionWork, PartialsWork, SumWork, Work
from halo_py.tiling.parts import Ints, piece_sizes
from halo_py.tiling.plan import combine_elements
from halo_py.tiling.vertex_cost import cycles as vertex_cycles

if TYPE_CHECKING:
    from halo_py.targets import Chip
    from halo_py.tiling.plan import Placement

Floats = NDArray[np.float64]

SPREAD_BYTES = 512
"""A box that several tiles need is kept in parts of at least so many bytes: a part costs its receivers a fragment."""


@dataclass(frozen=True, slots=True, eq=False)
class RowCosts:
    """Prices of candidate splits, one row each.

    exchange: operands in. combine: exchange and addition of partials. sync: syncs and control program of all phases.
    `fastest` is the axis that should run fastest in the tile numbering (-1: it does not matter).
    """

    vertex: Floats
    exchange: Floats
    combine: Floats
    sync: Floats
    bytes_always: Ints
    bytes_temporary: Ints
    fastest: Ints

    @property
    def total(self) -> Floats:
        """All phases with their syncs."""
        return self.vertex + self.exchange + self.combine + self.sync

    def take(self, rows: Ints) -> RowCosts:
        """These rows only."""
        return RowCosts(
            self.vertex[rows],
            self.exchange[rows],
            self.combine[rows],
            self.sync[rows],
            self.bytes_always[rows],
            self.bytes_temporary[rows],
            self.fastest[rows],
        )


def spread_elements(bits: int) -> int:
    """Least elements of a part when a shared box is spread."""
    return max(1, SPREAD_BYTES * 8 // bits)


def pieces(kernel: Kernel, ways: Ints, steps: Ints | None = None) -> Ints:
    """int64[rows, axes]: points per axis of the largest piece of each split (of one serial step with `steps`)."""
    sizes = np.empty_like(ways)
    for number, (axis, extent) in enumerate(zip(kernel.axes, kernel.extents, strict=True)):
        counts = ways[:, number]
        # a table over all numbers of pieces: far fewer divisions than one per row
        by_count = _largest_pieces(extent, axis.grain, int(counts.max(initial=1)))
        sizes[:, number] = by_count[counts]
        if steps is not None and (steps[:, number] > 1).any():
            grains = -(-sizes[:, number] // axis.grain)
            sizes[:, number] = np.minimum(sizes[:, number], -(-grains // steps[:, number]) * axis.grain)
    return sizes


@lru_cache(maxsize=4096)
def _largest_pieces(extent: int, grain: int, most: int) -> Ints:
    """Entry w: size of the largest of w pieces (entry 0 has no meaning)."""
    ways = np.maximum(np.arange(most + 1, dtype=np.int64), 1)
    total = -(-extent // grain)
    grains = -(-total // ways)
    # where only the last piece is the longest one, it lacks what the extent is short of whole grains
    alone = (total % ways == 1) & (ways > 1)
    ragged = grains * grain - (total * grain - extent)
    return np.minimum(extent, np.where(alone, np.maximum(ragged, (grains - 1) * grain), grains * grain))


def price(kernel: Kernel, chip: Chip, ways: Ints, steps: Ints | None = None) -> RowCosts:
    """Prices of the splits `ways` [rows, axes], with `steps` [rows, axes] serial pieces per tile."""
    costs = _Pricing(kernel, chip, ways, steps).costs()
    vertex = vertex_costs(kernel, chip, pieces(kernel, ways, steps))
    return replace(costs, vertex=vertex if steps is None else vertex * np.prod(steps, axis=1)[:, None])


def price_promising(kernel: Kernel, chip: Chip, ways: Ints, slack: float) -> tuple[Ints, RowCosts]:
    """Rows whose nominal total may be within `slack` times the best one's, and their prices.

    The vertex cost of contractions is dear to compute, so it is computed where a lower bound (multiply-accumulates at
    the matrix unit's peak) leaves hope: rows left out are provably not within the slack.
    """
    piece = pieces(kernel, ways)
    costs = _Pricing(kernel, chip, ways, None).costs()
    least = None if len(ways) <= _FEW_ROWS else _least_vertex_cycles(kernel, chip, piece)
    if least is None:
        return np.arange(len(ways)), replace(costs, vertex=vertex_costs(kernel, chip, piece))
    others = costs.total[:, 1]
    bound = least + others
    first = np.argpartition(bound, _FEW_ROWS)[:_FEW_ROWS]
    best = (vertex_costs(kernel, chip, piece[first])[:, 1] + others[first]).min()
    rows = np.flatnonzero(bound <= best * slack)
    return rows, replace(costs.take(rows), vertex=vertex_costs(kernel, chip, piece[rows]))


_FEW_ROWS = 256


def vertex_costs(kernel: Kernel, chip: Chip, piece: Ints) -> Floats:
    """float64[rows, 3]: cycles of a vertex on boxes of these sizes [rows, axes]."""
    work = kernel.codelet.work(tuple(piece[:, axis] for axis in range(piece.shape[1])), kernel)
    return np.broadcast_to(vertex_cycles(work, chip), (len(piece), 3)).astype(np.float64)


def slowest_vertex(kernel: Kernel, chip: Chip, ways: Ints) -> Floats:
    """float64[rows, 3]: the most cycles over all classes of tiles of each split (a smaller box may take longer)."""
    rows: list[int] = []
    sizes: list[tuple[int, ...]] = []
    for row, counts in enumerate(ways.tolist()):
        choices = [
            piece_sizes(extent, axis.grain, count)
            for extent, axis, count in zip(kernel.extents, kernel.axes, counts, strict=True)
        ]
        found = list(product(*choices))
        sizes.extend(found)
        rows.extend([row] * len(found))
    slowest = np.zeros((len(ways), 3))
    np.maximum.at(slowest, rows, vertex_costs(kernel, chip, np.array(sizes, np.int64).reshape(len(sizes), -1)))
    return slowest


def class_cycles(placement: Placement, chip: Chip) -> tuple[Ints, Floats]:
    """Tiles per class of a placement and each class's vertex cycles [classes, 3]."""
    sizes, counts = placement.classes
    return counts, vertex_costs(placement.kernel, chip, sizes)


def _least_vertex_cycles(kernel: Kernel, chip: Chip, piece: Ints) -> Floats | None:
    """A lower bound of vertex cycles if it is cheaper than the cycles themselves (contractions), else None."""
    work = kernel.codelet.work(tuple(piece[:, axis] for axis in range(piece.shape[1])), kernel)
    macs = _macs(work)
    peak = max((mode.macs_per_cycle for mode in chip.matrix_modes), default=0.0)
    if macs is None or peak <= 0:
        return None
    # vertices outside the matrix unit reach one multiply-accumulate per element of a vector
    return np.broadcast_to(macs / max(peak, chip.vector_bytes), len(piece)).astype(np.float64)


def _macs(work: Work) -> Ints | None:
    if isinstance(work, SumWork):
        parts = [found for part in work.parts if (found := _macs(part)) is not None]
        return np.sum(np.broadcast_arrays(*parts), axis=0) if parts else None
    if not isinstance(work, ContractionWork):
        return None
    counts = (work.groups, work.rows, work.row_width, work.in_channels, work.out_channels)
    product = np.ones(1, np.int64)
    for count in (*counts, work.kernel_height, work.kernel_width):
        product = product * count
    return product


def _elements(access: Access, piece: Ints) -> Ints:
    """Elements of an operand's largest box, per row."""
    product = np.ones(len(piece), np.int64)
    for size in access.extents(tuple(piece[:, axis] for axis in range(piece.shape[1]))):
        product = product * size
    return product


def _axes(access: Access) -> set[int]:
    """Axes that move an operand's box."""
    return {axis for dim in access.dims if isinstance(dim, Affine) for axis, factor in dim.terms if factor}


def _owned(access: Access, piece: Ints, ways: Ints) -> tuple[Ints, Ints]:
    """Per row: elements of the largest box without what windows share with their neighbours, and over how many such
    boxes, its own and its neighbours', the largest box reaches.
    """
    product, reach = np.ones(len(piece), np.int64), np.ones(len(piece), np.int64)
    sizes = access.extents(tuple(piece[:, axis] for axis in range(piece.shape[1])))
    for dim, size, extent in zip(access.dims, sizes, access.shape, strict=True):
        if isinstance(dim, Affine) and len(dim.terms) > 1:
            cells = np.prod([ways[:, axis] for axis, _factor in dim.terms], axis=0)
            cell = -(-extent // cells)
            for axis, factor in dim.terms:
                cell = np.where(ways[:, axis] == cells, abs(factor) * piece[:, axis], cell)
            cell = np.where(cells == 1, size, np.minimum(size, cell))
            reach *= np.minimum(-(-size // cell), cells)
            size = cell
        product = product * size
    return product, reach


def _product(table: Ints, columns: set[int]) -> Ints:
    """Per row the product of these columns."""
    result = np.ones(len(table), np.int64)
    for column in sorted(columns):
        result *= table[:, column]
    return result


class _Pricing:
    """Everything but vertex cycles, for many rows."""

    def __init__(self, kernel: Kernel, chip: Chip, ways: Ints, steps: Ints | None) -> None:
        self.kernel, self.chip, self.ways = kernel, chip, ways
        self.steps = np.ones_like(ways) if steps is None else steps
        self.serial = np.prod(self.steps, axis=1)
        self.piece = pieces(kernel, ways)
        self.step_piece = self.piece if steps is None else pieces(kernel, ways, steps)
        self.cut = set(np.flatnonzero((ways > 1).any(axis=0)).tolist())
        reduces = [axis for axis, entry in enumerate(kernel.axes) if entry.role == "reduce"]
        self.depth = np.prod(ways[:, reduces], axis=1)
        self.bytes_always = np.zeros(len(ways), np.int64)
        self.bytes_temporary = np.zeros(len(ways), np.int64)
        self.rate = chip.scenarios("exchange_bytes_per_cycle")
        self.per_fragment = chip.scenarios("exchange_cycles_per_fragment")

    def costs(self) -> RowCosts:
        """The rows' prices, with no cycles for the vertex yet."""
        exchange, fastest = self._operands()
        combine = self._combine()
        phase = self.chip.scenarios("sync_internal_cycles") + self.chip.scenarios("step_cycles")
        exchanges = (exchange[:, 1] > 0).astype(np.int64) * self.serial
        combines = (self.depth > 1).astype(np.int64)
        compute_only = self.chip.scenarios("step_cycles") * self.serial[:, None]
        sync = (
            compute_only + exchanges[:, None] * self.chip.scenarios("sync_internal_cycles") + combines[:, None] * phase
        )
        return RowCosts(
            np.zeros((len(sync), 3)), exchange, combine, sync, self.bytes_always, self.bytes_temporary, fastest
        )

    def _operands(self) -> tuple[Floats, Ints]:
        """Cycles of bringing operands in, and the axis that should run fastest."""
        rows, axes = self.ways.shape
        per_bus = self.chip.tiles_per_exchange_bus
        evenly = {axis: self.ways[:, axis] % per_bus == 0 for axis in range(axes) if per_bus > 1 and axis in self.cut}
        on_bus = {axis: np.zeros(rows) for axis in (*evenly, axes)}
        sent, fragments = np.zeros(rows), np.zeros(rows)
        for access, dtype in zip(self.kernel.reads, self.kernel.read_types, strict=True):
            mine = _axes(access)
            sharers = _product(self.ways, self.cut - mine)
            box = _elements(access, self.piece) * dtype.bits / 8
            owned_elements, reach = _owned(access, self.piece, self.ways)
            owned = owned_elements * dtype.bits / 8
            parts = np.minimum(sharers, np.maximum(1, owned // SPREAD_BYTES))
            own = np.where(parts < sharers, 0, owned / parts)
            received = np.where((sharers > 1) | (box > owned), box - own, 0)
            shared = np.minimum(received, box / per_bus)
            for axis, even in evenly.items():
                on_bus[axis] += received if axis in mine else np.where(even, shared, received)
            on_bus[axes] += received
            # where only windows overlap, a tile sends its edges
            edges = np.minimum(owned, box - owned)
            sent += np.where(received > 0, np.where(sharers > 1, owned / parts, edges), 0)
            fragments += np.where(received > 0, parts * reach - (own > 0), 0)
            stepped = _product(self.steps, mine if (self.serial > 1).any() else set())
            self.bytes_temporary += np.ceil(received / stepped).astype(np.int64)
            self.bytes_always += np.ceil(owned / parts).astype(np.int64)
        least, fastest = on_bus[axes].copy(), np.full(rows, -1, np.int64)
        for axis in evenly:
            better = on_bus[axis] < least
            least[better], fastest[better] = on_bus[axis][better], axis
        receiving = least[:, None] / self.rate + fragments[:, None] * self.per_fragment
        return np.maximum(receiving, sent[:, None] / self.rate), fastest

    def _combine(self) -> Floats:
        """Cycles of exchanging and adding partials, where a reduce axis is cut."""
        kernel, chip = self.kernel, self.chip
        total = np.zeros((len(self.ways), 3))
        partial_bits = kernel.partials_type.bits
        split = np.flatnonzero(self.depth > 1)
        for access, dtype in zip(kernel.writes, kernel.write_types, strict=True):
            box = _elements(access, self.piece)
            self.bytes_always += -(-(box // self.depth * dtype.bits) // 8)
            if kernel.combine is not None:
                wider = partial_bits > dtype.bits
                kept = (self.depth > 1) | wider
                self.bytes_temporary += np.where(kept, -(-(box * partial_bits) // 8), 0)
            if not len(split):
                continue
            depth = self.depth[split]
            outputs = np.maximum(-(-box[split] // depth), np.minimum(box[split], combine_elements(partial_bits)))
            received = -(-(outputs * (depth - 1) * partial_bits) // 8)
            sent = box[split] * partial_bits / 8
            self.bytes_temporary[split] += received
            receiving = received[:, None] / self.rate + (depth - 1)[:, None] * self.per_fragment
            work = PartialsWork(outputs, depth, kernel.partials_type.text, dtype.text, kernel.combine or "add")
            total[split] += np.maximum(receiving, sent[:, None] / self.rate) + vertex_cycles(work, chip)
        return total
