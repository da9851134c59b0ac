"""Why a stage does not fit, and what would make it fit: proposals to replan with, ranked by what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from halo_py.errors import NOWHERE, OutOfMemoryError, Where

if TYPE_CHECKING:
    from halo_py.bsp.program import MemoryAccount, StageProgram

ProposalKind = Literal["stages", "micro-batch", "precision", "system", "streaming"]

TENSORS_SHOWN = 5
"""Tensors named in the message."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change to replan with. `value` is what to set: a count, a share, a precision or a system's name."""

    kind: ProposalKind
    value: int | float | str

    @property
    def text(self) -> str:
        """What it means, for people."""
        match self.kind:
            case "stages":
                return f"cut the model into {self.value} pipeline stages"
            case "micro-batch":
                return f"use a micro-batch of {self.value}"
            case "precision":
                return f"compile in {self.value}"
            case "system":
                return f"use {self.value}"
            case "streaming":
                return "keep the weights in streaming memory"


@dataclass(frozen=True, slots=True)
class Remedy:
    """A proposal that was planned: whether it fits, its nominal throughput and the bytes of its fullest tile."""

    proposal: Proposal
    fits: bool
    items_per_second: float
    fullest_bytes: int
    option: str = ""
    """How the user asks for it, e.g. '--stages 2'."""

    def line(self, before: float | None) -> str:
        """One line of the message; `before` is the throughput that the plan that does not fit would have had."""
        cost = f"{self.items_per_second:,.0f} items/s"
        if before:
            cost += f", {self.items_per_second / before:.2f} x the plan that does not fit"
        outcome = cost if self.fits else f"still {self.fullest_bytes:,} bytes on the fullest tile"
        return f"{self.proposal.text}{f' ({self.option})' if self.option else ''}: {outcome}"


def proposals(
    account: MemoryAccount,
    *,
    stages: int,
    micro_batch: int,
    precision: str,
    most_stages: int,
    larger_systems: Iterable[str] = (),
    streams: bool = False,
) -> list[Proposal]:
    """What is worth planning again for, most likely cure first, given what fills the fullest tile.

    Where values that always lie there are too many already, only fewer weights per chip or narrower ones can help; else
    smaller pieces of work come first.
    """
    always = sum(account.always_live.values())
    overfull = account.fullest_bytes / max(1, account.capacity_bytes)
    more = [count for count in (stages * 2, stages * 4, stages * 8) if count <= most_stages]
    enough = [count for count in more if count >= stages * overfull] or more[-1:]
    pipeline = [Proposal("stages", count) for count in enough[:2]]
    narrower = [Proposal("precision", "fp16")] if precision == "fp32" else []
    smaller = [Proposal("micro-batch", size) for size in dict.fromkeys((micro_batch // 2, 1)) if 0 < size < micro_batch]
    bigger = [Proposal("system", name) for name in larger_systems]
    streaming = [Proposal("streaming", "weights")] if streams else []
    if always > account.capacity_bytes:
        return [*pipeline, *narrower, *bigger, *streaming, *smaller]
    return [*smaller, *narrower, *pipeline, *bigger, *streaming]


def priced(wanted: Iterable[Proposal], plan: Callable[[Proposal], Remedy | None], enough: int = 3) -> list[Remedy]:
    """Plans proposals until `enough` of them fit; those that fit first, fastest first, then the nearest misses."""
    found: list[Remedy] = []
    for proposal in wanted:
        remedy = plan(proposal)
        if remedy is not None:
            found.append(remedy)
        if sum(remedy.fits for remedy in found) >= enough:
            break
    return sorted(found, key=lambda r: (not r.fits, -r.items_per_second if r.fits else float(r.fullest_bytes)))


def explain_out_of_memory(
    stage: StageProgram,
    remedies: Iterable[Remedy],
    *,
    items_per_second: float | None = None,
    where: Where = NOWHERE,
) -> OutOfMemoryError:
    """The error for a stage that does not fit: tile, step, what fills it, and the remedies in the order given."""
    account = stage.memory
    step = stage.supersteps[account.peak_step] if stage.supersteps else None
    names = ", ".join(repr(call.node.name) for call in step.calls[:3]) if step else "nothing"
    place = where if step is None or where != NOWHERE else step.calls[0].where
    always = ", ".join(
        f"{name} {amount:,}" for name, amount in sorted(account.always_live.items(), key=lambda e: -e[1]) if amount
    )
    tile = f"tile {account.fullest_tile} of IPU {stage.ipu}"
    needs = f"{account.fullest_bytes:,} of {account.capacity_bytes:,} bytes"
    lines = [
        f"the program does not fit: {tile} needs {needs} in superstep {account.peak_step} ({names})",
        "largest there: " + "; ".join(f"{name} {size:,} bytes" for name, size in account.largest[:TENSORS_SHOWN]),
        f"always there (fullest tile of each class, bytes): {always}",
    ]
    planned = list(remedies)
    hint = [
        *_listed("ways out:", [remedy for remedy in planned if remedy.fits], items_per_second),
        *_listed("planned too, and not enough:", [remedy for remedy in planned if not remedy.fits], items_per_second),
    ]
    return OutOfMemoryError("\n  ".join(lines), place, "\n    ".join(hint) or None)


def _listed(title: str, remedies: list[Remedy], before: float | None) -> list[str]:
    ways = [f"{number}. {remedy.line(before)}" for number, remedy in enumerate(remedies, 1)]
    return [title, *ways] if ways else []
