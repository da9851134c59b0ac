"""Changes to a graph with inputs, each by building it anew with all types inferred again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.op import Op, RuntimeValue
from halo_py.passes.replay import copied
from halo_py.types import TensorType
from tests.fuzz.runner import Subject

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Edit:
    """What is different; everything else stays."""

    outputs: tuple[int, ...] | None = None
    """The outputs that are kept."""
    result: Value | None = None
    """The only output, instead of the graph's own."""
    cut: Mapping[Value, Numbers] = field(default_factory=dict[Value, Any])
    """Results that become inputs with these contents."""
    instead: Mapping[Value, Value] = field(default_factory=dict[Value, Any])
    """Values and what is read in their place."""
    contents: Mapping[Value, Numbers] = field(default_factory=dict[Value, Any])
    """Inputs and constants with other contents."""
    ops: Mapping[Node, Op] = field(default_factory=dict[Node, Any])
    bodies: Mapping[Node, tuple[Graph, ...]] = field(default_factory=dict[Node, Any])


def edited(subject: Subject, edit: Edit) -> Subject:
    """The changed subject without what nobody reads. Raises HaloError if it is no graph."""
    graph = subject.graph
    kept = range(len(graph.outputs)) if edit.outputs is None else edit.outputs
    ends = [(graph.output_names[number], graph.outputs[number]) for number in kept]
    if edit.result is not None:
        ends = [("out", edit.result)]
    builder = GraphBuilder(graph.name, "fuzz.onnx")
    needed = _needed(graph, [value for _name, value in ends], edit)
    made: dict[Value, Value] = {}
    inputs: list[RuntimeValue] = []
    for value, given in zip(graph.inputs, subject.inputs, strict=True):
        if value in needed:
            contents = edit.contents.get(value, given)
            type = value.type
            if isinstance(contents, np.ndarray) and isinstance(type, TensorType):
                type = TensorType(type.dtype, contents.shape)
            made[value] = builder.input(value.name, type)
            inputs.append(contents)
    for value, contents in edit.cut.items():
        if value in needed:
            dtype = value.type.dtype if isinstance(value.type, TensorType) else None
            assert dtype is not None
            made[value] = builder.input(value.name, TensorType(dtype, contents.shape))
            inputs.append(contents)
    for value, contents in graph.constants.items():
        if value in needed:
            made[value] = builder.constant(edit.contents.get(value, contents), value.name)
    for node in graph.nodes:
        if any(value in needed and value not in made for value in node.outputs):
            _replay(builder, node, edit, made)
    outputs = [made[edit.instead.get(value, value)] for _name, value in ends]
    return Subject(builder.finish(outputs, [name for name, _value in ends]), tuple(inputs), subject.limits)


def _replay(builder: GraphBuilder, node: Node, edit: Edit, made: dict[Value, Value]) -> None:
    operands = [None if value is None else made[edit.instead.get(value, value)] for value in node.inputs]
    bodies = tuple(map(copied, edit.bodies.get(node, node.bodies)))
    names = [value.name for value in node.outputs]
    results = builder.add(edit.ops.get(node, node.op), operands, outputs=names, name=node.name, bodies=bodies)
    for value, result in zip(node.outputs, results, strict=True):
        made.setdefault(value, result)


def _needed(graph: Graph, outputs: Sequence[Value], edit: Edit) -> set[Value]:
    producers = graph.producers()
    needed: set[Value] = set()
    stack = [edit.instead.get(value, value) for value in outputs]
    while stack:
        value = stack.pop()
        if value in needed:
            continue
        needed.add(value)
        if value in producers and value not in edit.cut:
            operands = producers[value].inputs
            stack.extend(edit.instead.get(operand, operand) for operand in operands if operand is not None)
    return needed


def with_body_value(graph: Graph, old: Value, new: Value) -> Graph:
    """A body in which `new` is read instead of `old`, without nodes that nobody reads then."""

    def read(value: Value) -> Value:
        return new if value is old else value

    outputs = tuple(read(value) for value in graph.outputs)
    nodes = [
        Node(
            node.op,
            tuple([None if value is None else read(value) for value in node.inputs]),
            node.outputs,
            node.name,
            node.bodies,
            node.where,
        )
        for node in graph.nodes
    ]
    used = set(outputs)
    kept: list[Node] = []
    for node in reversed(nodes):
        if used.intersection(node.outputs):
            kept.append(node)
            used.update(value for value in node.inputs if value is not None)
    constants = {value: contents for value, contents in graph.constants.items() if value in used}
    return Graph(graph.name, graph.inputs, outputs, tuple(reversed(kept)), constants, (), graph.output_names)
