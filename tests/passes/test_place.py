"""What runs on tiles, what on the host, and why."""

from __future__ import annotations

import numpy as np

from halo_py.ir.graph import Graph
from halo_py.ir.op import REGISTRY
from halo_py.passes.place import Placement, place_graph
from halo_py.types import DType
from tests.ir.graphs import samples
from tests.passes.make import Make, kinds


def layers(count: int) -> Graph:
    """Equal layers with different weights."""
    m = Make()
    x = m.input("x", 8, 8)
    for _ in range(count):
        x = m.Relu(m.MatMul(x, m.weights(8, 8)))
    return m.case(x).graph


def test_everything_on_tiles_is_one_phase() -> None:
    placement = place_graph(layers(3))
    assert [(phase.device, len(phase.nodes)) for phase in placement.phases] == [("tiles", 6)]
    assert placement.host_table == ()


def test_equal_layers_share_a_form() -> None:
    placement = place_graph(layers(3))
    products = [placement.forms[node] for node in placement.graph.nodes if node.op.kind == "matmul"]
    assert products[0] is products[1] is products[2]


def mixed() -> Placement:
    """Tiles, a data-dependent op, tiles again."""
    m = Make()
    x = m.input("x", 6, 4)
    rows = m.NonZero(m.Relu(x))
    return place_graph(m.case(m.Tanh(m.Neg(x)), m.Cast(rows, to=DType.FLOAT32)).graph)


def test_data_dependent_shapes_run_on_the_host() -> None:
    placement = mixed()
    assert [(phase.device, kinds_of(phase.nodes)) for phase in placement.phases] == [
        ("tiles", ["Relu", "Neg", "Tanh"]),
        ("host", ["NonZero", "Cast"]),
    ]
    rows = placement.host_table
    assert [row.op for row in rows] == ["NonZero", "Cast"]
    assert all(row.reason and row.where.file == "model.onnx" for row in rows)
    assert placement.summary()[0].startswith("1 x NonZero: ")


def kinds_of(nodes: tuple[object, ...]) -> list[str]:
    graph = Graph("part", (), (), tuple(nodes))  # type: ignore[arg-type]
    return kinds(graph)


def test_a_small_node_between_host_nodes_stays_there() -> None:
    m = Make()
    x = m.input("x", 6, 4)
    placement = place_graph(
        m.case(m.Neg(x)).graph,
        refuse=lambda node: "the machine says no" if node.op.kind == "neg" else None,
    )
    assert placement.summary() == ["1 x Neg: the machine says no"]
    y = m.Exp(m.Abs(m.Neg(m.Relu(x))))
    again = place_graph(
        Make.case(m, y).graph,
        refuse=lambda node: "no" if node.op.kind in ("neg", "exp") else None,
    )
    reasons = {node.op.kind: again.reasons.get(node) for node in again.graph.nodes}
    assert reasons["abs"] == "stands between host nodes"
    assert reasons["relu"] is None


def test_strings_and_float64_have_reasons() -> None:
    samples()
    m = Make()
    words = m.builder.constant(np.array(["a", "b"], dtype=object), "words")
    graph = m.case(m.Concat(words, words, axis=0)).graph
    assert place_graph(graph).summary() == ["1 x Concat: strings do not run on tiles"]
    assert "string_normalizer" not in REGISTRY.by_name or REGISTRY.by_name["string_normalizer"].declaration.host_only
