"""What lowering asks the tiling floor: a plan for a kernel, the price of a move, cycles of vertices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_py.bsp.program import Decision
from halo_py.errors import InternalError
from halo_py.tiling.exchange_cost import MovePrice, exchange_cycles, price_move
from halo_py.tiling.mapping import TileMapping
from halo_py.tiling.plan import Cycles, Placement, Split
from halo_py.tiling.vertex_cost import cycles

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from halo_py.bsp.options import LoweringOptions
    from halo_py.ir.space import Bounds, Kernel
    from halo_py.ir.work import Work
    from halo_py.targets import Chip
    from halo_py.types import TensorType

    Homes = tuple[TileMapping | None, ...]
    Chooser = Callable[[Kernel, Homes, tuple[bool, ...], TileMapping | None], Placement]


@dataclass(slots=True)
class Pricing:
    """Plans and prices for one chip."""

    chip: Chip
    options: LoweringOptions
    chooser: Chooser | None = None
    """Answers a placement instead of the search (tests)."""

    @property
    def tiles(self) -> int:
        """Tiles that are numbered: all of the chip's. Plans use the first `options.tiles`."""
        return self.chip.tiles

    def decided(self, kernel: Kernel, decision: Decision, homes: Homes, follow: TileMapping | None) -> Placement:
        """A kernel cut as decided before. Raises InternalError if the operands lie otherwise than they did then."""
        if decision.followed is None:
            return self._regular(kernel, decision.split)
        number, operand = decision.followed
        mapping = follow if operand < 0 else homes[operand]
        access = (*kernel.reads, *kernel.writes)[number]
        made = None if mapping is None else Placement.following(kernel, access, mapping, self.tiles)
        if made is None or made.split != decision.split:
            raise InternalError("an operand does not lie where it lay when the program was planned")
        return made

    def choose(
        self, kernel: Kernel, homes: Homes, movable: tuple[bool, ...], follow: TileMapping | None
    ) -> tuple[Placement, Decision]:
        """The best placement of a kernel whose operands lie at `homes`."""
        if self.chooser is not None:
            chosen = self.chooser(kernel, homes, movable, follow)
            return chosen, Decision(chosen.split)
        from halo_py.tiling.select import choose  # the search is not needed to load or time a program

        limit = int(self.options.temporary_share * self.chip.bytes_per_tile)
        placement = choose(kernel, homes, movable, self.chip, self.options.tiles, limit, follow).placement
        if placement.given is None:
            return placement, Decision(placement.split)
        return placement, Decision(placement.split, self._followed(kernel, placement, homes, follow))

    def _regular(self, kernel: Kernel, split: Split) -> Placement:
        return Placement(kernel, split, self.tiles)

    def _followed(
        self, kernel: Kernel, placement: Placement, homes: Homes, follow: TileMapping | None
    ) -> tuple[int, int]:
        """Which access follows which mapping in this placement."""
        for number, access in enumerate((*kernel.reads, *kernel.writes)):
            for operand in (-1, number):
                mapping = follow if operand < 0 else homes[number] if number < len(homes) else None
                if mapping is None or prod(mapping.shape) != prod(access.shape):
                    continue
                again = Placement.following(kernel, access, mapping, self.tiles)
                if again is not None and all(map(np.array_equal, again.boxes, placement.boxes)):
                    return number, operand
        raise InternalError("a placement follows nothing that is known")

    def free_home(self, need: TileMapping, bits: int) -> TileMapping:
        """Where a value that may lie anywhere should lie for this need."""
        from halo_py.tiling.select import free_home

        return free_home(need, bits, self.options.tiles)

    def linear(self, type: TensorType) -> TileMapping:
        """Where a value lies that no reader has a wish for: in runs over the tiles."""
        mapping = TileMapping.linear(type.elements, type.dtype.bits, self.options.tiles)
        return mapping.viewed(type.static_shape) or mapping

    def price(self, home: TileMapping, need: TileMapping, bits: int, depth: int) -> MovePrice:
        """Bytes and fragments of one move."""
        return price_move(home, need, bits, self.tiles, depth, self.chip.tiles_per_exchange_bus)

    def exchange_cycles(self, prices: Sequence[MovePrice]) -> Cycles:
        """One exchange phase, without its sync."""
        return exchange_cycles(prices, self.chip)

    def work_cycles(self, work: Work, rows: int) -> Cycles:
        """Cycles [rows, 3] of a work whose counts are scalars or arrays of `rows` entries."""
        return np.array(np.broadcast_to(cycles(work, self.chip), (rows, 3)), np.float64)

    def class_cycles(self, kernel: Kernel, sizes: Bounds, steps: tuple[int, ...]) -> Cycles:
        """Cycles [classes, 3] of a vertex on iteration boxes of these sizes, all its serial steps together."""
        grain = np.array([axis.grain for axis in kernel.axes], np.int64)
        whole_grains = -(-sizes // grain)
        grains = -(-whole_grains // np.array(steps, np.int64))
        pieces = np.minimum(sizes, grains * grain)
        extents = tuple(np.ascontiguousarray(column) for column in pieces.T)
        once = self.work_cycles(kernel.codelet.work(extents, kernel), len(sizes))
        return once * float(np.prod(steps, dtype=np.int64)) if steps else once

    def exchange_code(self, price: MovePrice) -> NDArray[np.float64]:
        """Bytes per tile [tiles] of the exchange code that one move needs: sends, and control per run received."""
        chip = self.chip
        sends = np.ceil(price.sent_by_tile / chip.exchange_bytes_per_send)
        instructions = sends + price.fragments_by_tile * chip.exchange_instructions_per_fragment
        return np.asarray(instructions * chip.exchange_code_bytes_per_instruction, np.float64)
