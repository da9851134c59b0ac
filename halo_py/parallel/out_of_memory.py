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
"""A search with one thing changed: precision, temporary share or system."""

LARGER_SYSTEMS = 2


def does_not_fit(
    tried: Sequence[Candidate],
    system: System,
    precision: str,
    temporary_share: float,
    batch: int,
    fixed_micro_batch: int | None,
    replan: Replan,
    where: Where,
) -> OutOfMemoryError:
    """The error for a model that fits nowhere: tile, step, largest tensors, and fixes ranked by predicted cost."""
    nearest = min(tried, key=lambda candidate: _worst(candidate)[0])
    size, number = _worst(nearest)
    stage = nearest.program.stages[number]
    wanted = proposals(
        stage.memory,
        stages=nearest.plan.stages,
        micro_batch=nearest.plan.micro_batch,
        precision=precision,
        temporary_share=temporary_share,
        most_stages=system.ipus,
        larger_systems=_larger(system),
    )

    def plan(proposal: Proposal) -> Remedy | None:
        return _planned(proposal, replan, batch, fixed_micro_batch)

    remedies = priced(wanted, plan)
    error = explain_out_of_memory(
        stage, remedies, items_per_second=nearest.items_per_second, where=replace(where, node=None)
    )
    assert size > 0
    return error


def _worst(candidate: Candidate) -> tuple[int, int]:
    """Bytes of the fullest tile of all stages, and the stage."""
    sizes = [(stage.memory.fullest_bytes, number) for number, stage in enumerate(candidate.program.stages)]
    return max(sizes)


def _larger(system: System) -> list[str]:
    same = [
        other
        for other in (load_target(name) for name in available())
        if other.chip.name == system.chip.name and other.ipus > system.ipus
    ]
    by_size = {other.ipus: other.name for other in sorted(same, key=lambda other: -len(other.name))}
    return [by_size[ipus] for ipus in sorted(by_size)][:LARGER_SYSTEMS]


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
        case "temporary-share":
            return "temporary_share in a --plan file"
        case "streaming":
            return ""
