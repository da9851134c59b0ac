"""Builds a graph anew, node by node, with what is now known of its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from halo_py.ir.graph import Graph, Node, StateUpdate, Value
from halo_py.ir.inference import Inference, infer_types
from halo_py.ir.op import Op
from halo_py.types import Dim, DType, OptionalType, SequenceType, TensorType, Type, substitute

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

Operands = tuple[Value | None, ...]


@dataclass(frozen=True, slots=True)
class ControlFlow:
    """What happens to nodes with nested graphs.

    `resolve` answers the results of a node that control flow leaves behind as ordinary nodes, None if it must stay;
    `body` is nested graph number `n` of a node that stays, with what is known of its operands.
    """

    resolve: Callable[[Replay, Node, Operands], list[Value] | None]
    body: Callable[[Replay, Node, int, Operands], Graph]


@dataclass
class Replay:
    """A graph under construction that repeats another one, with numbers for symbols.

    Values and nodes that come out the same are the same objects.
    """

    symbols: Mapping[str, int]
    control: ControlFlow
    nodes: list[Node] = field(default_factory=list[Node])
    constants: dict[Value, Array] = field(default_factory=dict["Value", "Array"])
    names: set[str] = field(default_factory=set[str])
    mapping: dict[Value, Value] = field(default_factory=dict["Value", "Value"])

    def __post_init__(self) -> None:
        self.inference = Inference(self.constants)

    def nested(self, graph: Graph, types: Sequence[Type | None] = (), known: Sequence[Array | None] = ()) -> Graph:
        """A graph inside this one, replayed with inputs of these types and known contents."""
        return Replay(self.symbols, self.control).whole(graph, types, known)

    def whole(self, graph: Graph, types: Sequence[Type | None] = (), known: Sequence[Array | None] = ()) -> Graph:
        """The graph with inputs of these `types` (None: as declared); `known` are contents of inputs."""
        self.names.update(value.name for value in graph.values())
        for index, value in enumerate(graph.inputs):
            self.mapping[value] = self.retyped(value, types[index] if index < len(types) else None)
            contents = known[index] if index < len(known) else None
            if contents is not None:
                self.inference.set_known(self.mapping[value], contents)
        self.inline(graph)
        return Graph(
            graph.name,
            tuple(self.mapping[value] for value in graph.inputs),
            tuple(self.mapping[value] for value in graph.outputs),
            tuple(self.nodes),
            self.constants,
            tuple(StateUpdate(self.mapping[item.state], self.mapping[item.updated]) for item in graph.states),
            graph.output_names,
        )

    def retyped(self, value: Value, given: Type | None) -> Value:
        """The value with its symbols substituted, and of the type that is `given`."""
        type = substituted(value.type, self.symbols)
        if given is not None:
            type = refined(given, type)
        return value if type == value.type else Value(value.name, type)

    def inline(self, graph: Graph) -> None:
        """Append a graph's constants and nodes; its inputs are mapped already."""
        for value, contents in graph.constants.items():
            self.mapping[value] = value
            self.constants[value] = contents
        for node in graph.nodes:
            self.node(node)

    def node(self, node: Node) -> None:
        """Append a node, or what is known of it."""
        inputs = tuple([None if value is None else self.mapping[value] for value in node.inputs])
        if node.bodies:
            results = self.control.resolve(self, node, inputs)
            if results is not None:
                self.mapping.update(zip(node.outputs, results, strict=True))
                return
        bodies = tuple(self.control.body(self, node, number, inputs) for number in range(len(node.bodies)))
        args = self.inference.args(inputs, bodies, len(node.outputs), node.where)
        types = infer_types(node.op, args)
        outputs = tuple([self.result(value, type) for value, type in zip(node.outputs, types, strict=False)])
        self.mapping.update(zip(node.outputs, outputs, strict=True))
        self.inference.learn(node.op, args, outputs)
        contents = [self.inference.known(value) for value in outputs]
        if all(array is not None for array in contents):
            found = zip(outputs, contents, strict=True)
            self.constants.update((value, array) for value, array in found if array is not None)
            return
        same = inputs == node.inputs and outputs == node.outputs and bodies == node.bodies
        self.nodes.append(node if same else Node(node.op, inputs, outputs, node.name, bodies, node.where))

    def result(self, value: Value, inferred: Type) -> Value:
        """The value with the type inferred anew, refined by what its old type knew."""
        type = refined(inferred, substituted(value.type, self.symbols))
        return value if type == value.type else Value(value.name, type)

    def emit(self, op: Op, inputs: Sequence[Value | None], at: Node) -> Value:
        """A new node of one result, which stands at `at`."""
        args = self.inference.args(inputs, (), 1, at.where)
        value = Value(self.fresh(at.name), infer_types(op, args)[0])
        self.nodes.append(Node(op, tuple(inputs), (value,), value.name, (), at.where))
        self.inference.learn(op, args, (value,))
        return value

    def literal(self, contents: Array, name: str) -> Value:
        """A new constant."""
        value = Value(self.fresh(name), TensorType(DType.from_numpy(contents.dtype), tuple(contents.shape)))
        self.constants[value] = contents
        return value

    def fresh(self, wanted: str) -> str:
        """A name that no value has."""
        name, number = wanted, 1
        while name in self.names:
            name, number = f"{wanted}_{number}", number + 1
        self.names.add(name)
        return name

    def known(self, value: Value | None) -> Array | None:
        """Contents of a value, if they are known."""
        return None if value is None else self.inference.known(value)

    def call(self, body: Graph, operands: Sequence[Value | None]) -> list[Value]:
        """Inline a nested graph with these operands; its values get free names."""
        renamed = self.renamed(body)
        for value, operand in zip(renamed.inputs, operands, strict=True):
            if operand is not None:
                self.mapping[value] = operand
        self.inline(renamed)
        return [self.mapping[value] for value in renamed.outputs]

    def renamed(self, body: Graph) -> Graph:
        """A copy of a graph with values of its own, under names that are free here."""
        return _copied(body, {value: Value(self.fresh(value.name), value.type) for value in body.values()})


