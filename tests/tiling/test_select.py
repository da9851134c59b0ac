"""Selection: plans priced with the places where operands really lie."""

from __future__ import annotations

import numpy as np
import pytest

from halo_py.ir.space import Kernel
from halo_py.targets import load_target
from halo_py.tiling.mapping import TileMapping
from halo_py.tiling.operand_cost import Lying
from halo_py.tiling.plan import Placement, Split
from halo_py.tiling.search import nearby
from halo_py.tiling.select import choose, free_home
from tests.tiling.kernels import bias_add, conv, elementwise, matmul, reduction, softmax_row

TINY = load_target("ipu-tiny").chip
MK2 = load_target("ipu-1").chip


def test_elementwise_chain_stays_where_a_convolution_wrote() -> None:
    first = choose(conv(4, 64, 64, 56, 3, pad=1), (None, None), (True, True), MK2, 1472)
    home = first.placement.results[0]
    kernel = elementwise(4, 64, 56, 56, operands=1)
    for _ in range(3):
        choice = choose(kernel, (home,), (False,), MK2, 1472)
        assert not choice.moves
        assert choice.placement.writes[0].same_as(home)
        home = choice.placement.results[0]


def test_elementwise_moves_from_a_single_tile() -> None:
    home = TileMapping.single((64, 1024), 3)
    choice = choose(elementwise(64, 1024, operands=1), (home,), (False,), TINY, 16)
    assert choice.moves
    assert len(choice.placement.boxes[0]) > 1


def test_tiny_value_stays_on_its_tile() -> None:
    home = TileMapping.single((2, 4), 3)
    choice = choose(elementwise(2, 4, operands=1), (home,), (False,), TINY, 16)
    assert not choice.moves
    assert choice.placement.boxes[0].tolist() == [3]


def test_second_operand_comes_to_the_first() -> None:
    kernel = elementwise(256, 256)
    left = TileMapping.linear(256 * 256, 16, 16, 256).viewed((256, 256))
    assert left is not None
    choice = choose(kernel, (left, TileMapping.single((256, 256), 0)), (False, False), TINY, 16)
    assert choice.prices[0].free
    assert not choice.prices[1].free


