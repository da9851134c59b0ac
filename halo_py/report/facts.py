"""One model of the facts: what was compiled, how it is split, what it takes. Every renderer shows parts of this.

Numbers with a range are [fast, nominal, slow], the scenarios of the machine's uncertain constants.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from halo_py.profile import Profile, profile_of
from halo_py.report.published import nearest_published
from halo_py.targets.machine import NOMINAL
from halo_py.types import TensorType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from halo_py.bsp.program import MemoryAccount
    from halo_py.bsp.timing import StageTime, StepTime
    from halo_py.executable import Executable, Port
    from halo_py.targets import System
    from halo_py.verification import Comparison

BUSIEST_SHOWN = 8

Facts = dict[str, Any]


def facts_of(
    executable: Executable, profile: Profile | None = None, verified: Sequence[Comparison] | None = None
) -> Facts:
    """The facts of a compiled model, JSON-able. `verified` adds the outcome of a comparison with the judge."""
    found = profile or profile_of(executable.program, executable.system)
    facts: Facts = {
        **_asked(executable, found),
        "plan": _plan(executable),
        **_times(found),
        "stages": [
            _stage(number, stage, memory)
            for number, (stage, memory) in enumerate(zip(found.time.stages, found.memory, strict=True))
        ],
        "cycles_by_op": found.cycles_by_kind(),
        "busiest": _busiest(found, executable.system.chip.clock_hz),
        "host_nodes": [{"node": entry.node, "op": entry.op, "reason": entry.reason} for entry in executable.fallbacks],
        "plans_considered": [asdict(entry) for entry in executable.considered],
        "smallest_system": _smallest_system(executable),
        "inputs": [_port(port, executable.parts) for port in executable.inputs],
        "outputs": [_port(port, executable.parts) for port in executable.outputs],
        "notes": list(executable.notes),
        "warnings": warnings(executable, found),
        "compile_seconds": dict(executable.compile_seconds),
    }
    published = nearest_published(
        executable.parameters,
        facts["multiply_accumulates_per_item"],
        executable.precision,
        executable.batch_size / facts["plan"]["ipus"],
    )
    if published is not None:
        facts["nearest_published"] = published
    if found.counters.vertices:
        facts["counted"] = asdict(found.counters)
    if verified is not None:
        facts["verified"] = [_compared(entry) for entry in verified]
    return facts


def _asked(executable: Executable, profile: Profile) -> Facts:
    """What was compiled, for what."""
    return {
        "model": executable.model,
        "target": executable.system.name,
        "system": _system(executable.system),
        "precision": executable.precision,
        "objective": executable.objective,
        "parameters": executable.parameters,
        "weight_bytes": executable.weight_bytes,
        "multiply_accumulates_per_item": _macs_per_item(executable, profile),
    }


def _plan(executable: Executable) -> Facts:
    program = executable.program
    return {
        "batch": executable.batch_size,
        "replicas": program.replicas,
        "stages": len(program.stages),
        "micro_batches": program.micro_batches,
        "micro_batch": program.micro_batch,
        "ipus": program.replicas * len(program.stages),
        "ipus_of_target": executable.system.ipus,
    }


def _times(profile: Profile) -> Facts:
    """Throughput, latency and the parts of a request's time, each as a range."""
    time = profile.time
    return {
        "throughput_items_per_second": {
            "with_host": _range(time.items_per_second),
            "without_host": _range(time.items_per_second_without_host),
        },
        "latency_seconds": {
            "with_host": _range(time.latency_seconds),
            "without_host": _range(time.latency_seconds_without_host),
        },
        "request_seconds": {
            "on_chip": _range(time.on_chip_seconds),
            "links": _range(time.link_seconds),
            "host": _range(time.host_seconds),
            "fabric_collectives": _range(time.fabric_seconds),
        },
        "binds": time.binds,
    }


def _compared(entry: Comparison) -> Facts:
    return {
        "output": entry.name,
        "equal": entry.equal,
        "largest_error": entry.largest_error,
        "allowed": entry.allowed,
        "elements": entry.elements,
        "reason": entry.reason,
        "plain_half_error": _finite(entry.baseline_error),
    }


def warnings(executable: Executable, profile: Profile) -> list[str]:
    """What a user should know before trusting or using the result."""
    program, system = executable.program, executable.system
    found: list[str] = []
    ipus = program.replicas * len(program.stages)
    if ipus < system.ipus:
        found.append(
            f"{system.ipus - ipus} of {system.ipus} IPUs are idle; a batch that is a multiple of "
            f"{system.ipus // len(program.stages)} uses them all"
        )
    if executable.fallbacks:
        found.append(
            f"{len(executable.fallbacks)} nodes run on the host; their computing time is not part of the prediction"
        )
    for number, memory in enumerate(profile.memory):
        if memory.fullest_bytes > 0.95 * memory.capacity_bytes:
            found.append(f"IPU {number}: the fullest tile has less than 5 % of its memory left")
    return found


