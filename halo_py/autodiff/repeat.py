"""A part of a graph once more, for other values of what it depends on."""

from __future__ import annotations

from collections.abc import Mapping

from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Node, Value


def repeated(builder: GraphBuilder, y: Value, replaced: Mapping[Value, Value]) -> Value:
    """Adds the nodes between the keys of `replaced` and `y` again, reading its values instead; answers the new y."""
    if y in replaced:
        return replaced[y]
    mapping = dict(replaced)
    for node in _between(tuple(builder.nodes), y, replaced):
        inputs = [None if value is None else mapping.get(value, value) for value in node.inputs]
        names = [f"{value.name}.again" for value in node.outputs]
        made = builder.add(node.op, inputs, outputs=names, name=node.name, bodies=node.bodies, where=node.where)
        mapping.update((old, new) for old, new in zip(node.outputs, made, strict=True) if old not in replaced)
    return mapping.get(y, y)


def _between(nodes: tuple[Node, ...], y: Value, replaced: Mapping[Value, Value]) -> list[Node]:
    """The nodes that depend on a replaced value and that y depends on, in order."""
    needed = {y}
    for node in reversed(nodes):
        if any(value in needed and value not in replaced for value in node.outputs):
            needed.update(value for value in node.inputs if value is not None)
    changed = set(replaced)
    found: list[Node] = []
    for node in nodes:
        if not changed.isdisjoint(node.inputs) and not needed.isdisjoint(node.outputs):
            changed.update(node.outputs)
            found.append(node)
    return found
