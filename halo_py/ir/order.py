"""Topological order of nodes."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from halo_py.errors import InternalError
from halo_py.ir.graph import Node, Value

Position = tuple[int, ...]


def ordered_nodes(
    alive: Mapping[Value, Node], producers: Mapping[Value, Node], positions: Mapping[Value, Position]
) -> list[Node]:
    """Nodes (by their first results) so that each follows those it reads, as near to `positions` as that allows.

    Raises InternalError if they form a cycle.
    """
    waiting: dict[Value, int] = {}
    readers: dict[Value, list[Value]] = {}
    numbers = {key: number for number, key in enumerate(alive)}
    ready: list[tuple[Position, int, Value]] = []
    for key, node in alive.items():
        makers = {producers[value].outputs[0] for value in node.inputs if value is not None and value in producers}
        waiting[key] = len(makers)
        for maker in makers:
            readers.setdefault(maker, []).append(key)
        if not makers:
            ready.append((positions[key], numbers[key], key))
    heapq.heapify(ready)
    ordered: list[Node] = []
    while ready:
        key = heapq.heappop(ready)[2]
        ordered.append(alive[key])
        for reader in readers.get(key, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, (positions[reader], numbers[reader], reader))
    if len(ordered) != len(alive):
        raise InternalError("a rewrite made the graph cyclic")
    return ordered
