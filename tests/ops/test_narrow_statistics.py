"""Sums and statistics of float16 are kept in float32: each value here is lost or infinite in float16."""

from __future__ import annotations

import numpy as np
import pytest

from halo_py.ir.op import Op, RuntimeValue, Sample
from halo_py.ir.space import TileForm
from halo_py.ops.along_axis import CumSum
from halo_py.ops.normalization import LayerNormalization, RMSNormalization
from halo_py.ops.reduction import ReduceL2, ReduceLogSumExp, ReduceMean, ReduceSum, ReduceSumSquare
from halo_py.ops.softmax import LogSoftmax, Softmax
from tests.ops.cases import Case
from tests.ops.split_executor import SplitExecutor

LONG = 5000

ones = np.ones((2, LONG), np.float16)
hundreds = np.full((2, LONG), 100, np.float16)
alternating = np.tile(np.asarray([0, 200], np.float16), (2, LONG // 2))
scale = np.ones(LONG, np.float16)
last = np.asarray([-1], np.int64)


@pytest.mark.parametrize(
    ("op", "inputs", "constant", "wanted"),
    [
        (ReduceSum(), (ones, last), (1,), 5000.0),
        (ReduceMean(), (hundreds, last), (1,), 100.0),
        (ReduceSumSquare(), (ones, last), (1,), 5000.0),
        (ReduceL2(), (hundreds, last), (1,), 100 * np.sqrt(LONG)),
        (ReduceLogSumExp(), (ones, last), (1,), 1 + np.log(LONG)),
        (Softmax(), (ones,), (), 1 / LONG),
        (LogSoftmax(), (ones,), (), -np.log(LONG)),
        (CumSum(), (ones, np.asarray(1, np.int64)), (1,), 5000.0),
        (LayerNormalization(), (alternating, scale, scale), (), 2.0),
        (RMSNormalization(), (hundreds, scale), (), 1.0),
    ],
    ids=lambda value: value.kind if isinstance(value, Op) else "",
)
@pytest.mark.parametrize("ways", [1, 3])
def test_long_float16_rows(
    op: Op, inputs: tuple[RuntimeValue, ...], constant: tuple[int, ...], wanted: float, ways: int
) -> None:
    case = Case("narrow", Sample(op, inputs, constant))
    args = case.tile_args()
    assert args is not None
    form = op.tile_form(args)
    assert isinstance(form, TileForm)
    operands = [value if isinstance(value, np.ndarray) else None for value in inputs]
    (on_tiles,) = SplitExecutor(lambda _axis: ways).run(form, operands)
    (whole, *_) = case.evaluate()
    assert isinstance(whole, np.ndarray)
    for found in (whole, on_tiles):
        assert found.dtype == np.float16
        assert float(found[-1, -1]) == pytest.approx(wanted, rel=2e-3)
