"""The order of a stage's nodes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from halo_py.bsp.order import order_nodes, peak_bytes
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ops.elementwise import Add, Tanh
from halo_py.types import DType, TensorType
from tests.bsp.graphs import branches, layers


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random graphs of unary and binary nodes over vectors and matrices of different sizes."""
    builder = GraphBuilder("random")
    width = draw(st.integers(1, 8))
    values: list[Value] = [builder.input("x", TensorType(DType.FLOAT32, (width,)))]
    values.append(builder.input("m", TensorType(DType.FLOAT32, (16, width))))
    for _ in range(draw(st.integers(1, 14))):
        left, right = draw(st.sampled_from(values)), draw(st.sampled_from(values))
        binary = draw(st.booleans())
        values.extend(builder.add(Add(), [left, right]) if binary else builder.add(Tanh(), [left]))
    outputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    return builder.finish(outputs)


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_order_respects_every_dependency_and_never_raises_the_peak(graph: Graph) -> None:
    order = order_nodes(graph)
    assert len(order) == len(graph.nodes)
    assert set(order) == set(graph.nodes)
    known = {*graph.inputs, *graph.constants}
    for node in order:
        assert all(value is None or value in known for value in node.inputs)
        known.update(node.outputs)
    numbers = [graph.nodes.index(node) for node in order]
    assert peak_bytes(graph, numbers) <= peak_bytes(graph, range(len(graph.nodes)))


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_peak_is_that_of_live_sets(graph: Graph) -> None:
    """The peak, counted again from the sets of values alive during every node."""
    worst = sum(_bytes(value) for value in graph.inputs)
    for number, node in enumerate(graph.nodes):
        made = {value for earlier in graph.nodes[: number + 1] for value in earlier.outputs}
        later = {value for after in graph.nodes[number:] for value in after.inputs}
        unread = {value for value in graph.inputs if not any(value in n.inputs for n in graph.nodes)}
        alive = {v for v in {*made, *graph.inputs} if v in later or v in graph.outputs or v in node.outputs}
        worst = max(worst, sum(_bytes(value) for value in alive | unread))
    assert peak_bytes(graph, range(len(graph.nodes))) == worst


def _bytes(value: Value) -> int:
    assert isinstance(value.type, TensorType)
    return value.type.bytes


def test_a_better_order_than_the_written_one_is_found() -> None:
    """All wide intermediates written first, then all sums: better to sum each up as soon as it exists."""
    builder = GraphBuilder("wide")
    x = builder.input("x", TensorType(DType.FLOAT32, (4,)))
    big = builder.input("big", TensorType(DType.FLOAT32, (1000, 4)))
    wide = [builder.add(Add(), [big, x])[0] for _ in range(4)]
    total = wide[0]
    for other in wide[1:]:
        (total,) = builder.add(Add(), [total, other])
    graph = builder.finish([total])
    order = [graph.nodes.index(node) for node in order_nodes(graph)]
    assert peak_bytes(graph, order) < peak_bytes(graph, range(len(graph.nodes)))


def test_equal_orders_keep_the_written_one() -> None:
    for graph in (layers(), branches()):
        assert list(order_nodes(graph)) == list(graph.nodes)


def test_of_equal_peaks_the_order_that_keeps_less_alive_wins() -> None:
    """A late peak hides wide intermediates that lie about for nothing: a pipeline would have to carry them."""
    builder = GraphBuilder("late peak")
    x = builder.input("x", TensorType(DType.FLOAT32, (4,)))
    column = builder.input("column", TensorType(DType.FLOAT32, (100, 1)))
    wide = [builder.add(Add(), [column, x])[0] for _ in range(12)]
    total = wide[0]
    for other in wide[1:]:
        (total,) = builder.add(Add(), [total, other])
    (largest,) = builder.add(Add(), [total, builder.input("many", TensorType(DType.FLOAT32, (20, 1, 1)))])
    graph = builder.finish([largest])

    order = [graph.nodes.index(node) for node in order_nodes(graph)]

    assert peak_bytes(graph, order) == peak_bytes(graph, range(len(graph.nodes)))
    assert order.index(12) < order.index(11), "the first sum comes before the last wide value"
