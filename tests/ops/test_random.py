"""Random ops: seeds repeat, distributions have the right moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import odla
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.op import Op, Sample
from halo_py.ops.dropout import Dropout
from halo_py.ops.random import Bernoulli, Multinomial, RandomNormal, RandomUniform, RandomUniformLike
from halo_py.types import DType, tensor
from tests.ops.cases import Case


def _run(op: Op, *inputs: NDArray[Any]) -> NDArray[Any]:
    (result,) = Case("random", Sample(op, inputs)).evaluate()
    assert isinstance(result, np.ndarray)
    return result


def test_a_seed_repeats_and_another_differs() -> None:
    first = _run(RandomNormal(shape=(50,), seed=1.0))
    assert np.array_equal(first, _run(RandomNormal(shape=(50,), seed=1.0)))
    assert not np.array_equal(first, _run(RandomNormal(shape=(50,), seed=2.0)))


def test_seeds_are_those_of_numpys_legacy_generator() -> None:
    """What the first numbers are; other seeded samples are judged by ONNX's reference evaluator."""
    drawn = _run(RandomUniform(shape=(3,), seed=0.0, dtype=DType.FLOAT64))
    np.testing.assert_array_equal(drawn, [0.5488135039273248, 0.7151893663724195, 0.6027633760716439])
    np.testing.assert_array_equal(drawn, _run(RandomUniform(shape=(3,), seed=0.75, dtype=DType.FLOAT64)))


@pytest.mark.parametrize("seed", [-3.0, 2.0**32, 1e300, np.inf, np.nan])
def test_any_float_is_a_seed(seed: float) -> None:
    first, again = (_run(RandomUniform(shape=(50,), seed=seed)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first)) == 50


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
    chances = np.asarray([0.0, 0.1, 0.5, 0.9, 1.0, 1.5, -1.0, np.nan], np.float32)
    drawn = _run(Bernoulli(), np.tile(chances, (20000, 1)))
    assert np.isin(drawn, (0, 1)).all()
    assert np.allclose(drawn.mean(axis=0), [0, 0.1, 0.5, 0.9, 1, 1, 0, 0], atol=0.01)


@pytest.mark.parametrize("device", ["cpu", "reference", "ipu-tiny"])
@pytest.mark.parametrize("expanded", [False, True])
@pytest.mark.parametrize("dtype", [None, DType.FLOAT64])
def test_bernoulli_on_every_device(device: str, expanded: bool, dtype: DType | None) -> None:
    """ONNX's own cases fix values that no seed can give; here their shape, element type and statistics count.

    `expanded` is the operator's function body: a uniform number that is less than the chance.
    """
    chances = np.tile(np.asarray([0.2, 0.7], np.float32), (5000, 1))
    computation = odla.Computation()
    x = computation.argument("x", tensor(DType.FLOAT32, *chances.shape))
    if expanded:
        drawn = computation.add("random_uniform_like", x, seed=2.0)
        y = computation.add("cast", computation.add("greater", x, drawn), to=dtype or DType.FLOAT32)
    else:
        y = computation.add("bernoulli", x, dtype=dtype, seed=2.0)
    computation.output(y, "y")
    found = computation.compile(device).run([chances])["y"]
    assert found.shape == chances.shape
    assert found.dtype == (dtype or DType.FLOAT32).numpy
    assert np.isin(found, (0, 1)).all()
    np.testing.assert_allclose(found.mean(axis=0), [0.2, 0.7], atol=0.02)


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
