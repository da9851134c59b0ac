"""Trees as tables that are operands, so that tiles can share them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.pattern import onnx_op
from halo_py.ir.rewrite import Rewriter, Rule, rewrite_graph
from halo_py.ops.tree_walk import TreeWalk
from halo_py.ops.trees import Trees
from halo_py.passes.base import Pass, PassContext
from halo_py.types import TensorType

_NAMES = ("feature", "split", "test", "children", "target", "weight")


@dataclass(frozen=True)
class Forests(Pass):
    """Makes operands of the tables of decision trees, so that tiles can share the trees out."""

    name: ClassVar[str] = "forests"

    def run(self, graph: Graph, context: PassContext) -> Graph:
        return rewrite_graph(graph, RULES)


def tables_as_operands(rewriter: Rewriter, node: Node) -> bool:
    """TreeEnsemble(x) -> TreeWalk(x, tables), and what an average or an unnamed target needs after it."""
    trees, items, result = node.op, node.inputs[0], node.outputs[0].type
    if not isinstance(trees, Trees) or items is None or not isinstance(result, TensorType):
        return False
    type = rewriter.type_of(items)
    if type is None:
        return False
    tables = trees.tables(type.dtype)
    contents = zip(_NAMES, tables.operands(), strict=True)
    operands = [rewriter.constant(array, f"{node.name}.{name}") for name, array in contents]
    walk = TreeWalk(depth=tables.depth, targets=trees.targets, reduction=trees.reduction)
    found = rewriter.apply(walk, (items, *operands), node)
    if trees.reduction != "add":
        unnamed = rewriter.apply(onnx_op("IsInf"), (found,), node)
        found = rewriter.apply(onnx_op("Where"), (unnamed, rewriter.like(0, found), found), node)
    if trees.aggregate == "AVERAGE":
        found = rewriter.apply(onnx_op("Mul"), (found, _share(rewriter, len(tables.feature), found)), node)
    if found.type != result:
        found = rewriter.apply(onnx_op("Cast", to=result.dtype), (found,), node)
    rewriter.replace(node, found)
    return True


def _share(rewriter: Rewriter, trees: int, like: Value) -> Value:
    assert isinstance(like.type, TensorType)
    return rewriter.constant(np.asarray(1 / trees).astype(like.type.dtype.numpy), "share", like.type.dtype)


RULES: dict[str, list[Rule]] = {kind: [tables_as_operands] for kind in ("TreeEnsemble", "TreeEnsembleRegressor")}
