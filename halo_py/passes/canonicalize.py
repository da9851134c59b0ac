"""Algebraic simplification: the rules and the pass that applies them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from halo_py.ir.graph import Graph
from halo_py.ir.rewrite import every_rule, rewrite_graph
from halo_py.passes.algebra import ALGEBRA
from halo_py.passes.base import Pass, PassContext
from halo_py.passes.layout import LAYOUT

RULES = every_rule(ALGEBRA, LAYOUT)


@dataclass(frozen=True)
class Canonicalize(Pass):
    """Simplifies: neutral arithmetic, casts and moves that do nothing, chains of reshapes and transposes."""

    name: ClassVar[str] = "canonicalize"

    def run(self, graph: Graph, context: PassContext) -> Graph:
        return rewrite_graph(graph, RULES)
