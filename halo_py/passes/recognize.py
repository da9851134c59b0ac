"""Finds what exporters have spelled out in arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from halo_py.ir.graph import Graph, Node
from halo_py.ir.rewrite import every_rule, kind_of, rewrite_graph
from halo_py.passes.base import Pass, PassContext
from halo_py.passes.recognize_activations import ACTIVATIONS
from halo_py.passes.recognize_normalization import NORMALIZATIONS

RULES = every_rule(ACTIVATIONS, NORMALIZATIONS)

_PASSED_THROUGH = frozenset(["Add", "Mul", "Div", "Where", "Dropout", "Cast", "Reshape", "Transpose"])
_MOST_STEPS = 6


@dataclass(frozen=True)
class Recognize(Pass):
    """Makes one op of activations, layer normalisation, RMS normalisation and softmax spelled out in arithmetic."""

    name: ClassVar[str] = "recognize"

    def run(self, graph: Graph, context: PassContext) -> Graph:
        found = rewrite_graph(graph, RULES)
        attentions = count_attentions(found)
        if attentions:
            context.note(self, f"{attentions} attention block(s): softmax between two matrix products")
        return found


def count_attentions(graph: Graph) -> int:
    """How often a softmax stands between two matrix products, with only scaling, masking and moves between them."""
    producers, readers = graph.producers(), graph.uses()

    def sources(node: Node) -> list[Node]:
        return [producers[value] for value in node.inputs if value in producers]

    def users(node: Node) -> list[Node]:
        return [reader for reader, _ in readers.get(node.outputs[0], ())]

    softmaxes = [node for node in graph.nodes if kind_of(node) == "Softmax"]
    return sum(_leads_to_product(node, sources) and _leads_to_product(node, users) for node in softmaxes)


def _leads_to_product(node: Node, step: Callable[[Node], list[Node]]) -> bool:
    for _ in range(_MOST_STEPS):
        near = step(node)
        if any(kind_of(other) in ("MatMul", "Einsum") for other in near):
            return True
        onward = [other for other in near if kind_of(other) in _PASSED_THROUGH]
        if not onward:
            return False
        node = onward[0]
    return False
