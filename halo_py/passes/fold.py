"""Constant folding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from halo_py.errors import HaloError
from halo_py.evaluate import evaluate_node
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.rewrite import Rewriter
from halo_py.passes.base import Pass, PassContext
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


@dataclass(frozen=True)
class FoldConstants(Pass):
    """Computes what depends on constants only, where that does not grow the program much.

    Results may hold `growth` times the bytes of the operands (narrow integers packed), plus `free_bytes`. Random ops
    are never folded, and with `weights` quantised weights stay integers for an engine that computes with those.
    """

    name: ClassVar[str] = "fold"

    growth: float = 4.0
    free_bytes: int = 65536
    weights: bool = False

    def run(self, graph: Graph, context: PassContext) -> Graph:
        rewriter = Rewriter(graph)
        changed = False
        for node in rewriter.nodes():
            if node.bodies:
                bodies = tuple(self.run(body, context) for body in node.bodies)
                if any(new is not old for new, old in zip(bodies, node.bodies, strict=True)):
                    node = rewriter.update(node, bodies=bodies)
                    changed = True
            contents = self.fold(rewriter, node)
            if contents is not None:
                made = [
                    rewriter.constant(
                        array, value.name, value.type.dtype if isinstance(value.type, TensorType) else None
                    )
                    for value, array in zip(node.outputs, contents, strict=True)
                ]
                rewriter.replace(node, *made)
                changed = True
        return rewriter.finish() if changed else graph

    def fold(self, rewriter: Rewriter, node: Node) -> Sequence[Array] | None:
        """Contents of the results if they are worth computing now."""
        if node.bodies or not node.inputs or node.op.declaration.family == "random":
            return None
        if self.weights and node.op.kind == "dequantize_linear":
            return None
        operands = [rewriter.contents(value) for value in node.inputs]
        if any(value is not None and array is None for value, array in zip(node.inputs, operands, strict=True)):
            return None
        read = sum(_packed_bytes(array) for array in operands if array is not None)
        made = _bytes(node.outputs)
        if made is None or made > self.growth * read + self.free_bytes:
            return None
        try:
            results = evaluate_node(node, operands)
        except HaloError:
            return None  # it fails at run time too, if it is reached
        arrays = [result for result in results if isinstance(result, np.ndarray | np.generic)]
        if len(arrays) < len(node.outputs):
            return None
        return [np.asarray(array) for array in arrays[: len(node.outputs)]]


def _packed_bytes(array: Array) -> int:
    """What the array takes where 4-bit and 2-bit integers share bytes."""
    return DType.from_numpy(array.dtype).bytes_for(array.size)


def _bytes(values: Sequence[Value]) -> int | None:
    total = 0
    for value in values:
        if not isinstance(value.type, TensorType) or not value.type.is_static:
            return None
        total += value.type.bytes
    return total
