"""Stochastic rounding: seeded, unbiased, exact where it can be."""

from __future__ import annotations

import numpy as np

import odla
from halo_backends.ipu.rounding import StochasticRounding


def test_the_expected_value_is_the_value() -> None:
    value = np.float32(1.0 + 0.3 * 2**-10)
    rounded = StochasticRounding(7).to_float16(np.full(40_000, value, np.float32)).astype(np.float64)
    assert set(np.unique(rounded)) == {1.0, 1.0 + 2**-10}
    np.testing.assert_allclose(rounded.mean(), float(value), atol=4 * 2**-10 * 0.5 / 200)


def test_representable_values_infinity_and_nan_stay() -> None:
    exact = np.array([0.0, -1.5, 65504.0, np.inf, -np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(StochasticRounding(1).to_float16(exact), exact.astype(np.float16))


def test_a_run_repeats_with_its_seed_and_differs_with_another() -> None:
    image = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32)

    def run(seed: int | None) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        options = {"batch_size": 2, "precision": "fp16", "mode": "tiled", "rounding_seed": seed}
        return odla.execute("examples/digits.onnx", [image], device="ipu-tiny", **options)["logits"]

    first, again, other, nearest = run(1), run(1), run(2), run(None)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_allclose(first, nearest, atol=0.02 * float(np.ptp(nearest)))
