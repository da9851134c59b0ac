"""Selection: the one plan for a kernel call, given where its operands really lie.

The search prices a kernel alone. Here its best plans, and placements that follow an operand or a wished mapping, are
priced with the exchange they need from the operands' homes; the cheapest wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_py.ir.space import Kernel
from halo_py.ir.work import PartialsWork
from halo_py.tiling.cost import class_cycles
from halo_py.tiling.exchange_cost import MovePrice, exchange_cycles, price_move
from halo_py.tiling.mapping import TileMapping
from halo_py.tiling.operand_cost import COPY_BYTES, Lying, spread_elements
from halo_py.tiling.plan import Cycles, KernelPlan, Placement, Split
from halo_py.tiling.search import nearby, plan_of, plans
from halo_py.tiling.vertex_cost import cycles as vertex_cycles

if TYPE_CHECKING:
    from halo_py.targets import Chip

TRUST = 0.25
"""An estimated exchange is hardly ever overestimated by more than this part of it."""

UNBALANCED = 4
"""A home derived from what tiles need may hold so many times the mean on one tile; else it is linear."""

_CACHE_SIZE = 32
_cache: dict[object, Choice] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The plan of one kernel call.

    `homes[i]` is where read operand i lies: where it lay, or the home chosen for it if it was free. `prices[i]` is the
    price of bringing it to `placement.reads[i]`. `plan` holds the cycles with these homes; `plan.exchange_cycles` is
    the phase in which all operands move together.
    """

    plan: KernelPlan
    placement: Placement
    homes: tuple[TileMapping, ...]
    prices: tuple[MovePrice, ...]

    @property
    def moves(self) -> bool:
        """Whether any operand has to move."""
        return any(not price.free for price in self.prices)


def choose(
    kernel: Kernel,
    operand_homes: Sequence[TileMapping | None],
    operand_movable: Sequence[bool],
    chip: Chip,
    tiles: int,
    bytes_limit: int | None = None,
    follow: TileMapping | None = None,
    pinned: Split | None = None,
) -> Choice:
    """The cheapest plan in nominal cycles, its exchange from the operands' homes and its syncs included.

    operand_homes: where each read operand lies, None if that is still free. operand_movable: operands (weights) whose
    home, though given, may be chosen anew. tiles: tiles that may be used, `chip.tiles` are numbered. follow: a mapping
    of the result (or of an operand) that is preferred when it costs no more. pinned: the only split allowed.
    """
    homes = tuple(None if movable else home for home, movable in zip(operand_homes, operand_movable, strict=True))
    key = (
        kernel,
        tuple(None if home is None else home.key() for home in homes),
        chip,
        tiles,
        bytes_limit,
        None if follow is None else follow.key(),
        pinned,
    )
    found = _cache.get(key)
    if found is None:
        if len(_cache) >= _CACHE_SIZE:
            _cache.pop(next(iter(_cache)))
        found = _cache[key] = _choose(_Call(kernel, homes, chip, tiles, bytes_limit), follow, pinned)
    return found


def clear_choices() -> None:
    """Forgets all choices (benchmarks)."""
    _cache.clear()


@dataclass(frozen=True, slots=True)
class _Call:
    kernel: Kernel
    homes: tuple[TileMapping | None, ...]
    chip: Chip
    tiles: int
    bytes_limit: int | None

    def fits(self, plan: KernelPlan) -> bool:
        return self.bytes_limit is None or plan.bytes_temporary <= self.bytes_limit


def _choose(call: _Call, follow: TileMapping | None, pinned: Split | None) -> Choice:
    kernel, chip = call.kernel, call.chip
    if pinned is not None:
        return _priced(call, plan_of(kernel, chip, pinned), Placement(kernel, pinned, chip.tiles))
    best: Choice | None = None
    for placement in _following(call, follow):
        best = _better(call, best, _priced(call, _following_plan(call, placement), placement))
    lying = tuple(
        None if home is None else Lying.of(home, access) for access, home in zip(kernel.reads, call.homes, strict=True)
    )
    searched = (kernel, chip, call.tiles, call.bytes_limit, lying)
    for plan in nearby(*searched):
        best = _tried(call, best, plan)
    if best is None or not call.fits(best.plan):
        for plan in plans(*searched):
            best = _tried(call, best, plan)
    assert best is not None, "every kernel has a plan"
    return best


def _tried(call: _Call, best: Choice | None, plan: KernelPlan) -> Choice:
    """The better of the best choice so far and this plan, which is not priced if it is far too slow as estimated."""
    hopeful = float((plan.total_cycles - TRUST * plan.exchange_cycles)[1])
    if best is not None and call.fits(best.plan) and hopeful >= best.plan.total_cycles[1]:
        return best
    return _better(call, best, _priced(call, plan, Placement(call.kernel, plan.split, call.chip.tiles)))


def _better(call: _Call, best: Choice | None, choice: Choice) -> Choice:
    """The one that fits and is faster; among those that do not fit, the smaller one."""
    if best is None:
        return choice
    rank_best, rank = (
        (0.0, float(option.plan.total_cycles[1]))
        if call.fits(option.plan)
        else (float(option.plan.bytes_temporary), float(option.plan.total_cycles[1]))
        for option in (best, choice)
    )
    return choice if rank < rank_best else best


