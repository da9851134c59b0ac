"""IF: a known condition takes its branch, any other makes an If of two nested graphs."""

from __future__ import annotations

from collections.abc import Sequence

from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow_ops.bodies import with_captured
from halo_frontends.tflite.model import Subgraph
from halo_frontends.tflite.operation import Operation, maps
from halo_frontends.tflite.subgraphs import SubgraphImporter
from halo_py.errors import ModelError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value

_MOST_ROUNDS = 10_000
"""Conditions are followed at most so far to learn how many rounds there are."""
_MOST_TRIALS = 8


def run(op: Operation, graph: Subgraph, inputs: Sequence[Value], nest: Nest) -> list[Value]:
    """The results of a subgraph, imported into `nest`. Raises ModelError, UnsupportedError."""
    if len(inputs) != len(graph.inputs):
        raise ModelError(f"{len(inputs)} operands do not fit a graph of {len(graph.inputs)} inputs", op.emit.where)
    return SubgraphImporter(op.model, graph, nest).run(inputs)


def nest_for(op: Operation, graph: Subgraph) -> Nest:
    """A graph under construction inside of the operator's."""
    return Nest(GraphBuilder(f"{op.emit.name}.{graph.name or 'body'}", str(op.model.path)), op.nest)


@maps("IF", integers="own")
def _if(op: Operation) -> Sequence[Value]:
    """The results of the first graph where the condition holds, else those of the second."""
    condition, arguments = op.value(0), op.values()[1:]
    graphs = [op.model.subgraphs[op.integer(name)] for name in ("then_subgraph", "else_subgraph")]
    known = op.emit.known(condition)
    if known is not None and known.size == 1:
        return run(op, graphs[0 if bool(known.reshape(-1)[0]) else 1], arguments, op.nest)
    nests = [nest_for(op, graph) for graph in graphs]
    results = [
        run(op, graph, [nest.capture(value) for value in arguments], nest)
        for graph, nest in zip(graphs, nests, strict=True)
    ]
    captured = tuple(dict.fromkeys(value for nest in nests for value in nest.captured))
    bodies = tuple(
        with_captured(nest.builder.finish(values), nest.captured, captured)
        for nest, values in zip(nests, results, strict=True)
    )
    flag = op.emit.reshape(condition, ())
    return op.emit.with_bodies("If", (flag, *captured), bodies, len(results[0]), captured=len(captured))
