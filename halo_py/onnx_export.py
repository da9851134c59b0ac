"""A graph as an ONNX model: for the CPU engine, and for users who want to take a graph elsewhere.

Ops are ONNX's own, so most nodes go over one to one. What HALO added is spelled out again: fused maps and epilogues
become element-wise nodes, operands that stand for captured values become references to the outer graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto

from halo_py.errors import ModelError, OutputError, UnsupportedError, Where
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.op import REGISTRY, Op
from halo_py.ops.literal import TensorLiteral
from halo_py.ops.scalar import ScalarProgram, ScalarStep
from halo_py.ops.scalar_functions import compute_dtype
from halo_py.types import DType, OptionalType, SequenceType, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

NEWEST_OPSET = 26
"""The newest operator set that is not under development in the oldest `onnx` and ONNX Runtime that HALO supports."""

_IR_VERSION = 10
_LARGEST_MESSAGE_BYTES = 1 << 31
"""Protobuf cannot hold more in one message."""

_FUSED = "fused_map"
_SPELLED = {"square", "rsqrt", "constant"}
"""Scalar functions without an ONNX operator of their own that are exported as others."""


@dataclass(slots=True)
class ExportedModel:
    """An ONNX model and the large constants that were left out of it, by the names of their initialisers."""

    model: ModelProto
    weights: dict[str, Array]
    nodes: dict[str, Node]
    """The graph's nodes by the names they have in the model (spelled-out programs left out)."""


def to_onnx(graph: Graph, opset: int = NEWEST_OPSET) -> ModelProto:
    """The graph as one ONNX model, weights included. Raises UnsupportedError, ModelError (over 2 GB)."""
    if graph.constant_bytes() >= _LARGEST_MESSAGE_BYTES:
        raise ModelError("the model has more than 2 GB of weights", hint="save it with external data (save_onnx)")
    return export(graph, opset).model


def export(graph: Graph, opset: int = NEWEST_OPSET, inline_bytes: int | None = None) -> ExportedModel:
    """The graph as ONNX; constants of more than `inline_bytes` are left out and returned beside it.

    Raises UnsupportedError that lists every node ONNX cannot express.
    """
    refused = unexportable(graph)
    if refused:
        lines = [f"  {node.where}: {reason}" for node, reason in refused]
        raise UnsupportedError("\n".join([f"{len(refused)} nodes cannot be written as ONNX", *lines]))
    exporter = _Exporter(inline_bytes)
    model = ModelProto(ir_version=_IR_VERSION, producer_name="halo")
    model.graph.CopyFrom(exporter.top(graph))
    for domain in ("", *sorted(exporter.domains - {""})):
        model.opset_import.add(domain=domain, version=opset if not domain else 1)
    return ExportedModel(model, exporter.weights, exporter.nodes)


def save_onnx(graph: Graph, path: Path, opset: int = NEWEST_OPSET) -> None:
    """Write the graph as `path`, with weights in `path`.data if there are more than 2 GB of them.

    Raises OutputError, UnsupportedError.
    """
    large = graph.constant_bytes() >= _LARGEST_MESSAGE_BYTES
    exported = export(graph, opset, 1024 if large else None)
    try:
        if exported.weights:
            _write_weights(exported, path.with_name(path.name + ".data"))
        path.write_bytes(exported.model.SerializeToString())
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", Where(str(path))) from error


def _write_weights(exported: ExportedModel, path: Path) -> None:
    """One file of all weights, each at a multiple of 4096 bytes, named by the initialisers."""
    with path.open("wb") as stream:
        for tensor in exported.model.graph.initializer:
            if tensor.name not in exported.weights:
                continue
            stream.write(b"\0" * (-stream.tell() % 4096))
            offset = stream.tell()
            stream.write(packed_bytes(exported.weights[tensor.name]))
            place_outside(tensor, path.name, offset, stream.tell() - offset)


def place_outside(tensor: TensorProto, location: str, offset: int, length: int) -> None:
    """Make an initialiser refer to bytes of an external file."""
    del tensor.external_data[:]
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)


