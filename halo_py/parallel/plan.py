"""Plan space over IPUs: replicas x pipeline stages x micro-batches, and what is asked of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from halo_py.errors import UsageError


@dataclass(frozen=True, slots=True)
class ParallelPlan:
    """How one request is spread over IPUs: replicas x micro_batches x micro_batch items, each replica `stages` IPUs."""

    replicas: int
    stages: int
    micro_batches: int
    micro_batch: int

    @property
    def batch(self) -> int:
        """Items of one request over all replicas."""
        return self.replicas * self.micro_batches * self.micro_batch

    @property
    def ipus(self) -> int:
        """IPUs that take part."""
        return self.replicas * self.stages

    def __str__(self) -> str:
        return (
            f"{self.replicas} replica{'s' if self.replicas != 1 else ''} x "
            f"{self.stages} stage{'s' if self.stages != 1 else ''} x "
            f"{self.micro_batches} micro-batch{'es' if self.micro_batches != 1 else ''} of {self.micro_batch}"
        )


@dataclass(frozen=True, slots=True)
class Pins:
    """What the user fixed; None is free."""

    replicas: int | None = None
    stages: int | None = None
    micro_batch: int | None = None
    any_stages: bool = False
    """Whether `stages` need be no power of two: the user named the nodes of each."""

    def allows(self, plan: ParallelPlan) -> bool:
        """Whether a plan respects them."""
        wanted = ((self.replicas, plan.replicas), (self.stages, plan.stages), (self.micro_batch, plan.micro_batch))
        return all(pin is None or pin == value for pin, value in wanted)


@dataclass(frozen=True, slots=True)
class Objective:
    """What to optimise; `limit_seconds` bounds the latency of one request."""

    kind: Literal["throughput", "latency"] = "throughput"
    limit_seconds: float | None = None

    @staticmethod
    def parse(text: str) -> Objective:
        """From `throughput`, `latency` or `throughput@latency<=MS` (milliseconds). Raises UsageError."""
        if text in ("throughput", "latency"):
            return Objective("latency" if text == "latency" else "throughput")
        match = re.fullmatch(r"throughput@latency<=(\d+(?:\.\d*)?)(?:ms)?", text.replace(" ", ""))
        if match is None or float(match[1]) <= 0:
            raise UsageError(
                f"unknown objective {text!r}", hint="use throughput, latency or throughput@latency<=5 (milliseconds)"
            )
        return Objective("throughput", float(match[1]) / 1e3)

    def __str__(self) -> str:
        return self.kind if self.limit_seconds is None else f"{self.kind}@latency<={self.limit_seconds * 1e3:g}"


def plans_for(batch: int, ipus: int, pins: Pins, fixed_micro_batch: int | None) -> list[ParallelPlan]:
    """Every plan whose product is `batch` and that `ipus` IPUs can hold, most IPUs first.

    A replica has a power of two of IPUs; the number of replicas is free. `fixed_micro_batch` is what the model's own
    shapes dictate. Raises UsageError, naming the nearest valid batch, if there is none.
    """
    found: list[ParallelPlan] = []
    for stages in _stage_counts(ipus, pins):
        for replicas in _divisors(batch):
            if replicas * stages > ipus or pins.replicas not in (None, replicas):
                continue
            rest = batch // replicas
            for micro_batch in _divisors(rest):
                plan = ParallelPlan(replicas, stages, rest // micro_batch, micro_batch)
                if fixed_micro_batch in (None, micro_batch) and pins.allows(plan):
                    found.append(plan)
    if not found:
        raise _no_plan(batch, ipus, pins, fixed_micro_batch)
    return sorted(found, key=lambda plan: (-plan.ipus, plan.stages, plan.micro_batches))


def _stage_counts(ipus: int, pins: Pins) -> list[int]:
    if pins.stages is not None:
        if pins.stages & (pins.stages - 1) and not pins.any_stages:
            hint = f"use {1 << (pins.stages.bit_length() - 1)} or {1 << pins.stages.bit_length()}"
            raise UsageError(f"{pins.stages} IPUs per replica is not a power of two", hint=hint)
        return [pins.stages]
    counts = [1]
    while counts[-1] * 2 <= ipus:
        counts.append(counts[-1] * 2)
    return counts


def _divisors(number: int) -> list[int]:
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})


def _no_plan(batch: int, ipus: int, pins: Pins, fixed_micro_batch: int | None) -> UsageError:
    least_stages = pins.stages or 1
    if (pins.replicas or 1) * least_stages > ipus:
        replicas = pins.replicas or 1
        asked = f"{replicas} replica{'s' * (replicas > 1)} of {least_stages} IPU{'s' * (least_stages > 1)}"
        return UsageError(
            f"{asked}: more than the target's {ipus} IPU{'s' * (ipus > 1)}", hint="choose a larger target"
        )
    micro_batch = pins.micro_batch or fixed_micro_batch or 1
    if fixed_micro_batch is not None and pins.micro_batch not in (None, fixed_micro_batch):
        return UsageError(
            f"the model's own shapes fix the micro-batch at {fixed_micro_batch}",
            hint="leave --micro-batch out, or export the model with a dynamic batch dimension",
        )
    unit = micro_batch * (pins.replicas or 1)
    below, above = batch // unit * unit, -(-batch // unit) * unit
    nearest = above if below == 0 or above - batch < batch - below else below
    parts = f"{pins.replicas} replicas x " if pins.replicas else ""
    return UsageError(
        f"a batch of {batch} is not a multiple of {parts}micro-batch {micro_batch}",
        hint=f"the nearest valid batch is --batch-size {nearest}",
    )
