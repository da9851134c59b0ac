"""The rewriter keeps graphs well-formed and costs what it touches."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halo_py.errors import InternalError
from halo_py.evaluate import evaluate_graph
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Node
from halo_py.ir.rewrite import Rewriter, kind_of, rewrite_graph
from halo_py.ir.verify import verify_graph
from halo_py.types import DType, tensor
from tests.ir.graphs import graphs, weights
from tests.ir.test_verify import VECTOR, chain, make


def double_abs(rewriter: Rewriter, node: Node) -> bool:
    """The rule abs(abs(x)) -> abs(x)."""
    inner = rewriter.producer(node.inputs[0])
    if inner is None or kind_of(inner) != "Abs":
        return False
    rewriter.replace(node, inner.outputs[0])
    return True


def abs_twice(rewriter: Rewriter, node: Node) -> bool:
    """A rule that never ends."""
    rewriter.replace(node, rewriter.apply(make("abs"), node.inputs, node))
    return True


def long_chain(length: int) -> Graph:
    builder = GraphBuilder("long", "m.onnx")
    value = builder.input("x", VECTOR)
    for _ in range(length):
        (value,) = builder.add(make("abs"), (value,))
    return builder.finish([value], ["y"])


def test_ten_thousand_nodes_vanish_without_a_copy_per_rewrite() -> None:
    graph = long_chain(10_000)
    begin = time.process_time()
    found = rewrite_graph(graph, {"Abs": [double_abs]})
    # One copy of the graph per rewrite would take minutes.
    assert time.process_time() - begin < 4.0
    assert len(found.nodes) == 1
    verify_graph(found)


def test_nothing_to_do_answers_the_same_graph() -> None:
    graph = chain()
    assert rewrite_graph(graph, {"Abs": [double_abs]}) is graph


def test_rules_in_a_circle_are_stopped() -> None:
    with pytest.raises(InternalError, match="run in a circle, last abs_twice"):
        rewrite_graph(chain(), {"Abs": [abs_twice]})


def test_new_values_inherit_names_and_places() -> None:
    graph = chain()
    rewriter = Rewriter(graph)
    first, add, last = rewriter.nodes()
    made = rewriter.insert(make("relu"), (first.outputs[0],), (add, last))
    rewriter.replace(last, *made)
    found = rewriter.finish()
    verify_graph(found)
    relu = found.nodes[-1]
    assert [node.op.kind for node in found.nodes] == ["abs", "relu"]
    assert relu.outputs[0].name == "y"
    assert relu.where.node == "b"
    assert relu.where.merged == ("y",)
    assert not found.constants


def test_uses_are_counted() -> None:
    rewriter = Rewriter(chain())
    first, add, last = rewriter.nodes()
    assert rewriter.has_one_use(first.outputs[0])
    assert not rewriter.has_one_use(last.outputs[0])
    rewriter.set_inputs(add, (first.outputs[0], first.outputs[0]))
    assert not rewriter.has_one_use(first.outputs[0])
    assert rewriter.users(first.outputs[0]) == [rewriter.producer(last.inputs[0])]


def test_a_cycle_is_refused() -> None:
    rewriter = Rewriter(chain())
    first, _, last = rewriter.nodes()
    rewriter.set_inputs(first, last.outputs)
    with pytest.raises(InternalError, match="cyclic"):
        rewriter.finish()


def test_types_are_checked() -> None:
    rewriter = Rewriter(chain())
    with pytest.raises(InternalError, match="a rewrite replaces"):
        rewriter.replace_value(next(rewriter.nodes()).outputs[0], rewriter.ints([1]))


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_finish_drops_only_dead_code(graph: Graph) -> None:
    found = Rewriter(graph).finish()
    verify_graph(found)
    assert found.outputs == graph.outputs
    assert set(found.nodes) <= set(graph.nodes)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=20))
def test_random_edits_keep_the_graph_well_formed(edits: list[int]) -> None:
    builder = GraphBuilder("dag", "m.onnx")
    values = [builder.input("x", tensor(DType.FLOAT32, 4))]
    for edit in edits:
        pair = (values[-1], values[len(values) // 2])
        values.append(builder.add(make("add"), pair)[0] if edit else builder.add(make("abs"), pair[:1])[0])
    graph = builder.finish(values[-2:], ["a", "b"])
    rewriter = Rewriter(graph)
    for node, edit in zip(list(rewriter.nodes()), edits, strict=False):
        if not rewriter.is_alive(node) or edit == 2:
            continue
        made = rewriter.apply(node.op, node.inputs, node)
        rewriter.replace(rewriter.producer(node.outputs[0]) or node, made)
    found = rewriter.finish()
    verify_graph(found)
    inputs = [weights(4, seed=7)]
    for left, right in zip(evaluate_graph(graph, inputs), evaluate_graph(found, inputs), strict=True):
        np.testing.assert_array_equal(np.asarray(left), np.asarray(right))
