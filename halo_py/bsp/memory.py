"""Bytes per tile by liveness: what always lies there, and what comes and goes with the supersteps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from halo_py.bsp.fold import tile_bytes
from halo_py.bsp.program import Call, MemoryAccount
from halo_py.types import TensorType

if TYPE_CHECKING:
    from halo_py.bsp.facts import TemplateFacts
    from halo_py.bsp.lower import LoweringCache
    from halo_py.bsp.pricing import Pricing
    from halo_py.bsp.program import Superstep
    from halo_py.ir.graph import Graph, Value
    from halo_py.tiling.mapping import Ints, TileMapping

    Homes = Mapping[Value, TileMapping]

LARGEST_SHOWN = 10
"""Tensors named in the account."""


@dataclass(frozen=True, slots=True, eq=False)
class LiveRange:
    """Bytes of one value (views included) on its tiles from superstep `first` to `last`."""

    value: Value
    bytes_by_tile: Ints
    first: int
    last: int


@dataclass(slots=True, eq=False)
class _Ranges:
    """Live ranges of the values that come and go, and the values that always lie on the tiles."""

    root: dict[Value, Value] = field(default_factory=dict["Value", "Value"])
    first: dict[Value, int] = field(default_factory=dict["Value", int])
    last: dict[Value, int] = field(default_factory=dict["Value", int])
    last_calls: dict[Value, set[int]] = field(default_factory=dict["Value", set[int]])
    """Numbers of the calls that touch a value in the last superstep that does."""

    def of(self, value: Value) -> Value:
        """The value whose bytes these are."""
        return self.root.get(value, value)

    def touch(self, value: Value, step: int, call: int = -1) -> None:
        """The value is written or read in this superstep, by its call of this number."""
        root = self.of(value)
        self.first.setdefault(root, step)
        if step > self.last.get(root, -1):
            self.last[root], self.last_calls[root] = step, set()
        self.last_calls[root].add(call)


def live_ranges(
    graph: Graph, steps: Sequence[Superstep], homes: Homes, cache: LoweringCache, tiles: int
) -> list[LiveRange]:
    """Ranges of everything but constants and states. Graph inputs live from the start, outputs to the end."""
    ranges = _Ranges()
    always = always_live_values(graph)
    for value in graph.inputs:
        ranges.touch(value, 0)
    for number, step in enumerate(steps):
        for place, call in enumerate(step.calls):
            if isinstance(call, Call):
                _note_views(call, cache.facts(call.template), ranges)
            for value in (*call.node.inputs, *call.node.outputs):
                if value is not None:
                    ranges.touch(value, number, place)
    for value in graph.outputs:
        ranges.touch(value, max(len(steps) - 1, 0))
    kept = {ranges.of(value) for value in always}
    _overwrite(steps, cache, ranges, kept.union(map(ranges.of, graph.inputs), map(ranges.of, graph.outputs)))
    return [
        LiveRange(value, value_tile_bytes(value, homes[value], tiles), first, ranges.last[value])
        for value, first in ranges.first.items()
        if value in homes and value not in kept and first <= ranges.last[value]
    ]


def always_live_values(graph: Graph) -> set[Value]:
    """Constants, and state that outlives a run."""
    return {*graph.constants, *(update.state for update in graph.states)}


def value_tile_bytes(value: Value, home: TileMapping, tiles: int) -> Ints:
    """Bytes per tile [tiles] of a tensor value that lies at `home`."""
    assert isinstance(value.type, TensorType)
    return tile_bytes(home, value.type.dtype.bits, tiles)


def _note_views(call: Call, facts: TemplateFacts, ranges: _Ranges) -> None:
    """Results that are views of an operand share its bytes."""
    operands = dict(zip(facts.form.inputs, call.node.inputs, strict=False))
    for local, value in zip(facts.form.outputs, call.node.outputs, strict=False):
        viewed = operands.get(facts.views.get(local))
        if viewed is not None:
            ranges.root[value] = ranges.of(viewed)


def _overwrite(steps: Sequence[Superstep], cache: LoweringCache, ranges: _Ranges, kept: set[Value]) -> None:
    """Results written over an operand that is read for the last time need bytes of their own only after that step."""
    for number, step in enumerate(steps):
        for place, call in enumerate(step.calls):
            if not isinstance(call, Call):
                continue
            form, in_place = (facts := cache.facts(call.template)).form, facts.in_place
            for local, operands in in_place.items():
                result = ranges.of(call.node.outputs[form.outputs.index(local)])
                values = [call.node.inputs[form.inputs.index(operand)] for operand in operands]
                if any(
                    value is not None
                    and call.node.inputs.count(value) == 1
                    and (root := ranges.of(value)) not in kept
                    and (ranges.last[root], ranges.last_calls[root]) == (number, {place})
                    for value in values
                ):
                    ranges.first[result] = number + 1


def always_live(
    graph: Graph, steps: Sequence[Superstep], homes: Homes, cache: LoweringCache, pricing: Pricing
) -> dict[str, Ints]:
    """Bytes per tile [tiles] by class. Code is paid once however many nodes run it."""
    tiles, chip = pricing.tiles, pricing.chip
    weights = np.zeros(tiles, np.int64)
    states = np.zeros(tiles, np.int64)
    owned = {update.state for update in graph.states}
    for value in always_live_values(graph):
        if value in homes:
            amount = value_tile_bytes(value, homes[value], tiles)
            if value in owned:
                states += amount
            else:
                weights += amount
    templates = dict.fromkeys(call.template for step in steps for call in step.calls if isinstance(call, Call))
    vertices, exchange_code = np.zeros(tiles, np.int64), np.zeros(tiles, np.int64)
    codelets: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]] = {}
    for template in templates:
        facts = cache.facts(template)
        vertices += facts.vertices
        exchange_code += facts.exchange_code
        for name, where in facts.codelets.items():
            known = codelets.get(name)
            codelets[name] = where if known is None else known | where
    code = np.sum(list(codelets.values()), axis=0) if codelets else np.zeros(tiles)
    return {
        "weights": weights,
        "state": states,
        "code": np.ceil(code * chip.codelet_code_bytes).astype(np.int64),
        "exchange code": exchange_code,
        "vertex state": np.ceil(vertices * chip.vertex_state_bytes).astype(np.int64),
        "stack": np.full(tiles, round(chip.stack_bytes_per_tile), np.int64),
    }


def memory_account(
    graph: Graph, steps: Sequence[Superstep], homes: Homes, cache: LoweringCache, pricing: Pricing
) -> MemoryAccount:
    """The account of a stage. A superstep's calls all have their temporaries at once."""
    tiles = pricing.tiles
    classes = always_live(graph, steps, homes, cache, pricing)
    fixed = np.sum(list(classes.values()), axis=0)
    ranges = live_ranges(graph, steps, homes, cache, tiles)
    count = max(len(steps), 1)
    born: list[list[LiveRange]] = [[] for _ in range(count)]
    dead: list[list[LiveRange]] = [[] for _ in range(count)]
    for entry in ranges:
        born[entry.first].append(entry)
        dead[entry.last].append(entry)
    live, peak = fixed.copy(), fixed.copy()
    over_time: list[int] = []
    fullest, peak_step, fullest_tile = -1, 0, 0
    for number in range(count):
        for entry in born[number]:
            live += entry.bytes_by_tile
        now = live + temporaries(steps[number], cache) if steps else live
        np.maximum(peak, now, out=peak)
        tile = int(now.argmax())
        over_time.append(int(now[tile]))
        if over_time[-1] > fullest:
            fullest, peak_step, fullest_tile = over_time[-1], number, tile
        for entry in dead[number]:
            live -= entry.bytes_by_tile
    return MemoryAccount(
        capacity_bytes=pricing.chip.bytes_per_tile,
        always_live={name: int(amount.max(initial=0)) for name, amount in classes.items()},
        fullest_tile=fullest_tile,
        fullest_bytes=fullest,
        peak_step=peak_step,
        bytes_over_time=tuple(over_time),
        bytes_by_tile=tuple(peak.tolist()),
        largest=_largest(graph, steps, homes, ranges, peak_step, fullest_tile, cache),
    )


