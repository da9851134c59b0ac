"""Graphs as data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halo_py.errors import ModelError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.encode import (
    decode_attribute,
    decode_graph,
    encode_attribute,
    encode_graph,
    structural_key,
)
from halo_py.ir.graph import Graph
from halo_py.ir.op import REGISTRY
from halo_py.ops.scalar import ScalarProgram, ScalarStep
from halo_py.types import DType, tensor
from tests.ir.graphs import every_kind_of_thing, graphs, weights
from tests.ir.test_text import same

_CLASSES = {"ScalarProgram": ScalarProgram, "ScalarStep": ScalarStep}
_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(DType)
_STEPS = st.builds(
    ScalarStep, st.text(), st.tuples(st.integers(), st.integers()), st.sampled_from(DType), st.just((("a", 0.5),))
)
_ATTRIBUTES = st.recursive(_PLAIN | _STEPS, lambda inner: st.lists(inner).map(tuple), max_leaves=12)


@given(_ATTRIBUTES)
def test_attributes_round_trip_through_json(value: object) -> None:
    data = json.loads(json.dumps(encode_attribute(value), allow_nan=False))
    found = decode_attribute(data, _CLASSES)
    assert repr(found) == repr(value)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_graphs_round_trip_through_json(graph: Graph) -> None:
    encoded = encode_graph(graph)
    same(decode_graph(json.loads(json.dumps(encoded.document, allow_nan=False)), encoded.contents), graph)


def test_odd_things_round_trip() -> None:
    graph = every_kind_of_thing()
    encoded = encode_graph(graph)
    same(decode_graph(json.loads(json.dumps(encoded.document)), encoded.contents), graph)


def test_shared_contents_are_listed_once() -> None:
    builder = GraphBuilder("shared")
    shared = weights(3, 3)
    matmul = REGISTRY.by_name["matmul"]()
    x = builder.input("x", tensor(DType.FLOAT32, 3, 3))
    (y,) = builder.add(matmul, (x, builder.constant(shared)))
    (z,) = builder.add(matmul, (y, builder.constant(shared)))
    assert len(encode_graph(builder.finish([z])).contents) == 1


def test_structural_keys_ignore_names_and_weights_but_not_axes() -> None:
    builder = GraphBuilder("layers")
    matmul = REGISTRY.by_name["matmul"]()
    x = builder.input("x", tensor(DType.FLOAT32, 3, 3))
    (y,) = builder.add(matmul, (x, builder.constant(weights(3, 3, seed=1))), name="first")
    (z,) = builder.add(matmul, (y, builder.constant(weights(3, 3, seed=2))), name="second")
    (w,) = builder.add(matmul, (z, builder.constant(weights(3, 5, seed=2))), name="third")
    expand = REGISTRY.by_onnx["", "Mod"]()
    numbers = builder.input("numbers", tensor(DType.INT64, 2))
    builder.add(expand, (numbers, builder.ints([1, 2])))
    builder.add(expand, (numbers, builder.ints([3, 4])))
    graph = builder.finish([w])
    first, second, third, one, other = (structural_key(node, graph.constants) for node in graph.nodes)
    assert first == second
    assert hash(first) == hash(second)
    assert second != third
    assert one != other


BREAKS: list[Callable[[dict[str, Any]], object]] = [
    lambda document: document.pop("types"),
    lambda document: document["graph"].pop("nodes"),
    lambda document: document["graph"]["outputs"].append(10_000),
    lambda document: document["ops"].append(["wobble", {}]),
    lambda document: document["ops"].append(["add", {"axis": 1}]),
    lambda document: document["types"].append(["float31", []]),
    lambda document: document["ops"].append(["clip", {"minimum": {"Popen": {}}}]),
]


@pytest.mark.parametrize("break_it", BREAKS)
def test_broken_documents_are_refused(break_it: Callable[[dict[str, Any]], object]) -> None:
    encoded = encode_graph(every_kind_of_thing())
    document = json.loads(json.dumps(encoded.document))
    break_it(document)
    with pytest.raises(ModelError):
        decode_graph(document, encoded.contents)
