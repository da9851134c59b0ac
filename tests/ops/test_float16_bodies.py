"""Softmax and Attention of float16 round where ONNX's function bodies have values of the operands' type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from halo_py.ir.op import Sample
from halo_py.ir.space import TileForm
from halo_py.ops.attention import Attention
from halo_py.ops.softmax import Softmax
from halo_py.types import DType
from tests.ops.cases import Case
from tests.ops.split_executor import SplitExecutor

Half = NDArray[np.float16]


def softmax_body(x: Half) -> Half:
    """ONNX's body of Softmax over the last dimension, with its first two operators, Sub and Exp, in one."""
    wide = x.astype(np.float32)
    terms = np.exp(wide - wide.max(axis=-1, keepdims=True)).astype(np.float16)
    total = terms.sum(axis=-1, keepdims=True, dtype=np.float32).astype(np.float16)
    return (terms.astype(np.float32) / total.astype(np.float32)).astype(np.float16)


def product(a: Half, b: Half) -> Half:
    """A matrix product that is summed up in float32."""
    return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(np.float16)


def halves(seed: int, *shape: int) -> Half:
    """Uniform numbers in [0, 1)."""
    return np.random.default_rng(seed).random(shape).astype(np.float16)


def on_tiles(case: Case) -> NDArray[Any]:
    """Result 0 of the tile form, cut in three."""
    args = case.tile_args()
    assert args is not None
    form = case.sample.op.tile_form(args)
    assert isinstance(form, TileForm)
    operands = [value if isinstance(value, np.ndarray) else None for value in case.sample.inputs]
    return SplitExecutor(lambda _axis: 3).run(form, operands)[0]


def test_softmax_is_its_function_body() -> None:
    x = 4 * halves(1, 40, 23)
    case = Case("softmax", Sample(Softmax(), (x,)))
    np.testing.assert_array_equal(np.asarray(case.evaluate()[0]), softmax_body(x))
    np.testing.assert_array_max_ulp(on_tiles(case), softmax_body(x), 1)  # times the inverse, not divided


def test_attention_is_its_function_body() -> None:
    q, k, v = halves(2, 2, 3, 4, 8), halves(3, 2, 3, 6, 8), halves(4, 2, 3, 6, 8)
    root = np.float16(np.sqrt(1 / np.sqrt(8)))
    scores = product(q * root, (k * root).swapaxes(2, 3))
    wanted = product(softmax_body(scores), v)
    case = Case("attention", Sample(Attention(), (q, k, v)))
    np.testing.assert_array_equal(np.asarray(case.evaluate()[0]), wanted)
    found = on_tiles(case)  # sums in another order may round differently, rarely
    np.testing.assert_array_max_ulp(found, wanted, 1)
    assert np.mean(found != wanted) < 0.02


def test_softmax_precision_decides_what_is_rounded() -> None:
    """All scores are 0, so every probability is 1/6: rounded to float16 where that is the precision."""
    q, k = np.zeros((1, 1, 2, 8), np.float32), np.zeros((1, 1, 6, 8), np.float32)
    v = np.ones((1, 1, 6, 1), np.float32)
    for precision, probability in ((DType.FLOAT16, float(np.float16(1 / 6))), (None, 1 / 6)):
        case = Case("attention", Sample(Attention(softmax_precision=precision), (q, k, v)))
        for found in (np.asarray(case.evaluate()[0]), on_tiles(case)):
            np.testing.assert_allclose(found, 6 * probability, rtol=2e-7)


@pytest.mark.parametrize("length", [65504, 70000])
def test_sums_that_float16_cannot_hold_stay_wide(length: int) -> None:
    case = Case("softmax", Sample(Softmax(), (np.zeros((2, length), np.float16),)))
    for found in (np.asarray(case.evaluate()[0]), on_tiles(case)):
        np.testing.assert_array_equal(found, np.float16(1 / length))