def test_free_operands_lie_where_they_are_needed() -> None:
    choice = choose(matmul(1, 64, 256, 256), (None, None), (True, True), TINY, 16)
    for home, need in zip(choice.homes, choice.placement.reads, strict=True):
        assert home.is_partition
        sharers = need.grid.counts.max()
        own = {int(t) for t in home.tiles}
        assert own <= {int(t) for t in need.tiles}
        assert home.volume.max() <= -(-int(need.volume.max()) // int(min(sharers, 2)))


def test_small_weights_lie_on_every_tile() -> None:
    rows = TileMapping.linear(512 * 32, 16, 16, 32).viewed((512, 32))
    assert rows is not None
    choice = choose(bias_add(512, 32), (rows, None), (False, True), TINY, 16)
    assert not choice.moves
    assert len(choice.homes[1].tiles) == 16


def test_free_home_of_overlapping_windows_is_a_partition() -> None:
    kernel = conv(1, 16, 16, 30, 3)
    need = Placement(kernel, Split((1, 1, 4, 4, 1, 1, 1), (1,) * 7, tuple(range(7))), 16).reads[0]
    assert not need.is_partition
    home = free_home(need, 16, 16)
    assert home.is_partition


def test_follows_the_wished_mapping() -> None:
    kernel = elementwise(16, 16, operands=0)
    wish = TileMapping.linear(256, 16, 4, 16).viewed((16, 16))
    assert wish is not None
    placement = Placement.following(kernel, kernel.writes[0], wish, 16)
    assert placement is not None
    assert placement.writes[0].same_as(wish)


def test_following_refuses_what_may_not_be_cut() -> None:
    by_columns = TileMapping.of((8, 32), np.arange(2), np.array([[0, 0], [0, 16]]), np.array([[8, 16], [8, 32]]))
    for kernel in (softmax_row(8, 32), reduction(8, 32)):
        assert Placement.following(kernel, kernel.reads[0], by_columns, 16) is None
        assert Placement.following(kernel, kernel.writes[0], by_columns, 16) is None
    by_rows = TileMapping.linear(256, 16, 2, 32).viewed((8, 32))
    assert by_rows is not None
    kernel = reduction(8, 32)
    placement = Placement.following(kernel, kernel.reads[0], by_rows, 16)
    assert placement is not None
    assert placement.depth == 1


def test_copies_share_the_work_of_a_following_kernel() -> None:
    kernel = elementwise(8, 8, operands=1)
    zeros, ends = np.zeros((4, 2), np.int64), np.full((4, 2), 8)
    placement = Placement.following(kernel, kernel.reads[0], TileMapping.of((8, 8), np.arange(4), zeros, ends), 16)
    assert placement is not None
    assert placement.writes[0].is_partition
    assert len(placement.boxes[0]) == 4


def test_pinned_split_is_kept() -> None:
    kernel = matmul(1, 64, 256, 256)
    split = Split((1, 2, 2, 4), (1, 1, 1, 1), (0, 1, 2, 3))
    choice = choose(kernel, (None, None), (True, True), TINY, 16, pinned=split)
    assert choice.placement.split == split
    assert choice.placement.depth == 2
    assert choice.plan.combine_cycles[1] > 0


def test_result_of_partial_sums_is_a_partition() -> None:
    kernel = matmul(1, 64, 256, 256)
    placement = Placement(kernel, Split((1, 2, 4, 2), (1, 1, 1, 1), (0, 1, 2, 3)), 16)
    assert placement.writes[0].grid.counts.tolist() == [4] * 4
    assert placement.results[0].is_partition


def test_memory_limit_is_kept_when_it_can_be() -> None:
    kernel = matmul(1, 512, 512, 512)
    free = choose(kernel, (None, None), (True, True), TINY, 16)
    limit = free.plan.bytes_temporary // 2
    bound = choose(kernel, (None, None), (True, True), TINY, 16, bytes_limit=limit)
    assert bound.plan.bytes_temporary <= limit
    assert bound.plan.total_cycles[1] >= free.plan.total_cycles[1]


@pytest.mark.parametrize(
    ("before", "kernel"),
    [
        (conv(4, 64, 64, 56, 3, pad=1), conv(4, 64, 256, 56, 1)),
        (conv(4, 64, 256, 56, 1), conv(4, 256, 64, 56, 1)),
        (conv(4, 128, 128, 28, 1), conv(4, 128, 128, 28, 3, pad=1)),
        (matmul(1, 2048, 768, 768), matmul(1, 2048, 768, 3072)),
        (matmul(1, 512, 256, 512), matmul(1, 512, 512, 64)),
    ],
)
def test_estimates_know_where_operands_lie(before: Kernel, kernel: Kernel) -> None:
    home = choose(before, (None, None), (True, True), MK2, 1472).placement.results[0]
    lying = (Lying.of(home, kernel.reads[0]), None)
    for plan in nearby(kernel, MK2, 1472, None, lying):
        exact = choose(kernel, (home, None), (False, True), MK2, 1472, pinned=plan.split).plan
        assert float(plan.exchange_cycles[1]) == pytest.approx(float(exact.exchange_cycles[1]), rel=0.2)
        assert float(plan.combine_cycles[1]) == pytest.approx(float(exact.combine_cycles[1]), rel=0.2)


def test_pieces_met_by_a_box() -> None:
    grid = TileMapping.of(
        (8, 8), np.arange(16), np.array([[2 * i, 2 * j] for i in range(4) for j in range(4)]),
        np.array([[2 * i + 2, 2 * j + 2] for i in range(4) for j in range(4)]),
    )  # fmt: skip
    lying = Lying.of(grid, elementwise(8, 8).reads[0])
    assert (lying.largest, lying.boxes, lying.cells) == (4, 16, (4, 4))
    sizes = [np.array([2, 4, 3, 8]), np.array([2, 2, 8, 8])]
    assert lying.pieces_met(sizes, (8, 8)).tolist() == [1, 2, 12, 16]
    flat = Lying.of(TileMapping.linear(64, 32, 2), elementwise(2, 32).reads[0])
    assert flat.cells == (2, 1)
    other = Lying.of(TileMapping.of((60,), np.arange(2), np.array([[0], [25]]), np.array([[25], [60]])),
                     elementwise(6, 10).reads[0])  # fmt: skip
    assert other.cells == ()
    assert other.pieces_met([np.array([3, 6, 2]), np.array([10, 10, 5])], (6, 10)).tolist() == [1, 1, 2]
