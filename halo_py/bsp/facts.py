"""What a lowered template charges tile by tile: memory, code, and what its phases need to be merged with others'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
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
            numbers, low, high = group.placement.boxes
            sizes = high - low
        else:
            numbers, sizes = group.result.tiles, group.result.volume[:, None]
        total[numbers] += group.class_cycles[_class_of(sizes)]
    return total


def _class_of(sizes: Ints) -> Ints:
    """For each row of `sizes` its position among the distinct rows in ascending order."""
    if sizes.shape[1] == 0:
        return np.zeros(len(sizes), np.int64)
    bases = [int(base) for base in sizes.max(axis=0, initial=0) + 1]
    if prod(bases) >= 1 << 62:
        return np.unique(sizes, axis=0, return_inverse=True)[1].reshape(-1)
    # one number per row sorts like the row and far faster
    strides = [prod(bases[axis + 1 :]) for axis in range(len(bases))]
    return np.unique(sizes @ np.array(strides, np.int64), return_inverse=True)[1]


def busiest(by_tile: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[3]: the slowest tile in each scenario."""
    return by_tile.max(axis=0) if len(by_tile) else np.zeros(3)
