"""Element-wise work joins the contraction whose result it takes, or its neighbours."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from halo_py.ir.graph import Value
from halo_py.passes.base import PassContext
from halo_py.passes.fuse import Fuse
from halo_py.types import DType
from tests.passes.equality import check_pass
from tests.passes.make import Make, check_golden, kinds

Spelling = Callable[[Make, Value], Value]

CASES: dict[str, tuple[Spelling, list[str]]] = {
    "bias": (lambda m, x: m.Add(m.MatMul(x, m.weights(8, 5)), m.weights(5)), ["MatMul"]),
    "bias, gelu": (lambda m, x: m.Gelu(m.Add(m.weights(5), m.MatMul(x, m.weights(8, 5)))), ["MatMul"]),
    "residual": (lambda m, x: m.Add(m.MatMul(x, m.weights(8, 8)), x), ["MatMul"]),
    "of itself": (lambda m, x: _squared(m, m.MatMul(x, m.weights(8, 8))), ["MatMul"]),
    "clip": (lambda m, x: m.Clip(m.MatMul(x, m.weights(8, 5)), -1.0, 1.0), ["MatMul"]),
    "cast": (lambda m, x: m.Cast(m.MatMul(x, m.weights(8, 5)), to=DType.FLOAT16), ["MatMul"]),
    "einsum": (
        lambda m, x: m.Mul(m.Einsum(x, x, equation="ij,kj->ik"), 0.125),
        ["Einsum"],
    ),
    "conv": (
        lambda m, x: m.Relu(m.Add(m.Conv(m.Unsqueeze(x, [0]), m.weights(3, 3, 3)), m.weights(3, 6))),
        ["Unsqueeze", "Conv"],
    ),
    "gemm": (lambda m, x: m.Tanh(m.Gemm(x, m.weights(5, 8), transB=1, alpha=0.5)), ["Gemm"]),
    "chain": (lambda m, x: m.Tanh(m.Add(m.Mul(x, m.weights(8)), 1.0)), ["fused_map"]),
    "tree": (lambda m, x: m.Mul(m.Sin(x), m.Cos(x)), ["fused_map"]),
    "select": (lambda m, x: m.Where(m.Less(x, 0.0), m.Mul(x, 0.1), x), ["fused_map"]),
    "growing stays": (lambda m, x: m.Add(m.Tanh(m.ReduceMax(x, [0])), x), ["ReduceMax", "Tanh", "Add"]),
    "product of products": (
        lambda m, x: m.Mul(m.MatMul(x, m.weights(8, 8)), m.Sigmoid(m.MatMul(x, m.weights(8, 8)))),
        ["MatMul", "MatMul"],
    ),
}


def _squared(m: Make, x: Value) -> Value:
    return m.Mul(x, x)


@pytest.mark.parametrize(("spelling", "expected"), CASES.values(), ids=list(CASES))
def test_fusion(spelling: Spelling, expected: list[str]) -> None:
    m = Make()
    found = check_pass(Fuse(), m.case(spelling(m, m.input("x", 3, 8))))
    assert kinds(found) == expected


def test_what_is_read_elsewhere_is_not_fused() -> None:
    m = Make()
    product = m.MatMul(m.input("x", 3, 8), m.weights(8, 5))
    assert kinds(check_pass(Fuse(), m.case(m.Relu(product), product))) == ["MatMul", "Relu"]


def test_limits_are_kept() -> None:
    m = Make()
    x = m.input("x", 4)
    for _ in range(30):
        x = m.Add(m.Tanh(x), m.weights(4))
    found = check_pass(Fuse(operands=4, steps=10), m.case(x), 1e-4)
    assert set(kinds(found)) == {"fused_map"}
    assert all(len(node.inputs) <= 4 for node in found.nodes)
    assert all(len(node.op.attributes()["program"].steps) <= 10 for node in found.nodes)


def test_an_epilogue_prints_with_its_program() -> None:
    m = Make()
    check_golden(
        "fuse_epilogue", Fuse().run(m.case(CASES["bias, gelu"][0](m, m.input("x", 3, 8))).graph, PassContext())
    )
