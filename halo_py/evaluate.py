"""The meaning of a Graph: every node by its op's reference meaning, in order. Naive on purpose; it defines the IR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from halo_py.errors import HaloError, SimulationError
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.op import EvaluateArgs, RuntimeValue, as_arrays

GraphEvaluator = Callable[[Graph, Sequence[RuntimeValue]], list[RuntimeValue]]
"""Outputs of a graph for these input contents, in order."""


def evaluate_node(
    node: Node, operands: Sequence[RuntimeValue], run_graph: GraphEvaluator | None = None
) -> Sequence[RuntimeValue]:
    """Results of one node for these operand contents. `run_graph` evaluates its bodies (default: `evaluate_graph`)."""
    evaluate = evaluate_graph if run_graph is None else run_graph

    def run_body(index: int, values: Sequence[RuntimeValue]) -> list[RuntimeValue]:
        return evaluate(node.bodies[index], values)

    types = tuple(value.type for value in node.outputs)
    try:
        return as_arrays(node.op.evaluate(EvaluateArgs(tuple(operands), run_body, types, len(node.outputs))))
    except HaloError:
        raise
    except Exception as error:
        raise SimulationError(f"{type(error).__name__}: {error}", node.where) from error


def evaluate_graph(
    graph: Graph,
    inputs: Sequence[RuntimeValue],
    *,
    watch: Mapping[Value, None] | None = None,
    seen: dict[Value, RuntimeValue] | None = None,
) -> list[RuntimeValue]:
    """Outputs of a graph for these input contents, in order.

    Values in `watch` are kept in `seen` (to compare inner tensors). Contents are dropped after their last use.
    """
    contents: dict[Value, RuntimeValue] = dict(graph.constants)
    contents.update(zip(graph.inputs, inputs, strict=True))
    last_use = _last_uses(graph)
    for position, node in enumerate(graph.nodes):
        operands = [None if value is None else contents[value] for value in node.inputs]
        results = evaluate_node(node, operands)
        contents.update(zip(node.outputs, results, strict=False))
        if watch is not None and seen is not None:
            seen.update((value, contents[value]) for value in node.outputs if value in watch)
        for value in last_use.get(position, ()):
            contents.pop(value, None)
    return [contents[value] for value in graph.outputs]


def _last_uses(graph: Graph) -> dict[int, list[Value]]:
    last: dict[Value, int] = {}
    for position, node in enumerate(graph.nodes):
        for value in (*node.inputs, *node.outputs):
            if value is not None:
                last[value] = position
    for value in graph.outputs:
        last.pop(value, None)
    by_position: dict[int, list[Value]] = {}
    for value, position in last.items():
        by_position.setdefault(position, []).append(value)
    return by_position
