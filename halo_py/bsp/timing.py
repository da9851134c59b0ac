"""Predicted time of a program: a fold over its supersteps, then over pipeline cycles. Everything is float64[3]: fast,
nominal and slow scenario of the machine's uncertain numbers.

On-chip cycles, link seconds and host seconds are kept apart: a faster clock shortens only the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.bsp.fold import Spent
from halo_py.bsp.links import collective_seconds, host_seconds, pipeline_copy_seconds, replicas_per_machine
from halo_py.bsp.program import Call, HostCall
from halo_py.targets import NOMINAL, peak_macs_per_cycle

if TYPE_CHECKING:
    from halo_py.bsp.program import Program, StageProgram, Superstep
    from halo_py.errors import Where
    from halo_py.targets import Chip, System

Seconds = NDArray[np.float64]
Binds = Literal["compute", "exchange", "sync", "links", "host"]


@dataclass(frozen=True, slots=True, eq=False)
class StepTime:
    """One superstep of a stage. `busy_tile_cycles` sums computing over tiles (nominal)."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    places: tuple[Where, ...]
    spent: Spent
    multiply_accumulates: int
    exchanged_bytes: int
    busy_tile_cycles: float
    host_transfers: tuple[int, ...] = ()
    """Bytes of each transfer over the host link that nodes on the host cause."""


def step_time(step: Superstep) -> StepTime:
    """What one superstep takes and does."""
    calls = [call for call in step.calls if isinstance(call, Call)]
    hosted = [call for call in step.calls if isinstance(call, HostCall)]
    return StepTime(
        tuple(call.node.name for call in step.calls),
        tuple(call.node.op.kind for call in step.calls),
        tuple(call.where for call in step.calls),
        Spent(step.compute_cycles, step.exchange_cycles, step.sync_cycles),
        sum(call.template.multiply_accumulates for call in calls),
        sum(call.template.exchanged_bytes for call in calls),
        sum(call.template.busy_tile_cycles for call in calls),
        tuple(amount for call in hosted for amount in (call.bytes_to_host, call.bytes_from_host) if amount),
    )


@dataclass(frozen=True, eq=False)
class StageTime:
    """One stage for one micro-batch, on one chip."""

    steps: tuple[StepTime, ...]
    chip: Chip
    fullest_bytes: int
    peak_macs_per_tile_cycle: float
    """Matrix-unit peak for the element types of the stage's largest contraction; 0 if it has none."""

    @cached_property
    def spent(self) -> Spent:
        """Cycles by kind."""
        total = Spent.nothing()
        for step in self.steps:
            total = total + step.spent
        return total

    @property
    def host_transfers(self) -> tuple[int, ...]:
        """Bytes of each transfer over the host link that nodes on the host cause."""
        return tuple(amount for step in self.steps for amount in step.host_transfers)

    @property
    def multiply_accumulates(self) -> int:
        """Of all steps."""
        return sum(step.multiply_accumulates for step in self.steps)

    @property
    def exchanged_bytes(self) -> int:
        """Received by tiles over exchange."""
        return sum(step.exchanged_bytes for step in self.steps)

    @property
    def tile_balance(self) -> float:
        """Average over the slowest tile's computing cycles: 1 when all tiles are equally busy."""
        most = float(self.spent.compute[NOMINAL]) * self.chip.tiles
        return sum(step.busy_tile_cycles for step in self.steps) / most if most else 1.0

    @property
    def matrix_utilisation(self) -> float:
        """Multiply-accumulates over what the matrix units could do in the stage's whole time."""
        peak = self.peak_macs_per_tile_cycle * self.chip.tiles * float(self.spent.total[NOMINAL])
        return self.multiply_accumulates / peak if peak else 0.0

    @property
    def exchange_utilisation(self) -> float:
        """Bytes received over what all tiles could receive in the stage's whole time."""
        peak = self.chip.exchange_bytes_per_cycle * self.chip.tiles * float(self.spent.total[NOMINAL])
        return self.exchanged_bytes / peak if peak else 0.0

    @property
    def memory_utilisation(self) -> float:
        """Of the fullest tile."""
        return self.fullest_bytes / self.chip.bytes_per_tile