def _following(call: _Call, follow: TileMapping | None) -> Iterator[Placement]:
    """Placements that keep a result where `follow` is, or an operand where it lies (largest first)."""
    kernel, seen = call.kernel, set[bytes]()
    wishes = [(access, follow) for access in (*kernel.writes, *kernel.reads) if follow is not None]
    lying = [(access, home) for access, home in zip(kernel.reads, call.homes, strict=True) if home is not None]
    lying.sort(key=lambda entry: -prod(entry[0].shape))
    for access, mapping in (*wishes, *lying):
        if prod(access.shape) != prod(mapping.shape):
            continue
        placement = Placement.following(kernel, access, mapping, call.chip.tiles)
        if placement is None or int(placement.boxes[0].max(initial=0)) >= call.chip.tiles:
            continue
        tile_numbers, low, high = placement.boxes
        identity = tile_numbers.tobytes() + low.tobytes() + high.tobytes()
        if identity not in seen:
            seen.add(identity)
            yield placement


def _following_plan(call: _Call, placement: Placement) -> KernelPlan:
    """The plan of a placement that is no regular split; exchange is priced later."""
    _counts, cycles = class_cycles(placement, call.chip)
    kept = sum(
        int(mapping.volume.max(initial=0)) * dtype.bits // 8
        for mapping, dtype in (
            *zip(placement.reads, call.kernel.read_types, strict=True),
            *zip(placement.writes, call.kernel.write_types, strict=True),
        )
    )
    step = call.chip.scenarios("step_cycles")
    return KernelPlan(placement.split, cycles.max(axis=0), np.zeros(3), np.zeros(3), kept, 0, step)


def _priced(call: _Call, plan: KernelPlan, placement: Placement) -> Choice:
    """The plan with the exchange from the real homes."""
    homes: list[TileMapping] = []
    prices: list[MovePrice] = []
    for need, home, dtype in zip(placement.reads, call.homes, call.kernel.read_types, strict=True):
        homes.append(free_home(need, dtype.bits, call.tiles) if home is None else home)
        prices.append(
            price_move(homes[-1], need, dtype.bits, call.chip.tiles, tiles_per_bus=call.chip.tiles_per_exchange_bus)
        )
    exchange = exchange_cycles(prices, call.chip)
    received = int(np.sum([price.received_by_tile for price in prices], axis=0).max(initial=0)) if prices else 0
    serial = prod(plan.split.steps) > 1
    priced = replace(
        plan,
        exchange_cycles=exchange,
        combine_cycles=combine_cost(placement, call.chip),
        bytes_temporary=plan.bytes_temporary if serial else received + partials_bytes(placement),
        sync_cycles=_syncs(placement, call.chip, any(not price.free for price in prices)),
    )
    return Choice(priced, placement, tuple(homes), tuple(prices))


def combine_cost(placement: Placement, chip: Chip) -> Cycles:
    """float64[3]: cycles of exchanging and adding up the partial sums of a placement, 0 if there are none."""
    kernel, depth = placement.kernel, placement.depth
    if depth == 1 or kernel.combine is None:
        return np.zeros(3)
    partials = kernel.partials_type
    moves = [
        price_move(write, result, partials.bits, chip.tiles, depth, chip.tiles_per_exchange_bus)
        for write, result in zip(placement.writes, placement.results, strict=True)
    ]
    adding = np.zeros(3)
    for result, dtype in zip(placement.results, kernel.write_types, strict=True):
        work = PartialsWork(np.unique(result.volume), depth, partials.text, dtype.text, kernel.combine)
        adding += vertex_cycles(work, chip).max(axis=0)
    return exchange_cycles(moves, chip) + adding


def partials_bytes(placement: Placement) -> int:
    """Bytes of partial sums on the fullest tile: its own and those it receives to add up."""
    kernel = placement.kernel
    if kernel.combine is None:
        return 0
    total = 0
    bits = kernel.partials_type.bits
    for write, result, dtype in zip(placement.writes, placement.results, kernel.write_types, strict=True):
        if placement.depth > 1:
            elements = int(write.volume.max(initial=0)) + (placement.depth - 1) * int(result.volume.max(initial=0))
        else:
            elements = int(write.volume.max(initial=0)) if bits > dtype.bits else 0
        total += -(-elements * bits // 8)
    return total


def _syncs(placement: Placement, chip: Chip, exchange: bool) -> Cycles:
    """Syncs and control program: compute, operands' exchange if there is one, combining partials if they are."""
    steps = prod(placement.split.steps)
    combines = placement.depth > 1
    sync, step = chip.scenarios("sync_internal_cycles"), chip.scenarios("step_cycles")
    return sync * (steps * exchange + combines) + step * (steps + combines)


def free_home(need: TileMapping, bits: int, tiles: int) -> TileMapping:
    """Where a value that may lie anywhere should lie for this need: every element once, with the tiles that need it.

    A small value lies on every tile that needs it. Elements that no tile needs go to a neighbour of those that are
    needed. Where the need has no such shape the value is mapped linearly over `tiles`.
    """
    copied = int(need.volume.max(initial=0)) * bits <= COPY_BYTES * 8
    if need.is_partition or (copied and _covers(need)):
        return need
    disjoint = need.disjoint()
    elements = prod(need.shape)
    if disjoint is not None:
        home = disjoint.spread(spread_elements(bits))
        mean = elements / max(1, len(home.tiles))
        if home.is_partition and int(home.volume.max()) <= UNBALANCED * mean:
            return home
    return TileMapping.linear(elements, bits, tiles, max(1, 64 // bits))


def _covers(need: TileMapping) -> bool:
    """Whether every element lies on some tile."""
    grid = need.grid
    if not grid.full or not len(need.tiles):
        return False
    reach = (np.append(low, extent) for low, extent in zip(grid.low, need.shape, strict=True))
    ends = (np.maximum.accumulate(np.append(0, high)) for high in grid.high)
    return all(bool((start <= end).all()) for start, end in zip(reach, ends, strict=True))