def unexportable(graph: Graph) -> list[tuple[Node, str]]:
    """The nodes that ONNX cannot express, nested graphs included, each with the reason."""
    found = ((node, why_not(node)) for node in graph.walk())
    return [(node, reason) for node, reason in found if reason is not None]


def why_not(node: Node) -> str | None:
    """Why ONNX cannot express this node (its nested graphs left aside); None if it can."""
    op = node.op
    if op.declaration.onnx is None and op.kind != _FUSED:
        return f"{op.kind} is not an ONNX operator"
    for value in op.attributes().values():
        if isinstance(value, ScalarProgram):
            missing = [step.function for step in value.steps if not _has_onnx(step.function)]
            if missing:
                return f"the scalar function {missing[0]} is not an ONNX operator"
    return None


def _has_onnx(function: str) -> bool:
    cls = REGISTRY.by_name.get(function)
    return function in _SPELLED or (cls is not None and cls.declaration.onnx is not None)


# -- graphs -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Exporter:
    """Gives every value of the graph and its nested graphs a name of its own."""

    inline_bytes: int | None
    weights: dict[str, Array] = field(default_factory=dict[str, Any])
    domains: set[str] = field(default_factory=set[str])
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
            self._names[value] = self._fresh(value.name)
        return self._names[value]

    def name(self, value: Value) -> str:
        found = self._names.get(value)
        if found is None:
            found = self._names[value] = self._fresh(value.name)
        return found

    def _node_name(self, node: Node) -> str:
        """ONNX Runtime refuses two nodes of the same name."""
        number = self._node_names.get(node.name, 0)
        self._node_names[node.name] = number + 1
        name = f"{node.name}#{number}" if number else node.name
        self.nodes[name] = node
        return name

    def _fresh(self, wanted: str) -> str:
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
        if small or nested or contents.dtype == object:
            return tensor_proto(name, contents, value.type.dtype)
        self.weights[name] = contents
        tensor = TensorProto(name=name, dims=contents.shape, data_type=value.type.dtype.onnx_number)
        place_outside(tensor, "weights", 0, value.type.bytes)
        return tensor

    # -- nodes ------------------------------------------------------------------------------------------------

    def _node(self, node: Node) -> list[NodeProto]:
        program = next((value for value in node.op.attributes().values() if isinstance(value, ScalarProgram)), None)
        if node.op.kind == _FUSED:
            assert program is not None
            return self._program(program, node.inputs, [self._value(value) for value in node.inputs], node)
        if program is None:
            return [self._plain(node, node.inputs, [self.name(value) for value in node.outputs])]
        own = len(node.inputs) - (program.inputs - 1)
        extra = node.inputs[own:]
        made = self._fresh(f"{node.name}.result")
        first = self._plain(node, node.inputs[:own], [made])
        types = [node.inputs[0], *extra]
        return [first, *self._program(program, types, [made, *(self._value(value) for value in extra)], node)]

    def _value(self, value: Value | None) -> str:
        return "" if value is None else self.name(value)

    def _plain(self, node: Node, inputs: Sequence[Value | None], outputs: Sequence[str]) -> NodeProto:
        declaration = node.op.declaration
        self.domains.add(declaration.domain)
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
            output_names = [self._fresh(text) for text in body.output_names]
            graph = self.graph(body, body.inputs[:formal], output_names, nested=True)
            proto.attribute.append(AttributeProto(name=name, type=AttributeProto.GRAPH, g=graph))
        return proto

    # -- scalar programs --------------------------------------------------------------------------------------

    def _program(
        self, program: ScalarProgram, operands: Sequence[Value | None], names: Sequence[str], node: Node
    ) -> list[NodeProto]:
        """A scalar program as element-wise nodes; the last one makes the node's output."""
        types = [value.type.dtype for value in operands if value is not None and isinstance(value.type, TensorType)]
        spelled = _Spelling(self, f"{node.name}.step", list(names), types)
        for step in program.steps:
            spelled.step(step)
        spelled.end(self.name(node.outputs[0]))
        return spelled.nodes