def temporaries(step: Superstep, cache: LoweringCache) -> Ints | int:
    """Bytes per tile that the superstep needs beside values: received copies, partials, values inside ops."""
    total: Ints | int = 0
    for call in step.calls:
        if isinstance(call, Call):
            total = total + cache.facts(call.template).temporary
    return total


def _largest(
    graph: Graph,
    steps: Sequence[Superstep],
    homes: Homes,
    ranges: Sequence[LiveRange],
    step: int,
    tile: int,
    cache: LoweringCache,
) -> tuple[tuple[str, int], ...]:
    found = [
        (entry.value.name, int(entry.bytes_by_tile[tile])) for entry in ranges if entry.first <= step <= entry.last
    ]
    for value in always_live_values(graph):
        home = homes.get(value)
        if home is not None:
            here = home.volume[home.tiles == tile].sum()
            assert isinstance(value.type, TensorType)
            found.append((value.name, int(-(-here * value.type.dtype.bits // 64) * 8)))
    if steps:
        for call in steps[step].calls:
            if isinstance(call, Call):
                needed = int(cache.facts(call.template).temporary[tile])
                found.append((f"temporaries of {call.node.name}", needed))
    return tuple(
        sorted((entry for entry in found if entry[1]), key=lambda entry: (-entry[1], entry[0]))[:LARGEST_SHOWN]
    )
