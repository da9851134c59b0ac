"""Rewrites written as the code they match and the code they make; the examples of docs/ir.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from halo_py.ir.graph import Node, Value
from halo_py.ir.parse import parse_graph
from halo_py.ir.pattern import Code, Maker, Pattern, rewrite, rules_of
from halo_py.ir.rewrite import Rewriter, kind_of, rewrite_graph
from halo_py.ir.text import print_graph
from halo_py.ir.verify import verify_graph
from tests.ir.graphs import samples
from tests.passes.make import Make, kinds

DOCUMENT = Path(__file__).parents[2] / "docs" / "ir.md"


def test_the_documented_text_is_what_is_printed() -> None:
    samples()
    blocks = DOCUMENT.read_text(encoding="utf-8").split("```\n")
    text = next(block for block in blocks if block.startswith('file "model.onnx"'))
    graph = parse_graph(text, {"f106a6cfbb7f6552": np.zeros((8, 5), np.float32)})
    verify_graph(graph)
    printed = print_graph(graph)
    assert [line for line in printed.splitlines() if "sha256" not in line] == [
        line for line in text.splitlines() if "sha256" not in line
    ]


def double_neg(rewriter: Rewriter, node: Node) -> bool:
    """The documented rule."""
    inner = rewriter.producer(node.inputs[0])
    if inner is None or kind_of(inner) != "Neg" or inner.inputs[0] is None:
        return False
    rewriter.replace(node, inner.inputs[0])
    return True


def match(op: Code, x: Pattern) -> Pattern:
    return op.Mul(x, op.Sigmoid(x))


def make(op: Maker, x: Value) -> Value:
    return op.Swish(x, alpha=1.0)


def test_documented_rules_work() -> None:
    m = Make()
    x = m.input("x", 4)
    graph = m.case(m.Mul(m.Sigmoid(m.Neg(m.Neg(x))), x)).graph
    plain = rewrite_graph(graph, {"Neg": [double_neg]})
    assert kinds(plain) == ["Sigmoid", "Mul"]
    assert kinds(rewrite_graph(plain, rules_of(rewrite(match, make)))) == ["Swish"]


def scaled(op: Code, x: Pattern) -> Pattern:
    return op.either(op.Mul(x, op.number("factor")), op.Div(x, op.number("factor")))


def test_alternatives_numbers_and_refusals() -> None:
    seen: list[float | None] = []

    def look(op: Maker, x: Value, factor: Value) -> Value | None:
        seen.append(op.rewriter.scalar(factor))
        return op.Relu(x) if op.rewriter.scalar(factor) == 2 else None

    m = Make()
    x = m.input("x", 4)
    graph = m.case(m.Mul(2.0, x), m.Div(x, np.full(4, 3, np.float32)), m.Mul(x, m.weights(4))).graph
    found = rewrite_graph(graph, rules_of(rewrite(scaled, look)))
    assert sorted(number for number in seen if number is not None) == [2.0, 3.0]
    assert sorted(kinds(found)) == ["Div", "Mul", "Relu"]


def test_a_result_of_another_type_is_not_taken() -> None:
    def shrink(op: Maker, x: Value, factor: Value) -> Value:
        del factor
        return op.ReduceSum(x)

    m = Make()
    graph = m.case(m.Mul(m.input("x", 4), 2.0)).graph
    assert kinds(rewrite_graph(graph, rules_of(rewrite(scaled, shrink)))) == ["Mul"]
