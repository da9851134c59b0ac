"""A graph with its symbolic dimensions replaced by sizes, so that every device runs static shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_py.ir.builder import GraphBuilder
from halo_py.types import TensorType, Type, substitute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from halo_py.ir.graph import Graph, Value


def with_sizes(graph: Graph, dims: Mapping[str, int]) -> Graph:
    """The graph with these symbols replaced and all types inferred anew. Raises ShapeError if they do not fit."""
    builder = GraphBuilder(graph.name)
    known: dict[Value, Value] = {}
    for value in graph.inputs:
        known[value] = builder.input(value.name, _with_sizes(value.type, dims))
    for value, contents in graph.constants.items():
        dtype = value.type.dtype if isinstance(value.type, TensorType) else None
        known[value] = builder.constant(contents, value.name, dtype)
    for node in graph.nodes:
        operands = [None if value is None else known[value] for value in node.inputs]
        bodies = tuple(with_sizes(body, dims) for body in node.bodies)
        names = [value.name for value in node.outputs]
        made = builder.add(node.op, operands, outputs=names, name=node.name, bodies=bodies, where=node.where)
        known.update(zip(node.outputs, made, strict=True))
    return builder.finish([known[value] for value in graph.outputs], graph.output_names)


def _with_sizes(type: Type, dims: Mapping[str, int]) -> Type:
    if not isinstance(type, TensorType) or type.shape is None:
        return type
    return TensorType(type.dtype, tuple(substitute(dim, dims) for dim in type.shape))