def stage_time(stage: StageProgram, chip: Chip) -> StageTime:
    """The stage's steps with what they take."""
    steps = tuple(step_time(step) for step in stage.supersteps)
    calls = [call for step in stage.supersteps for call in step.calls if isinstance(call, Call)]
    largest = max((call.template for call in calls), key=lambda t: t.multiply_accumulates, default=None)
    types = None if largest is None else largest.matrix_types
    peak = 0.0 if types is None else peak_macs_per_cycle(chip, *types)
    return StageTime(steps, chip, stage.memory.fullest_bytes, peak)


@dataclass(frozen=True, slots=True, eq=False)
class ProgramTime:
    """Steady state and one request of a program.

    A pipeline cycle is: host data in, all stages at once, host data out, all copies between stages (PopART's order).
    `*_without_host` leave host data out. The request's time is the sum of `on_chip_seconds` (its slowest stages),
    `link_seconds`, `host_seconds` and `fabric_seconds` (collectives through gateways).
    """

    stages: tuple[StageTime, ...]
    items_per_second: Seconds
    items_per_second_without_host: Seconds
    latency_seconds: Seconds
    latency_seconds_without_host: Seconds
    on_chip_seconds: Seconds
    link_seconds: Seconds
    host_seconds: Seconds
    fabric_seconds: Seconds
    binds: Binds
    busiest_stage: int


def program_time(program: Program, system: System) -> ProgramTime:
    """Predicted throughput and latency of a program on a system.

    One request is replicas x micro_batches x micro_batch items. In cycle k the stages s with s <= k < s + micro_batches
    are active; a cycle lasts as long as its slowest active stage.
    """
    return _Pipeline(program, system).time()


