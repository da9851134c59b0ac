"""In which order a stage's nodes run: the order that keeps least bytes alive at its worst moment.

Three orders are tried (as written; greedy by what each step frees; depth first towards each output) and the one with
the lowest peak wins; of equal peaks the one that keeps clearly less alive all along, so that less crosses wherever a
pipeline is cut; the written one, in which siblings stand together, when it is about as good.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from halo_py.types import TensorType

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph, Node, Value


CLEARLY_LESS = 0.9
"""Of orders with equal peaks one is taken instead of another if its bytes over time are this share of them or less."""


def value_bytes(value: Value) -> int:
    """Packed bytes of a tensor value, 0 for what is none or has no known shape."""
    return value.type.bytes if isinstance(value.type, TensorType) and value.type.is_static else 0


@dataclass(slots=True, eq=False)
class _Dependencies:
    """Who needs whom among the nodes of a graph, by node number."""

    nodes: Sequence[Node]
    before: list[set[int]]
    after: list[set[int]]
    readers: dict[Value, set[int]]
    kept: set[Value]
    """Values that live to the end or never lie among the temporaries (outputs, constants)."""

    @staticmethod
    def of(graph: Graph) -> _Dependencies:
        nodes = graph.nodes
        maker = {value: number for number, node in enumerate(nodes) for value in node.outputs}
        before: list[set[int]] = [set() for _ in nodes]
        after: list[set[int]] = [set() for _ in nodes]
        readers: dict[Value, set[int]] = {}
        for number, node in enumerate(nodes):
            for value in node.inputs:
                if value is None:
                    continue
                readers.setdefault(value, set()).add(number)
                if value in maker:
                    before[number].add(maker[value])
                    after[maker[value]].add(number)
        kept = {*graph.outputs, *graph.constants, *(update.updated for update in graph.states)}
        return _Dependencies(nodes, before, after, readers, kept)

    def freed(self, number: int, remaining: dict[Value, int]) -> int:
        """Bytes of the values that node `number` reads last."""
        inputs = {value for value in self.nodes[number].inputs if value is not None}
        return sum(value_bytes(v) for v in inputs if remaining.get(v) == 1 and v not in self.kept)

    def made(self, number: int) -> int:
        """Bytes of the values that node `number` makes."""
        return sum(value_bytes(value) for value in self.nodes[number].outputs)


def peak_bytes(graph: Graph, order: Sequence[int]) -> int:
    """Most bytes of inputs and results alive at once when the nodes run in this order (constants left out)."""
    return _alive(_Dependencies.of(graph), graph, order)[0]


def order_nodes(graph: Graph) -> tuple[Node, ...]:
    """The graph's nodes in an order that respects every dependency and keeps the peak low; siblings stay together."""
    dependencies = _Dependencies.of(graph)
    written = list(range(len(graph.nodes)))
    best, least = written, _alive(dependencies, graph, written)
    for make in (_greedy, _depth_first):
        order = make(dependencies)
        peak, total = _alive(dependencies, graph, order)
        if peak < least[0] or (peak == least[0] and total <= CLEARLY_LESS * least[1]):
            best, least = order, (peak, total)
    return tuple(graph.nodes[number] for number in best)


def _alive(dependencies: _Dependencies, graph: Graph, order: Sequence[int]) -> tuple[int, int]:
    """Bytes alive at the worst moment, and their sum over all moments."""
    remaining = {value: len(readers) for value, readers in dependencies.readers.items()}
    alive = sum(value_bytes(value) for value in graph.inputs)
    peak, total = alive, 0
    for number in order:
        alive += dependencies.made(number)
        peak = max(peak, alive)
        total += alive
        alive -= dependencies.freed(number, remaining)
        _count_reads(dependencies, number, remaining)
        node = dependencies.nodes[number]
        alive -= sum(value_bytes(v) for v in node.outputs if v not in remaining and v not in dependencies.kept)
    return peak, total


def _count_reads(dependencies: _Dependencies, number: int, remaining: dict[Value, int]) -> None:
    for value in {value for value in dependencies.nodes[number].inputs if value is not None}:
        remaining[value] -= 1


def _greedy(dependencies: _Dependencies) -> list[int]:
    """Always the ready node that adds least; of equal ones the first written.

    What a node adds changes only when one of its inputs gets its last reader, so a heap of stale entries suffices.
    """
    remaining = {value: len(readers) for value, readers in dependencies.readers.items()}
    waiting = [len(before) for before in dependencies.before]

    def growth(number: int) -> int:
        return dependencies.made(number) - dependencies.freed(number, remaining)

    heap = [(growth(number), number) for number, count in enumerate(waiting) if count == 0]
    heapq.heapify(heap)
    order: list[int] = []
    done: set[int] = set()
    while heap:
        stated, number = heapq.heappop(heap)
        if number in done:
            continue
        if growth(number) != stated:
            heapq.heappush(heap, (growth(number), number))
            continue
        done.add(number)
        order.append(number)
        _count_reads(dependencies, number, remaining)
        for other in _affected(dependencies, number, remaining):
            if other not in done and waiting[other] == 0:
                heapq.heappush(heap, (growth(other), other))
        for other in dependencies.after[number]:
            waiting[other] -= 1
            if waiting[other] == 0:
                heapq.heappush(heap, (growth(other), other))
    return order


def _affected(dependencies: _Dependencies, number: int, remaining: dict[Value, int]) -> set[int]:
    """Nodes that have become the last reader of some input of `number`."""
    inputs = {value for value in dependencies.nodes[number].inputs if value is not None}
    return {other for value in inputs if remaining[value] == 1 for other in dependencies.readers[value]}


def _depth_first(dependencies: _Dependencies) -> list[int]:
    """Each node right after what it needs, the operand whose making needs most bytes first (Sethi and Ullman)."""
    need = [0] * len(dependencies.nodes)
    for number in range(len(need)):
        operands = sorted(dependencies.before[number], key=lambda other: (-need[other], other))
        held, worst = 0, dependencies.made(number)
        for other in operands:
            worst = max(worst, held + need[other])
            held += dependencies.made(other)
        need[number] = max(worst, held + dependencies.made(number))
    order: list[int] = []
    done: set[int] = set()
    sinks = [number for number, after in enumerate(dependencies.after) if not after]
    for sink in sinks:
        _visit(sink, dependencies, done, order, key=lambda number: -need[number])
    return order


def _visit(
    start: int, dependencies: _Dependencies, done: set[int], order: list[int], key: Callable[[int], int]
) -> None:
    stack: list[tuple[int, bool]] = [(start, False)]
    while stack:
        number, ready = stack.pop()
        if number in done:
            continue
        if ready:
            done.add(number)
            order.append(number)
            continue
        stack.append((number, True))
        waiting = [other for other in dependencies.before[number] if other not in done]
        stack.extend((other, False) for other in sorted(waiting, key=lambda n: (key(n), n), reverse=True))
