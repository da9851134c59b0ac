"""What to say when no plan fits: the nearest miss, and remedies that were really planned again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from halo_py.bsp.out_of_memory import Proposal, Remedy, explain_out_of_memory, priced, proposals
from halo_py.errors import HaloError, OutOfMemoryError, Where
from halo_py.parallel.plan import Objective, Pins
from halo_py.targets import available, load_target

if TYPE_CHECKING:
    from halo_py.parallel.search import Candidate, ParallelSearch
    from halo_py.targets import System

Replan = Callable[[Proposal], "ParallelSearch"]
"""A search with one thing changed: precision or system."""

LARGER_SYSTEMS = 2


def does_not_fit(
    tried: Sequence[Candidate],
    system: System,
    precision: str,
    batch: int,
    fixed_micro_batch: int | None,
    replan: Replan,
    where: Where,
) -> OutOfMemoryError:
    """The error for a model that fits nowhere: tile, step, largest tensors, and fixes ranked by predicted cost."""
    nearest = min(tried, key=lambda candidate: _worst(candidate)[0])
    number = _worst(nearest)[1]
    stage = nearest.program.stages[number]
    wanted = proposals(
        stage.memory,
        stages=nearest.plan.stages,
        micro_batch=nearest.plan.micro_batch,
        precision=precision,
        most_stages=system.ipus,
        larger_systems=_larger(system),
    )

    def plan(proposal: Proposal) -> Remedy | None:
        return _planned(proposal, replan, batch, fixed_micro_batch)

    remedies = priced(wanted, plan)
    return explain_out_of_memory(
        stage, remedies, items_per_second=nearest.items_per_second, where=replace(where, node=None)
    )


def _worst(candidate: Candidate) -> tuple[int, int]:
    """Bytes of the fullest tile of all stages, and the stage."""
    sizes = [(stage.memory.fullest_bytes, number) for number, stage in enumerate(candidate.program.stages)]
    return max(sizes)


def _larger(system: System) -> list[str]:
    """Systems with more memory: the next ones of the same chip, then the next ones of other chips."""
    known = [load_target(name) for name in available()]
    more = sorted((other for other in known if _memory(other) > _memory(system)), key=_memory)
    same = _next([other for other in more if other.chip.name == system.chip.name])
    return [*same, *_next([other for other in more if other.chip.name != system.chip.name])]


def _next(systems: list[System]) -> list[str]:
    """The smallest few, by the shortest of their names."""
    names: dict[int, str] = {}
    for system in systems:
        names[_memory(system)] = min(names.get(_memory(system), system.name), system.name, key=len)
    return list(names.values())[:LARGER_SYSTEMS]


def _memory(system: System) -> int:
    return system.ipus * system.chip.tiles * system.chip.bytes_per_tile


def _planned(proposal: Proposal, replan: Replan, batch: int, fixed_micro_batch: int | None) -> Remedy | None:
    """What a proposal gives; None if it cannot be planned (no such batch, no such cut)."""
    try:
        search = replan(proposal)
        pins = Pins(
            stages=int(proposal.value) if proposal.kind == "stages" else None,
            micro_batch=int(proposal.value) if proposal.kind == "micro-batch" else None,
        )
        best = search.best(batch, Objective(), pins, fixed_micro_batch)
    except HaloError:
        return None
    if best is None and not search.tried:
        return None
    shown = best or min(search.tried, key=lambda candidate: _worst(candidate)[0])
    return Remedy(proposal, best is not None, shown.items_per_second, _worst(shown)[0], _option(proposal))


def _option(proposal: Proposal) -> str:
    match proposal.kind:
        case "stages":
            return f"--stages {proposal.value}"
        case "micro-batch":
            return f"--micro-batch {proposal.value}"
        case "precision":
            return f"--precision {proposal.value}"
        case "system":
            return f"--target {proposal.value}"
        case "streaming":
            return ""
