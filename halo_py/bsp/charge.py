"""What a lowered template charges: per-tile facts, and the figures of a `Template`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from halo_py.bsp.facts import ComputePhase, ExchangePhase, Flags, Phase, TemplateFacts
from halo_py.bsp.fold import spent_in
from halo_py.bsp.program import (
    CombineGroup,
    Compute,
    Decision,
    Exchange,
    Loop,
    Template,
    TemplateBody,
    TemplateStep,
    VertexGroup,
)
from halo_py.ir.work import ContractionWork

if TYPE_CHECKING:
    from halo_py.bsp.liveness import Lifetimes
    from halo_py.bsp.pricing import Pricing
    from halo_py.ir.space import Kernel
    from halo_py.tiling.exchange_cost import MovePrice
    from halo_py.tiling.mapping import Ints

Priced = tuple[Exchange | Compute, "tuple[MovePrice, ...]"]
"""A step with the price of each move if it is an exchange."""


@dataclass(frozen=True, slots=True, eq=False)
class Charged:
    """A body with what was noted while it was lowered.

    `roots` names the local value whose bytes a result is, `in_place` values that may be written over operands.
    """

    name: str
    body: TemplateBody
    priced: Sequence[Priced]
    lifetimes: Lifetimes
    roots: dict[int, int]
    in_place: dict[int, tuple[int, ...]]
    pricing: Pricing

    def facts(self) -> TemplateFacts:
        """Memory, code and phases, per tile."""
        tiles, form = self.pricing.tiles, self.body.form
        vertices = np.zeros(tiles, np.int64)
        exchange_code = np.zeros(tiles, np.float64)
        codelets: dict[str, Flags] = {}
        phases: list[Phase] = []
        for step, prices in self.priced:
            if isinstance(step, Exchange):
                phase = ExchangePhase.of(prices)
                exchange_code += self.pricing.exchange_code(phase.price)
                phases.append(phase)
                continue
            phases.append(ComputePhase.of(step, self.pricing.chip))
            for group in step.groups:
                name, numbers = _codelet(group)
                vertices[numbers] += 1
                codelets.setdefault(name, np.zeros(tiles, bool))[numbers] = True
        outside = {local for local in (*form.inputs, *form.outputs) if local is not None}
        has_loop = any(isinstance(step, Loop) for step in self.body.steps)
        return TemplateFacts(
            form,
            {local: home for local in outside if (home := self.body.homes[local]) is not None},
            {local: root for local, root in self.roots.items() if root != local},
            self._in_place(),
            None if has_loop else tuple(phases),
            self.lifetimes.peak(outside, tiles),
            vertices,
            np.ceil(exchange_code).astype(np.int64),
            codelets,
        )

    def _in_place(self) -> dict[int, tuple[int, ...]]:
        """Results that may be written over one of these operands of the op."""
        firsts = {local: self.lifetimes.root(root) for local, root in self.roots.items()}
        return {local: self.in_place[first] for local, first in firsts.items() if first in self.in_place}

    def template(
        self, facts: TemplateFacts, source: Callable[[], TemplateBody], taken: tuple[tuple[int, Decision], ...]
    ) -> Template:
        """The template with these facts. `source` makes the body again."""
        chip, body = self.pricing.chip, self.body
        spent = spent_in(body.steps, body.form, body.homes, chip)
        macs, moved, busy = _counted(body.steps, body.calls)
        return Template(
            self.name,
            source,
            taken,
            temporary_bytes=int(facts.temporary.max(initial=0)),
            code_bytes=round(chip.codelet_code_bytes * len(facts.codelets)),
            vertex_bytes=round(chip.vertex_state_bytes * int(facts.vertices.max(initial=0))),
            exchange_code_bytes=int(facts.exchange_code.max(initial=0)),
            compute_cycles=spent.compute,
            exchange_cycles=spent.exchange,
            sync_cycles=spent.sync,
            multiply_accumulates=macs,
            exchanged_bytes=moved,
            busy_tile_cycles=busy,
            matrix_types=_matrix_types(body.calls),
        )


def _codelet(group: VertexGroup | CombineGroup) -> tuple[str, Ints]:
    """Name of the code a group runs, and the tiles that run it."""
    if isinstance(group, VertexGroup):
        kernel = group.placement.kernel
        return f"{kernel.codelet.name}/{kernel.write_types[0].text}", group.placement.boxes[0]
    return f"combine:{group.function}/{group.partials_type.text}", group.result.tiles


def _counted(steps: Sequence[TemplateStep], calls: Sequence[Kernel]) -> tuple[int, int, float]:
    """Multiply-accumulates, bytes moved between tiles, and computing cycles summed over tiles, of these steps."""
    macs, moved, busy = 0, 0, 0.0
    for step in steps:
        if isinstance(step, Exchange):
            moved += sum(move.total_bytes for move in step.moves)
        elif isinstance(step, Compute):
            vertices = [group for group in step.groups if isinstance(group, VertexGroup)]
            macs += sum(calls[group.call].multiply_accumulates() for group in vertices)
            busy += step.busy_tile_cycles
        elif isinstance(step, Loop):
            inner_macs, inner_moved, inner_busy = _counted(step.body, calls)
            macs, moved = macs + step.count * inner_macs, moved + step.count * inner_moved
            busy += step.count * inner_busy
    return macs, moved, busy


def _matrix_types(calls: Sequence[Kernel]) -> tuple[str, str] | None:
    for kernel in calls:
        work = kernel.codelet.work(kernel.extents, kernel)
        if isinstance(work, ContractionWork):
            return work.input_type, work.partials_type
    return None
