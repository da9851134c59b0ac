"""The estimators' check values: totals worked by hand from the PopLibs formulas (graphcore/poplibs 7eac0f26).

Six workers, 64-bit data path, no interleaved memory, positions split as floor(i n / 6).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from halo_py.tiling.vertex_cost import linear_tiles_used
from halo_py.tiling.vertex_cost.cast import cast_1d
from halo_py.tiling.vertex_cost.counts import Counts, ceil_div, counts
from halo_py.tiling.vertex_cost.elementwise import (
    binary_1d,
    broadcast_scalar_1d,
    broadcast_vector_outer,
    nonlinearity_1d,
    scaled_add_1d,
    unary_1d,
)
from halo_py.tiling.vertex_cost.functions import FUNCTIONS
from halo_py.tiling.vertex_cost.gather import dynamic_slice_1d, multi_slice, multi_update_add
from halo_py.tiling.vertex_cost.matrix_unit import Unit, amp_1x1, amp_nx1, amp_nx1_position, output_zeroing
from halo_py.tiling.vertex_cost.multiply_accumulate import hmac, vmac, vmac_worker
from halo_py.tiling.vertex_cost.pooling import pooling
from halo_py.tiling.vertex_cost.reduction import (
    continuous_reduce_worker,
    reduce_add,
    reduce_add_single_input,
    reduce_to_scalar,
    scattered_reduce_worker,
    strided_reduce_worker,
)
from halo_py.tiling.vertex_cost.slic import Slic, slic

ONE = counts(1)
HALF16 = Unit("half", "half", 16)
HALF16_WIDE = Unit("half", "half", 16, coefficient_bytes_per_cycle=16)
HALF8 = Unit("half", "half", 8)
MIXED8 = Unit("half", "float", 8)
FLOAT16 = Unit("float", "float", 16)


def c(value: int) -> Counts:
    return counts(value)


@pytest.mark.parametrize(
    ("unit", "groups", "field", "in_groups", "out_groups", "passes", "expected"),
    [
        (HALF16, 1, 1, 1, 1, 1, 355),
        (HALF16, 1, 6, 1, 1, 1, 369),
        (HALF16, 1, 24, 1, 1, 1, 423),
        (HALF16, 1, 96, 1, 1, 1, 711),
        (HALF16, 1, 100, 1, 1, 1, 721),
        (HALF16, 1, 96, 4, 4, 1, 9_807),
        (HALF16, 1, 384, 4, 4, 1, 28_239),
        (HALF16, 1, 384, 16, 1, 1, 28_653),
        (HALF16_WIDE, 1, 384, 4, 4, 1, 27_727),
        (HALF16, 2, 96, 2, 2, 1, 5_008),
        (HALF8, 1, 96, 4, 4, 1, 11_005),
        (MIXED8, 1, 96, 1, 1, 1, 679),
        (MIXED8, 1, 384, 4, 4, 1, 27_727),
        (MIXED8, 1, 384, 4, 4, 2, 54_939),
        (FLOAT16, 1, 96, 1, 1, 1, 1_857),
        (FLOAT16, 1, 384, 4, 4, 1, 65_367),
    ],
)
def test_amp_1x1(
    unit: Unit, groups: int, field: int, in_groups: int, out_groups: int, passes: int, expected: int
) -> None:
    assert amp_1x1(c(field), c(groups), c(in_groups), c(out_groups), passes, unit) == expected


@pytest.mark.parametrize(
    ("unit", "side", "in_groups", "out_groups", "expected", "with_zero"),
    [
        (HALF16, 7, 1, 1, 6_034, 6_460),
        (HALF16, 14, 1, 1, 11_866, 13_468),
        (MIXED8, 14, 1, 1, 11_518, 12_334),
        (HALF16, 7, 4, 2, None, 47_285),
    ],
)
def test_amp_nx1(unit: Unit, side: int, in_groups: int, out_groups: int, expected: int | None, with_zero: int) -> None:
    position = amp_nx1_position(c(side), c(side), unit)
    cycles = amp_nx1(position, ONE, c(in_groups), c(out_groups), c(3), c(3), unit)
    if expected is not None:
        assert cycles == expected
    assert cycles + output_zeroing(c(side * side), unit.conv_units, c(out_groups)) == with_zero


@pytest.mark.parametrize(
    ("form", "side", "groups", "expected"),
    [
        (Slic(1, 4, "half", "half"), 14, 1, 2_301),
        (Slic(1, 2, "half", "float"), 14, 1, 3_573),
        (Slic(4, 2, "half", "half"), 7, 2, 4_796),
        (Slic(16, 4, "half", "half", stride=2), 7, 1, 5_933),
    ],
)
def test_slic(form: Slic, side: int, groups: int, expected: int) -> None:
    assert slic(c(side), c(side), c(groups), c(3), form) == expected


def test_hmac() -> None:
    assert hmac(c(4), c(4), ONE, ONE, ONE, c(9), c(16), 2, "half", "half") == 6_299
    assert hmac(c(4), c(4), ONE, ONE, ONE, c(9), c(16), 1, "float", "float", vector=2) == 6_736
    assert hmac(c(1), c(24), ONE, ONE, ONE, ONE, c(64), 1, "half", "float", one_by_one=True) == 1_009
    assert hmac(c(1), c(7), ONE, c(2), ONE, ONE, c(6), 1, "half", "float") == 1_212


def test_vmac() -> None:
    worker = vmac_worker(c(8), c(3), c(0), c(1), 8, "half")
    assert vmac(ONE, ONE, c(49), worker, 8, "half") == 1_762


def test_reduce_add() -> None:
    assert reduce_add(c(1000), c(8), half_partials=True, half_out=True) == 4_224
    assert reduce_add(c(1000), c(8), half_partials=False, half_out=True) == 7_752
    assert reduce_add_single_input(c(1024), c(7), half_partials=False, half_out=False) == 5_829


def test_binary() -> None:
    add, order, equal = FUNCTIONS["add"], FUNCTIONS["max"], FUNCTIONS["compare"]
    assert binary_1d(c(4096), add.float16, "float16") == 3_245
    assert binary_1d(c(4096), add.float32, "float32") == 6_341
    assert binary_1d(c(1000), add.float16, "float16", in_place=True) == 1_115
    assert binary_1d(c(1000), order.float16, "float16") == 1_175
    assert binary_1d(c(1000), equal.float16, "float16") == 2_435
    assert broadcast_scalar_1d(c(4096), add.loop("float16", scalar=True)) == 2_183


@pytest.mark.parametrize(
    ("function", "kind", "in_place", "elements", "expected"),
    [
        ("exp", "float16", False, 4096, 4_322),
        ("exp", "float32", False, 4096, 12_530),
        ("exp", "float16", True, 4096, 4_454),
        ("tanh", "float16", False, 4096, 4_226),
        ("tanh", "float32", True, 4096, 20_870),
        ("gelu_erf", "float16", False, 4096, 65_690),
        ("ceil", "float16", False, 1000, 1_652),
    ],
)
def test_unary(function: str, kind: Any, in_place: bool, elements: int, expected: int) -> None:
    loop = FUNCTIONS[function].loop(kind, in_place)
    assert unary_1d(c(elements), loop, function, in_place) == expected


def test_nonlinearities_casts_and_scaled_add() -> None:
    assert nonlinearity_1d(c(4096), "gelu_tanh", half=True) == 5_331
    assert nonlinearity_1d(c(4096), "gelu_tanh", half=False) == 20_745
    assert nonlinearity_1d(c(4096), "swish", half=True, in_place=False) == 5_307
    assert cast_1d(c(4096), "float32", "float16") == 2_310
    assert cast_1d(c(4096), "float16", "float32") == 2_298
    assert scaled_add_1d(c(4096), half=True) == 3_249


def test_reductions() -> None:
    assert strided_reduce_worker(c(8), c(64), c(64), "add") == 170
    assert strided_reduce_worker(c(8), c(64), c(64), "add", half_in=False, half_out=False) == 312
    assert strided_reduce_worker(c(8), c(64), c(64), "max") == 170
    assert reduce_to_scalar(c(1000), "add", half_in=True, half_out=False) == 267
    assert continuous_reduce_worker(c(7), c(64), "add", half_in=False) == 325
    assert scattered_reduce_worker(c(16), c(64), 2, "add") == 277


def test_stable_softmax_on_one_tile() -> None:
    """64 (reduced) x 32 in half precision: max, sub, exp, sum, inverse, cast, mul."""
    elements, columns = c(64 * 32), c(32)
    outputs = c(8)
    pieces = [
        6 * strided_reduce_worker(outputs, c(64), columns, "max"),
        broadcast_vector_outer(c(64), columns, 2, 4),
        unary_1d(elements, FUNCTIONS["exp"].loop("float16", True), "exp", in_place=True),
        6 * strided_reduce_worker(outputs, c(64), columns, "add", half_out=False),
        unary_1d(columns, FUNCTIONS["reciprocal"].loop("float32", True), in_place=True),
        cast_1d(columns, "float32", "float16"),
        broadcast_vector_outer(c(64), columns, 2, 4),
    ]
    assert [int(piece) for piece in pieces] == [1020, 1685, 2414, 1008, 458, 270, 1685]
    assert sum(int(piece) for piece in pieces) == 8_540


def test_gather() -> None:
    assert multi_slice(c(16), c(4), c(64), 2) == 2_748
    assert multi_slice(c(96), c(96), c(64), 4) == 47_988
    assert multi_update_add(c(96), c(16), c(64), half=False) == 12_612
    assert dynamic_slice_1d(c(1024), ONE) == 907


def test_pooling() -> None:
    assert pooling(c(7), c(7), c(4), ONE, 2, "max") == 3_397
    assert pooling(c(7), c(7), c(9), c(2), 2, "sum") == 11_941
    assert pooling(c(7), c(7), c(4), ONE, 2, "max", backward=True) == 4_417


def test_linear_mapping() -> None:
    used = linear_tiles_used(np.array([100_000, 120_000, 1_048_576]), 2, 1472)
    assert used.tolist() == [1471, 1429, 1465]


def test_ceil_div_of_arrays() -> None:
    assert ceil_div(np.array([0, 1, 6, 7]), 6).tolist() == [0, 1, 1, 2]