@dataclass(slots=True)
class _Spelling:
    """Element-wise nodes for the steps of a scalar program, with the casts that ONNX's strict typing asks for."""

    exporter: _Exporter
    prefix: str
    names: list[str]
    types: list[DType]
    nodes: list[NodeProto] = field(default_factory=list[NodeProto])

    def step(self, step: ScalarStep) -> None:
        """Append one step; its result is the next number."""
        parameters = dict(step.parameters)
        if step.function == "constant":
            contents = np.asarray(parameters["value"], compute_dtype(step.dtype)).astype(step.dtype.numpy)
            attribute = AttributeProto(name="value", type=AttributeProto.TENSOR)
            attribute.t.CopyFrom(tensor_proto("", contents, step.dtype))
            self._result(self._emit("Constant", [], [attribute]), step.dtype)
            return
        dtypes = [self.types[number] for number in step.operands]
        shared = self._shared_type(step, dtypes)
        first = self._same_type_from(step)
        operands = [
            self.names[number] if position < first else self._cast(self.names[number], self.types[number], shared)
            for position, number in enumerate(step.operands)
        ]
        made = self._function(step, operands, parameters)
        natural = step.dtype if step.dtype is DType.BOOL or step.function == "cast" else shared
        self._result(self._cast(made, natural, step.dtype), step.dtype)

    def end(self, output: str) -> None:
        """The last result gets the name of the node's output."""
        self.nodes.append(NodeProto(op_type="Identity", input=[self.names[-1]], output=[output]))

    def _shared_type(self, step: ScalarStep, dtypes: Sequence[DType]) -> DType:
        """The type that all operands which must agree are brought to."""
        agreeing = list(dict.fromkeys(dtypes[self._same_type_from(step) :]))
        if len(agreeing) == 1:
            return agreeing[0]
        return step.dtype if step.dtype is not DType.BOOL else max(agreeing, key=lambda dtype: dtype.bits)

    def _same_type_from(self, step: ScalarStep) -> int:
        return 1 if step.function == "where" else 0

    def _function(self, step: ScalarStep, operands: list[str], parameters: dict[str, Any]) -> str:
        if step.function == "square":
            return self._emit("Mul", [operands[0], operands[0]])
        if step.function == "rsqrt":
            return self._emit("Reciprocal", [self._emit("Sqrt", operands)])
        if step.function == "clip":
            low = operands[1] if parameters.get("has_min", 1) else ""
            high = operands[-1] if parameters.get("has_max", 1) else ""
            return self._emit("Clip", [operands[0], low, high])
        cls = REGISTRY.by_name[step.function]
        known = {entry.name for entry in fields(cls)}
        op = cls(**{name: value for name, value in parameters.items() if name in known})
        return self._emit(cls.declaration.onnx or "", operands, attributes(op))

    def _cast(self, name: str, found: DType, wanted: DType) -> str:
        if found is wanted:
            return name
        return self._emit("Cast", [name], [AttributeProto(name="to", type=AttributeProto.INT, i=wanted.onnx_number)])

    def _emit(self, op: str, inputs: Sequence[str], given: Sequence[AttributeProto] = ()) -> str:
        name = self.exporter._fresh(self.prefix)  # pyright: ignore[reportPrivateUsage]
        self.nodes.append(NodeProto(op_type=op, input=inputs, output=[name], attribute=given))
        return name

    def _result(self, name: str, dtype: DType) -> None:
        self.names.append(name)
        self.types.append(dtype)


# -- bodies -------------------------------------------------------------------------------------------------------


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


# -- attributes, tensors, types -----------------------------------------------------------------------------------

_NOT_ONNX = {"epilogue", "program", "captured"}


