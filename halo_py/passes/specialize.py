"""Fixes shapes: symbols become numbers, and everything that is computed from shapes becomes a constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from halo_py.ir.graph import Graph
from halo_py.passes.base import Pass, PassContext
from halo_py.passes.control_flow import ControlLimits, control_flow
from halo_py.passes.replay import Replay


@dataclass(frozen=True)
class Specialize(Pass):
    """Replaces symbols by numbers and infers all types anew; what follows from shapes alone becomes constants.

    An If whose condition is known becomes the branch it takes. A Loop or Scan of a known number of iterations is
    unrolled while that makes at most `unroll_nodes` nodes. An If on data whose branches have at most `both_branches`
    nodes becomes both branches and a selection.
    """

    name: ClassVar[str] = "specialize"

    symbols: tuple[tuple[str, int], ...] = ()
    unroll_nodes: int = 400
    both_branches: int = 0

    def run(self, graph: Graph, context: PassContext) -> Graph:
        limits = ControlLimits(self.unroll_nodes, self.both_branches)
        return Replay(dict(self.symbols), control_flow(limits)).whole(graph)
