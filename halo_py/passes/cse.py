"""Common subexpressions."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.rewrite import Rewriter
from halo_py.passes.base import Pass, PassContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

_SMALL_BYTES = 4096


@dataclass(frozen=True)
class MergeEqualNodes(Pass):
    """Computes equal things once: nodes of the same op on the same operands, and constants of equal contents."""

    name: ClassVar[str] = "cse"

    def run(self, graph: Graph, context: PassContext) -> Graph:
        return merge_equal(graph)


def merge_equal(graph: Graph) -> Graph:
    """The graph with equal constants and equal nodes merged; nested graphs each for itself."""
    rewriter = Rewriter(graph)
    changed = _merge_constants(rewriter, graph)
    known: dict[Hashable, Node] = {}
    for node in list(rewriter.nodes()):
        current = rewriter.producer(node.outputs[0]) or node
        if current.bodies:
            bodies = tuple(merge_equal(body) for body in current.bodies)
            if any(new is not old for new, old in zip(bodies, current.bodies, strict=True)):
                rewriter.update(current, bodies=bodies)
                changed = True
            continue
        if current.op.declaration.family == "random":
            continue
        key = (current.op, current.inputs, len(current.outputs))
        first = known.setdefault(key, current)
        if first is not current:
            _merge(rewriter, first, current)
            changed = True
    return rewriter.finish() if changed else graph


def _merge(rewriter: Rewriter, first: Node, second: Node) -> None:
    first = rewriter.producer(first.outputs[0]) or first
    rewriter.update(first, where=first.where.merge(second.where))
    rewriter.replace(second, *first.outputs)


def _merge_constants(rewriter: Rewriter, graph: Graph) -> bool:
    seen: dict[Hashable, list[tuple[Value, Array]]] = {}
    changed = False
    for value, contents in graph.constants.items():
        alike = seen.setdefault((value.type, _probe(contents)), [])
        twin = next((other for other, array in alike if _equal(array, contents)), None)
        if twin is None:
            alike.append((value, contents))
        else:
            rewriter.replace_value(value, twin)
            changed = True
    return changed


def _probe(contents: Array) -> Hashable:
    """Cheap to make; different for most arrays that differ."""
    if contents.dtype.kind in "OSUT":
        return tuple(str(item) for item in contents.reshape(-1)[:16])
    if contents.nbytes <= _SMALL_BYTES:
        return contents.tobytes()
    return contents[tuple(slice(0, 2) for _ in contents.shape)].tobytes()


def _equal(left: Array, right: Array) -> bool:
    """Bit by bit: 0.0 is not -0.0, and a NaN is itself."""
    if left is right:
        return True
    if left.dtype.kind in "OSUT":
        return bool(np.array_equal(left, right))
    if left.nbytes <= _SMALL_BYTES:
        return left.tobytes() == right.tobytes()
    bits = np.dtype(f"u{left.dtype.itemsize}") if left.dtype.itemsize in (1, 2, 4, 8) else None
    if bits is None:
        return left.tobytes() == right.tobytes()
    return bool(np.array_equal(left.view(bits), right.view(bits)))
