"""One op lowered: a tile form and the homes of its operands become exchanges and computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from halo_py.bsp.charge import Charged, Priced
from halo_py.bsp.facts import TemplateFacts
from halo_py.bsp.fold import tile_bytes
from halo_py.bsp.liveness import Lifetimes
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
from halo_py.targets import NOMINAL
from halo_py.tiling.mapping import TileMapping

if TYPE_CHECKING:
    from halo_py.bsp.pricing import Pricing
    from halo_py.tiling.exchange_cost import MovePrice
    from halo_py.tiling.plan import Placement, Split

BodyStep = Exchange | Compute | Rename

CARRY_ATTEMPTS = 3
"""How often a loop body is lowered again to make a carried value arrive where it started."""


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """An op's operand as its template sees it.

    home: where it lies; None if it may be put where its first reader wants it. same_as: number of the first operand
    that is the same value.
    """

    home: TileMapping | None
    same_as: int


@dataclass(slots=True)
class _Emitted:
    """What has been lowered so far; copied before a loop body is tried, to be able to start over."""

    calls: list[Kernel] = field(default_factory=list[Kernel])
    homes: dict[int, TileMapping] = field(default_factory=dict[int, TileMapping])
    priced: list[Priced] = field(default_factory=list[Priced])
    lifetimes: Lifetimes = field(default_factory=Lifetimes)

    def copy(self) -> _Emitted:
        return _Emitted(list(self.calls), dict(self.homes), list(self.priced), self.lifetimes.copy())


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
        self.emitted = _Emitted()
        self.view_source: dict[int, int] = {}
        self.input_homes: dict[int, TileMapping] = {}
        self.twins: dict[int, list[int]] = {}
        self.serial_steps: dict[Move, int] = {}
        """In how many serial pieces a move's bytes arrive, so that a tile has room for one piece at a time."""
        self._bind_operands()

    def _bind_operands(self) -> None:
        first: dict[int, int] = {}
        for local, operand in zip(self.form.inputs, self.operands, strict=True):
            if local is None or operand is None:
                continue
            leader = first.setdefault(operand.same_as, local)
            self.twins.setdefault(leader, []).append(local)
            self.twins[local] = self.twins[leader]
            if operand.home is not None:
                self.emitted.homes[local] = operand.home
                self.input_homes[local] = operand.home

    def build(self) -> tuple[Template, TemplateFacts]:
        """The template and its per-tile facts.

        Homes of the operands that had none are in the facts; an operand that nothing read stays without one (unless it
        is a result too). The body is not kept (unless this is a replay): it is made again when somebody runs it.
        """
        body = self.body()
        roots = {local: self._root(local) for local in self.form.outputs}
        charged = Charged(self.name, body, self.emitted.priced, self.emitted.lifetimes, roots, self.pricing)
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
            if self._home(local) is None:
                self._place(local, self.pricing.linear(self.form.values[local]))
        homes = tuple(
            self.input_homes.get(local, self.emitted.homes.get(local)) for local in range(len(self.form.values))
        )
        return TemplateBody(self.form, tuple(self.emitted.calls), homes, tuple(steps))

    # homes ------------------------------------------------------------------------------------------------------

    def _home(self, local: int) -> TileMapping | None:
        return self.emitted.homes.get(local)

    def _place(self, local: int, home: TileMapping) -> TileMapping:
        """Puts an operand that has no home (or the value it is a view of) at `home`; answers its own home."""
        root, chain = local, [local]
        while root in self.view_source:
            root = self.view_source[root]
            chain.append(root)
        for number in (*self.twins.get(root, [root]), *chain):
            shape = self.form.values[number].static_shape
            self.emitted.homes[number] = home.viewed(shape) or home
        for number in self.twins.get(root, [root]):
            self.input_homes[number] = self.emitted.homes[number]
        return self.emitted.homes[local]

    # steps ------------------------------------------------------------------------------------------------------

    def _step(self, step: KernelCall | View, loop: _LoopScope | None) -> list[BodyStep]:
        if isinstance(step, View):
            return self._view(step)
        return self._kernel(step, loop)

    def _view(self, step: View) -> list[BodyStep]:
        self.view_source[step.result] = step.source
        home = self._home(step.source)
        if home is not None:
            shape = self.form.values[step.result].static_shape
            self.emitted.homes[step.result] = home.viewed(shape) or home
        self.emitted.lifetimes.alias(step.result, step.source)
        return [Rename(step.source, step.result)]

    def _kernel(self, call: KernelCall, loop: _LoopScope | None) -> list[BodyStep]:
        kernel = without_partial_slices(call.kernel)
        number = len(self.emitted.calls)
        self.emitted.calls.append(kernel)
        placement, decision = self._placement(kernel, number, call, loop)
        self.taken.append((number, decision))
        steps: list[BodyStep] = []
        moves = self._fetches(kernel, number, call, placement, loop)
        if moves:
            steps.append(self._exchange(moves))
        steps.append(self._vertices(kernel, number, call, placement))
        if placement.depth > 1:
            steps.extend(self._combine(kernel, number, call, placement))
        else:
            self._written(call, placement.writes, kernel, loop)
        return steps

    def _placement(
        self, kernel: Kernel, number: int, call: KernelCall, loop: _LoopScope | None
    ) -> tuple[Placement, Decision]:
        homes = tuple(self._home(local) for local in call.inputs)
        follow = None if call.follows is None else self._home(call.follows)
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
        serial = self.serial_steps
        for operand, (local, need) in enumerate(zip(call.inputs, placement.reads, strict=True)):
            access = kernel.reads[operand]
            indexed = is_indexed(kernel, access)
            all_through = swept(need, kernel, access, loop.count) if loop and indexed else need
            home = self._home(local)
            if home is None:
                home = self._place(local, self.pricing.free_home(all_through, self.form.values[local].dtype.bits))
            self.emitted.lifetimes.read(local)
            once = loop is not None and local not in loop.written
            wanted = all_through if once else need
            found = self._move(local, home, wanted, (number, operand), indexed=indexed and not once)
            if found is None:
                continue
            serial[found[0]] = serial_steps_of(placement.split, access)
            if loop is not None and once:
                loop.fetches.append(found)
            else:
                moves.append(found)
        return moves

    def _move(
        self, local: int, home: TileMapping, need: TileMapping, slot: tuple[int, int], *, indexed: bool = False
    ) -> tuple[Move, MovePrice] | None:
        """The move that brings `need` from `home`; None if every tile holds what it needs in the view it needs."""
        view = home.viewed(need.shape)
        if view is not None and view.same_as(need):
            return None
        lying = home if view is None else view
        price = self.pricing.price(lying, need, self.form.values[local].dtype.bits, 1)
        if view is not None and price.total_bytes == 0 and not indexed:
            return None
        return self._priced_move(local, lying, need, slot, price, indexed=indexed), price

    def _priced_move(
        self,
        local: int,
        home: TileMapping,
        need: TileMapping,
        slot: tuple[int, int],
        price: MovePrice,
        *,
        depth: int = 1,
        indexed: bool = False,
    ) -> Move:
        return Move(
            local,
            home,
            need,
            slot,
            received_bytes=price.received_bytes,
            sent_bytes=price.sent_bytes,
            fragments=price.fragments,
            total_bytes=price.total_bytes,
            paired=price.paired,
            depth=depth,
            indexed=indexed,
        )

    def _exchange(self, moves: list[tuple[Move, MovePrice]], *, until_end_of_loop: bool = False) -> Exchange:
        prices = tuple(price for _move, price in moves)
        made = Exchange(tuple(move for move, _price in moves), self.pricing.exchange_cycles(prices))
        lifetimes = self.emitted.lifetimes
        lifetimes.tick()
        for move, _price in moves:
            if move.depth == 1:
                bits = self.form.values[move.value].dtype.bits
                copy = tile_bytes(move.need, bits, self.pricing.tiles) // self.serial_steps.get(move, 1)
                lifetimes.temporary(copy, phases=1, until_end_of_loop=until_end_of_loop)
        self.emitted.priced.append((made, prices))
        return made

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
        return self._compute(group)

    def _compute(self, group: VertexGroup | CombineGroup) -> Compute:
        cycles = group.class_cycles.max(axis=0, initial=0.0)
        busy = float(np.dot(group.class_counts, group.class_cycles[:, NOMINAL]))
        made = Compute((group,), cycles, busy)
        self.emitted.priced.append((made, ()))
        return made

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
            moves.append((self._priced_move(local, home, result, slot, price, depth=placement.depth), price))
            results.append(result)
            lifetimes.temporary(tile_bytes(home, bits, self.pricing.tiles), phases=1)
        steps: list[BodyStep] = [self._exchange(moves)]
        for result in results:
            received = tile_bytes(result, bits, self.pricing.tiles) * placement.depth
            lifetimes.temporary(received, phases=1)
        lifetimes.tick()
        for local, result in zip(call.outputs, results, strict=True):
            steps.append(self._compute(self._combine_group(kernel, number, local, result, placement.depth)))
            self._settle(local, result)
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
            self._settle(local, swept(home, kernel, access, loop.count) if loop and indexed else home)

    def _settle(self, local: int, home: TileMapping) -> None:
        """A kernel has written `local`, in the kernel's view of it: its home, in its own view where that is exact."""
        shape = self.form.values[local].static_shape
        exact = home.viewed(shape) or home
        self.emitted.homes[local] = exact
        bits = self.form.values[local].dtype.bits
        self.emitted.lifetimes.write(local, tile_bytes(exact, bits, self.pricing.tiles))

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
            ends = {current: self._home(following) for following, current in step.carried}
            settled = all(_lies_same(self._started(before, current, starts), home) for current, home in ends.items())
            if settled or last:
                break
            starts = {current: home for current, home in ends.items() if home is not None}
        return lowered

    def _started(self, before: _Emitted, current: int, starts: dict[int, TileMapping]) -> TileMapping | None:
        return starts.get(current) or before.homes.get(current) or self.input_homes.get(current)

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
            home = self._home(current)
            if home is None:
                self._place(current, start)
            elif found := self._move(current, home, start, (-1, index)):
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
            steps.append(self._exchange(once, until_end_of_loop=True))
        lifetimes.leave_loop()
        return [*steps, Loop(step.count, tuple(body), step.carried)]

    def _closing_moves(self, step: Repeat, starts: dict[int, TileMapping]) -> list[BodyStep]:
        """Brings carried values that did not end up where they started back there."""
        moves: list[tuple[Move, MovePrice]] = []
        for index, (following, current) in enumerate(step.carried):
            home, start = self._home(following), starts.get(current) or self._home(current)
            if home is None or start is None:
                continue
            if found := self._move(following, home, start, (-1, index)):
                moves.append(found)
                self.emitted.homes[following] = start
        return [self._exchange(moves)] if moves else []

    # results ----------------------------------------------------------------------------------------------------

    def _root(self, local: int) -> int:
        while local in self.view_source:
            local = self.view_source[local]
        return local


def _lies_same(left: TileMapping | None, right: TileMapping | None) -> bool:
    if left is None or right is None:
        return left is right
    return left.same_as(right)
