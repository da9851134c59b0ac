"""Exchange prices against explicit sets of element indexes."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halo_py.targets import load_target
from halo_py.tiling.exchange_cost import MovePrice, exchange_cycles, overlap_of, price_move
from halo_py.tiling.mapping import TileMapping, cut
from halo_py.tiling.overlap import box_overlap, run_overlap

TILES = 16


def elements(mapping: TileMapping) -> dict[int, set[int]]:
    """Element numbers that each tile holds."""
    numbers = np.arange(prod(mapping.shape)).reshape(mapping.shape)
    return {
        int(tile): set(numbers[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].ravel().tolist())
        for tile, low, high in zip(mapping.tiles, mapping.low, mapping.high, strict=True)
    }


def explicit(home: TileMapping, need: TileMapping) -> tuple[list[int], list[int]]:
    """Elements received and sent per tile, from sets; every element has one home."""
    have, want = elements(home), elements(need)
    received = [len(want.get(t, set()) - have.get(t, set())) for t in range(TILES)]
    sent = [len(have.get(s, set()) & set[int]().union(*(want[t] for t in want if t != s), set())) for s in range(TILES)]
    return received, sent


def explicit_partials(home: TileMapping, need: TileMapping, depth: int) -> tuple[list[int], list[int]]:
    have, want = elements(home), elements(need)
    received = [sum(len(want.get(t, set()) & have[s]) for s in have if s != t) for t in range(TILES)]
    assert all(len(box) * depth == sum(len(box & other) for other in have.values()) for box in have.values())
    sent = [len(have.get(s, set()) & set[int]().union(*(want[t] for t in want if t != s), set())) for s in range(TILES)]
    return received, sent


@st.composite
def grids(draw: st.DrawFn, shape: tuple[int, ...], copies: int = 1, halo: bool = False) -> TileMapping:
    """A grid of boxes, each on `copies` tiles; with `halo` they may overlap their neighbours."""
    ways: list[int] = []
    room = TILES // copies
    for extent in shape:
        ways.append(draw(st.integers(1, min(extent, room))))
        room //= ways[-1]
    widen = [draw(st.integers(0, 2)) if halo else 0 for _ in shape]
    cells = list(np.ndindex(*ways)) * copies
    numbers = draw(st.permutations(range(TILES)))[: len(cells)]
    bounds = [cut(extent, way) for extent, way in zip(shape, ways, strict=True)]
    low = [[max(0, int(b[0][c]) - w) for b, c, w in zip(bounds, cell, widen, strict=True)] for cell in cells]
    high = [[min(e, int(b[1][c]) + w) for b, c, w, e in zip(bounds, cell, widen, shape, strict=True)] for cell in cells]
    return TileMapping.of(shape, np.array(numbers, np.int64), np.array(low, np.int64), np.array(high, np.int64))


@st.composite
def patchworks(draw: st.DrawFn, shape: tuple[int, ...], copies: int = 1) -> TileMapping:
    """Boxes cut out of one another anyhow, each on `copies` tiles."""
    boxes = [([0] * len(shape), list(shape))]
    for _ in range(draw(st.integers(0, TILES // copies - 1))):
        low, high = boxes[draw(st.integers(0, len(boxes) - 1))]
        d = draw(st.integers(0, len(shape) - 1))
        if high[d] - low[d] > 1:
            at = draw(st.integers(low[d] + 1, high[d] - 1))
            boxes.append((low.copy(), [*high[:d], at, *high[d + 1 :]]))
            low[d] = at
    boxes = boxes * copies
    numbers = draw(st.permutations(range(TILES)))[: len(boxes)]
    low, high = (np.array([box[side] for box in boxes], np.int64) for side in range(2))
    return TileMapping.of(shape, np.array(numbers, np.int64), low, high)


SHAPE = (4, 6, 5)
VIEWS = ((4, 6, 5), (24, 5), (120,), (2, 2, 30), (8, 15), (4, 1, 3, 10))


def per_tile(mapping: TileMapping, counts: np.ndarray) -> list[int]:
    dense = np.zeros(TILES, np.int64)
    dense[mapping.tiles] = counts
    return dense.tolist()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_grids_of_one_view_equal_sets(data: st.DataObject) -> None:
    home = data.draw(grids(SHAPE))
    need = data.draw(grids(SHAPE, data.draw(st.sampled_from([1, 2, 3])), halo=data.draw(st.booleans())))
    fast = box_overlap(home, need, 1)
    slow = run_overlap(home, need, 1, count_runs=False)
    assert fast is not None
    received, sent = explicit(home, need)
    for overlap in (fast, slow):
        assert per_tile(need, overlap.received) == received
        assert per_tile(home, overlap.sent) == sent
    have, want = elements(home), elements(need)
    blocks = [sum(bool(want.get(t, set()) & have[s]) for s in have if s != t) for t in range(TILES)]
    assert per_tile(need, fast.fragments) == per_tile(need, slow.fragments) == blocks


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_partial_sums_equal_sets(data: st.DataObject) -> None:
    depth = data.draw(st.sampled_from([2, 3, 4]))
    home = data.draw(grids(SHAPE, depth))
    need = data.draw(grids(SHAPE, data.draw(st.sampled_from([1, 2]))))
    received, sent = explicit_partials(home, need, depth)
    fast, slow = box_overlap(home, need, depth), run_overlap(home, need, depth, count_runs=False)
    assert fast is not None
    for overlap in (fast, slow):
        assert per_tile(need, overlap.received) == received
        assert per_tile(home, overlap.sent) == sent
    assert fast.fragments.tolist() == slow.fragments.tolist()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_irregular_boxes_equal_sets(data: st.DataObject) -> None:
    home = data.draw(patchworks(SHAPE))
    need = data.draw(st.one_of(patchworks(SHAPE), grids(SHAPE), grids(SHAPE, 2, halo=True), grids(SHAPE, 3, halo=True)))
    received, sent = explicit(home, need)
    overlap, runs = box_overlap(home, need, 1), run_overlap(home, need, 1, count_runs=False)
    assert overlap is not None
    for found in (overlap, runs):
        assert per_tile(need, found.received) == received
        assert per_tile(home, found.sent) == sent
    assert overlap.fragments.tolist() == runs.fragments.tolist()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_irregular_partial_sums_equal_sets(data: st.DataObject) -> None:
    home = data.draw(patchworks(SHAPE, 2))
    need = data.draw(st.one_of(patchworks(SHAPE), grids(SHAPE), st.just(home.spread())))
    received, sent = explicit_partials(home, need, 2)
    overlap = box_overlap(home, need, 2)
    assert overlap is not None
    assert per_tile(need, overlap.received) == received
    assert per_tile(home, overlap.sent) == sent
    assert overlap.fragments.tolist() == run_overlap(home, need, 2, count_runs=False).fragments.tolist()


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_what_box_overlap_leaves_to_runs_equals_sets(data: st.DataObject) -> None:
    home = data.draw(grids(SHAPE))
    need = data.draw(patchworks(SHAPE, 2))
    received, sent = explicit(home, need)
    overlap = overlap_of(home, need, 1)
    assert per_tile(need, overlap.received) == received
    assert per_tile(home, overlap.sent) == sent


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_different_views_equal_sets(data: st.DataObject) -> None:
    home = data.draw(grids(data.draw(st.sampled_from(VIEWS))))
    need = data.draw(grids(data.draw(st.sampled_from(VIEWS)), data.draw(st.sampled_from([1, 2]))))
    received, sent = explicit(home, need)
    overlap = overlap_of(home, need, 1)
    assert per_tile(need, overlap.received) == received
    assert per_tile(home, overlap.sent) == sent
    runs = run_overlap(home, need, 1, count_runs=True)
    assert per_tile(need, runs.fragments) == explicit_runs(home, need)


def explicit_runs(home: TileMapping, need: TileMapping) -> list[int]:
    """Contiguous runs that each tile gets from one source tile each."""
    owner = {e: tile for tile, box in elements(home).items() for e in box}
    counts = [0] * TILES
    for tile, box in elements(need).items():
        flat = sorted(box)
        for position, element in enumerate(flat):
            joined = position > 0 and flat[position - 1] == element - 1 and owner[element - 1] == owner[element]
            counts[tile] += owner[element] != tile and not joined
    return counts


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_copies_share_the_sending(data: st.DataObject) -> None:
    home = data.draw(grids(SHAPE, 2))
    need = data.draw(grids(SHAPE, data.draw(st.sampled_from([1, 2])), halo=True))
    have, want = elements(home), elements(need)
    overlap = overlap_of(home, need, 1)
    assert per_tile(need, overlap.received) == [len(want.get(t, set()) - have.get(t, set())) for t in range(TILES)]
    for tile, sent in zip(home.tiles.tolist(), overlap.sent.tolist(), strict=True):
        others = (box for t, box in want.items() if have.get(t) != have[tile])
        assert sent == -(-len(have[tile] & set[int]().union(*others, set())) // 2)


def test_overlapping_homes_do_not_double_count() -> None:
    home = TileMapping.of((8,), np.arange(2), np.array([[0], [3]]), np.array([[5], [8]]))
    need = TileMapping.single((8,), 5)
    overlap = overlap_of(home, need, 1)
    assert overlap.received.tolist() == [8]
    assert sorted(overlap.sent.tolist()) == [3, 5]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_spread_and_disjoint_are_partitions(data: st.DataObject) -> None:
    need = data.draw(grids(SHAPE, data.draw(st.sampled_from([1, 2, 3])), halo=True))
    disjoint = need.disjoint()
    assert disjoint is not None
    spread = disjoint.spread(data.draw(st.sampled_from([1, 4])))
    assert spread.is_partition
    held = [e for box in elements(spread).values() for e in box]
    assert sorted(held) == list(range(prod(SHAPE)))


def test_is_partition_sees_gaps_and_overlaps() -> None:
    low = np.array([[0, 0], [0, 2], [2, 0]])
    assert TileMapping.of((4, 4), np.arange(3), low, np.array([[2, 2], [2, 4], [4, 4]])).is_partition
    assert not TileMapping.of((4, 4), np.arange(3), low, np.array([[2, 2], [2, 3], [4, 4]])).is_partition
    shifted = np.array([[0, 0], [0, 1], [2, 0]])
    assert not TileMapping.of((4, 4), np.arange(3), shifted, np.array([[2, 2], [2, 3], [4, 4]])).is_partition


@pytest.mark.parametrize("seed", range(4))
def test_is_partition_of_many_irregular_boxes(seed: int) -> None:
    """Boxes halved at random places, in random order; then one of them moved by one element."""
    rng = np.random.default_rng(seed)
    boxes = [([0, 0, 0], [17, 23, 5])]
    while len(boxes) < 150:
        low, high = boxes.pop(int(rng.integers(len(boxes))))
        axis = int(rng.integers(3))
        middle = int(rng.integers(low[axis], high[axis])) if high[axis] - low[axis] > 1 else low[axis]
        parts = [(low, [*high[:axis], middle, *high[axis + 1 :]]), ([*low[:axis], middle, *low[axis + 1 :]], high)]
        boxes.extend(part for part in parts if part[0][axis] < part[1][axis])
    rng.shuffle(boxes)
    low, high = (np.array([box[end] for box in boxes]) for end in (0, 1))
    assert TileMapping.of((17, 23, 5), np.arange(len(boxes)), low, high).is_partition
    moved = int(rng.integers(len(boxes)))
    step = np.array([1 if low[moved, 0] == 0 else -1, 0, 0])
    if low[moved, 0] + step[0] >= 0 and high[moved, 0] + step[0] <= 17:
        low[moved] += step
        high[moved] += step
        assert not TileMapping.of((17, 23, 5), np.arange(len(boxes)), low, high).is_partition


def test_price_counts_bytes_and_buses() -> None:
    home = TileMapping.linear(1024, 32, 8)
    need = TileMapping((1024,), np.arange(8), np.zeros((8, 1), np.int64), np.full((8, 1), 1024))
    price = price_move(home, need, 32, TILES)
    assert (price.received_bytes, price.sent_bytes, price.fragments) == (4096 - 512, 512, 7)
    assert price.total_bytes == 8 * (4096 - 512)
    assert price.paired
    assert price.bus_by_tile[:8].tolist() == [2048] * 8
    assert not price_move(home, home, 32, TILES).total_bytes


def test_phase_is_the_busiest_tile_of_all_moves() -> None:
    chip = load_target("ipu-tiny").chip.with_values(exchange_cycles_per_fragment=10, exchange_bytes_per_cycle=4)
    left, right = TileMapping.single((100,), 0), TileMapping.single((100,), 1)
    to = TileMapping.single((100,), 2)
    away = TileMapping.single((100,), 5)
    moves = [price_move(left, to, 32, 16), price_move(right, to, 32, 16), price_move(left, away, 32, 16)]
    assert exchange_cycles(moves, chip)[1] == pytest.approx(800 / 4 + 20)
    assert exchange_cycles(moves[1:], chip)[1] == pytest.approx(400 / 4 + 10)
    assert exchange_cycles([], chip).tolist() == [0, 0, 0]
    senders: list[MovePrice] = [price_move(left, TileMapping.single((100,), t), 32, 16) for t in (3, 4, 6)]
    assert exchange_cycles(senders, chip)[1] == pytest.approx(1200 / 4)
