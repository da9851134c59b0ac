"""Storage types: float16 for weights and activations, float32 and int32 where a machine has nothing wider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from halo_py.errors import HaloError
from halo_py.ir.graph import Graph, Node, StateUpdate, Value
from halo_py.ir.inference import Inference, infer_types
from halo_py.ir.op import Op
from halo_py.ir.pattern import onnx_op
from halo_py.ir.rewrite import kind_of
from halo_py.passes.base import Pass, PassContext
from halo_py.types import DType, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

PrecisionName = Literal["fp32", "fp16", "mixed"]

_LARGEST_HALF = 65504.0
_PIECE = 1 << 17
"""Elements converted at a time; half a megabyte stays in the cache."""


@dataclass(frozen=True)
class Precision(Pass):
    """Stores floats in float16 for `fp16` and `mixed` (which differ in the type of partial sums, not here).

    Inputs, outputs and states keep the user's types; casts stand at the border. Integers and booleans stay. Float
    arithmetic on integers that leads to integers again (sizes, positions) stays in float32, as do sums of products of
    integers until they are scaled, and what an op's own rule wants in float32. Numbers beyond float16's range (masks of
    -1e9) become its largest.
    """

    name: ClassVar[str] = "precision"

    precision: PrecisionName = "fp32"

    def run(self, graph: Graph, context: PassContext) -> Graph:
        if self.precision == "fp32":
            return graph
        narrower = _Narrower(index_values(graph) | integer_sums(graph))
        found = narrower.graph(graph)
        if narrower.clamped:
            context.note(self, f"{narrower.clamped} constant(s) beyond float16's range became its largest number")
        if narrower.kept:
            context.note(self, f"{narrower.kept} op(s) stay in float32: {', '.join(sorted(narrower.kept_kinds))}")
        return found


def index_values(graph: Graph) -> set[Value]:
    """Float values computed from integers alone that become integers again: positions and sizes, not data."""
    data: set[Value] = {value for value in graph.inputs if _is_float(value)}
    for node in graph.nodes:
        if any(value in data for value in node.inputs):
            data.update(value for value in node.outputs if _is_float(value))
    wanted: set[Value] = set()
    for node in reversed(graph.nodes):
        leads = kind_of(node) == "Cast" and not any(map(_is_float, node.outputs))
        if leads or any(value in wanted for value in node.outputs):
            wanted.update(
                value for value in node.inputs if value is not None and _is_float(value) and value not in data
            )
    return wanted


def integer_sums(graph: Graph) -> set[Value]:
    """Floats cast from sums of products of integers, and the scales that they are multiplied with.

    The sums exceed float16's range, products of two scales fall below it; what they give together fits.
    """
    sums: set[Value] = set()
    found: set[Value] = set()
    for node in graph.nodes:
        if kind_of(node) in ("MatMulInteger", "ConvInteger"):
            sums.update(node.outputs)
        elif any(value in sums for value in node.inputs):
            (found if kind_of(node) == "Cast" and all(map(_is_float, node.outputs)) else sums).update(node.outputs)
    for node in reversed(graph.nodes):
        if kind_of(node) == "Mul" and any(value in found for value in (*node.inputs, *node.outputs)):
            scales = (value for value in node.inputs if value is not None and _is_scale(value))
            found.update(scales)
    return found


def _is_scale(value: Value) -> bool:
    """Whether it is a float for all elements, or a vector of them."""
    shape = value.type.shape if isinstance(value.type, TensorType) else None
    return _is_float(value) and shape is not None and len(shape) < 2


def _is_float(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype.is_float


def _narrow(type: Type) -> Type:
    """float16 for a float32 tensor; sequences and optionals live on the host and stay."""
    if isinstance(type, TensorType) and type.dtype is DType.FLOAT32:
        return TensorType(DType.FLOAT16, type.shape)
    return type


@dataclass
class _Narrower:
    """Replays a graph with float16 in place of float32."""

    index: set[Value]
    clamped: int = 0
    kept: int = 0
    kept_kinds: set[str] = field(default_factory=set[str])
    nodes: list[Node] = field(default_factory=list[Node])
    constants: dict[Value, Array] = field(default_factory=dict["Value", "Array"])
    mapping: dict[Value, Value] = field(default_factory=dict["Value", "Value"])
    casts: dict[tuple[Value, DType], Value] = field(default_factory=dict[tuple["Value", DType], "Value"])
    originals: dict[Value, Array] = field(default_factory=dict["Value", "Array"])
    names: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self.inference = Inference(self.constants)

    def graph(self, graph: Graph) -> Graph:
        self.names.update(value.name for value in graph.values())
        self.originals.update(graph.constants)
        readers = graph.uses()
        for value in graph.inputs:
            self.mapping[value] = value
        for value in graph.inputs:
            if _narrow(value.type) != value.type and value in readers and isinstance(value.type, TensorType):
                self.mapping[value] = self.cast(value, DType.FLOAT16, readers[value][0][0])
        for node in graph.nodes:
            self.node(node)
        outputs = tuple(self.restored(value, graph) for value in graph.outputs)
        states = tuple(StateUpdate(item.state, self.restored(item.updated, graph)) for item in graph.states)
        return Graph(
            graph.name, graph.inputs, outputs, tuple(self.nodes), self.used(outputs), states, graph.output_names
        )

    def used(self, outputs: Sequence[Value]) -> dict[Value, Array]:
        read = {value for node in self.nodes for value in node.inputs} | set(outputs)
        return {value: contents for value, contents in self.constants.items() if value in read}

    def restored(self, value: Value, graph: Graph) -> Value:
        """An output or state with the user's type."""
        found = self.operand(value, wide=True)
        assert found is not None
        if found.type == value.type or not isinstance(value.type, TensorType):
            return found
        maker = next((node for node in reversed(self.nodes) if found in node.outputs), None) or graph.nodes[-1]
        return self.cast(found, value.type.dtype, maker)

    def operand(self, value: Value | None, *, wide: bool) -> Value | None:
        if value is None:
            return None
        if value in self.originals:
            return self.constant(value, wide=wide)
        return self.mapping[value]

    def constant(self, value: Value, *, wide: bool) -> Value:
        contents = self.originals[value]
        narrow = _narrow(value.type)
        if wide or narrow == value.type:
            self.constants[value] = contents
            return value
        key = (value, DType.FLOAT16)
        if key not in self.casts:
            made = Value(self.fresh(f"{value.name}.half"), narrow)
            self.constants[made] = self.half(contents)
            self.casts[key] = made
        return self.casts[key]

    def half(self, contents: Array) -> Array:
        """Contents in float16, piece by piece: each piece is read from memory once."""
        numbers: NDArray[np.float32] = np.ascontiguousarray(contents, np.float32).reshape(-1)
        narrow = np.empty(numbers.shape, np.float16)
        clamped = False
        with np.errstate(over="ignore", invalid="ignore"):
            for begin in range(0, numbers.size, _PIECE):
                part, made = numbers[begin : begin + _PIECE], narrow[begin : begin + _PIECE]
                made[:] = part
                if part.max() < _LARGEST_HALF and part.min() > -_LARGEST_HALF:
                    continue
                overflow = np.isinf(made) & np.isfinite(part)
                made[overflow] = np.copysign(np.float16(_LARGEST_HALF), part[overflow])
                clamped = clamped or bool(overflow.any())
        self.clamped += clamped
        return narrow.reshape(contents.shape)

    def fresh(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self.names:
            name, number = f"{wanted}_{number}", number + 1
        self.names.add(name)
        return name

    def cast(self, value: Value, dtype: DType, at: Node) -> Value:
        """The value in another type; one cast per value and type."""
        assert isinstance(value.type, TensorType)
        key = (value, dtype)
        if key not in self.casts:
            made = Value(self.fresh(f"{value.name}.{dtype.text}"), TensorType(dtype, value.type.shape))
            self.nodes.append(Node(onnx_op("Cast", to=dtype), (value,), (made,), made.name, (), at.where))
            self.casts[key] = made
        return self.casts[key]

    def node(self, node: Node) -> None:
        wide = any(value in self.index for value in (*node.inputs, *node.outputs)) or bool(node.bodies)
        if not wide:
            wide = not self.narrowed(node)
            if wide and any(_is_float(value) for value in node.outputs):
                self.kept += 1
                self.kept_kinds.add(kind_of(node))
        if wide:
            self.unchanged(node)

    def narrowed(self, node: Node) -> bool:
        """Append the node on float16 operands; answers False if the op's rule does not allow that."""
        if any(value is not None and not isinstance(value.type, TensorType) for value in (*node.inputs, *node.outputs)):
            return False
        op = _narrow_attributes(node.op)
        inputs = tuple(self.operand(value, wide=False) for value in node.inputs)
        inputs = tuple(self.narrow_operand(value, node) for value in inputs)
        args = self.inference.args(inputs, node.bodies, len(node.outputs), node.where)
        try:
            types = infer_types(op, args)[: len(node.outputs)]
        except HaloError:
            return False
        if tuple(types) != tuple(_narrow(value.type) for value in node.outputs):
            return False
        self.append(node, op, inputs, types)
        self.inference.learn(op, args, [self.mapping[value] for value in node.outputs])
        return True

    def narrow_operand(self, value: Value | None, node: Node) -> Value | None:
        if value is None or not isinstance(value.type, TensorType) or value.type.dtype is not DType.FLOAT32:
            return value
        return self.cast(value, DType.FLOAT16, node)

    def unchanged(self, node: Node) -> None:
        """Append the node in its own types, with casts before it; its results stay wide where they are needed so."""
        inputs: list[Value | None] = []
        for value in node.inputs:
            found = self.operand(value, wide=True)
            if value is not None and found is not None and found.type != value.type:
                assert isinstance(value.type, TensorType)
                found = self.cast(found, value.type.dtype, node)
            inputs.append(found)
        self.append(node, node.op, inputs, [value.type for value in node.outputs])
        if any(value in self.index for value in node.outputs):
            return
        for value in node.outputs:
            made = self.mapping[value]
            if isinstance(value.type, TensorType) and _narrow(value.type) != value.type:
                self.mapping[value] = self.cast(made, DType.FLOAT16, node)

    def append(self, node: Node, op: Op, inputs: Sequence[Value | None], types: Sequence[Type]) -> None:
        outputs = tuple(
            value if value.type == type else Value(value.name, type)
            for value, type in zip(node.outputs, types, strict=True)
        )
        self.mapping.update(zip(node.outputs, outputs, strict=True))
        self.nodes.append(Node(op, tuple(inputs), outputs, node.name, node.bodies, node.where))


def _narrow_attributes(op: Op) -> Op:
    """The op with float16 in attributes that say float32 (Cast's `to`, ...)."""
    changed: dict[str, Any] = {
        entry.name: DType.FLOAT16 for entry in fields(op) if getattr(op, entry.name) is DType.FLOAT32
    }
    return replace(op, **changed) if changed else op