def copied(graph: Graph) -> Graph:
    """A copy of a graph with values of its own, under the same names."""
    return _copied(graph, {value: Value(value.name, value.type) for value in graph.values()})


def _copied(graph: Graph, copies: Mapping[Value, Value]) -> Graph:
    nodes = tuple(
        Node(
            node.op,
            tuple([None if value is None else copies[value] for value in node.inputs]),
            tuple([copies[value] for value in node.outputs]),
            node.name,
            tuple(map(copied, node.bodies)),
            node.where,
        )
        for node in graph.nodes
    )
    return Graph(
        graph.name,
        tuple(copies[value] for value in graph.inputs),
        tuple(copies[value] for value in graph.outputs),
        nodes,
        {copies[value]: contents for value, contents in graph.constants.items()},
        tuple(StateUpdate(copies[update.state], copies[update.updated]) for update in graph.states),
        graph.output_names,
    )


def substituted(type: Type, symbols: Mapping[str, int]) -> Type:
    """The type with symbols replaced by numbers."""
    if isinstance(type, TensorType):
        if type.shape is None or not symbols or type.is_static:
            return type
        return TensorType(type.dtype, tuple(substitute(dim, symbols) for dim in type.shape))
    element = substituted(type.element, symbols)
    return SequenceType(element) if isinstance(type, SequenceType) else OptionalType(element)


def refined(new: Type, old: Type) -> Type:
    """`new`, with dimensions taken from `old` where only that knows their number."""
    if not isinstance(new, TensorType) or not isinstance(old, TensorType) or old.shape is None:
        return new
    if new.shape is None:
        return TensorType(new.dtype, old.shape)
    if len(new.shape) != len(old.shape) or new.is_static:
        return new
    return TensorType(new.dtype, tuple(_refined_dim(a, b) for a, b in zip(new.shape, old.shape, strict=True)))


def _refined_dim(new: Dim, old: Dim) -> Dim:
    return old if not isinstance(new, int) and isinstance(old, int) else new
