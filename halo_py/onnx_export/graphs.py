"""Graphs as ONNX graphs: a name of its own for every value and node, captured values as references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

from halo_py.ir.graph import Graph, Node, Value
from halo_py.onnx_export.programs import Spelling
from halo_py.onnx_export.protos import attributes, place_outside, tensor_proto, value_info
from halo_py.ops.scalar import ScalarProgram
from halo_py.types import TensorType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

FUSED = "fused_map"


@dataclass(slots=True)
class GraphExporter:
    """Gives every value of the graph and its nested graphs a name of its own."""

    inline_bytes: int | None
    inline_packed: bool = False
    weights: dict[str, Array] = field(default_factory=dict[str, Any])
    domains: dict[str, int] = field(default_factory=dict[str, int])
    """Other domains than ONNX's own, with the oldest version that has all their operators in this graph."""
    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    _names: dict[Value, str] = field(default_factory=dict[Value, str])
    _taken: set[str] = field(default_factory=set[str])
    _node_names: dict[str, int] = field(default_factory=dict[str, int])

    def top(self, graph: Graph) -> GraphProto:
        self._taken.update(graph.output_names)
        self._names.update((value, value.name) for value in graph.inputs)
        self._taken.update(value.name for value in graph.inputs)
        return self.graph(graph, graph.inputs, graph.output_names)

    def graph(
        self, graph: Graph, formal: Sequence[Value], output_names: Sequence[str], *, nested: bool = False
    ) -> GraphProto:
        """A graph whose inputs are `formal`; other inputs have got their outer names already."""
        proto = GraphProto(name=graph.name or "graph")
        made = {value for node in graph.nodes for value in node.outputs}
        outputs: list[tuple[str, Value]] = []
        for value, name in zip(graph.outputs, output_names, strict=True):
            if value in made and value not in self._names:
                self._names[value] = name
            outputs.append((name, value))
        for value in formal:
            proto.input.append(value_info(self._input_name(value), value.type))
        for value, contents in graph.constants.items():
            proto.initializer.append(self._initialiser(value, contents, nested))
        for node in graph.nodes:
            proto.node.extend(self._node(node))
        for name, value in outputs:
            if self._names[value] != name:
                proto.node.append(NodeProto(op_type="Identity", input=[self._names[value]], output=[name]))
            proto.output.append(value_info(name, value.type))
        return proto

    def _input_name(self, value: Value) -> str:
        """Graph inputs keep their names even where an output has the same one."""
        if value not in self._names:
            self._names[value] = self.fresh(value.name)
        return self._names[value]

    def name(self, value: Value) -> str:
        found = self._names.get(value)
        if found is None:
            found = self._names[value] = self.fresh(value.name)
        return found

    def _node_name(self, node: Node) -> str:
        """ONNX Runtime refuses two nodes of the same name."""
        number = self._node_names.get(node.name, 0)
        self._node_names[node.name] = number + 1
        name = f"{node.name}#{number}" if number else node.name
        self.nodes[name] = node
        return name

    def fresh(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name

    def _initialiser(self, value: Value, contents: Array, nested: bool) -> TensorProto:
        assert isinstance(value.type, TensorType)
        name = self.name(value)
        # Runtimes take external initialisers of the main graph only.
        small = self.inline_bytes is None or contents.nbytes <= self.inline_bytes
        small = small or (self.inline_packed and value.type.dtype.bits < 8)
        if small or nested or contents.dtype == object:
            return tensor_proto(name, contents, value.type.dtype)
        self.weights[name] = contents
        tensor = TensorProto(name=name, dims=contents.shape, data_type=value.type.dtype.onnx_number)
        place_outside(tensor, "weights", 0, value.type.bytes)
        return tensor

    # -- nodes ------------------------------------------------------------------------------------------------

    def _node(self, node: Node) -> list[NodeProto]:
        program = next((value for value in node.op.attributes().values() if isinstance(value, ScalarProgram)), None)
        if node.op.kind == FUSED:
            assert program is not None
            return self._program(program, node.inputs, [self._value(value) for value in node.inputs], node)
        if program is None:
            return [self._plain(node, node.inputs, [self.name(value) for value in node.outputs])]
        own = len(node.inputs) - (program.inputs - 1)
        extra = node.inputs[own:]
        made = self.fresh(f"{node.name}.result")
        first = self._plain(node, node.inputs[:own], [made])
        types = [node.inputs[0], *extra]
        return [first, *self._program(program, types, [made, *(self._value(value) for value in extra)], node)]

    def _value(self, value: Value | None) -> str:
        return "" if value is None else self.name(value)

    def _plain(self, node: Node, inputs: Sequence[Value | None], outputs: Sequence[str]) -> NodeProto:
        declaration = node.op.declaration
        if declaration.domain:
            self.domains[declaration.domain] = max(declaration.since, self.domains.get(declaration.domain, 1))
        bodies = list(zip(body_names(node), node.bodies, strict=True))
        formal = formal_inputs(node)
        own = len(inputs) - (len(node.bodies[0].inputs) - formal if node.bodies else 0)
        captured = inputs[own:]
        names = [self._value(value) for value in inputs[:own]]
        while names and not names[-1]:
            names.pop()
        proto = NodeProto(
            op_type=declaration.onnx or "",
            domain=declaration.domain,
            name=self._node_name(node),
            input=names,
            output=outputs,
        )
        proto.attribute.extend(attributes(node.op))
        for name, body in bodies:
            for outer, inner in zip(captured, body.inputs[formal:], strict=True):
                assert outer is not None
                self._names[inner] = self.name(outer)
            output_names = [self.fresh(text) for text in body.output_names]
            graph = self.graph(body, body.inputs[:formal], output_names, nested=True)
            proto.attribute.append(AttributeProto(name=name, type=AttributeProto.GRAPH, g=graph))
        return proto

    # -- scalar programs --------------------------------------------------------------------------------------

    def _program(
        self, program: ScalarProgram, operands: Sequence[Value | None], names: Sequence[str], node: Node
    ) -> list[NodeProto]:
        """A scalar program as element-wise nodes; the last one makes the node's output."""
        types = [value.type.dtype for value in operands if value is not None and isinstance(value.type, TensorType)]
        spelled = Spelling(self.fresh, f"{node.name}.step", list(names), types)
        for step in program.steps:
            spelled.step(step)
        spelled.end(self.name(node.outputs[0]))
        return spelled.nodes


def body_names(node: Node) -> tuple[str, ...]:
    """The attribute names of a node's nested graphs."""
    if not node.bodies:
        return ()
    return ("then_branch", "else_branch") if node.op.kind == "if" else ("body",)


def formal_inputs(node: Node) -> int:
    """How many inputs of a node's bodies are formal ones (those after them stand for captured values)."""
    if not node.bodies or node.op.kind == "if":
        return 0
    captured: int = node.op.attributes().get("captured", 0)
    return len(node.bodies[0].inputs) - captured
