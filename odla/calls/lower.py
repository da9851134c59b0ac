"""From a graph of static shapes to calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odla.calls import rules as rules
from odla.calls.emit import RULES, Emit, NotInOdlaError, dtype_of, refusals
from odla.calls.model import Calls

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph, Node


def lower(graph: Graph) -> Calls:
    """The graph as calls. Raises UnsupportedError that lists every node without an ODLA form."""
    emit = Emit(graph.constants)
    refused: list[tuple[Node, str]] = []
    for node in graph.nodes:
        why = write(emit, node)
        if why is not None:
            refused.append((node, why))
    if refused:
        raise refusals(refused)
    for value in graph.outputs:
        if value in graph.constants:
            emit.constants.setdefault(value, graph.constants[value])
    return Calls(
        graph.name,
        graph.inputs,
        tuple(emit.constants.items()),
        tuple(emit.calls),
        graph.outputs,
        graph.output_names,
    )


def write(emit: Emit, node: Node) -> str | None:
    """Write one node; answers why it has no ODLA form, None if it has one."""
    found = RULES.get(node.op.kind)
    if found is None:
        return "no function of ODLA does it"
    before = len(emit.calls)
    try:
        for value in node.outputs:
            dtype_of(value)
        found(emit, node)
    except NotInOdlaError as reason:
        del emit.calls[before:]
        return str(reason)
    return None
