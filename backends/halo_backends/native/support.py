"""Which nodes a library can take, by what it exports and what it says of itself."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_backends.native.calls import GraphCalls, NodeCalls, missing_functions, written
from halo_backends.native.wire import CallStep
from halo_py.ir.encode import structural_key
from odla.api.table import functions as all_functions
from odla.calls.emit import Emit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_backends.native.library import Library
    from halo_py.ir.graph import Graph, Node, Value

    Array = NDArray[Any]

_QUERY = "odla_QueryOpSupport"
_TEXT_BYTES = 512


def refused_at_once(graph: Graph, library: Library) -> dict[Node, str]:
    """Nodes without a form as calls, those whose functions are missing, and those that the library says it lacks."""
    refused: dict[Node, str] = {}
    emit = Emit(dict(graph.constants))
    found: list[NodeCalls] = []
    for node in graph.nodes:
        calls = written(node, emit)
        if isinstance(calls, str):
            refused[node] = calls
        else:
            found.append(calls)
    refused |= missing_functions(found, library.exported)
    denied = denials(library, sorted({name for each in found for name in each.functions}))
    for each in found:
        reasons = [denied[name] for name in each.functions if name in denied]
        if reasons:
            refused.setdefault(each.node, reasons[0])
    return refused


@functools.cache
def _operators() -> frozenset[str]:
    """Functions that a library can be asked about: not those that make values and bodies."""
    others = ("ODLA/ops/odla_ops_basic.h", "ODLA/ops/odla_ops_control_flow.h")
    values = ("odla_value", "odla_values")
    return frozenset(each.name for each in all_functions() if each.result in values and each.header not in others)


def denials(library: Library, functions: Sequence[str]) -> dict[str, str]:
    """The functions that the library's odla_QueryOpSupport says are not supported; none if it has no such function."""
    if not library.has(_QUERY):
        return {}
    asked = [name for name in functions if name in library.exported and name in _operators()]
    steps = [
        CallStep(
            _QUERY,
            (None, {"text": name}, {"datum": ["odla_bool", 1]}, _TEXT_BYTES, {"room": _TEXT_BYTES}),
            may_fail=True,
        )
        for name in asked
    ]
    answers = library.call(*steps).answers
    return {
        name: f"the library says of {name}: {answer['outs'][1] or 'not supported'}"
        for name, answer in zip(asked, answers, strict=True)
        if "failed" not in answer and answer["outs"][0] == 0
    }


def with_equals(reasons: Mapping[Node, str], graph: Graph) -> dict[Node, str]:
    """Refused nodes, and all that do the same on the same types."""
    by_key = {structural_key(node, graph.constants): reason for node, reason in reasons.items()}
    found = {node: by_key.get(structural_key(node, graph.constants)) for node in graph.nodes}
    return {node: reason for node, reason in found.items() if reason is not None} | dict(reasons)


def alone(node: Node, graph: Graph) -> Graph:
    """A graph of one node."""
    from halo_py.ir.graph import Graph as NewGraph

    operands = list(dict.fromkeys(value for value in node.inputs if value is not None))
    constants = {value: graph.constants[value] for value in operands if value in graph.constants}
    inputs = tuple(value for value in operands if value not in constants)
    return NewGraph(node.name, inputs, node.outputs, (node,), constants)


def distinct(calls: GraphCalls) -> list[Node]:
    """Nodes of a graph, one of each that do the same on the same types."""
    graph = calls.graph
    return list({structural_key(node, graph.constants): node for node in reversed(graph.nodes)}.values())[::-1]


def all_values(graph: Graph, inputs: Sequence[Array]) -> dict[Value, Array]:
    """Contents of every value of a graph, computed here."""
    from dataclasses import replace

    from halo_backends.cpu.engine import compile_graph

    values = tuple(value for node in graph.nodes for value in node.outputs)
    names = tuple(value.name for value in values)
    results = compile_graph(replace(graph, outputs=values, output_names=names)).run(inputs)
    known: dict[Value, Any] = dict(zip(values, results, strict=True))
    known.update(zip(graph.inputs, inputs, strict=True))
    return {value: np.asarray(contents) for value, contents in known.items()}
