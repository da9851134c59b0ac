"""Dead code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from halo_py.ir.graph import Graph, Node
from halo_py.ir.rewrite import Rewriter
from halo_py.passes.base import Pass, PassContext


@dataclass(frozen=True)
class DropDeadCode(Pass):
    """Drops nodes, constants and operands of nested graphs whose values nobody reads."""

    name: ClassVar[str] = "dce"

    def run(self, graph: Graph, context: PassContext) -> Graph:
        return drop_dead_code(graph)


def drop_dead_code(graph: Graph) -> Graph:
    """The graph without nodes and constants that its outputs and states do not need; nested graphs too."""
    if any(node.bodies for node in graph.nodes):
        graph = graph.with_nodes(tuple(_in_bodies(node) for node in graph.nodes))
    found = Rewriter(graph).finish()
    same = len(found.nodes) == len(graph.nodes) and len(found.constants) == len(graph.constants)
    return graph if same else found


def _in_bodies(node: Node) -> Node:
    if not node.bodies:
        return node
    return replace(node, bodies=tuple(drop_dead_code(body) for body in node.bodies))
