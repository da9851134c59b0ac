"""Each simplification, on the smallest graph that needs it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from halo_py.ir.graph import Value
from halo_py.passes.canonicalize import Canonicalize
from halo_py.types import DType
from tests.passes.equality import check_pass
from tests.passes.make import Make, check_golden, kinds

Spelling = Callable[[Make, Value], Value]

CASES: dict[str, tuple[Spelling, list[str]]] = {
    "x * 1": (lambda m, x: m.Mul(1.0, x), []),
    "x + 0": (lambda m, x: m.Add(x, 0.0), []),
    "x - 0": (lambda m, x: m.Sub(x, np.zeros((1, 4), np.float32)), []),
    "x / 1": (lambda m, x: m.Div(x, 1.0), []),
    "x ** 1": (lambda m, x: m.Pow(x, 1.0), []),
    "x ** 2": (lambda m, x: m.Pow(x, 2.0), ["Mul"]),
    "x / 8": (lambda m, x: m.Div(x, 8.0), ["Mul"]),
    "x / 3 stays": (lambda m, x: m.Div(x, 3.0), ["Div"]),
    "x * 0 stays": (lambda m, x: m.Mul(x, 0.0), ["Mul"]),
    "broadcasting 1 stays": (lambda m, x: m.Mul(x, np.ones((3, 2, 1, 4), np.float32)), ["Mul"]),
    "identity": (lambda m, x: m.Identity(x), []),
    "neg neg": (lambda m, x: m.Neg(m.Neg(x)), []),
    "relu relu": (lambda m, x: m.Relu(m.Relu(x)), ["Relu"]),
    "cast to itself": (lambda m, x: m.Cast(x, to=DType.FLOAT32), []),
    "cast wide and back": (lambda m, x: m.Cast(m.Cast(x, to=DType.FLOAT64), to=DType.FLOAT32), []),
    "cast narrow and back stays": (lambda m, x: m.Cast(m.Cast(x, to=DType.FLOAT16), to=DType.FLOAT32), ["Cast"] * 2),
    "double transpose": (lambda m, x: m.Transpose(m.Transpose(x, perm=(2, 0, 1)), perm=(1, 2, 0)), []),
    "two transposes": (lambda m, x: m.Transpose(m.Transpose(x, perm=(2, 0, 1)), perm=(2, 0, 1)), ["Transpose"]),
    "transpose of ones": (lambda m, x: m.Transpose(m.Unsqueeze(x, [1]), perm=(1, 0, 2, 3)), ["Reshape"]),
    "reshape of reshape": (lambda m, x: m.Reshape(m.Reshape(x, [8, 3]), [4, 6]), ["Reshape"]),
    "reshape and back": (lambda m, x: m.Reshape(m.Flatten(x), [2, 3, 4]), []),
    "flatten": (lambda m, x: m.Flatten(x), ["Reshape"]),
    "squeeze of unsqueeze": (lambda m, x: m.Squeeze(m.Unsqueeze(x, [0, 4]), [0, 4]), []),
    "expand to itself": (lambda m, x: m.Expand(x, [2, 3, 4]), []),
    "expand before add": (lambda m, x: m.Add(x, m.Expand(m.ReduceSum(x, [1]), [2, 3, 4])), ["ReduceSum", "Add"]),
    "whole slice": (lambda m, x: m.Slice(x, [0], [9], [1]), []),
    "reversed slice stays": (lambda m, x: m.Slice(x, [-1], [-9], [1], [-1]), ["Slice"]),
    "concat of one": (lambda m, x: m.Concat(x, axis=1), []),
    "nested concat": (lambda m, x: m.Concat(m.Concat(x, x, axis=1), x, axis=1), ["Concat"]),
    "where": (lambda m, x: m.Where(np.ones((4,), bool), x, m.Neg(x)), []),
    "clip": (lambda m, x: m.Clip(x), []),
    "clip at zero": (lambda m, x: m.Clip(x, 0.0), ["Relu"]),
    "sum of one": (lambda m, x: m.Sum(x), []),
}


@pytest.mark.parametrize(("spelling", "expected"), CASES.values(), ids=list(CASES))
def test_simplification(spelling: Spelling, expected: list[str]) -> None:
    m = Make()
    found = check_pass(Canonicalize(), m.case(spelling(m, m.input("x", 2, 3, 4))))
    assert kinds(found) == expected


def test_reshapes_print_as_one() -> None:
    m = Make()
    x = m.input("x", 2, 3, 4)
    check_golden("canonicalize_reshape", check_pass(Canonicalize(), m.case(m.Flatten(m.Unsqueeze(x, [0]), axis=3))))


def test_padding_goes_into_the_convolution() -> None:
    m = Make()
    x = m.Pad(m.input("x", 2, 3, 7, 8), [0, 0, 1, 0, 0, 0, 2, 3], 0.0)
    found = check_pass(Canonicalize(), m.case(m.Conv(x, m.weights(4, 3, 3, 3), strides=(2, 2), pads=(0, 1, 0, 1))))
    assert kinds(found) == ["Conv"]
    assert found.nodes[0].op.attributes()["pads"] == (1, 1, 2, 4)


@pytest.mark.parametrize(
    ("pads", "value", "mode"),
    [
        ([0, 1, 1, 0, 0, 0, 2, 3], 0.0, "constant"),
        ([0, 0, -1, 0, 0, 0, 2, 3], 0.0, "constant"),
        ([0, 0, 1, 1, 0, 0, 1, 1], 1.0, "constant"),
        ([0, 0, 1, 1, 0, 0, 1, 1], 0.0, "reflect"),
    ],
)
def test_other_padding_stays(pads: list[int], value: float, mode: str) -> None:
    m = Make()
    x = m.Pad(m.input("x", 2, 3, 7, 8), pads, value, mode=mode)
    weights = m.weights(4, 3 + pads[1], 3, 3)
    assert kinds(check_pass(Canonicalize(), m.case(m.Conv(x, weights)))) == ["Pad", "Conv"]


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        (np.asarray(0), ["Slice", "Reshape"]),
        (np.asarray(-1), ["Slice", "Reshape"]),
        (np.asarray([1, 2]), ["Slice"]),
        (np.asarray([2, 1]), ["Gather"]),
        (np.asarray([[0], [1]]), ["Gather"]),
    ],
)
def test_gather_of_a_range_is_a_slice(indices: np.ndarray, expected: list[str]) -> None:
    m = Make()
    found = check_pass(Canonicalize(), m.case(m.Gather(m.input("x", 2, 3, 4), indices, axis=1)))
    assert kinds(found) == expected
