"""The search against exhaustive search, and what must hold for every candidate."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halo_py.ir.space import Axis, Kernel
from halo_py.targets import Chip, load_target
from halo_py.tiling.candidates import candidates, thinned
from halo_py.tiling.cost import class_cycles, pieces, price, vertex_costs
from halo_py.tiling.exchange_cost import exchange_cycles, price_move
from halo_py.tiling.mapping import cut
from halo_py.tiling.parts import EVEN_ENOUGH, distinct_ways, part_ways, piece_sizes
from halo_py.tiling.plan import Placement, Split
from halo_py.tiling.search import plans
from halo_py.tiling.select import choose, combine_cost, free_home
from halo_py.types import DType
from tests.tiling.kernels import bias_add, conv, elementwise, gather, matmul, pool, reduction, softmax_row

TINY = load_target("ipu-tiny").chip
MK2 = load_target("ipu-1").chip

SHAPES: dict[str, Kernel] = {
    "matmul": matmul(1, 64, 64, 64),
    "matmul large": matmul(1, 512, 768, 256),
    "matmul float32": matmul(1, 128, 96, 160, DType.FLOAT32),
    "matmul deep": matmul(1, 8, 4096, 16),
    "matmul wide": matmul(1, 4, 256, 1000),
    "matmul row": matmul(1, 1, 2048, 1000),
    "matmul column": matmul(1, 1000, 64, 1),
    "matmul batch": matmul(12, 32, 64, 32),
    "matmul odd": matmul(7, 33, 57, 19),
    "matmul primes": matmul(1, 97, 101, 103),
    "conv 7x7": conv(1, 3, 64, 56, 7, 2, 3),
    "conv 3x3": conv(1, 64, 64, 28, 3, 1, 1),
    "conv 1x1": conv(2, 64, 128, 14, 1),
    "conv 1x1 stride": conv(1, 64, 128, 14, 1, 2),
    "conv small field": conv(4, 128, 128, 7, 3, 1, 1),
    "conv odd": conv(3, 5, 13, 17, 3, 2, 1),
    "map": elementwise(64, 1024),
    "map tensor": elementwise(2, 16, 28, 28),
    "map odd": elementwise(13, 37),
    "map float32": elementwise(10_000, dtype=DType.FLOAT32),
    "map tiny": elementwise(5),
    "bias": bias_add(256, 512),
    "reduce rows": reduction(64, 1024),
    "reduce all": reduction(1, 50_000),
    "reduce many": reduction(5000, 3),
    "softmax row": softmax_row(48, 384),
    "pool": pool(1, 64, 28, 3, 2),
    "pool global": pool(4, 128, 7, 7, 1),
    "gather": gather(1000, 64, 128),
    "gather large": gather(30_000, 128, 32),
}


def every_split(kernel: Kernel, tiles: int) -> Iterator[tuple[int, ...]]:
    """Every numbers of pieces per axis, written as plainly as possible."""

    def following(axes: int, room: int) -> Iterator[tuple[int, ...]]:
        if axes == len(kernel.axes):
            yield ()
            return
        axis = kernel.axes[axes]
        most = -(-kernel.extents[axes] // axis.grain) if kernel.splittable[axes] else 1
        for ways in range(1, min(most, room) + 1):
            for rest in following(axes + 1, room // ways):
                yield (ways, *rest)

    return following(0, tiles)


def exact_cycles(placement: Placement, chip: Chip, tiles: int) -> float:
    """Nominal cycles with free operands, from the boxes of every tile."""
    kernel = placement.kernel
    prices = [
        price_move(free_home(need, dtype.bits, tiles), need, dtype.bits, chip.tiles)
        for need, dtype in zip(placement.reads, kernel.read_types, strict=True)
    ]
    moves = any(not price.free for price in prices)
    sync, step = (chip.scenarios(name)[1] for name in ("sync_internal_cycles", "step_cycles"))
    combines = placement.depth > 1
    vertex = class_cycles(placement, chip)[1][:, 1].max()
    total = vertex + exchange_cycles(prices, chip)[1] + combine_cost(placement, chip)[1]
    return float(total + sync * (moves + combines) + step * (1 + combines))


def exhaustive(kernel: Kernel, chip: Chip, tiles: int) -> float:
    """The least cycles over all splits and, for each, all axes as the fastest-running one.

    Splits whose vertex alone takes longer than the best found are not looked at any further.
    """
    axes = len(kernel.axes)
    ways = np.array(list(every_split(kernel, tiles)), np.int64)
    vertex = vertex_costs(kernel, chip, pieces(kernel, ways))[:, 1]
    best = np.inf
    for row in np.argsort(vertex, kind="stable"):
        if vertex[row] >= best:
            break
        split = tuple(ways[row].tolist())
        fastest = [axis for axis in range(axes) if split[axis] > 1] or [0]
        for last in fastest:
            order = (*(axis for axis in range(axes) if axis != last), last)
            placement = Placement(kernel, Split(split, (1,) * axes, order), chip.tiles)
            best = min(best, exact_cycles(placement, chip, tiles))
    return best


@pytest.mark.parametrize("name", SHAPES)
def test_chosen_plan_is_within_2_percent_of_exhaustive_search(name: str) -> None:
    kernel = SHAPES[name]
    free = (None,) * len(kernel.reads)
    choice = choose(kernel, free, (True,) * len(free), TINY, TINY.tiles)
    found = exact_cycles(choice.placement, TINY, TINY.tiles)
    assert found == pytest.approx(float(choice.plan.total_cycles[1]))
    assert found <= 1.02 * exhaustive(kernel, TINY, TINY.tiles)


@st.composite
def placed(draw: st.DrawFn, tiles: int = 16) -> Placement:
    """Some kernel with some split on a machine of `tiles`."""
    kernel = draw(
        st.sampled_from([matmul(3, 7, 10, 5), conv(2, 3, 5, 9, 3, 2, 1), elementwise(6, 11), pool(1, 4, 9, 3, 2)])
    )
    ways: list[int] = []
    room = tiles
    for extent, may_split in zip(kernel.extents, kernel.splittable, strict=True):
        ways.append(draw(st.integers(1, min(room, extent))) if may_split else 1)
        room //= ways[-1]
    order = tuple(draw(st.permutations(range(len(ways)))))
    return Placement(kernel, Split(tuple(ways), (1,) * len(ways), order, draw(st.integers(0, tiles - 1))), tiles)


@settings(max_examples=100, deadline=None)
@given(placed())
def test_split_covers_every_point_exactly_once(placement: Placement) -> None:
    tiles, low, high = placement.boxes
    assert len(set(tiles.tolist())) == len(tiles)
    seen = np.zeros(placement.kernel.extents, np.int64)
    for a, b in zip(low, high, strict=True):
        seen[tuple(slice(int(x), int(y)) for x, y in zip(a, b, strict=True))] += 1
    assert (seen == 1).all()


@settings(max_examples=60, deadline=None)
@given(placed())
def test_classes_equal_a_loop_over_tiles(placement: Placement) -> None:
    counted: dict[tuple[int, ...], int] = {}
    for low, high in zip(*placement.boxes[1:], strict=True):
        size = tuple((high - low).tolist())
        counted[size] = counted.get(size, 0) + 1
    sizes, counts = placement.classes
    assert {tuple(size): count for size, count in zip(sizes.tolist(), counts.tolist(), strict=True)} == counted


@settings(max_examples=60, deadline=None)
@given(placed())
def test_pieces_are_the_largest_boxes(placement: Placement) -> None:
    largest = pieces(placement.kernel, np.array([placement.split.ways]))[0]
    assert largest.tolist() == placement.classes[0].max(axis=0).tolist()


@given(st.integers(1, 200), st.integers(1, 8), st.data())
@settings(max_examples=300, deadline=None)
def test_piece_sizes_are_those_of_the_cut(extent: int, grain: int, data: st.DataObject) -> None:
    ways = data.draw(st.integers(1, -(-extent // grain)))
    low, high = cut(extent, ways, grain)
    assert piece_sizes(extent, grain, ways) == tuple(sorted(set((high - low).tolist()), reverse=True))
    axis = Axis("a", extent, grain=grain)
    kernel = Kernel((axis,), (), (), (), (), elementwise(1).codelet)
    assert pieces(kernel, np.array([[ways]])).tolist() == [[(high - low).max()]]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 64))
@settings(max_examples=200, deadline=None)
def test_part_ways_make_the_smallest_largest_part(sizes: list[int], parts: int) -> None:
    ways = part_ways(tuple(sizes), parts)
    assert prod(ways) <= parts

    def largest(counts: tuple[int, ...]) -> int:
        return prod(-(-size // count) for size, count in zip(sizes, counts, strict=True))

    kernel = elementwise(*sizes)
    least = min(largest(counts) for counts in every_split(kernel, parts))
    assert largest(ways) <= max(least, EVEN_ENOUGH * prod(sizes) / parts)


@settings(max_examples=60, deadline=None)
@given(placed())
def test_results_hold_every_element_once(placement: Placement) -> None:
    for result in placement.results:
        assert result.is_partition


@pytest.mark.parametrize("name", ["matmul odd", "conv odd", "pool", "gather", "reduce all"])
def test_small_machines_have_every_distinct_split(name: str) -> None:
    kernel = SHAPES[name]
    have = {tuple(row) for row in pieces(kernel, candidates(kernel, 16)).tolist()}
    every = np.array(list(every_split(kernel, 16)), np.int64)
    assert have == {tuple(row) for row in pieces(kernel, every).tolist()}


@pytest.mark.parametrize("kernel", [matmul(1, 2048, 768, 768), conv(4, 64, 64, 56, 3, pad=1), elementwise(8192, 768)])
def test_candidates_for_more_tiles_include_those_for_fewer(kernel: Kernel) -> None:
    sets = {t: {tuple(row) for row in candidates(kernel, t).tolist()} for t in (16, 64, 65, 300, 1000, 1472)}
    sizes = sorted(sets)
    for fewer, more in pairwise(sizes):
        assert sets[fewer] <= sets[more]
        assert all(prod(row) <= more for row in sets[more])
    assert len(sets[1472]) <= 40_000


@pytest.mark.parametrize("name", ["matmul large", "conv 3x3", "map", "reduce all", "gather", "pool"])
def test_more_tiles_are_never_slower(name: str) -> None:
    kernel = SHAPES[name]
    times = [float(plans(kernel, MK2, tiles)[0].total_cycles[1]) for tiles in (1, 2, 7, 16, 63, 64, 100, 500, 1472)]
    assert times == sorted(times, reverse=True)
    assert times[-1] < times[0]


@given(st.integers(1, 5000), st.integers(1, 2000))
@settings(deadline=None)
def test_distinct_ways_are_the_fewest_for_each_piece(grains: int, most: int) -> None:
    ways = distinct_ways(grains, most)
    fewest: dict[int, int] = {}
    for count in range(1, min(grains, most) + 1):
        fewest.setdefault(-(-grains // count), count)
    assert ways.tolist() == sorted(fewest.values())


@given(st.integers(1, 5000), st.floats(1.01, 8))
@settings(deadline=None)
def test_thinned_menus_keep_a_piece_size_close_to_every_other(grains: int, ratio: float) -> None:
    ways = distinct_ways(grains, grains)
    kept = thinned(ways, grains, ratio)
    assert set(kept.tolist()) <= set(ways.tolist())
    assert kept[0] == 1
    assert kept[-1] == ways[-1]
    have, all_pieces = -(-grains // kept), -(-grains // ways)
    nearest = np.abs(np.log(all_pieces[:, None] / have[None])).min(axis=1)
    assert nearest.max() <= np.log(ratio) + 1e-6


@pytest.mark.parametrize("name", ["matmul large", "conv 3x3", "reduce all", "gather large"])
def test_front_gives_up_time_for_memory(name: str) -> None:
    front = plans(SHAPES[name], MK2, 1472)
    times = [float(plan.total_cycles[1]) for plan in front]
    memory = [plan.bytes_temporary for plan in front]
    assert times == sorted(times)
    assert memory == sorted(set(memory), reverse=True)


def test_serial_steps_when_memory_is_short() -> None:
    kernel = matmul(1, 1024, 4096, 256)
    costs = price(kernel, TINY, candidates(kernel, 16))
    fits = costs.bytes_always + costs.bytes_temporary <= TINY.bytes_per_tile
    assert not fits.any()
    plan = plans(kernel, TINY, 16)[0]
    assert prod(plan.split.steps) > 1
    assert plan.bytes_temporary + plan.bytes_always < int((costs.bytes_always + costs.bytes_temporary).min())
    alone = price(kernel, TINY, np.array([plan.split.ways]))
    assert plan.bytes_temporary < int(alone.bytes_temporary[0])
    assert plan.total_cycles[1] > alone.total[0, 1]


def test_one_tile_is_not_chosen_when_the_operands_do_not_fit_it() -> None:
    kernel = matmul(1, 1024, 1024, 256)
    plan = min(plans(kernel, TINY, 16, 300_000), key=lambda plan: plan.bytes_temporary)
    assert plan.split.tiles > 1
    assert plan.bytes_always + plan.bytes_temporary <= TINY.bytes_per_tile


@pytest.mark.parametrize("name", ["matmul large", "conv 3x3", "conv small field", "pool", "map"])
def test_estimates_are_close_to_prices_of_real_boxes(name: str) -> None:
    kernel = SHAPES[name]
    for plan in plans(kernel, MK2, 1472)[:3]:
        exact = exact_cycles(Placement(kernel, plan.split, MK2.tiles), MK2, 1472)
        assert float(plan.total_cycles[1]) == pytest.approx(exact, rel=0.1)


def test_neighbours_share_what_they_receive() -> None:
    """The fastest-running axis is one that the operand with most bytes to receive does not have."""
    kernel = matmul(1, 256, 1024, 1024)
    plan = plans(kernel, MK2, 1472)[0]
    placement = Placement(kernel, plan.split, MK2.tiles)
    received = [price_move(free_home(need, 16, 1472), need, 16, MK2.tiles) for need in placement.reads]
    most = max(received, key=lambda move: move.received_bytes)
    assert most.bus_by_tile.max() <= 0.6 * most.received_bytes
