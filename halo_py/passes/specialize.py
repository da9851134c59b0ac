"""Fixes shapes: symbols become numbers, and everything that is computed from shapes becomes a constant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from halo_py.errors import Where
from halo_py.ir.graph import Graph, Node, StateUpdate, Value
from halo_py.ir.inference import Inference, infer_types
from halo_py.ir.rewrite import kind_of
from halo_py.passes.base import Pass, PassContext
from halo_py.types import Dim, OptionalType, SequenceType, TensorType, Type, substitute

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


@dataclass(frozen=True)
class Specialize(Pass):
    """Replaces symbols by numbers and infers all types anew; what follows from shapes alone becomes constants.

    An If whose condition is known becomes the branch it takes. A Loop of a known number of iterations whose body does
    not decide when to stop is unrolled while that makes at most `unroll_nodes` nodes.
    """

    name: ClassVar[str] = "specialize"

    symbols: tuple[tuple[str, int], ...] = ()
    unroll_nodes: int = 400

    def run(self, graph: Graph, context: PassContext) -> Graph:
        replay = Replay(dict(self.symbols), self.unroll_nodes)
        return replay.whole(graph)


@dataclass
class Replay:
    """Builds a graph anew, node by node, with what is now known."""

    symbols: Mapping[str, int]
    unroll_nodes: int
    nodes: list[Node] = field(default_factory=list[Node])
    constants: dict[Value, Array] = field(default_factory=dict["Value", "Array"])
    names: set[str] = field(default_factory=set[str])
    mapping: dict[Value, Value] = field(default_factory=dict["Value", "Value"])

    def __post_init__(self) -> None:
        self.inference = Inference(self.constants)

    def whole(
        self,
        graph: Graph,
        types: Sequence[Type | None] = (),
        known: Sequence[Array | None] = (),
    ) -> Graph:
        """The graph with inputs of these `types` (None: as declared); `known` are contents of inputs."""
        self.names.update(value.name for value in graph.values())
        for index, value in enumerate(graph.inputs):
            given = types[index] if index < len(types) else None
            self.mapping[value] = self.retyped(value, given)
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
        """The value with its symbols substituted, and refined by what is `given`."""
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
        inputs = tuple([None if value is None else self.mapping[value] for value in node.inputs])
        if node.bodies and self.control(node, inputs):
            return
        bodies = tuple(self.body(node, number, inputs) for number in range(len(node.bodies)))
        args = self.inference.args(inputs, bodies, len(node.outputs), node.where)
        types = infer_types(node.op, args)
        outputs = tuple([self.result(value, type) for value, type in zip(node.outputs, types, strict=False)])
        self.mapping.update(zip(node.outputs, outputs, strict=True))
        self.inference.learn(node.op, args, outputs)
        contents = [self.inference.known(value) for value in outputs]
        if all(array is not None for array in contents):
            for value, array in zip(outputs, contents, strict=True):
                assert array is not None
                self.constants[value] = array
            return
        same = inputs == node.inputs and outputs == node.outputs and bodies == node.bodies
        self.nodes.append(node if same else Node(node.op, inputs, outputs, node.name, bodies, node.where))

    def result(self, value: Value, inferred: Type) -> Value:
        """The value with the type inferred anew, refined by what its old type knew."""
        type = refined(inferred, substituted(value.type, self.symbols))
        return value if type == value.type else Value(value.name, type)

    # -- control flow ----------------------------------------------------------------------------------------------

    def control(self, node: Node, inputs: tuple[Value | None, ...]) -> bool:
        """Resolve control flow that is known; answers whether the node is gone."""
        if kind_of(node) == "If":
            condition = self.known(inputs[0])
            if condition is None or condition.size != 1:
                return False
            branch = node.bodies[0 if bool(condition.reshape(-1)[0]) else 1]
            results = self.call(branch, inputs[1:], node.where)
            self.mapping.update(zip(node.outputs, results, strict=True))
            return True
        return False

    def known(self, value: Value | None) -> Array | None:
        return None if value is None else self.inference.known(value)

    def call(self, body: Graph, operands: Sequence[Value | None], where: Where) -> list[Value]:
        """Inline a nested graph with these operands; its values get free names."""
        fresh = Replay(self.symbols, self.unroll_nodes)
        renamed = fresh.renamed(body, self.names)
        for value, operand in zip(renamed.inputs, operands, strict=True):
            assert operand is not None, where
            self.mapping[value] = operand
        self.inline(renamed)
        return [self.mapping[value] for value in renamed.outputs]

    @staticmethod
    def renamed(body: Graph, taken: set[str]) -> Graph:
        """A copy of a graph with values of its own, whose names are added to `taken`."""
        copies: dict[Value, Value] = {}
        for value in body.values():
            name, number = value.name, 1
            while name in taken:
                name, number = f"{value.name}_{number}", number + 1
            taken.add(name)
            copies[value] = Value(name, value.type)
        nodes = tuple(
            Node(
                node.op,
                tuple([None if value is None else copies[value] for value in node.inputs]),
                tuple([copies[value] for value in node.outputs]),
                node.name,
                tuple(Replay.renamed(inner, set()) for inner in node.bodies),
                node.where,
            )
            for node in body.nodes
        )
        return Graph(
            body.name,
            tuple(copies[value] for value in body.inputs),
            tuple(copies[value] for value in body.outputs),
            nodes,
            {copies[value]: contents for value, contents in body.constants.items()},
            (),
            body.output_names,
        )

    def body(self, node: Node, number: int, inputs: tuple[Value | None, ...]) -> Graph:
        """A nested graph with what is known of its operands."""
        body = node.bodies[number]
        replay = Replay(self.symbols, self.unroll_nodes)
        if kind_of(node) == "If":
            operands = inputs[1:]
            types = [None if value is None else value.type for value in operands]
            return replay.whole(body, types, [self.known(value) for value in operands])
        return replay.whole(body)


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