@dataclass(eq=False)
class _Pipeline:
    program: Program
    system: System

    @cached_property
    def stages(self) -> tuple[StageTime, ...]:
        return tuple(stage_time(stage, self.system.chip) for stage in self.program.stages)

    @cached_property
    def clock(self) -> Seconds:
        return self.system.chip.scenarios("clock_hz")

    @cached_property
    def computing(self) -> list[Seconds]:
        """Seconds of each stage on its chip."""
        return [stage.spent.total / self.clock for stage in self.stages]

    @cached_property
    def on_host(self) -> list[Seconds]:
        """Seconds of each stage's host nodes on the host link."""
        return [
            sum((host_seconds(amount, self.sharers, self.system) for amount in stage.host_transfers), np.zeros(3))
            for stage in self.stages
        ]

    @cached_property
    def sharers(self) -> int:
        return replicas_per_machine(self.system, len(self.program.stages), self.program.replicas)

    @cached_property
    def links(self) -> Seconds:
        """Seconds of all copies between stages in a cycle."""
        return pipeline_copy_seconds(self.program.copies, self.system)

    @cached_property
    def external_sync(self) -> Seconds:
        return self.system.chip.scenarios("sync_external_cycles") / self.clock

    def host_data(self, stage: int, direction: str) -> Seconds:
        """Seconds in which a stage's inputs or outputs of one micro-batch cross the host link."""
        copies = self.program.stages[stage].copies
        amount = sum(copy.bytes for copy in copies if copy.direction == direction)
        return host_seconds(amount, self.sharers, self.system)

    def cycle(self, active: range) -> _Cycle:
        """One pipeline cycle in which these stages are active."""
        slowest = max(active, key=lambda stage: float((self.computing[stage] + self.on_host[stage])[NOMINAL]))
        data = [self.host_data(stage, way) for stage in active for way in ("in", "out")]
        transfers = sum(1 for seconds in data if seconds.any())
        syncs = self.external_sync if len(self.stages) > 1 else np.zeros(3)
        return _Cycle(
            on_chip=self.computing[slowest] + syncs,
            node_host=self.on_host[slowest],
            links=self.links if len(self.stages) > 1 else np.zeros(3),
            host=sum(data, np.zeros(3)),
            host_sync=self.external_sync * transfers,
            slowest=slowest,
        )

    def time(self) -> ProgramTime:
        stages, batches = len(self.stages), self.program.micro_batches
        main = self.cycle(range(stages))
        request = _Cycle.nothing()
        for cycle, count in self._cycles(stages, batches, main):
            request = request + cycle.times(count)
        links, fabric = self._collectives()
        steady = main.times(batches)
        items = self.program.replicas * batches * self.program.micro_batch
        outside = links + fabric
        return ProgramTime(
            self.stages,
            items_per_second=items / (steady.total + outside),
            items_per_second_without_host=items / (steady.without_host + outside),
            latency_seconds=request.total + outside,
            latency_seconds_without_host=request.without_host + outside,
            on_chip_seconds=request.on_chip + request.host_sync,
            link_seconds=request.links + links,
            host_seconds=request.host + request.node_host,
            fabric_seconds=fabric,
            binds=self._binds(main, outside / batches),
            busiest_stage=main.slowest,
        )

    def _cycles(self, stages: int, batches: int, main: _Cycle) -> list[tuple[_Cycle, int]]:
        """Every cycle of a request with how often it occurs: filling, the main loop, draining."""
        if batches >= stages:
            cycles = [(main, batches - stages + 1)]
            partly = [*range(stages - 1), *range(batches, batches + stages - 1)]
        else:
            cycles, partly = [], list(range(batches + stages - 1))
        for number in partly:
            active = range(max(0, number - batches + 1), min(stages, number + 1))
            cycles.append((self.cycle(active), 1))
        return cycles

    def _collectives(self) -> tuple[Seconds, Seconds]:
        links, fabric = np.zeros(3), np.zeros(3)
        for collective in self.program.collectives:
            inside, between = collective_seconds(collective, len(self.stages), self.system)
            links, fabric = links + inside, fabric + between
        return links, fabric

    def _binds(self, main: _Cycle, outside: Seconds) -> Binds:
        spent = self.stages[main.slowest].spent
        parts: dict[Binds, float] = {
            "compute": float((spent.compute / self.clock)[NOMINAL]),
            "exchange": float((spent.exchange / self.clock)[NOMINAL]),
            "sync": float((spent.sync / self.clock + main.host_sync)[NOMINAL]),
            "links": float((main.links + outside)[NOMINAL]),
            "host": float((main.host + main.node_host)[NOMINAL]),
        }
        return max(parts, key=lambda name: parts[name])


@dataclass(frozen=True, slots=True, eq=False)
class _Cycle:
    """Seconds of one pipeline cycle (or of several added up)."""

    on_chip: Seconds
    node_host: Seconds
    links: Seconds
    host: Seconds
    host_sync: Seconds
    slowest: int = 0

    @staticmethod
    def nothing() -> _Cycle:
        none = np.zeros(3)
        return _Cycle(none, none, none, none, none)

    @property
    def without_host(self) -> Seconds:
        return self.on_chip + self.node_host + self.links

    @property
    def total(self) -> Seconds:
        return self.without_host + self.host + self.host_sync

    def times(self, count: int) -> _Cycle:
        return _Cycle(
            self.on_chip * count,
            self.node_host * count,
            self.links * count,
            self.host * count,
            self.host_sync * count,
            self.slowest,
        )

    def __add__(self, other: _Cycle) -> _Cycle:
        return _Cycle(
            self.on_chip + other.on_chip,
            self.node_host + other.node_host,
            self.links + other.links,
            self.host + other.host,
            self.host_sync + other.host_sync,
        )
