"""Topological order of a node list, which ONNX demands but some tools do not keep."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from halo_py.errors import ModelError, Where

if TYPE_CHECKING:
    from halo_frontends.onnx.proto import GraphProto, NodeProto

_GRAPH, _GRAPHS = 5, 10


def node_name(node: NodeProto) -> str:
    """The node's name, or its first output if it has none."""
    return node.name or next((name for name in node.output if name), "") or node.op_type


def outer_names(graph: GraphProto) -> set[str]:
    """Names that a nested graph reads and does not define."""
    defined = {entry.name for entry in graph.input} | {entry.name for entry in graph.initializer}
    defined |= {entry.values.name for entry in graph.sparse_initializer}
    defined |= {name for node in graph.node for name in node.output}
    read = {name for node in graph.node for name in reads(node)} | {entry.name for entry in graph.output}
    return read - defined


def reads(node: NodeProto) -> set[str]:
    """Names that a node depends on, those that its nested graphs capture included, and what a Gradient is taken of."""
    names = set(node.input)
    is_gradient = (node.domain, node.op_type) == ("ai.onnx.preview.training", "Gradient")
    for attribute in node.attribute:
        if is_gradient and attribute.name in ("y", "xs", "zs"):
            names.update(text.decode("utf-8", "replace") for text in (attribute.s, *attribute.strings))
        if attribute.type == _GRAPH or attribute.HasField("g"):
            names |= outer_names(attribute.g)
        for graph in attribute.graphs:
            names |= outer_names(graph)
    names.discard("")
    return names


def in_order(nodes: Sequence[NodeProto], visible: Callable[[str], bool], file: str) -> Sequence[NodeProto]:
    """The nodes in topological order (as they stand if that is one already).

    `visible` tells names that exist before the first node. Raises ModelError for a cycle, for a value that is read
    and never made, and for a value that is made twice.
    """
    needs = [reads(node) for node in nodes]
    made: set[str] = set()
    for node, names in zip(nodes, needs, strict=True):
        if not all(name in made or visible(name) for name in names):
            return _sorted(nodes, needs, visible, file)
        made.update(node.output)
    return nodes


def _sorted(
    nodes: Sequence[NodeProto], needs: Sequence[set[str]], visible: Callable[[str], bool], file: str
) -> Sequence[NodeProto]:
    producer = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    waiting: list[int] = []
    readers: dict[int, list[int]] = {}
    for index, names in enumerate(needs):
        count = 0
        for name in names:
            if name in producer:
                readers.setdefault(producer[name], []).append(index)
                count += 1
            elif not visible(name):
                raise ModelError(f"reads the value {name!r}, which nothing makes", _place(nodes[index], file))
        waiting.append(count)
    ready = deque(index for index, count in enumerate(waiting) if count == 0)
    order: list[int] = []
    while ready:
        index = ready.popleft()
        order.append(index)
        for reader in readers.get(index, ()):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                ready.append(reader)
    if len(order) < len(nodes):
        stuck = [node_name(nodes[index]) for index, count in enumerate(waiting) if count > 0]
        first = next(index for index, count in enumerate(waiting) if count > 0)
        shown = ", ".join(stuck[:4]) + (" ..." if len(stuck) > 4 else "")
        raise ModelError(f"the graph has a cycle through {shown}", _place(nodes[first], file))
    return [nodes[index] for index in order]


def _place(node: NodeProto, file: str) -> Where:
    return Where(file, node_name(node), node.op_type)
