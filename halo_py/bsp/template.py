"""One op lowered: a tile form and the homes of its operands become exchanges and computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from halo_py.bsp.charge import Charged
from halo_py.bsp.emission import Emission, Operand
from halo_py.bsp.facts import TemplateFacts
from halo_py.bsp.fold import tile_bytes
from halo_py.bsp.in_place import overwritable, read_once
from halo_py.bsp.loop_access import is_indexed, serial_steps_of, swept, without_partial_slices, written_in
from halo_py.bsp.program import (
    CombineGroup,
    Compute,
    Decision,
    Exchange,
    Loop,
    Move,
    Rename,
    Template,
    TemplateBody,
    TemplateStep,
    VertexGroup,
)
from halo_py.ir.space import Kernel, KernelCall, Repeat, TileForm, View
from halo_py.ir.work import PartialsWork
from halo_py.tiling.mapping import TileMapping

if TYPE_CHECKING:
    from halo_py.bsp.pricing import Pricing
    from halo_py.tiling.exchange_cost import MovePrice
    from halo_py.tiling.plan import Placement, Split

BodyStep = Exchange | Compute | Rename

CARRY_ATTEMPTS = 3
"""How often a loop body is lowered again to make a carried value arrive where it started."""


@dataclass(slots=True)
class _LoopScope:
    """The loop being lowered: what may be fetched once before it, and those fetches."""

    count: int
    written: frozenset[int]
    fetches: list[tuple[Move, MovePrice]] = field(default_factory=list["tuple[Move, MovePrice]"])


class TemplateBuilder:
    """Lowers one tile form. `operands[i]` describes op operand i (None if it is omitted or has no local value).

    `pinned` are the splits of its kernels as the user wants them, `replay` the decisions of an earlier lowering.
    """

    def __init__(
        self,
        name: str,
        form: TileForm,
        operands: Sequence[Operand | None],
        pricing: Pricing,
        *,
        pinned: Sequence[Split] = (),
        replay: Sequence[Decision] = (),
    ) -> None:
        self.name = name
        self.form = form
        self.operands = operands
        self.pricing = pricing
        self.pinned = pinned
        self.replay = replay
        self.taken: list[tuple[int, Decision]] = []
        """Every decision with its kernel, loop bodies that were given up included; they replay in this order."""
        self.last_reads = read_once(form)
        self.emitted = Emission(form, pricing)
        self.emitted.bind(operands)

    def build(self) -> tuple[Template, TemplateFacts]:
        """The template and its per-tile facts.

        Homes of the operands that had none are in the facts; an operand that nothing read stays without one (unless it
        is a result too). The body is not kept (unless this is a replay): it is made again when somebody runs it.
        """
        body = self.body()
        roots = {local: self.emitted.root(local) for local in self.form.outputs}
        noted = self.emitted
        charged = Charged(self.name, body, noted.priced, noted.lifetimes, roots, noted.in_place, self.pricing)
        facts = charged.facts()
        taken = tuple(self.taken)
        replay = tuple(decision for _number, decision in taken)
        name, form, operands, pricing = self.name, self.form, self.operands, self.pricing

        def again() -> TemplateBody:
            return TemplateBuilder(name, form, operands, pricing, replay=replay).body()

        if self.replay:  # somebody is about to run it
            return charged.template(facts, lambda: body, taken), facts

        return charged.template(facts, again, taken), facts

    def body(self) -> TemplateBody:
        """Lowers the form, step by step."""
        steps: list[TemplateStep] = []
        for step in self.form.steps:
            if isinstance(step, Repeat):
                steps.extend(self._repeat(step))
            else:
                steps.extend(self._step(step, None))
        for local in self.form.outputs:
            if self.emitted.home(local) is None:
                self.emitted.place(local, self.pricing.linear(self.form.values[local]))
        homes = tuple(
            self.emitted.input_homes.get(local, self.emitted.homes.get(local)) for local in range(len(self.form.values))
        )
        return TemplateBody(self.form, tuple(self.emitted.calls), homes, tuple(steps))

    # steps ------------------------------------------------------------------------------------------------------

    def _step(self, step: KernelCall | View, loop: _LoopScope | None) -> list[BodyStep]:
        if isinstance(step, View):
            return [self.emitted.view(step)]
        return self._kernel(step, loop)

    def _kernel(self, call: KernelCall, loop: _LoopScope | None) -> list[BodyStep]:
        kernel = without_partial_slices(call.kernel)
        number = len(self.emitted.calls)
        self.emitted.calls.append(kernel)
        placement, decision = self._placement(kernel, number, call, loop)
        self.taken.append((number, decision))
        steps: list[BodyStep] = []
        moves = self._fetches(kernel, number, call, placement, loop)
        if moves:
            steps.append(self.emitted.exchange(moves))
        steps.append(self._vertices(kernel, number, call, placement))
        if placement.depth > 1:
            steps.extend(self._combine(kernel, number, call, placement))
        else:
            self._overwrite(call, placement, kernel)
            self._written(call, placement.writes, kernel, loop)
        return steps

    def _overwrite(self, call: KernelCall, placement: Placement, kernel: Kernel) -> None:
        """The result takes the place of an operand that lies where the vertices read it and is not read again."""
        found: list[int] = []
        for operand in overwritable(kernel):
            local, need = call.inputs[operand], placement.reads[operand]
            home = self.emitted.homes[local].viewed(need.shape)
            if self.emitted.root(local) in self.last_reads and home is not None and home.same_as(need):
                found.append(local)
        if found:
            self.emitted.overwrite(found, call.outputs[0])

    def _placement(
        self, kernel: Kernel, number: int, call: KernelCall, loop: _LoopScope | None
    ) -> tuple[Placement, Decision]:
        homes = tuple(self.emitted.home(local) for local in call.inputs)
        follow = None if call.follows is None else self.emitted.home(call.follows)
        if self.replay:
            decision = self.replay[len(self.taken)]
            return self.pricing.decided(kernel, decision, homes, follow), decision
        if number < len(self.pinned):
            decision = Decision(self.pinned[number])
            return self.pricing.decided(kernel, decision, homes, follow), decision
        # what a loop fetches once, before it starts, should not steer how an iteration is cut
        movable = tuple(
            home is None or (loop is not None and local not in loop.written)
            for local, home in zip(call.inputs, homes, strict=True)
        )
        return self.pricing.choose(kernel, homes, movable, follow)

    def _fetches(
        self, kernel: Kernel, number: int, call: KernelCall, placement: Placement, loop: _LoopScope | None
    ) -> list[tuple[Move, MovePrice]]:
        """Moves that bring a kernel's operands; those a loop needs only once are left with the loop instead."""
        moves: list[tuple[Move, MovePrice]] = []
        serial = self.emitted.serial_steps
        for operand, (local, need) in enumerate(zip(call.inputs, placement.reads, strict=True)):
            access = kernel.reads[operand]
            indexed = is_indexed(kernel, access)
            all_through = swept(need, kernel, access, loop.count) if loop and indexed else need
            home = self.emitted.home(local)
            if home is None:
                home = self.emitted.place(
                    local, self.pricing.free_home(all_through, self.form.values[local].dtype.bits)
                )
            self.emitted.lifetimes.read(local)
            once = loop is not None and local not in loop.written
            wanted = all_through if once else need
            found = self.emitted.move(local, home, wanted, (number, operand), indexed=indexed and not once)
            if found is None:
                continue
            serial[found[0]] = serial_steps_of(placement.split, access)
            if loop is not None and once:
                loop.fetches.append(found)
            else:
                moves.append(found)
        return moves

    def _vertices(self, kernel: Kernel, number: int, call: KernelCall, placement: Placement) -> Compute:
        self.emitted.lifetimes.tick()
        sizes, counts = placement.classes
        cycles = self.pricing.class_cycles(kernel, sizes, placement.split.steps)
        group = VertexGroup(
            number,
            placement,
            tuple(counts.tolist()),
            cycles,
            call.inputs,
            call.outputs,
            partial=placement.depth > 1,
        )
        return self.emitted.compute(group)

    def _combine(self, kernel: Kernel, number: int, call: KernelCall, placement: Placement) -> list[BodyStep]:
        """Partial sums travel to the tiles that held them, each adding up its own part of the result."""
        assert kernel.combine is not None
        moves: list[tuple[Move, MovePrice]] = []
        results: list[TileMapping] = []
        lifetimes = self.emitted.lifetimes
        bits = kernel.partials_type.bits
        written = zip(call.outputs, placement.writes, placement.results, strict=True)
        for index, (local, home, result) in enumerate(written):
            price = self.pricing.price(home, result, bits, placement.depth)
            slot = (number, len(kernel.reads) + index)
            moves.append((self.emitted.priced_move(local, home, result, slot, price, depth=placement.depth), price))
            results.append(result)
            lifetimes.temporary(tile_bytes(home, bits, self.pricing.tiles), phases=1)
        steps: list[BodyStep] = [self.emitted.exchange(moves)]
        for result in results:
            received = tile_bytes(result, bits, self.pricing.tiles) * placement.depth
            lifetimes.temporary(received, phases=1)
        lifetimes.tick()
        for local, result in zip(call.outputs, results, strict=True):
            steps.append(self.emitted.compute(self._combine_group(kernel, number, local, result, placement.depth)))
            self.emitted.settle(local, result)
        return steps

    def _combine_group(self, kernel: Kernel, number: int, local: int, result: TileMapping, depth: int) -> CombineGroup:
        assert kernel.combine is not None
        volumes, counts = np.unique(result.volume, return_counts=True)
        work = PartialsWork(
            volumes, depth, kernel.partials_type.text, self.form.values[local].dtype.text, kernel.combine
        )
        return CombineGroup(
            number,
            local,
            result,
            depth,
            kernel.combine,
            kernel.partials_type,
            tuple(counts.tolist()),
            self.pricing.work_cycles(work, len(volumes)),
        )

    def _written(
        self, call: KernelCall, writes: Sequence[TileMapping], kernel: Kernel, loop: _LoopScope | None
    ) -> None:
        for local, home, access in zip(call.outputs, writes, kernel.writes, strict=True):
            indexed = loop is not None and is_indexed(kernel, access)
            self.emitted.settle(local, swept(home, kernel, access, loop.count) if loop and indexed else home)

    # loops ------------------------------------------------------------------------------------------------------

    def _repeat(self, step: Repeat) -> list[TemplateStep]:
        """A loop whose carried values lie, when an iteration starts, where the one before left them."""
        written = frozenset(written_in(step))
        before = self.emitted.copy()
        starts: dict[int, TileMapping] = {}
        lowered: list[TemplateStep] = []
        for attempt in range(CARRY_ATTEMPTS):
            self.emitted = before.copy()
            last = attempt == CARRY_ATTEMPTS - 1
            lowered = self._loop(step, written, starts, close=last)
            ends = {current: self.emitted.home(following) for following, current in step.carried}
            settled = all(_lies_same(self._started(before, current, starts), home) for current, home in ends.items())
            if settled or last:
                break
            starts = {current: home for current, home in ends.items() if home is not None}
        return lowered

    def _started(self, before: Emission, current: int, starts: dict[int, TileMapping]) -> TileMapping | None:
        return starts.get(current) or before.homes.get(current) or self.emitted.input_homes.get(current)

    def _loop(
        self, step: Repeat, written: frozenset[int], starts: dict[int, TileMapping], *, close: bool
    ) -> list[TemplateStep]:
        steps: list[TemplateStep] = []
        lifetimes = self.emitted.lifetimes
        entering: list[tuple[Move, MovePrice]] = []
        for index, (_following, current) in enumerate(step.carried):
            start = starts.get(current)
            if start is None:
                continue
            home = self.emitted.home(current)
            if home is None:
                self.emitted.place(current, start)
            elif found := self.emitted.move(current, home, start, (-1, index)):
                entering.append(found)
            self.emitted.homes[current] = start
        lifetimes.enter_loop()
        scope = _LoopScope(step.count, written)
        body: list[BodyStep] = []
        for inner in step.body:
            body.extend(self._step(inner, scope))
        if close:
            body.extend(self._closing_moves(step, starts))
        for following, current in step.carried:
            lifetimes.read(following)
            lifetimes.read(current)
        once = [*entering, *scope.fetches]
        if once:
            steps.append(self.emitted.exchange(once, until_end_of_loop=True))
        lifetimes.leave_loop()
        return [*steps, Loop(step.count, tuple(body), step.carried)]

    def _closing_moves(self, step: Repeat, starts: dict[int, TileMapping]) -> list[BodyStep]:
        """Brings carried values that did not end up where they started back there."""
        moves: list[tuple[Move, MovePrice]] = []
        for index, (following, current) in enumerate(step.carried):
            home, start = self.emitted.home(following), starts.get(current) or self.emitted.home(current)
            if home is None or start is None:
                continue
            if found := self.emitted.move(following, home, start, (-1, index)):
                moves.append(found)
                self.emitted.homes[following] = start
        return [self.emitted.exchange(moves)] if moves else []


def _lies_same(left: TileMapping | None, right: TileMapping | None) -> bool:
    if left is None or right is None:
        return left is right
    return left.same_as(right)
