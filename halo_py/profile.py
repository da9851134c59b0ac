"""What a run reports: cycles per superstep and phase, balance of tiles, bytes over time, utilisation, seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from halo_py.bsp.program import Call, Compute, Loop, Program, StageProgram, Superstep, Template
from halo_py.bsp.timing import ProgramTime, program_time
from halo_py.targets.machine import NOMINAL, peak_macs_per_cycle

if TYPE_CHECKING:
    from halo_py.bsp.program import MemoryAccount, TemplateStep
    from halo_py.targets import Chip, System


@dataclass(frozen=True, slots=True)
class StepProfile:
    """One superstep of one IPU, for one micro-batch. Cycles are of the nominal scenario.

    balance: mean over slowest tile of its compute phases (1: all tiles are busy all the time). multiply_accumulates and
    exchanged_bytes are counts over all tiles.
    """

    ipu: int
    number: int
    nodes: tuple[str, ...]
    ops: tuple[str, ...]
    compute_cycles: float
    exchange_cycles: float
    sync_cycles: float
    balance: float
    multiply_accumulates: int
    exchanged_bytes: int
    live_bytes: int
    on_host: bool

    @property
    def cycles(self) -> float:
        """All phases."""
        return self.compute_cycles + self.exchange_cycles + self.sync_cycles


@dataclass(frozen=True, slots=True)
class Utilisation:
    """Shares of what the machine could do in the predicted on-chip time (0 to 1)."""

    matrix: float
    exchange: float
    memory: float


@dataclass(frozen=True, slots=True)
class RunCounters:
    """What a `tiled` run counted while it ran (zeros after a `whole` run)."""

    bytes_exchanged: int = 0
    bytes_sent: int = 0
    vertices: int = 0
    multiply_accumulates: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """Predicted time and memory of a program on a system, and what the run counted."""

    device: str
    clock_hz: float
    time: ProgramTime
    steps: tuple[StepProfile, ...]
    memory: tuple[MemoryAccount, ...]
    utilisation: Utilisation
    counters: RunCounters = RunCounters()

    @property
    def cycles(self) -> float:
        """Nominal on-chip cycles of one micro-batch through all stages."""
        return sum(step.cycles for step in self.steps)

    def cycles_by_op(self) -> dict[str, float]:
        """Nominal cycles by kind of op, most first; supersteps shared by several ops are divided evenly."""
        found: dict[str, float] = {}
        for step in self.steps:
            for kind in step.ops:
                found[kind] = found.get(kind, 0.0) + step.cycles / len(step.ops)
        return dict(sorted(found.items(), key=lambda entry: -entry[1]))

    def busiest(self, count: int = 5) -> list[StepProfile]:
        """The supersteps that take longest."""
        return sorted(self.steps, key=lambda step: -step.cycles)[:count]


def profile_of(program: Program, system: System, counters: RunCounters | None = None) -> Profile:
    """The profile of a program, derived from the program and the machine alone."""
    steps = tuple(step for stage in program.stages for step in _stage_steps(stage, system.chip))
    return Profile(
        system.name,
        system.chip.clock_hz,
        program_time(program, system),
        steps,
        tuple(stage.memory for stage in program.stages),
        _utilisation(program, steps, system.chip),
        counters or RunCounters(),
    )


def _stage_steps(stage: StageProgram, chip: Chip) -> Iterator[StepProfile]:
    live = stage.memory.bytes_over_time
    for number, step in enumerate(stage.supersteps):
        templates = [call.template for call in step.calls if isinstance(call, Call)]
        yield StepProfile(
            stage.ipu,
            number,
            tuple(call.node.name for call in step.calls),
            tuple(call.node.op.declaration.onnx or call.node.op.kind for call in step.calls),
            float(step.compute_cycles[NOMINAL]),
            float(step.exchange_cycles[NOMINAL]),
            float(step.sync_cycles[NOMINAL]),
            _balance(templates, step, chip.tiles),
            sum(template.multiply_accumulates for template in templates),
            sum(template.exchanged_bytes for template in templates),
            live[number] if number < len(live) else 0,
            len(templates) < len(step.calls),
        )


def _balance(templates: Sequence[Template], step: Superstep, tiles: int) -> float:
    busy = sum(_busy(template.steps) for template in templates)
    slowest = float(step.compute_cycles[NOMINAL]) * tiles
    return min(1.0, busy / slowest) if slowest else 0.0


def _busy(steps: Sequence[TemplateStep]) -> float:
    total = 0.0
    for step in steps:
        if isinstance(step, Compute):
            total += step.busy_tile_cycles
        elif isinstance(step, Loop):
            total += step.count * _busy(step.body)
    return total


def _utilisation(program: Program, steps: Sequence[StepProfile], chip: Chip) -> Utilisation:
    cycles = sum(step.cycles for step in steps)
    if not cycles:
        return Utilisation(0.0, 0.0, 0.0)
    peak = max((mode.macs_per_cycle for mode in chip.matrix_modes), default=0.0)
    used = _matrix_types(program)
    if used is not None:
        peak = peak_macs_per_cycle(chip, *used) or peak
    macs = sum(step.multiply_accumulates for step in steps)
    moved = sum(step.exchanged_bytes for step in steps)
    fullest = max((stage.memory.fullest_bytes for stage in program.stages), default=0)
    return Utilisation(
        macs / (cycles * chip.tiles * peak) if peak else 0.0,
        moved / (cycles * chip.tiles * chip.exchange_bytes_per_cycle),
        fullest / chip.bytes_per_tile,
    )


def _matrix_types(program: Program) -> tuple[str, str] | None:
    """Input and partials type of the contraction with most multiply-accumulates."""
    best: tuple[int, str, str] | None = None
    seen: set[int] = set()
    for stage in program.stages:
        for step in stage.supersteps:
            for call in step.calls:
                if not isinstance(call, Call) or id(call.template) in seen or not call.template.multiply_accumulates:
                    continue
                seen.add(id(call.template))
                macs, types = _largest_contraction(call.template)
                if types and (best is None or macs > best[0]):
                    best = (macs, *types)
    return None if best is None else best[1:]


def _largest_contraction(template: Template) -> tuple[int, tuple[str, str] | None]:
    found: tuple[int, tuple[str, str] | None] = (0, None)
    for kernel in template.calls:
        macs = kernel.multiply_accumulates()
        if macs > found[0]:
            found = (macs, (kernel.read_types[0].text, kernel.partials_type.text))
    return found
