"""Per-channel arithmetic after a convolution or product goes into its weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from halo_py.ir.graph import Value
from halo_py.passes.affine import FoldAffine
from tests.passes.equality import check_pass
from tests.passes.make import Make, check_golden, kinds

Spelling = Callable[[Make, Value], Value]


def batch_norm(m: Make, x: Value, channels: int) -> Value:
    """A BatchNormalization with seeded parameters."""
    parameters = [m.weights(channels) for _ in range(3)]
    return m.BatchNormalization(x, *parameters, np.abs(m.weights(channels)) + 0.1, epsilon=1e-3)


def column(m: Make) -> np.ndarray:
    """One number for each of 6 channels."""
    return m.weights(6, 1, 1)


CASES: dict[str, tuple[Spelling, list[str]]] = {
    "conv bn": (lambda m, x: batch_norm(m, m.Conv(x, m.weights(6, 4, 3, 3)), 6), ["Conv"]),
    "conv bias bn": (lambda m, x: batch_norm(m, m.Conv(x, m.weights(6, 4, 3, 3), m.weights(6)), 6), ["Conv"]),
    "grouped": (lambda m, x: batch_norm(m, m.Conv(x, m.weights(6, 2, 3, 3), group=2), 6), ["Conv"]),
    "transposed": (lambda m, x: batch_norm(m, m.ConvTranspose(x, m.weights(4, 6, 3, 3)), 6), ["ConvTranspose"]),
    "transposed, grouped": (
        lambda m, x: batch_norm(m, m.ConvTranspose(x, m.weights(4, 3, 3, 3), m.weights(6), group=2), 6),
        ["ConvTranspose"],
    ),
    "scale and shift": (
        lambda m, x: m.Add(m.Mul(m.Conv(x, m.weights(6, 4, 3, 3)), column(m)), column(m)),
        ["Conv"],
    ),
    "subtract, divide": (
        lambda m, x: m.Div(m.Sub(m.Conv(x, m.weights(6, 4, 1, 1)), column(m)), np.abs(column(m)) + 0.5),
        ["Conv"],
    ),
    "scalar": (lambda m, x: m.Mul(3.0, m.Conv(x, m.weights(6, 4, 3, 3))), ["Conv"]),
    "gemm": (
        lambda m, x: m.Mul(m.Gemm(m.Flatten(x), m.weights(5, 196), m.weights(5), transB=1), m.weights(5)),
        ["Flatten", "Gemm"],
    ),
    "gemm bn": (
        lambda m, x: batch_norm(m, m.Gemm(m.Flatten(x), m.weights(196, 5)), 5),
        ["Flatten", "Gemm"],
    ),
    "matmul": (lambda m, x: m.Mul(m.MatMul(x, m.weights(7, 5)), m.weights(5)), ["MatMul"]),
    "alone": (lambda m, x: batch_norm(m, x, 4), ["Mul", "Add"]),
    "after relu": (lambda m, x: batch_norm(m, m.Relu(x), 4), ["Relu", "Mul", "Add"]),
    "varies elsewhere": (lambda m, x: m.Mul(m.Conv(x, m.weights(6, 4, 3, 3)), m.weights(5)), ["Conv", "Mul"]),
    "weights vary": (lambda m, x: m.Mul(m.Conv(x, m.Neg(m.input("w", 6, 4, 3, 3))), column(m)), ["Neg", "Conv", "Mul"]),
    "division by zero": (lambda m, x: m.Div(m.Conv(x, m.weights(6, 4, 3, 3)), 0.0), ["Conv", "Div"]),
}


@pytest.mark.parametrize(("spelling", "expected"), CASES.values(), ids=list(CASES))
def test_affine(spelling: Spelling, expected: list[str]) -> None:
    m = Make()
    found = check_pass(FoldAffine(), m.case(spelling(m, m.input("x", 2, 4, 7, 7))), 3e-6)
    assert kinds(found) == expected


def test_a_result_that_is_read_elsewhere_keeps_its_weights() -> None:
    m = Make()
    conv = m.Conv(m.input("x", 2, 4, 7, 7), m.weights(6, 4, 3, 3))
    assert kinds(check_pass(FoldAffine(), m.case(batch_norm(m, conv, 6), conv))) == ["Conv", "Mul", "Add"]


def test_shared_weights_are_not_copied() -> None:
    m = Make()
    x, w = m.input("x", 2, 4, 7, 7), m.operand(m.weights(6, 4, 3, 3))
    found = check_pass(FoldAffine(), m.case(m.Mul(m.Conv(x, w), column(m)), m.Conv(x, w)))
    assert sorted(kinds(found)) == ["Conv", "Conv", "Mul"]


def test_batch_norm_prints_as_a_biased_convolution() -> None:
    m = Make()
    check_golden(
        "affine_conv", check_pass(FoldAffine(), m.case(CASES["conv bn"][0](m, m.input("x", 1, 4, 5, 5))), 3e-6)
    )
