"""What a run reports: predicted cycles per superstep and phase, seconds, memory over time, and what the run counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from halo_py.bsp.timing import ProgramTime, StepTime, program_time
from halo_py.targets.machine import NOMINAL

if TYPE_CHECKING:
    from halo_py.bsp.program import MemoryAccount, Program
    from halo_py.targets import System


@dataclass(frozen=True, slots=True)
class RunCounters:
    """What a `tiled` run counted while it ran (zeros after a `whole` run)."""

    bytes_exchanged: int = 0
    """Received by tiles from other tiles."""
    bytes_sent: int = 0
    """Sent by tiles; a stream to several receivers counts once."""
    vertices: int = 0
    multiply_accumulates: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """Predicted time and memory of a program on a system, derived from these two alone, and the run's counters.

    `time.stages[i].steps` has cycles per superstep and phase of IPU i of a replica, with bytes, multiply-accumulates
    and balance; `memory[i]` its bytes per tile and over time.
    """

    device: str
    time: ProgramTime
    memory: tuple[MemoryAccount, ...]
    counters: RunCounters = RunCounters()

    @property
    def cycles(self) -> float:
        """Nominal on-chip cycles of one micro-batch through all stages."""
        return sum(float(stage.spent.total[NOMINAL]) for stage in self.time.stages)

    @property
    def seconds(self) -> float:
        """Nominal latency of one request, host link included."""
        return float(self.time.latency_seconds[NOMINAL])

    def cycles_by_kind(self) -> dict[str, float]:
        """Nominal cycles by kind of op, most first; a superstep that several ops share is divided evenly."""
        found: dict[str, float] = {}
        for _stage, step in self.steps():
            for kind in step.kinds:
                found[kind] = found.get(kind, 0.0) + float(step.spent.total[NOMINAL]) / len(step.kinds)
        return dict(sorted(found.items(), key=lambda entry: -entry[1]))

    def steps(self) -> list[tuple[int, StepTime]]:
        """Every superstep with the number of its stage, in order."""
        return [(number, step) for number, stage in enumerate(self.time.stages) for step in stage.steps]

    def busiest(self, count: int = 5) -> list[tuple[int, StepTime]]:
        """The supersteps that take longest."""
        return sorted(self.steps(), key=lambda entry: -float(entry[1].spent.total[NOMINAL]))[:count]


def profile_of(program: Program, system: System, counters: RunCounters | None = None) -> Profile:
    """The profile of a program on a system."""
    memory = tuple(stage.memory for stage in program.stages)
    return Profile(system.name, program_time(program, system), memory, counters or RunCounters())
