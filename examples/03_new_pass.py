"""Add a pass from outside: a rewrite written as the code it matches and the code it makes.

An installed package names the class in the entry-point group `halo.passes`; here `register_pass` does it. The pass
turns the root of a square into an absolute value.

    python examples/03_new_pass.py
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import odla
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Node
from halo_py.ir.rewrite import Rewriter, kind_of, rewrite_graph
from halo_py.ops import load_ops
from halo_py.ops.elementwise import Abs, Add, Mul, Sqrt
from halo_py.passes.base import Pass, PassContext
from halo_py.passes.pipelines import pipeline, register_pass
from halo_py.types import DType, TensorType


@dataclass(frozen=True)
class RootOfSquare(Pass):
    """Turns sqrt(x * x) into |x|."""

    name: ClassVar[str] = "root-of-square"
    follows: ClassVar[str | None] = "specialize"

    def run(self, graph: Graph, context: PassContext) -> Graph:
        return rewrite_graph(graph, {"Sqrt": (_root_of_square,)})


def _root_of_square(rewriter: Rewriter, node: Node) -> bool:
    square = rewriter.producer(node.inputs[0])
    if square is None or kind_of(square) != "Mul" or square.inputs[0] is not square.inputs[1]:
        return False
    rewriter.replace_with(node, Abs(), square.inputs[:1])
    return True


def build() -> Graph:
    """The graph of sqrt(x * x) + x."""
    load_ops()
    graph = GraphBuilder("rectify")
    x = graph.input("x", TensorType(DType.FLOAT32, (6,)))
    (square,) = graph.add(Mul(), [x, x])
    (root,) = graph.add(Sqrt(), [square])
    return graph.finish(graph.add(Add(), [root, x], outputs=["y"]))


def op_counts(graph: Graph) -> dict[str, int]:
    """How many nodes of each kind there are."""
    return dict(Counter(node.op.kind for node in graph.nodes))


def main() -> None:
    """Shows the graph with and without the pass, and runs it."""
    graph = build()
    print("without", op_counts(pipeline("cpu").run(graph)))
    register_pass(RootOfSquare)
    better = op_counts(pipeline("cpu").run(graph))
    print("with   ", better)
    assert better == {"abs": 1, "add": 1}

    x = np.linspace(-3, 3, 6, dtype=np.float32)
    y = odla.execute(graph, {"x": x}, device="cpu")["y"]
    np.testing.assert_allclose(y, np.abs(x) + x)
    print("y      ", y)


if __name__ == "__main__":
    main()
