"""What a lowered template charges tile by tile: memory, code, and what its phases need to be merged with others'.

Kept small (no mapping but those of operands and results), because every template of every plan looked at has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_py.bsp.fold import control_cycles
from halo_py.bsp.program import Compute, VertexGroup
from halo_py.tiling.exchange_cost import MovePrice

if TYPE_CHECKING:
    from halo_py.ir.space import TileForm
    from halo_py.targets import Chip
    from halo_py.tiling.mapping import Ints, TileMapping
    from halo_py.tiling.plan import Cycles

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ExchangePhase:
    """An exchange with the prices of its moves added up tile by tile."""

    price: MovePrice

    @staticmethod
    def of(prices: Sequence[MovePrice]) -> ExchangePhase:
        """The phase in which all these moves take part."""
        bus = _sum([price.bus_by_tile for price in prices])
        sent = _sum([price.sent_by_tile for price in prices])
        fragments = _sum([price.fragments_by_tile for price in prices])
        total = sum(price.total_bytes for price in prices)
        most = [int(amount.max(initial=0)) for amount in (bus, sent, fragments)]
        return ExchangePhase(MovePrice(bus, bus, sent, fragments, most[0], most[1], most[2], total, False))


def _sum(arrays: Sequence[Ints]) -> Ints:
    return np.asarray(np.sum(arrays, axis=0), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class ComputePhase:
    """A compute: which class of tiles each participating tile belongs to, and the control program's share."""

    tiles: NDArray[np.int32]
    classes: NDArray[np.int16]
    class_cycles: Cycles
    control: Cycles

    @staticmethod
    def of(compute: Compute, chip: Chip) -> ComputePhase:
        """The phase of one vertex group or combination of partials."""
        (group,) = compute.groups
        if isinstance(group, VertexGroup):
            numbers, of_class = group.placement.boxes[0], group.placement.class_of_box
        else:
            numbers = group.result.tiles
            of_class = np.unique(group.result.volume, return_inverse=True)[1]
        return ComputePhase(
            numbers.astype(np.int32), of_class.astype(np.int16), group.class_cycles, control_cycles(compute, chip)
        )

    def add_to(self, total: NDArray[np.float64]) -> None:
        """Adds its cycles to those of every tile [tiles, 3]: a tile runs the vertices of all phases one by one."""
        total[self.tiles] += self.class_cycles[self.classes]


Phase = ExchangePhase | ComputePhase


@dataclass(frozen=True, slots=True, eq=False)
class TemplateFacts:
    """Facts of a template; arrays are per tile [tiles].

    homes: of the operands and results on tiles, by local number. views: results that are views, with the local value
    whose bytes they are. in_place: results that may be written over one of these operands, if nobody needs it later.
    phases: exchanges and computes in order, or None if there is a loop (such a template runs alone). temporary: most
    bytes needed at once beside operands and results. vertices: vertex instances. exchange_code: bytes of exchange code.
    codelets: by name, on which tiles.
    """

    form: TileForm
    homes: Mapping[int, TileMapping]
    views: Mapping[int, int]
    in_place: Mapping[int, tuple[int, ...]]
    phases: tuple[Phase, ...] | None
    temporary: Ints
    vertices: Ints
    exchange_code: Ints
    codelets: Mapping[str, Flags]
