"""Random ops: seeds repeat, distributions have the right moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from halo_py.ir.builder import GraphBuilder
from halo_py.ir.op import Op, Sample
from halo_py.ops.dropout import Dropout
from halo_py.ops.random import Bernoulli, Multinomial, RandomNormal, RandomUniform, RandomUniformLike
from halo_py.types import DType
from tests.ops.cases import Case


def _run(op: Op, *inputs: NDArray[Any]) -> NDArray[Any]:
    (result,) = Case("random", Sample(op, inputs)).evaluate()
    assert isinstance(result, np.ndarray)
    return result


def test_a_seed_repeats_and_another_differs() -> None:
    first = _run(RandomNormal(shape=(50,), seed=1.0))
    assert np.array_equal(first, _run(RandomNormal(shape=(50,), seed=1.0)))
    assert not np.array_equal(first, _run(RandomNormal(shape=(50,), seed=1.5)))


def test_normal_numbers_have_the_mean_and_scale() -> None:
    drawn = _run(RandomNormal(shape=(40000,), mean=3.0, scale=0.5))
    assert abs(drawn.mean() - 3.0) < 0.02
    assert abs(drawn.std() - 0.5) < 0.02


def test_uniform_numbers_fill_the_interval() -> None:
    drawn = _run(RandomUniform(shape=(40000,), low=-1.0, high=3.0))
    assert drawn.min() >= -1.0
    assert drawn.max() <= 3.0
    assert abs(drawn.mean() - 1.0) < 0.05
    assert abs(np.quantile(drawn, 0.25)) < 0.05


def test_bernoulli_follows_each_probability() -> None:
    drawn = _run(Bernoulli(), np.tile(np.asarray([0.1, 0.9], np.float32), (20000, 1)))
    assert np.allclose(drawn.mean(axis=0), [0.1, 0.9], atol=0.02)


def test_multinomial_follows_log_probabilities() -> None:
    drawn = _run(Multinomial(sample_size=30000), np.log(np.asarray([[0.2, 0.5, 0.3]], np.float32)))
    assert np.allclose(np.bincount(drawn[0], minlength=3) / 30000, [0.2, 0.5, 0.3], atol=0.02)


def test_dropout_in_training_mode_keeps_the_mean() -> None:
    inputs = (np.ones(40000, np.float32), np.asarray(0.25, np.float32), np.asarray(True))
    y, mask = Case("dropout", Sample(Dropout(seed=1), inputs, outputs=2)).evaluate()
    assert isinstance(y, np.ndarray)
    assert isinstance(mask, np.ndarray)
    assert abs(float(mask.astype(np.float64).mean()) - 0.75) < 0.02
    assert np.array_equal(y != 0, mask)
    assert abs(float(y.astype(np.float64).mean()) - 1.0) < 0.02


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.FLOAT64])
def test_the_attribute_dtype_wins_over_the_operand(dtype: DType) -> None:
    assert _run(RandomUniformLike(dtype=dtype), np.zeros(3, np.float32)).dtype == dtype.numpy


def test_random_nodes_are_not_folded_while_building() -> None:
    builder = GraphBuilder("g")
    (value,) = builder.add(RandomUniformLike(), [builder.constant(np.zeros(3, np.float32))])
    assert builder.known(value) is None