def attributes(op: Op) -> list[AttributeProto]:
    """The op's attributes that differ from their defaults."""
    result: list[AttributeProto] = []
    for entry in fields(op):
        value = getattr(op, entry.name)
        if value is None or entry.name in _NOT_ONNX or (entry.default is not MISSING and value == entry.default):
            continue
        result.append(_attribute(entry.name, value, "float" in str(entry.type)))
    return result


def _attribute(name: str, value: object, is_float: bool) -> AttributeProto:
    match value:
        case DType():
            return AttributeProto(name=name, type=AttributeProto.INT, i=value.onnx_number)
        case str():
            return AttributeProto(name=name, type=AttributeProto.STRING, s=value.encode("utf-8", "surrogateescape"))
        case int() if not is_float:
            return AttributeProto(name=name, type=AttributeProto.INT, i=int(value))
        case int() | float():
            return AttributeProto(name=name, type=AttributeProto.FLOAT, f=value)
        case TensorLiteral():
            return AttributeProto(name=name, type=AttributeProto.TENSOR, t=tensor_proto("", value.array(), value.dtype))
        case TensorType() | SequenceType() | OptionalType():
            return AttributeProto(name=name, type=AttributeProto.TYPE_PROTO, tp=type_proto(value))
        case tuple():
            return _list_attribute(name, list(cast("tuple[Any, ...]", value)), is_float)
        case _:
            raise TypeError(f"attribute {name!r} has a value of type {type(value).__name__}")


def _list_attribute(name: str, values: list[Any], is_float: bool) -> AttributeProto:
    if is_float or any(isinstance(value, float) for value in values):
        return AttributeProto(name=name, type=AttributeProto.FLOATS, floats=values)
    if values and isinstance(values[0], str):
        texts = [value.encode("utf-8", "surrogateescape") for value in values]
        return AttributeProto(name=name, type=AttributeProto.STRINGS, strings=texts)
    return AttributeProto(name=name, type=AttributeProto.INTS, ints=values)


def packed_bytes(contents: Array) -> bytes:
    """Little-endian bytes as ONNX stores them: types under 8 bits share bytes, low bits first."""
    dtype = DType.from_numpy(contents.dtype)
    if dtype.bits >= 8:
        return np.ascontiguousarray(contents).tobytes()
    per_byte = 8 // dtype.bits
    codes = np.ascontiguousarray(contents).reshape(-1).view(np.uint8) & np.uint8((1 << dtype.bits) - 1)
    padded = np.zeros(-(-len(codes) // per_byte) * per_byte, np.uint8)
    padded[: len(codes)] = codes
    shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(dtype.bits)
    return np.bitwise_or.reduce(padded.reshape(-1, per_byte) << shifts, axis=1).astype(np.uint8).tobytes()


def tensor_proto(name: str, contents: Array, dtype: DType) -> TensorProto:
    """A constant as ONNX holds it."""
    tensor = TensorProto(name=name, dims=contents.shape, data_type=dtype.onnx_number)
    if dtype is DType.STRING:
        tensor.string_data.extend(str(item).encode("utf-8", "surrogateescape") for item in contents.reshape(-1))
    else:
        tensor.raw_data = packed_bytes(contents)
    return tensor


def value_info(name: str, type: Type) -> ValueInfoProto:
    """A named, typed value."""
    return ValueInfoProto(name=name, type=type_proto(type))


def type_proto(type: Type) -> TypeProto:
    """A type as ONNX writes it; symbolic dimensions by name."""
    proto = TypeProto()
    match type:
        case TensorType():
            proto.tensor_type.elem_type = type.dtype.onnx_number
            if type.shape is not None:
                proto.tensor_type.shape.SetInParent()
                for dim in type.shape:
                    entry = proto.tensor_type.shape.dim.add()
                    if isinstance(dim, int):
                        entry.dim_value = dim
                    else:
                        entry.dim_param = str(dim)
        case SequenceType():
            proto.sequence_type.elem_type.CopyFrom(type_proto(type.element))
        case OptionalType():
            proto.optional_type.elem_type.CopyFrom(type_proto(type.element))
    return proto
