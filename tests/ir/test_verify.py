"""Every numbered invariant has a graph that breaks it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from halo_py.errors import NOWHERE, InternalError, Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Node, StateUpdate, Value
from halo_py.ir.op import REGISTRY, Op, op
from halo_py.ir.verify import verify_graph, violations
from halo_py.types import DType, TensorType, tensor
from tests.ir.graphs import every_kind_of_thing, graphs, samples, weights

VECTOR = tensor(DType.FLOAT32, 4)
PLACE = Where("m.onnx", "node", "Abs")


def make(name: str) -> Op:
    samples()
    return REGISTRY.by_name[name]()


def chain() -> Graph:
    """The graph y = abs(abs(x) + c)."""
    builder = GraphBuilder("chain", "m.onnx")
    x = builder.input("x", VECTOR)
    constant = builder.constant(weights(4), "c")
    (a,) = builder.add(make("abs"), (x,), name="a")
    (b,) = builder.add(make("add"), (a, constant), name="b")
    (y,) = builder.add(make("abs"), (b,), name="y")
    return builder.finish([y])


def broken(graph: Graph) -> set[str]:
    return {violation.invariant for violation in violations(graph)}


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_built_graphs_are_well_formed(graph: Graph) -> None:
    verify_graph(graph)


def test_odd_things_are_well_formed() -> None:
    verify_graph(every_kind_of_thing())


def test_v001_defined_twice() -> None:
    graph = chain()
    twice = Node(make("abs"), (graph.inputs[0],), graph.nodes[0].outputs, "again", (), PLACE)
    assert "V001" in broken(graph.with_nodes((*graph.nodes, twice)))


def test_v002_names() -> None:
    graph = chain()
    for name in ("", "x"):
        node = Node(make("abs"), (graph.inputs[0],), (Value(name, VECTOR),), "extra", (), PLACE)
        assert broken(graph.with_nodes((*graph.nodes, node))) == {"V002"}


def test_v003_order_and_definition() -> None:
    graph = chain()
    assert broken(graph.with_nodes(graph.nodes[::-1])) == {"V003"}
    assert broken(graph.with_nodes(graph.nodes[1:])) == {"V003"}
    assert broken(replace(graph, outputs=(Value("nowhere", VECTOR),))) == {"V003"}


def test_v004_capture() -> None:
    graph = chain()
    inner = GraphBuilder("inner", "m.onnx")
    body = inner.finish([inner.input("i", VECTOR)])
    captured = Node(make("abs"), (graph.nodes[0].outputs[0],), (Value("o", VECTOR),), "o", (), PLACE)
    capturing = replace(body, nodes=(captured,), outputs=captured.outputs)
    owner = Node(make("abs"), (graph.inputs[0],), (Value("owner", VECTOR),), "owner", (capturing,), PLACE)
    assert broken(graph.with_nodes((*graph.nodes, owner))) == {"V004"}


def test_v005_types() -> None:
    graph = chain()
    first, *rest = graph.nodes
    for type in (tensor(DType.FLOAT32, 5), tensor(DType.FLOAT16, 4), tensor(DType.FLOAT32, 4, 1)):
        node = replace(first, outputs=(Value("wrong", type),))
        assert broken(graph.with_nodes((*graph.nodes, node))) == {"V005"}
    unknown = replace(first, outputs=(Value("unknown", TensorType(DType.FLOAT32, None)),))
    assert not broken(graph.with_nodes((first, *rest, unknown)))
    clash = Node(make("add"), (graph.inputs[0], None), (Value("z", VECTOR),), "z", (), PLACE)
    bad = replace(clash, inputs=(graph.inputs[0], Value("five", tensor(DType.FLOAT32, 5))))
    five = replace(graph, inputs=(*graph.inputs, *[value for value in bad.inputs[1:] if value]))
    assert broken(five.with_nodes((*graph.nodes, bad))) == {"V005"}


def test_v006_contents() -> None:
    graph = chain()
    (value,) = graph.constants
    wrong_type, wrong_shape = np.zeros(4, np.float64), np.zeros(3, np.float32)
    assert broken(replace(graph, constants={value: wrong_type})) == {"V006"}
    assert "V006" in broken(replace(graph, constants={value: wrong_shape}))


def test_v007_output_names() -> None:
    graph = chain()
    y = graph.outputs[0]
    assert broken(replace(graph, output_names=("",))) == {"V007"}
    assert broken(replace(graph, outputs=(y, y), output_names=("a", "a"))) == {"V007"}
    assert broken(replace(graph, output_names=("a", "b"))) == {"V007"}
    assert not broken(replace(graph, outputs=(y, y), output_names=("a", "b")))


def test_v008_place() -> None:
    graph = chain()
    assert broken(graph.with_nodes((replace(graph.nodes[0], where=NOWHERE), *graph.nodes[1:]))) == {"V008"}


def test_v009_registered() -> None:
    graph = chain()

    @op("abs_of_another_kind")
    class Other(type(make("abs"))):  # type: ignore[misc]
        """An op that is taken off the register again."""

    del REGISTRY.by_name["abs_of_another_kind"]
    node = replace(graph.nodes[0], op=Other(), outputs=(Value("other", VECTOR),))
    assert "V009" in broken(graph.with_nodes((*graph.nodes, node)))
    assert "V009" in broken(graph.with_nodes((*graph.nodes, replace(graph.nodes[0], outputs=()))))


def test_v010_states() -> None:
    graph = chain()
    x, a = graph.inputs[0], graph.nodes[0].outputs[0]
    assert not broken(replace(graph, states=(StateUpdate(x, a),)))
    assert broken(replace(graph, states=(StateUpdate(a, x),))) == {"V010"}
    assert broken(replace(graph, states=(StateUpdate(x, a), StateUpdate(x, x)))) == {"V010"}


def test_v011_negative_dimension() -> None:
    graph = chain()
    assert broken(replace(graph, inputs=(*graph.inputs, Value("n", tensor(DType.FLOAT32, -1))))) == {"V011"}


def test_the_error_names_number_and_place() -> None:
    graph = chain()
    with pytest.raises(InternalError) as caught:
        verify_graph(graph.with_nodes(graph.nodes[1:]))
    assert "V003: %a, an operand of 'b', is not defined before its use (m.onnx, node 'b', op Add)" in str(caught.value)
