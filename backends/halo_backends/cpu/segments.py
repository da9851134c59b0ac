"""Cuts a graph into the largest parts that ONNX Runtime runs, and the nodes between them that it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from halo_py.ir.graph import Graph, Node, Value


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A part of a graph, as a graph of its own; `native` parts go to ONNX Runtime."""

    graph: Graph
    native: bool


def cut(graph: Graph, is_native: Callable[[Node], bool]) -> tuple[Segment, ...]:
    """The graph's nodes in segments, in an order in which they can run.

    A node's level counts the changes between native and other nodes on the way to it; a level is one segment.
    """
    level_of: dict[Value, tuple[int, bool]] = {}
    levels: dict[int, list[Node]] = {}
    for node in graph.nodes:
        native = is_native(node)
        level = 0 if native else 1
        for value in node.inputs:
            if value in level_of:
                before, was_native = level_of[value]
                level = max(level, before if was_native == native else before + 1)
        # Even levels are native, odd ones are not: a node never shares a level with the other kind.
        level_of.update((value, (level, native)) for value in node.outputs)
        levels.setdefault(level, []).append(node)
    needed_later = _last_levels(graph, levels)
    return tuple(
        Segment(_part(graph, nodes, level, needed_later), level % 2 == 0) for level, nodes in sorted(levels.items())
    )


def _last_levels(graph: Graph, levels: dict[int, list[Node]]) -> dict[Value, int]:
    """The last level that reads each value; graph outputs are read after all levels."""
    last: dict[Value, int] = {}
    for level, nodes in sorted(levels.items()):
        for node in nodes:
            last.update((value, level) for value in node.inputs if value is not None)
    after = max(levels, default=0) + 1
    last.update((value, after) for value in graph.outputs)
    return last


def _part(graph: Graph, nodes: Sequence[Node], level: int, last: dict[Value, int]) -> Graph:
    made = {value for node in nodes for value in node.outputs}
    read = dict.fromkeys(value for node in nodes for value in node.inputs if value is not None)
    constants = {value: graph.constants[value] for value in read if value in graph.constants}
    inputs = tuple(value for value in read if value not in made and value not in constants)
    outputs = tuple(value for value in made if last.get(value, -1) > level)
    ordered = tuple(sorted(outputs, key=lambda value: value.name))
    return Graph(f"{graph.name}_{level}", inputs, ordered, tuple(nodes), constants)
