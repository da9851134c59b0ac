"""Transposes meet and cancel, or become part of a contraction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from halo_py.ir.graph import Value
from halo_py.passes.transposed_reshapes import swap
from halo_py.passes.transposes import SinkTransposes
from tests.passes.equality import check_pass
from tests.passes.make import Make, check_golden, kinds

Spelling = Callable[[Make, Value], Value]
TO, BACK = (0, 3, 1, 2), (0, 2, 3, 1)


def around(inner: Spelling) -> Spelling:
    """To channels first, `inner`, and back."""
    return lambda m, x: m.Transpose(inner(m, m.Transpose(x, perm=TO)), perm=BACK)


CASES: dict[str, tuple[Spelling, list[str]]] = {
    "unary": (around(lambda m, x: m.Relu(x)), ["Relu"]),
    "constant": (around(lambda m, x: m.Add(x, m.weights(5, 1, 1))), ["Add"]),
    "full constant": (around(lambda m, x: m.Mul(m.weights(2, 5, 3, 4), x)), ["Mul"]),
    "scalar": (around(lambda m, x: m.Clip(x, 0.0, 6.0)), ["Clip"]),
    "both": (around(lambda m, x: m.Mul(x, m.Sigmoid(x))), ["Sigmoid", "Mul"]),
    "softmax": (around(lambda m, x: m.Softmax(x, axis=1)), ["Softmax"]),
    "mean": (around(lambda m, x: m.ReduceMean(x, [2, 3])), ["ReduceMean"]),
    "concat": (around(lambda m, x: m.Concat(x, m.Neg(x), axis=1)), ["Neg", "Concat"]),
    "pad": (around(lambda m, x: m.Pad(x, [0, 1, 2, 3, 0, 0, 1, 2])), ["Pad"]),
    "slice": (around(lambda m, x: m.Slice(x, [1], [4], [1])), ["Slice"]),
    "axes split": (
        lambda m, x: m.Reshape(m.Transpose(m.Reshape(m.Transpose(x, perm=TO), [2, 5, 12]), perm=(0, 2, 1)), [2, 12, 5]),
        ["Reshape"],
    ),
    "axis of one added": (
        lambda m, x: m.Transpose(m.Reshape(m.Transpose(x, perm=TO), [2, 5, 3, 1, 4]), perm=(0, 2, 3, 4, 1)),
        ["Reshape"],
    ),
    "operand in order": (
        around(lambda m, x: m.Concat(x, m.ReduceMean(x, [1]), axis=1)),
        ["ReduceMean", "Concat"],
    ),
    "mean, dropped": (
        lambda m, x: m.ReduceMean(m.Transpose(x, perm=TO), [2, 3], keepdims=0),
        ["ReduceMean"],
    ),
    "stored": (around(lambda m, x: _stored(m, x, scales=0)), ["QuantizeLinear", "DequantizeLinear"]),
    "stored by channel": (around(lambda m, x: _stored(m, x, scales=1)), ["QuantizeLinear", "DequantizeLinear"]),
    "stored by channel, last": (
        lambda m, x: m.Transpose(_stored(m, m.Transpose(x, perm=BACK), scales=1, axis=-2), perm=TO),
        ["QuantizeLinear", "DequantizeLinear"],
    ),
    "stored in blocks": (
        around(lambda m, x: _stored(m, x, scales=5, axis=1, block_size=5)),
        ["QuantizeLinear", "DequantizeLinear"],
    ),
    "between convolutions": (
        lambda m, x: _conv(m, m.Transpose(m.Relu(m.Transpose(_conv(m, m.Transpose(x, perm=TO)), perm=BACK)), perm=TO)),
        ["Transpose", "Conv", "Relu", "Conv"],
    ),
}


def _stored(m: Make, x: Value, **fields: int) -> Value:
    """To integers and back, with one scale, one per channel or one per block."""
    shape = {0: (), 1: (5,), 5: (2, 1, 3, 4)}[fields.pop("scales")]
    scale, zero = np.asarray(np.abs(m.weights(*shape)) + 0.01, np.float32), np.ones(shape, np.int8)
    return m.DequantizeLinear(m.QuantizeLinear(x, scale, zero, **fields), scale, zero, **fields)


def _conv(m: Make, x: Value) -> Value:
    return m.Conv(x, m.weights(5, 5, 1, 1))


@pytest.mark.parametrize(("spelling", "expected"), CASES.values(), ids=list(CASES))
def test_sinking(spelling: Spelling, expected: list[str]) -> None:
    m = Make()
    found = check_pass(SinkTransposes(), m.case(spelling(m, m.input("x", 2, 3, 4, 5))))
    assert kinds(found) == expected


def test_split_passes_a_transpose_to_its_parts() -> None:
    m = Make()
    x = m.Transpose(m.input("x", 2, 3, 4, 6), perm=TO)
    parts = m.add("Split", x, outputs=2, axis=1, num_outputs=2)
    found = check_pass(SinkTransposes(), m.case(*[m.Transpose(part, perm=BACK) for part in parts]))
    assert kinds(found) == ["Split"]


def test_more_work_is_not_taken() -> None:
    m = Make()
    x = m.input("x", 2, 3, 4, 5)
    case = m.case(m.Concat(m.Transpose(x, perm=TO), m.input("z", 2, 5, 3, 4), axis=1))
    assert kinds(check_pass(SinkTransposes(), case)) == ["Transpose", "Concat"]


HEADS = (0, 2, 1, 3)
PRODUCTS: dict[str, tuple[Spelling, list[str]]] = {
    "keys": (lambda m, x: m.MatMul(x, m.Transpose(x, perm=(0, 1, 3, 2))), ["Einsum"]),
    "heads": (
        lambda m, x: m.MatMul(m.Transpose(x, perm=HEADS), m.Transpose(x, perm=(0, 2, 3, 1))),
        ["Einsum"],
    ),
    "result": (lambda m, x: m.Transpose(m.MatMul(x, m.weights(5, 6)), perm=TO), ["Einsum"]),
    "biased result": (
        lambda m, x: m.Transpose(m.Gelu(m.Add(m.MatMul(x, m.weights(5, 6)), m.weights(6))), perm=TO),
        ["Einsum", "Add", "Gelu"],
    ),
    "everything": (
        lambda m, x: m.Transpose(m.MatMul(m.Transpose(x, perm=HEADS), m.Transpose(x, perm=(0, 2, 3, 1))), perm=HEADS),
        ["Einsum"],
    ),
    "broadcast": (lambda m, x: m.MatMul(m.weights(7, 4), m.Transpose(x, perm=(0, 1, 2, 3))), ["MatMul"]),
    "matrices": (
        lambda m, x: m.MatMul(m.Flatten(x), m.Transpose(m.Flatten(x), perm=(1, 0))),
        ["Flatten", "Flatten", "Gemm"],
    ),
    "gemm": (
        lambda m, x: m.Gemm(m.Transpose(m.Flatten(x), perm=(1, 0)), m.weights(2, 3), m.weights(3)),
        ["Flatten", "Gemm"],
    ),
}


@pytest.mark.parametrize(("spelling", "expected"), PRODUCTS.values(), ids=list(PRODUCTS))
def test_contractions_take_up_transposes(spelling: Spelling, expected: list[str]) -> None:
    m = Make()
    found = check_pass(SinkTransposes(), m.case(spelling(m, m.input("x", 2, 3, 4, 5))))
    assert kinds(found) == expected


def test_attention_prints_without_transposes() -> None:
    m = Make()
    q, k, v = (m.Transpose(m.input(name, 2, 6, 3, 4), perm=HEADS) for name in "qkv")
    scores = m.Softmax(m.MatMul(q, m.Transpose(k, perm=(0, 1, 3, 2))), axis=-1)
    found = check_pass(SinkTransposes(), m.case(m.Transpose(m.MatMul(scores, v), perm=HEADS)))
    check_golden("transposes_attention", found)


def _reference(source: tuple[int, ...], perm: tuple[int, ...], result: tuple[int, ...]) -> NDArray[np.int64]:
    return np.arange(np.prod(source)).reshape(source).transpose(perm).reshape(result)


@st.composite
def _reshapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    source = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4)))
    perm = tuple(draw(st.permutations(range(len(source)))))
    rest, result = int(np.prod(source)), list[int]()
    while rest > 1 and len(result) < 4:
        result.append(draw(st.sampled_from([size for size in range(1, rest + 1) if rest % size == 0])))
        rest //= result[-1]
    return source, perm, (*result, rest)


@given(_reshapes())
def test_a_swapped_reshape_means_the_same(case: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]) -> None:
    source, perm, result = case
    swapped = swap(source, perm, result)
    if swapped is None:
        return
    before = np.arange(np.prod(source)).reshape(source).reshape(swapped.shape).transpose(swapped.perm)
    np.testing.assert_array_equal(before, _reference(source, perm, result))


@pytest.mark.parametrize(
    ("source", "perm", "result"),
    [((2, 3, 4), (0, 2, 1), (2, 12)), ((4, 6), (1, 0), (24,)), ((4, 6), (1, 0), (3, 8)), ((2, 0), (1, 0), (0, 2))],
)
def test_what_does_not_lie_together_is_not_swapped(
    source: tuple[int, ...], perm: tuple[int, ...], result: tuple[int, ...]
) -> None:
    assert swap(source, perm, result) is None
