"""What splits of a kernel cost: many at once, one row each, without looking at tiles.

A row is priced by its largest piece. Every time is float64[rows, 3]: fast, nominal, slow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Kernel
from halo_py.ir.work import ContractionWork, PartialsWork, SumWork, Work
from halo_py.tiling.operand_cost import Lying, box_elements, operand_costs, row_product
from halo_py.tiling.parts import Ints, piece_sizes
from halo_py.tiling.plan import combine_elements
from halo_py.tiling.vertex_cost import cycles as vertex_cycles

if TYPE_CHECKING:
    from halo_py.targets import Chip
    from halo_py.tiling.plan import Placement

Floats = NDArray[np.float64]


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


def price(
    kernel: Kernel, chip: Chip, ways: Ints, steps: Ints | None = None, lying: tuple[Lying | None, ...] = ()
) -> RowCosts:
    """Prices of the splits `ways` [rows, axes], with `steps` [rows, axes] serial pieces per tile.

    `lying[i]` says how read operand i lies, None that it is free; no entries: all are free.
    """
    costs = _others(kernel, chip, ways, steps, lying)
    vertex = vertex_costs(kernel, chip, pieces(kernel, ways, steps))
    return replace(costs, vertex=vertex if steps is None else vertex * np.prod(steps, axis=1)[:, None])


def price_promising(
    kernel: Kernel, chip: Chip, ways: Ints, slack: float, lying: tuple[Lying | None, ...] = ()
) -> tuple[Ints, RowCosts]:
    """Rows whose nominal total may be within `slack` times the best one's, and their prices.

    The vertex cost of contractions is dear to compute, so it is computed where a lower bound (multiply-accumulates at
    the matrix unit's peak) leaves hope: rows left out are provably not within the slack.
    """
    piece = pieces(kernel, ways)
    costs = _others(kernel, chip, ways, None, lying)
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


def _others(kernel: Kernel, chip: Chip, ways: Ints, steps: Ints | None, lying: tuple[Lying | None, ...]) -> RowCosts:
    """Prices of everything but the vertices."""
    piece = pieces(kernel, ways)
    depth = row_product(ways, {number for number, axis in enumerate(kernel.axes) if axis.role == "reduce"})
    serial = np.ones(len(ways), np.int64) if steps is None else np.prod(steps, axis=1)
    operands = operand_costs(kernel, chip, ways, steps, piece, lying)
    combine, always, temporary = _combine(kernel, chip, piece, depth)
    internal, step = chip.scenarios("sync_internal_cycles"), chip.scenarios("step_cycles")
    exchanges = np.where(operands.exchange[:, 1] > 0, serial, 0)
    combines = (depth > 1)[:, None]
    return RowCosts(
        np.zeros((len(ways), 3)),
        operands.exchange,
        combine,
        step * serial[:, None] + internal * exchanges[:, None] + (internal + step) * combines,
        operands.bytes_always + always,
        operands.bytes_temporary + temporary,
        operands.fastest,
    )


def _combine(kernel: Kernel, chip: Chip, piece: Ints, depth: Ints) -> tuple[Floats, Ints, Ints]:
    """Cycles of exchanging and adding partials where a reduce axis is cut; bytes of results and of partials."""
    rate, per_fragment = chip.scenarios("exchange_bytes_per_cycle"), chip.scenarios("exchange_cycles_per_fragment")
    total = np.zeros((len(piece), 3))
    always, temporary = np.zeros(len(piece), np.int64), np.zeros(len(piece), np.int64)
    partial_bits = kernel.partials_type.bits
    split = np.flatnonzero(depth > 1)
    for access, dtype in zip(kernel.writes, kernel.write_types, strict=True):
        box = box_elements(access, piece)
        always += -(-(box // depth * dtype.bits) // 8)
        if kernel.combine is not None:
            kept = (depth > 1) | (partial_bits > dtype.bits)
            temporary += np.where(kept, -(-(box * partial_bits) // 8), 0)
        if not len(split):
            continue
        inputs, share = depth[split], box[split]
        outputs = np.maximum(-(-share // inputs), np.minimum(share, combine_elements(partial_bits)))
        received = -(-(outputs * (inputs - 1) * partial_bits) // 8)
        temporary[split] += received
        receiving = received[:, None] / rate + (inputs - 1)[:, None] * per_fragment
        sending = (share * partial_bits / 8)[:, None] / rate
        work = PartialsWork(outputs, inputs, kernel.partials_type.text, dtype.text, kernel.combine or "add")
        total[split] += np.maximum(receiving, sending) + vertex_cycles(work, chip)
    return total, always, temporary
