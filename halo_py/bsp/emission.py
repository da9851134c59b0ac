"""What an op has been lowered to so far: its kernels, where its values lie, and the steps with their prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from halo_py.bsp.charge import Priced
from halo_py.bsp.fold import tile_bytes
from halo_py.bsp.liveness import Lifetimes
from halo_py.bsp.program import CombineGroup, Compute, Exchange, Move, Rename, VertexGroup
from halo_py.ir.space import Kernel, TileForm, View
from halo_py.targets import NOMINAL
from halo_py.tiling.mapping import TileMapping

if TYPE_CHECKING:
    from halo_py.bsp.pricing import Pricing
    from halo_py.tiling.exchange_cost import MovePrice


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """An op's operand as its template sees it.

    home: where it lies; None if it may be put where its first reader wants it. same_as: number of the first operand
    that is the same value.
    """

    home: TileMapping | None
    same_as: int


@dataclass(slots=True)
class Emission:
    """Local values of one tile form by number. `copy` keeps what a loop body adds, to be able to start over."""

    form: TileForm
    pricing: Pricing
    calls: list[Kernel] = field(default_factory=list[Kernel])
    homes: dict[int, TileMapping] = field(default_factory=dict[int, TileMapping])
    priced: list[Priced] = field(default_factory=list[Priced])
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    input_homes: dict[int, TileMapping] = field(default_factory=dict[int, TileMapping])
    serial_steps: dict[Move, int] = field(default_factory=dict[Move, int])
    """In how many serial pieces a move's bytes arrive, so that a tile has room for one piece at a time."""
    in_place: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    """Values that may be written over operands of the op that nobody else needs, with those operands."""
    _view_source: dict[int, int] = field(default_factory=dict[int, int])
    _twins: dict[int, list[int]] = field(default_factory=dict[int, list[int]])

    def copy(self) -> Emission:
        """The same state, apart from what stays true when a loop body is given up."""
        return replace(
            self,
            calls=list(self.calls),
            homes=dict(self.homes),
            priced=list(self.priced),
            lifetimes=self.lifetimes.copy(),
            in_place=dict(self.in_place),
        )

    def bind(self, operands: Sequence[Operand | None]) -> None:
        """Operands that have homes lie there; those that are the same value share theirs."""
        first: dict[int, int] = {}
        for local, operand in zip(self.form.inputs, operands, strict=True):
            if local is None or operand is None:
                continue
            leader = first.setdefault(operand.same_as, local)
            self._twins.setdefault(leader, []).append(local)
            self._twins[local] = self._twins[leader]
            if operand.home is not None:
                self.homes[local] = operand.home
                self.input_homes[local] = operand.home

    def home(self, local: int) -> TileMapping | None:
        """Where a value lies, if that is decided."""
        return self.homes.get(local)

    def place(self, local: int, home: TileMapping) -> TileMapping:
        """Puts an operand that has no home (or the value it is a view of) at `home`; answers its own home."""
        root, chain = local, [local]
        while root in self._view_source:
            root = self._view_source[root]
            chain.append(root)
        for number in (*self._twins.get(root, [root]), *chain):
            shape = self.form.values[number].static_shape
            self.homes[number] = home.viewed(shape) or home
        for number in self._twins.get(root, [root]):
            self.input_homes[number] = self.homes[number]
        return self.homes[local]

    def view(self, step: View) -> Rename:
        """A value becomes known under another shape."""
        self._view_source[step.result] = step.source
        home = self.home(step.source)
        if home is not None:
            shape = self.form.values[step.result].static_shape
            self.homes[step.result] = home.viewed(shape) or home
        self.lifetimes.alias(step.result, step.source)
        return Rename(step.source, step.result)

    def move(
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
        return self.priced_move(local, lying, need, slot, price, indexed=indexed), price

    def priced_move(
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
        """A move with what it costs; `depth` partial results of it arrive."""
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

    def exchange(self, moves: list[tuple[Move, MovePrice]], *, until_end_of_loop: bool = False) -> Exchange:
        """One exchange phase of these moves, with room for what arrives."""
        prices = tuple(price for _move, price in moves)
        made = Exchange(tuple(move for move, _price in moves), self.pricing.exchange_cycles(prices))
        lifetimes = self.lifetimes
        lifetimes.tick()
        for move, _price in moves:
            if move.depth == 1:
                bits = self.form.values[move.value].dtype.bits
                copy = tile_bytes(move.need, bits, self.pricing.tiles) // self.serial_steps.get(move, 1)
                lifetimes.temporary(copy, phases=1, until_end_of_loop=until_end_of_loop)
        self.priced.append((made, prices))
        return made

    def compute(self, group: VertexGroup | CombineGroup) -> Compute:
        """One compute phase of a group of vertices."""
        cycles = group.class_cycles.max(axis=0, initial=0.0)
        busy = float(np.dot(group.class_counts, group.class_cycles[:, NOMINAL]))
        made = Compute((group,), cycles, busy)
        self.priced.append((made, ()))
        return made

    def settle(self, local: int, home: TileMapping) -> None:
        """A kernel has written `local`, in the kernel's view of it: its home, in its own view where that is exact."""
        shape = self.form.values[local].static_shape
        exact = home.viewed(shape) or home
        self.homes[local] = exact
        bits = self.form.values[local].dtype.bits
        self.lifetimes.write(local, tile_bytes(exact, bits, self.pricing.tiles))

    def overwrite(self, operands: Sequence[int], result: int) -> None:
        """`result`, about to be settled, is written over one of `operands`, which are read for the last time."""
        roots = tuple(map(self.root, operands))
        own = next((root for root in roots if root not in self.form.inputs), None)
        if own is None:
            self.in_place[result] = roots
        else:
            self.lifetimes.alias(result, own)

    def root(self, local: int) -> int:
        """The value that this one is a view of; itself if of none."""
        while local in self._view_source:
            local = self._view_source[local]
        return local
