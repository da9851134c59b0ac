"""Where to cut a chain of nodes into pipeline stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.graph import Graph, Node, Value
from halo_py.types import TensorType

if TYPE_CHECKING:
    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Chain:
    """Nodes in running order with what a cut depends on.

    seconds[i]: predicted time of node i for one micro-batch. weight_bytes[i]: bytes it keeps on chip for good.
    crossing_bytes[i]: bytes that travel if the chain is cut before node i (index 0 and n are 0).
    """

    nodes: tuple[Node, ...]
    seconds: Floats
    weight_bytes: Floats
    crossing_bytes: Floats

    @staticmethod
    def of(graph: Graph, order: Sequence[Node], seconds: Mapping[Node, float]) -> Chain:
        """The chain of a graph in this order."""
        position = {node: number for number, node in enumerate(order)}
        crossing = np.zeros(len(order) + 1)
        producer = {value: position[node] for node in order for value in node.outputs}
        last_use: dict[Value, int] = {}
        weights = np.zeros(len(order))
        owned: set[Value] = set()
        for node in order:
            for value in node.inputs:
                if value is None:
                    continue
                last_use[value] = max(last_use.get(value, 0), position[node])
                if value in graph.constants and value not in owned:
                    owned.add(value)
                    weights[position[node]] += link_bytes(value)
        for value, made in producer.items():
            crossing[made + 1 : last_use.get(value, made) + 1] += link_bytes(value)
        times = np.array([seconds.get(node, 0.0) for node in order])
        return Chain(tuple(order), times, weights, crossing)


def link_bytes(value: Value) -> int:
    """Bytes that cross a link with a value; 0 for what only the host can hold (open shapes, sequences)."""
    return value.type.bytes if isinstance(value.type, TensorType) and value.type.is_static else 0


def balanced_cuts(chain: Chain, stages: int, link_bytes_per_second: float, room_bytes: float) -> tuple[int, ...] | None:
    """First node of each stage, so that a pipeline cycle is as short as it can be.

    A cycle lasts as long as its slowest stage computes and then its busiest link carries, as `bsp.timing` counts it. A
    stage's weights must fit `room_bytes`. None if they cannot be cut to fit, or there are fewer nodes than stages.
    """
    count = len(chain.nodes)
    if stages > count:
        return None
    parts = _Parts(_summed(chain.seconds), _summed(chain.weight_bytes), stages, room_bytes)
    carried = chain.crossing_bytes[1:count] / link_bytes_per_second
    shortest, best = np.inf, None
    for most_carried in _levels(carried):
        if most_carried + parts.least_seconds >= shortest:
            break
        cuts = parts.evenest(np.flatnonzero(carried <= most_carried) + 1, shortest - most_carried)
        if cuts is not None:
            shortest, best = parts.slowest(cuts) + most_carried, cuts
    return best


def _summed(amounts: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(amounts)])


def _levels(amounts: Floats) -> list[float]:
    """Amounts to try as bounds, rising: of those within one percent of each other, the largest."""
    levels: list[float] = []
    first = -1.0
    for amount in np.unique(amounts).tolist():
        if levels and amount <= first * 1.01:
            levels[-1] = amount
        else:
            first = amount
            levels.append(amount)
    return levels or [0.0]


@dataclass(frozen=True, slots=True)
class _Parts:
    """A chain to be cut into so many parts: sums of seconds and of weights before each node, and room for weights."""

    seconds: Floats
    weights: Floats
    parts: int
    room: float

    @property
    def least_seconds(self) -> float:
        """No cut makes the slowest part faster than this."""
        return max(float(self.seconds[-1]) / self.parts, float(np.diff(self.seconds).max(initial=0.0)))

    def slowest(self, cuts: Sequence[int]) -> float:
        """Seconds of the slowest part."""
        return float(np.diff(self.seconds[[*cuts, len(self.seconds) - 1]]).max())

    def evenest(self, starts: NDArray[np.int64], below: float) -> tuple[int, ...] | None:
        """Cuts at some of these places whose slowest part is fastest; None if it is not faster than `below`."""
        best = self._within(starts, min(below, float(self.seconds[-1])))
        if best is None:
            return None
        low, high = self.least_seconds * (1 - 1e-9), self.slowest(best)
        while high - low > 1e-6 * high:
            middle = (low + high) / 2
            found = self._within(starts, middle)
            if found is None:
                low = middle
            else:
                best, high = found, min(middle, self.slowest(found))
        return best if high < below else None

    def _within(self, starts: NDArray[np.int64], limit: float) -> tuple[int, ...] | None:
        """Cuts whose parts take at most `limit` seconds each: every part as long as it can be."""
        count = len(self.seconds) - 1
        cuts = [0]
        while (end := self._end(cuts[-1], limit)) < count:
            place = int(np.searchsorted(starts, end, "right")) - 1
            if place < 0 or starts[place] <= cuts[-1] or len(cuts) == self.parts:
                return None
            cuts.append(int(starts[place]))
        return self._with_more(cuts, starts)

    def _end(self, start: int, limit: float) -> int:
        """The last place up to which a part from `start` stays within the limit and the room."""
        by_time = np.searchsorted(self.seconds, float(self.seconds[start]) + limit * (1 + 1e-12), "right")
        by_room = np.searchsorted(self.weights, float(self.weights[start]) + self.room, "right")
        return min(int(by_time), int(by_room)) - 1

    def _with_more(self, cuts: list[int], starts: NDArray[np.int64]) -> tuple[int, ...] | None:
        """As many parts as there must be: the slowest that can be split is, as evenly as it can be."""
        while len(cuts) < self.parts:
            parts = list(zip(cuts, [*cuts[1:], len(self.seconds) - 1], strict=True))
            parts.sort(key=lambda part: self.seconds[part[0]] - self.seconds[part[1]])
            found = next((place for part in parts if (place := self._middle(part, starts)) is not None), None)
            if found is None:
                return None
            cuts = sorted([*cuts, found])
        return tuple(cuts)

    def _middle(self, part: tuple[int, int], starts: NDArray[np.int64]) -> int | None:
        """The place inside a part that halves its time best."""
        places = starts[(starts > part[0]) & (starts < part[1])]
        half = (self.seconds[part[0]] + self.seconds[part[1]]) / 2
        return int(places[np.abs(self.seconds[places] - half).argmin()]) if places.size else None


def stage_graphs(graph: Graph, order: Sequence[Node], cuts: Sequence[int]) -> list[Graph]:
    """The graph cut into stages. Values keep their identity: a stage's outputs are later stages' inputs."""
    ends = [*cuts[1:], len(order)]
    needed_later: list[set[Value]] = []
    later = set(graph.outputs)
    for start in reversed(cuts):
        needed_later.insert(0, set(later))
        later |= {value for node in order[start:] for value in node.inputs if value is not None}
    result: list[Graph] = []
    for number, (start, end) in enumerate(zip(cuts, ends, strict=True)):
        nodes = tuple(order[start:end])
        made = {value for node in nodes for value in node.outputs}
        read = dict.fromkeys(value for node in nodes for value in node.inputs if value is not None)
        constants = {value: graph.constants[value] for value in read if value in graph.constants}
        inputs = tuple(value for value in read if value not in made and value not in constants)
        outputs = tuple(value for node in nodes for value in node.outputs if value in needed_later[number])
        result.append(Graph(f"{graph.name}.stage{number}", inputs, outputs, nodes, constants))
    return result
