"""Networks whose channels come last need at most one transpose per input or output after the passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from halo_py.frontend import ImportOptions, load_model
from halo_py.ir.graph import Graph, Node
from halo_py.passes.pipelines import pipeline
from tests.frontends.tensorflow.made import network_file
from tests.frontends.tensorflow.running import given

pytestmark = pytest.mark.slow


def nodes_of(graph: Graph) -> Iterator[Node]:
    """All nodes, those of nested graphs too."""
    for node in graph.nodes:
        yield node
        for body in node.bodies:
            yield from nodes_of(body)


@pytest.mark.parametrize("form", ["saved", "frozen", "float"])
@pytest.mark.parametrize("name", ["keyword_spotter", "segmenter", "two_inputs"])
def test_transposes_are_left_at_the_ends_only(name: str, form: str) -> None:
    made = network_file(name, form)
    shapes = {key: array.shape for key, array in given(made, name).items()}

    graph = pipeline("ipu").run(load_model(made.path, ImportOptions(shapes=shapes)))

    left = [node.name for node in nodes_of(graph) if type(node.op).__name__ == "Transpose"]
    assert len(left) <= len(graph.inputs) + len(graph.outputs)
    ends = {*graph.inputs, *graph.outputs}
    for node in nodes_of(graph):
        if type(node.op).__name__ == "Transpose":
            assert ends.intersection((*node.inputs, *node.outputs)) or len(left) <= 1
