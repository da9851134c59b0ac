"""Fixes shapes: symbols become numbers, and everything that is computed from shapes becomes a constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from halo_py.ir.graph import Graph, Node, StateUpdate, Value
from halo_py.ir.inference import Inference, infer_types
from halo_py.ir.op import Op
from halo_py.ir.pattern import onnx_op
from halo_py.ir.rewrite import kind_of
from halo_py.passes.base import Pass, PassContext
from halo_py.types import Dim, DType, OptionalType, SequenceType, TensorType, Type, substitute

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
        match kind_of(node):
            case "If":
                results = self.branch(node, inputs)
            case "Loop":
                results = self.attempt(node, inputs, self.unrolled_loop)
            case "Scan":
                results = self.attempt(node, inputs, self.unrolled_scan)
            case _:
                results = None
        if results is None:
            return False
        self.mapping.update(zip(node.outputs, results, strict=True))
        return True

    def branch(self, node: Node, inputs: tuple[Value | None, ...]) -> list[Value] | None:
        """The results of the branch that a known condition takes."""
        condition = self.known(inputs[0])
        if condition is None or condition.size != 1:
            return None
        return self.call(node.bodies[0 if _truth(condition) else 1], inputs[1:])

    def attempt(self, node: Node, inputs: tuple[Value | None, ...], unroll: Unroll) -> list[Value] | None:
        """The results of an unrolled loop; what a failed attempt has appended goes again."""
        before = len(self.nodes)
        results = unroll(node, inputs)
        if results is None:
            del self.nodes[before:]
        return results

    def unrolled_loop(self, node: Node, inputs: tuple[Value | None, ...]) -> list[Value] | None:
        """Iterations one after another while it is known that there is a next one."""
        body, count = node.bodies[0], len(inputs) - 2 - captured_operands(node)
        most = self.known(inputs[0])
        condition = self.known(inputs[1]) if inputs[1] is not None else np.asarray(True)
        if condition is None or (inputs[0] is not None and most is None):
            return None
        limit = int(most.reshape(-1).tolist()[0]) if most is not None else None
        carried, extra = list(inputs[2 : 2 + count]), inputs[2 + count :]
        stacks: list[list[Value]] = [[] for _ in node.outputs[count:]]
        budget, trip = self.unroll_nodes, 0
        while _truth(condition) and (limit is None or trip < limit):
            budget -= len(body.nodes) + 1
            if budget < 0:
                return None
            here = [self.literal(np.asarray(trip, np.int64), "iteration"), self.literal(condition, "condition")]
            results = self.call(body, (*here, *carried, *extra))
            condition = self.known(results[0])
            if condition is None:
                return None
            carried = list[Value | None](results[1 : 1 + count])
            for stack, value in zip(stacks, results[1 + count :], strict=True):
                stack.append(value)
            trip += 1
        stacked = [self.stacked(stack, 0, node, count + number) for number, stack in enumerate(stacks)]
        ends = [value for value in (*carried, *stacked) if value is not None]
        return ends if len(ends) == len(node.outputs) else None

    def unrolled_scan(self, node: Node, inputs: tuple[Value | None, ...]) -> list[Value] | None:
        """One call of the body for each slice of the scanned operands."""
        body, fields = node.bodies[0], node.op.attributes()
        scanned: int = fields["num_scan_inputs"]
        count = len(inputs) - captured_operands(node) - scanned
        states, rows, extra = list(inputs[:count]), inputs[count : count + scanned], inputs[count + scanned :]
        axes: tuple[int, ...] = fields["scan_input_axes"] or (0,) * scanned
        backwards: tuple[int, ...] = fields["scan_input_directions"] or (0,) * scanned
        types = [value.type for value in rows if value is not None]
        shapes = [type.static_shape for type in types if isinstance(type, TensorType) and type.is_static]
        if len(shapes) < scanned or not scanned:
            return None
        length = shapes[0][axes[0]]
        if not length or length * (len(body.nodes) + scanned) > self.unroll_nodes:
            return None
        stacks: list[list[Value]] = [[] for _ in node.outputs[count:]]
        for step in range(length):
            slices: list[Value | None] = []
            for value, axis, backward in zip(rows, axes, backwards, strict=True):
                index = self.literal(np.asarray(length - 1 - step if backward else step, np.int64), "index")
                slices.append(self.emit(onnx_op("Gather", axis=axis), (value, index), node))
            results = self.call(body, (*states, *slices, *extra))
            states = list[Value | None](results[:count])
            for stack, value in zip(stacks, results[count:], strict=True):
                stack.append(value)
        stacked: list[Value | None] = []
        out_axes: tuple[int, ...] = fields["scan_output_axes"] or (0,) * len(stacks)
        turned: tuple[int, ...] = fields["scan_output_directions"] or (0,) * len(stacks)
        for number, (stack, axis) in enumerate(zip(stacks, out_axes, strict=True)):
            ordered = stack[::-1] if turned[number] else stack
            stacked.append(self.stacked(ordered, axis, node, count + number))
        ends = [value for value in (*states, *stacked) if value is not None]
        return ends if len(ends) == len(node.outputs) else None

    def stacked(self, values: Sequence[Value], axis: int, node: Node, result: int) -> Value | None:
        """Values along a new axis; None if they are no tensors, or none are there and the shape is not known."""
        type = node.outputs[result].type
        if not values:
            if not isinstance(type, TensorType) or type.shape is None:
                return None
            sizes = [size for size in type.shape[1:] if isinstance(size, int)]
            if len(sizes) != len(type.shape) - 1:
                return None
            return self.literal(np.zeros((0, *sizes), type.dtype.numpy), node.outputs[result].name)
        if not all(isinstance(value.type, TensorType) for value in values):
            return None
        where = self.literal(np.asarray([axis], np.int64), "axes")
        parts = [self.emit(onnx_op("Unsqueeze"), (value, where), node) for value in values]
        return self.emit(onnx_op("Concat", axis=axis), parts, node)

    def emit(self, op: Op, inputs: Sequence[Value | None], at: Node) -> Value:
        """A new node of one result."""
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
        name, number = wanted, 1
        while name in self.names:
            name, number = f"{wanted}_{number}", number + 1
        self.names.add(name)
        return name

    def known(self, value: Value | None) -> Array | None:
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
        copies = {value: Value(self.fresh(value.name), value.type) for value in body.values()}
        nodes = tuple(
            Node(
                node.op,
                tuple([None if value is None else copies[value] for value in node.inputs]),
                tuple([copies[value] for value in node.outputs]),
                node.name,
                tuple(copied(inner) for inner in node.bodies),
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
        captured = captured_operands(node)
        first = len(inputs) - captured
        known = [None] * (len(body.inputs) - captured) + [self.known(value) for value in inputs[first:]]
        outer = [None if value is None else value.type for value in inputs]
        match kind_of(node):
            case "If":
                return self.nested(body, outer[1:], known)
            case "Loop":
                return self.settled(body, [None, None, *outer[2:]], known, range(2, first), 1)
            case "Scan":
                states = first - int(node.op.attributes()["num_scan_inputs"])
                types = [*outer[:states], *[None] * (first - states), *outer[first:]]
                return self.settled(body, types, known, range(states), 0)
            case _:
                return self.nested(body, (), ())

    def nested(self, body: Graph, types: Sequence[Type | None], known: Sequence[Array | None]) -> Graph:
        return Replay(self.symbols, self.unroll_nodes).whole(body, types, known)

    def settled(
        self, body: Graph, types: list[Type | None], known: Sequence[Array | None], carried: range, first_result: int
    ) -> Graph:
        """The body with its carried values of the types they enter with, where they leave with the same."""
        found = self.nested(copied(body), types, known)
        for number, index in enumerate(carried):
            if found.outputs[first_result + number].type != found.inputs[index].type:
                types[index] = None
        return self.nested(body, types, known)


Unroll = Callable[[Node, tuple[Value | None, ...]], list[Value] | None]


def _truth(contents: Array) -> bool:
    return bool(contents.reshape(-1)[0])


def captured_operands(node: Node) -> int:
    """How many operands of a node with bodies are values captured from outside."""
    count: int = node.op.attributes().get("captured", 0)
    return count


def copied(graph: Graph) -> Graph:
    """A copy of a graph with values of its own, under the same names."""
    return Replay({}, 0).renamed(graph)


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