def _finite(number: float | None) -> float | None:
    """The number if JSON can hold it."""
    return number if number is not None and math.isfinite(number) else None


def _range(values: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in values]


def _system(system: System) -> Facts:
    return {
        "chip": system.chip.name,
        "ipus": system.ipus,
        "tiles_per_ipu": system.chip.tiles,
        "bytes_per_tile": system.chip.bytes_per_tile,
        "clock_hz": system.chip.clock_hz,
    }


def _macs_per_item(executable: Executable, profile: Profile) -> int:
    total = sum(stage.multiply_accumulates for stage in profile.time.stages)
    return total // max(1, executable.program.micro_batch)


def _stage(number: int, stage: StageTime, memory: MemoryAccount) -> Facts:
    spent = stage.spent
    return {
        "ipu": number,
        "cycles": {
            "compute": _range(spent.compute),
            "exchange": _range(spent.exchange),
            "sync": _range(spent.sync),
            "total": _range(spent.total),
        },
        "supersteps": len(stage.steps),
        "tile_balance": stage.tile_balance,
        "utilisation": {
            "matrix": stage.matrix_utilisation,
            "exchange": stage.exchange_utilisation,
            "memory": stage.memory_utilisation,
        },
        "memory": {
            "capacity_bytes": memory.capacity_bytes,
            "fullest_tile": memory.fullest_tile,
            "fullest_bytes": memory.fullest_bytes,
            "peak_step": memory.peak_step,
            "always_live": dict(memory.always_live),
            "largest": [{"name": name, "bytes": size} for name, size in memory.largest],
        },
    }


def _busiest(profile: Profile, clock_hz: float) -> list[Facts]:
    """The supersteps that take longest; equal ones (equal layers take equal cycles) together as one entry."""
    equal: dict[tuple[object, ...], list[tuple[int, StepTime]]] = {}
    for number, step in profile.steps():
        key = (step.kinds, *(cycles.tobytes() for cycles in (step.spent.compute, step.spent.exchange, step.spent.sync)))
        equal.setdefault(key, []).append((number, step))
    entries = [_steps(group, clock_hz) for group in equal.values()]
    return sorted(entries, key=lambda entry: -entry["total_seconds"])[:BUSIEST_SHOWN]


def _steps(group: Sequence[tuple[int, StepTime]], clock_hz: float) -> Facts:
    """Equal supersteps; cycles are those of one of them."""
    first, step = group[0]
    spent = step.spent
    seconds = float(spent.total[NOMINAL]) / clock_hz
    return {
        "ipu": first,
        "nodes": list(step.names),
        "ops": list(step.kinds),
        "count": len(group),
        "seconds": seconds,
        "total_seconds": seconds * len(group),
        "compute_cycles": float(spent.compute[NOMINAL]),
        "exchange_cycles": float(spent.exchange[NOMINAL]),
        "sync_cycles": float(spent.sync[NOMINAL]),
        "merged": [name for place in step.places for name in place.merged],
        "alike": [name for _number, other in group[1:] for name in other.names],
    }


def _port(port: Port, parts: int) -> Facts:
    whole = port.request_type(parts)
    if not isinstance(whole, TensorType):
        return {"name": port.name, "type": str(whole)}
    shape = None if whole.shape is None else [dim if isinstance(dim, int) else str(dim) for dim in whole.shape]
    return {"name": port.name, "dtype": whole.dtype.text, "shape": shape}


def _smallest_system(executable: Executable) -> Facts:
    """The fewest IPUs a replica fits on (of all plans considered), and the smallest built-in system that has them."""
    from halo_py.targets import available, load_target

    fitting = [_stages_of(entry.plan) for entry in executable.considered if entry.fits]
    ipus = min([*fitting, len(executable.program.stages)])
    same = [
        system
        for system in (load_target(name) for name in available())
        if system.chip.name == executable.system.chip.name and system.ipus >= ipus
    ]
    smallest = min(same, key=lambda system: (system.ipus, len(system.name)), default=executable.system)
    return {"ipus": ipus, "target": smallest.name}


def _stages_of(plan: str) -> int:
    """The number of stages in a plan's text, as `ParallelPlan` writes it."""
    found = re.search(r"(\d+) stages?\b", plan)
    return int(found[1]) if found else 1
