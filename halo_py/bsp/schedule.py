"""Which calls run together: independent ones share a superstep where that takes less time than one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from halo_py.bsp.facts import ComputePhase, ExchangePhase, Phase
from halo_py.bsp.fold import Spent
from halo_py.bsp.program import Call, HostCall, Superstep

if TYPE_CHECKING:
    from halo_py.bsp.lower import LoweringCache
    from halo_py.bsp.pricing import Pricing
    from halo_py.bsp.program import Template
    from halo_py.ir.graph import Value

LOOK_AHEAD = 12
"""How many calls further on a companion is looked for."""

MOST_TOGETHER = 8
"""Calls that may share a superstep."""


def supersteps(
    calls: Sequence[Call | HostCall], cache: LoweringCache, pricing: Pricing, *, share: bool = True
) -> tuple[Superstep, ...]:
    """The calls in order, grouped if `share`: a group takes in later calls that need nothing made by it or after it."""
    steps: list[Superstep] = []
    waiting = list(calls)
    while waiting:
        first = waiting.pop(0)
        if isinstance(first, HostCall):
            steps.append(_host_step(first, pricing))
            continue
        group = [first]
        if share and cache.facts(first.template).phases is not None:
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
        found = cache.merged[key] = _merge([cache.facts(template).phases or () for template in templates], pricing)
    return cast("Spent", found)


def _merge(programs: Sequence[Sequence[Phase]], pricing: Pricing) -> Spent:
    total = Spent.nothing()
    none = np.zeros(3)
    for exchanges, computes in _together(programs):
        if exchanges:
            sync = pricing.chip.scenarios("sync_internal_cycles")
            cycles = pricing.exchange_cycles([phase.price for phase in exchanges])
            total = total + Spent(none, cycles, sync)
        if computes:
            by_tile = np.zeros((pricing.tiles, 3))
            for phase in computes:
                phase.add_to(by_tile)
            control = np.max([phase.control for phase in computes], axis=0)
            total = total + Spent(by_tile.max(axis=0), none, control)
    return total


def _together(programs: Sequence[Sequence[Phase]]) -> list[tuple[list[ExchangePhase], list[ComputePhase]]]:
    """Common exchanges and computes: in each, every program does its next phase if it is of the kind."""
    queues = [list(reversed(phases)) for phases in programs]
    common: list[tuple[list[ExchangePhase], list[ComputePhase]]] = []
    while any(queues):
        exchanges: list[ExchangePhase] = []
        computes: list[ComputePhase] = []
        for queue in queues:
            if queue and isinstance(phase := queue[-1], ExchangePhase):
                exchanges.append(phase)
                queue.pop()
        for queue in queues:
            if queue and isinstance(phase := queue[-1], ComputePhase):
                computes.append(phase)
                queue.pop()
        common.append((exchanges, computes))
    return common


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
            and cache.facts(other.template).phases
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
