"""Time as a fold over a template's steps: what computes, what exchanges and what only synchronises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_py.bsp.program import Compute, Exchange, Loop, Rename, VertexGroup

if TYPE_CHECKING:
    from halo_py.bsp.program import TemplateStep
    from halo_py.ir.space import TileForm
    from halo_py.targets import Chip
    from halo_py.tiling.mapping import TileMapping
    from halo_py.tiling.plan import Cycles

Homes = Sequence["TileMapping | None"]


@dataclass(frozen=True, slots=True, eq=False)
class Spent:
    """Cycles by kind, each float64[3]: fast, nominal, slow scenario. `sync` holds syncs and the control program."""

    compute: Cycles
    exchange: Cycles
    sync: Cycles

    @staticmethod
    def nothing() -> Spent:
        """No time at all."""
        return Spent(np.zeros(3), np.zeros(3), np.zeros(3))

    @property
    def total(self) -> Cycles:
        """All of it."""
        return self.compute + self.exchange + self.sync

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.compute + other.compute, self.exchange + other.exchange, self.sync + other.sync)

    def times(self, count: int) -> Spent:
        """The same `count` times over."""
        return Spent(self.compute * count, self.exchange * count, self.sync * count)


def spent_in(steps: Sequence[TemplateStep], form: TileForm, homes: Homes, chip: Chip) -> Spent:
    """Cycles of a sequence of steps. A loop is its body, its carried copies and the loop's own cost, `count` times."""
    total = Spent.nothing()
    for step in steps:
        total = total + _spent(step, form, homes, chip)
    return total


def _spent(step: TemplateStep, form: TileForm, homes: Homes, chip: Chip) -> Spent:
    none = np.zeros(3)
    if isinstance(step, Exchange):
        return Spent(none, step.cycles, chip.scenarios("sync_internal_cycles"))
    if isinstance(step, Compute):
        return Spent(step.cycles, none, control_cycles(step, chip))
    if isinstance(step, Rename):
        return Spent.nothing()
    once = spent_in(step.body, form, homes, chip) + _loop_control(step, form, homes, chip)
    return once.times(step.count)


def control_cycles(compute: Compute, chip: Chip) -> Cycles:
    """The control program's share of a compute phase. Each further serial step of a vertex syncs and starts anew."""
    steps = max((prod(g.placement.split.steps) for g in compute.groups if isinstance(g, VertexGroup)), default=1)
    return chip.scenarios("step_cycles") * steps + chip.scenarios("sync_internal_cycles") * (steps - 1)


def _loop_control(loop: Loop, form: TileForm, homes: Homes, chip: Chip) -> Spent:
    """Per iteration: counting it, and a copy on the tile for every carried value."""
    compute = np.zeros(3)
    for following, _current in loop.carried:
        home = homes[following]
        if home is not None and len(home.tiles):
            largest = int(home.volume.max()) * form.values[following].dtype.bits / 8
            compute = compute + chip.scenarios("memcpy_call_cycles")
            compute = compute + largest / chip.scenarios("memcpy_bytes_per_cycle")
    return Spent(compute, np.zeros(3), chip.scenarios("loop_cycles"))


def tile_bytes(mapping: TileMapping, bits: int, tiles: int) -> NDArray[np.int64]:
    """Bytes per tile [tiles] that a mapping of elements of `bits` bits takes, in whole 8-byte words."""
    return -(-mapping.elements_on(tiles) * bits // 64) * 8
