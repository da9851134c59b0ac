"""Where to cut a chain of nodes into pipeline stages: dynamic programming over cut points."""

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
    """First node of each stage, so that the slowest stage is as fast as it can be.

    A stage's time is its nodes' plus the arrival of its operands over the link; its weights must fit `room_bytes`.
    None if the weights cannot be cut to fit, or there are fewer nodes than stages.
    """
    count = len(chain.nodes)
    if stages > count:
        return None
    time = np.concatenate([[0.0], np.cumsum(chain.seconds)])
    weight = np.concatenate([[0.0], np.cumsum(chain.weight_bytes)])
    arrival = chain.crossing_bytes / link_bytes_per_second
    best = np.full(count + 1, np.inf)
    best[0] = 0.0
    choices: list[NDArray[np.int64]] = []
    for _stage in range(stages):
        # cost[start, end]: the slowest stage when the last one runs nodes start..end-1
        own = time[None, :] - time[:, None] + arrival[:, None]
        cost = np.maximum(best[:, None], own)
        cost[weight[None, :] - weight[:, None] > room_bytes] = np.inf
        cost[np.tril_indices(count + 1)] = np.inf
        choices.append(np.argmin(cost, axis=0))
        best = np.min(cost, axis=0)
    if not np.isfinite(best[count]):
        return None
    cuts: list[int] = []
    end = count
    for choice in reversed(choices):
        end = int(choice[end])
        cuts.append(end)
    return tuple(reversed(cuts))


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
