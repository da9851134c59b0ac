"""What a lowered template charges tile by tile: memory, code, and what its phases need to be merged with others'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_py.bsp.program import Compute, VertexGroup

if TYPE_CHECKING:
    from halo_py.bsp.program import Exchange
    from halo_py.tiling.exchange_cost import MovePrice
    from halo_py.tiling.mapping import Ints

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PricedStep:
    """One step of a template, with the price of each move if it is an exchange."""

    step: Exchange | Compute
    prices: tuple[MovePrice, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TemplateFacts:
    """Per-tile arrays [tiles] of a template.

    steps: its exchanges and computes in order, or None if it holds a loop (such a template runs alone). temporary: most
    bytes it needs at once beside operands and results. vertices: vertex instances. exchange_code: bytes of exchange
    code. codelets: by name, on which tiles.
    """

    steps: tuple[PricedStep, ...] | None
    temporary: Ints
    vertices: Ints
    exchange_code: Ints
    codelets: Mapping[str, Flags]


def cycles_by_tile(compute: Compute, tiles: int) -> NDArray[np.float64]:
    """Cycles per tile [tiles, 3] of a compute phase: a tile runs its vertices of all groups one after another."""
    total = np.zeros((tiles, 3))
    for group in compute.groups:
        if isinstance(group, VertexGroup):
            numbers, of_class = group.placement.boxes[0], group.placement.class_of_box
        else:
            numbers = group.result.tiles
            of_class = np.unique(group.result.volume, return_inverse=True)[1]
        total[numbers] += group.class_cycles[of_class]
    return total


def busiest(by_tile: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[3]: the slowest tile in each scenario."""
    return by_tile.max(axis=0) if len(by_tile) else np.zeros(3)
