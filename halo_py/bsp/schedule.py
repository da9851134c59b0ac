"""Which calls run together: independent ones share a superstep where that takes less time than one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from halo_py.bsp.facts import PricedStep, busiest, cycles_by_tile
from halo_py.bsp.fold import Spent, control_cycles
from halo_py.bsp.program import Call, Compute, Exchange, HostCall, Superstep
from halo_py.tiling.exchange_cost import MovePrice

if TYPE_CHECKING:
    from halo_py.bsp.lower import LoweringCache
    from halo_py.bsp.pricing import Pricing
    from halo_py.bsp.program import Template
    from halo_py.ir.graph import Value

LOOK_AHEAD = 12
"""How many calls further on a companion is looked for."""

MOST_TOGETHER = 8
"""Calls that may share a superstep."""


def supersteps(calls: Sequence[Call | HostCall], cache: LoweringCache, pricing: Pricing) -> tuple[Superstep, ...]:
    """The calls in order, grouped: a group takes in later calls that need nothing made by it or after it."""
    steps: list[Superstep] = []
    waiting = list(calls)
    while waiting:
        first = waiting.pop(0)
        if isinstance(first, HostCall):
            steps.append(_host_step(first, pricing))
            continue
        group = [first]
        if pricing.options.share_supersteps and cache.facts(first.template).steps is not None:
            _take_companions(group, waiting, cache, pricing)
        spent = spent_together([call.template for call in group], cache, pricing)
        steps.append(Superstep(tuple(group), spent.total, spent.compute, spent.exchange, spent.sync))
    return tuple(steps)


def spent_together(templates: Sequence[Template], cache: LoweringCache, pricing: Pricing) -> Spent:
    """What templates take that run phase by phase together: busy tiles add up, syncs are shared."""
    if len(templates) == 1:
        only = templates[0]
        return Spent(only.compute_cycles, only.exchange_cycles, only.sync_cycles)
    key = tuple(id(template) for template in templates)
    found = cache.merged.get(key)
    if found is None:
        found = cache.merged[key] = _merge([cache.facts(template).steps or () for template in templates], pricing)
    return cast("Spent", found)


def _merge(programs: Sequence[Sequence[PricedStep]], pricing: Pricing) -> Spent:
    total = Spent.nothing()
    none = np.zeros(3)
    for prices, computes in _phases(programs):
        if prices is not None:
            sync = pricing.chip.scenarios("sync_internal_cycles")
            total = total + Spent(none, pricing.exchange_cycles(prices), sync)
        if computes:
            by_tile = np.sum([cycles_by_tile(step, pricing.tiles) for step in computes], axis=0)
            control = np.max([control_cycles(step, pricing.chip) for step in computes], axis=0)
            total = total + Spent(busiest(by_tile), none, control)
    return total


@dataclass(slots=True)
class _Cursor:
    steps: Sequence[PricedStep]
    at: int = 0

    def take(self, kind: type[Exchange | Compute]) -> PricedStep | None:
        """The next step if it is of this kind."""
        if self.at < len(self.steps) and isinstance(self.steps[self.at].step, kind):
            self.at += 1
            return self.steps[self.at - 1]
        return None

    @property
    def done(self) -> bool:
        return self.at >= len(self.steps)


def _phases(
    programs: Sequence[Sequence[PricedStep]],
) -> list[tuple[list[MovePrice] | None, list[Compute]]]:
    """Exchange and compute phases in which each program does its next step if it is of the phase's kind."""
    cursors = [_Cursor(steps) for steps in programs]
    phases: list[tuple[list[MovePrice] | None, list[Compute]]] = []
    while not all(cursor.done for cursor in cursors):
        exchanges = [found for cursor in cursors if (found := cursor.take(Exchange)) is not None]
        computes = [found.step for cursor in cursors if (found := cursor.take(Compute)) is not None]
        prices = [price for found in exchanges for price in found.prices] if exchanges else None
        phases.append((prices, [step for step in computes if isinstance(step, Compute)]))
    return phases


def _take_companions(group: list[Call], waiting: list[Call | HostCall], cache: LoweringCache, pricing: Pricing) -> None:
    """Moves calls from `waiting` into `group` while that saves time."""
    unmade: set[Value] = {value for call in group for value in call.node.outputs}
    position = looked = 0
    while position < len(waiting) and looked < LOOK_AHEAD and len(group) < MOST_TOGETHER:
        other = waiting[position]
        looked += 1
        fits = (
            isinstance(other, Call)
            and not any(value in unmade for value in other.node.inputs)
            and cache.facts(other.template).steps
            and _saves(group, other, cache, pricing)
        )
        if fits and isinstance(other, Call):
            group.append(other)
            unmade.update(other.node.outputs)
            del waiting[position]
            continue
        if isinstance(other, HostCall):
            return
        unmade.update(other.node.outputs)
        position += 1


def _saves(group: Sequence[Call], other: Call, cache: LoweringCache, pricing: Pricing) -> bool:
    templates = [call.template for call in group]
    apart = spent_together(templates, cache, pricing).total + other.template.cycles
    together = spent_together([*templates, other.template], cache, pricing).total
    return bool(together[1] < apart[1])


def _host_step(call: HostCall, pricing: Pricing) -> Superstep:
    """Tiles and host meet twice: when the operands leave, when the results come."""
    sync = 2 * pricing.chip.scenarios("sync_external_cycles")
    return Superstep((call,), sync, np.zeros(3), np.zeros(3), sync)
