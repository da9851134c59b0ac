"""What a rule gets to write calls with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_py.errors import HaloError, UnsupportedError
from halo_py.ir.graph import Node, Value
from halo_py.ir.inference import Inference, infer_types
from halo_py.types import DType, TensorType, Type
from odla.calls.model import Argument, Attribute, Call, Dims, Name, Text, ValueType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph
    from halo_py.ir.op import Op

    Array = NDArray[Any]

SHARED_ELEMENTS = 64
"""Constants of at most so many elements that rules add are made once for all that are equal."""

MOST_DIMENSIONS = 10
"""Dimensions of an `odla_value_shape`."""

MOST_VALUES = 64
"""Values of an `odla_values`."""

ELEMENTS = {
    DType.INT8: "ODLA_INT8",
    DType.INT16: "ODLA_INT16",
    DType.INT32: "ODLA_INT32",
    DType.INT64: "ODLA_INT64",
    DType.UINT8: "ODLA_UINT8",
    DType.UINT16: "ODLA_UINT16",
    DType.UINT32: "ODLA_UINT32",
    DType.UINT64: "ODLA_UINT64",
    DType.FLOAT16: "ODLA_FLOAT16",
    DType.BFLOAT16: "ODLA_BFLOAT16",
    DType.FLOAT32: "ODLA_FLOAT32",
    DType.FLOAT64: "ODLA_FLOAT64",
    DType.BOOL: "ODLA_BOOL",
}
"""Element types that ODLA has, by their enumerators."""

CHANNELS_FIRST = Name("ODLA_CHANNELS_FIRST")
OUTPUT_FIRST = Name("ODLA_OIS")
INPUT_FIRST = Name("ODLA_IOS")


class NotInOdlaError(Exception):
    """Why a node has no form as ODLA calls."""


Rule = Callable[["Emit", "Node"], None]
RULES: dict[str, Rule] = {}
"""Op -> how it is written."""


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Declare how ops of these kinds are written."""

    def declare(function: Rule) -> Rule:
        for kind in kinds:
            assert kind not in RULES, kind
            RULES[kind] = function
        return function

    return declare


@dataclass
class Emit:
    """Collects calls and constants. Rules may write a node as simpler ones, which have rules themselves."""

    known: dict[Value, Array]
    """Contents of constants; those that rules add join them."""
    taken: set[str] = field(default_factory=set[str])
    """Names of values."""
    calls: list[Call] = field(default_factory=list[Call])
    constants: dict[Value, Array] = field(default_factory=dict[Value, "Array"])
    """Constants that calls use."""
    custom: bool = False
    """Whether what has no rule may be called by name, as odla_CustomOp."""
    node: str = "value"
    """The node of the model that is being written; what rules add is named after it."""
    _shared: dict[tuple[str, tuple[int, ...], bytes], Value] = field(
        default_factory=dict[tuple[str, tuple[int, ...], bytes], Value]
    )

    def write(self, node: Node) -> None:
        """Write one node. Raises NotInOdlaError."""
        before = len(self.calls)
        try:
            for value in node.outputs:
                dtype_of(value)
            if node.op.kind not in RULES:
                raise NotInOdlaError("no function of ODLA does it")
            RULES[node.op.kind](self, node)
        except NotInOdlaError as reason:
            del self.calls[before:]
            if not self.custom:
                raise
            call_by_name(self, node, reason)

    def call(self, function: str, arguments: Sequence[Argument], *results: Value) -> Value:
        """Append a call that makes values; answers the first one. Raises NotInOdlaError."""
        self.step(function, arguments, *results)
        return results[0]

    def step(self, function: str, arguments: Sequence[Argument], *results: Value) -> None:
        """Append a call. Without results it is one that answers a status. Raises NotInOdlaError."""
        for argument in arguments:
            for value in argument if isinstance(argument, tuple) else (argument,):
                if isinstance(value, Value):
                    dtype_of(value)
                    if value in self.known:
                        self.constants.setdefault(value, self.known[value])
        self.calls.append(Call(function, tuple(arguments), results))

    # -- values that rules add ------------------------------------------------------------------------------------

    def fresh(self, wanted: str) -> str:
        """A name that no value has."""
        name, number = wanted, 1
        while name in self.taken:
            name, number = f"{wanted}.{number}", number + 1
        self.taken.add(name)
        return name

    def value(self, dtype: DType, shape: tuple[int, ...], hint: str) -> Value:
        """A new value."""
        return Value(self.fresh(hint), TensorType(dtype, shape))

    def constant(self, contents: Array, hint: str) -> Value:
        """A new constant, or one that holds the same."""
        array = np.asarray(contents)
        key = (str(array.dtype), array.shape, array.tobytes() if array.size <= SHARED_ELEMENTS else b"")
        if array.size <= SHARED_ELEMENTS and key in self._shared:
            return self._shared[key]
        made = self.value(DType.from_numpy(array.dtype), array.shape, hint)
        self.known[made] = array
        if array.size <= SHARED_ELEMENTS:
            self._shared[key] = made
        return made

    def number(self, number: float, dtype: DType) -> Value:
        """A number as a constant of rank 0."""
        return self.constant(np.asarray(number).astype(dtype.numpy), f"number_{number:g}")

    def ints(self, numbers: Sequence[int]) -> Value:
        """A list of int64 as a constant."""
        return self.constant(np.asarray(numbers, np.int64), "ints")

    # -- simpler nodes ---------------------------------------------------------------------------------------------

    def apply(
        self, op: Op, inputs: Sequence[Value | None], outputs: int = 1, bodies: tuple[Graph, ...] = ()
    ) -> tuple[Value, ...]:
        """Write an op with these operands; answers its results. Raises NotInOdlaError."""
        types = self._inferred(op, inputs, outputs, bodies)[:outputs]
        results = tuple(Value(self.fresh(f"{self.node}.{op.kind}"), type) for type in types)
        self.write(Node(op, tuple(inputs), results, self.node, bodies))
        return results

    def one(self, op: Op, *inputs: Value | None) -> Value:
        """Write an op of one result; answers it. Raises NotInOdlaError."""
        return self.apply(op, inputs)[0]

    def into(self, made: Value, op: Op, *inputs: Value | None) -> None:
        """Write an op whose result is a value that exists already. Raises NotInOdlaError."""
        self.write(Node(op, inputs, (made,), self.node))

    def become(self, made: Value, value: Value) -> None:
        """Let a value that exists already be the result of the last call, or a copy of another value."""
        last = self.calls[-1] if self.calls else None
        if last is not None and value in last.results:
            results = tuple(made if result is value else result for result in last.results)
            self.calls[-1] = replace(last, results=results)
        else:
            self.call("odla_Reshape", (value, dims(made)), made)

    def _inferred(
        self, op: Op, inputs: Sequence[Value | None], outputs: int, bodies: tuple[Graph, ...]
    ) -> tuple[Type, ...]:
        node = Node(op, tuple(inputs), (), self.node, bodies)
        try:
            return infer_types(op, Inference(self.known).args(inputs, bodies, outputs, node.where))
        except HaloError as error:
            raise NotInOdlaError(error.message) from error

    def body(self, graph: Graph, inputs: Sequence[Value]) -> list[Value]:
        """Write the nodes of a nested graph with these values as its inputs; answers its outputs."""
        seen = dict(zip(graph.inputs, inputs, strict=True))
        seen.update((value, self.constant(array, value.name)) for value, array in graph.constants.items())
        for node in graph.nodes:
            operands = tuple(None if value is None else seen[value] for value in node.inputs)
            if node.op.kind == "identity" and operands[0] is not None and operands[0] in self.known:
                seen[node.outputs[0]] = operands[0]
                continue
            results = tuple(Value(self.fresh(value.name), value.type) for value in node.outputs)
            seen.update(zip(node.outputs, results, strict=True))
            try:
                self.write(replace(node, inputs=operands, outputs=results))
            except NotInOdlaError as reason:
                raise NotInOdlaError(f"in its body, {label(node)}: {reason}") from reason
        return [seen[value] for value in graph.outputs]

    def reshaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The value in another shape (itself if it has that shape)."""
        if shape_of(value) == shape:
            return value
        made = self.value(dtype_of(value), shape, f"{value.name}.reshaped")
        return self.call("odla_Reshape", (value, Dims(shape)), made)

    # -- contents --------------------------------------------------------------------------------------------------

    def contents(self, value: Value | None, what: str) -> Array:
        """Contents of an operand that must be constant. Raises NotInOdlaError."""
        found = None if value is None else self.known.get(value)
        if found is None:
            raise NotInOdlaError(f"{what} must be a constant")
        return found

    def integers(self, value: Value, what: str) -> list[int]:
        """Contents of an operand that must be constant, as a list. Raises NotInOdlaError."""
        return [int(number) for number in self.contents(value, what).reshape(-1)]


def call_by_name(emit: Emit, node: Node, reason: NotInOdlaError) -> None:
    """The node as odla_CustomOp with the attributes that are not their defaults. Raises `reason` if it cannot be."""
    operands = list(node.inputs)
    while operands and operands[-1] is None:
        operands.pop()
    given = [value for value in operands if value is not None]
    if node.bodies or not given or len(given) < len(operands) or len(given) > MOST_VALUES:
        raise reason
    for value in node.outputs:
        value_type(value)
    attributes: list[Argument] = []
    for entry in fields(node.op):
        value = getattr(node.op, entry.name)
        if value is not None and value != entry.default:
            attributes.append(_attribute(entry.name, value, reason))
    name = node.op.kind
    emit.call("odla_CustomOp", (tuple(given), Text(name), None, *attributes), *node.outputs)


def _attribute(name: str, value: object, reason: NotInOdlaError) -> Attribute:
    match value:
        case DType():
            if value not in ELEMENTS:
                raise reason
            return Attribute(name, element(value))
        case int() | float() | str():
            return Attribute(name, int(value) if isinstance(value, bool) else value)
        case tuple():
            entries = cast("tuple[object, ...]", value)
            for kind in (int, float, str):
                if all(isinstance(each, kind) for each in entries):
                    return Attribute(name, cast("tuple[int, ...]", entries))
        case _:
            pass
    raise reason


def label(node: Node) -> str:
    """What messages call a node."""
    return f"{node.op.declaration.onnx or node.op.kind} {node.name!r}"


def shape_of(value: Value | None) -> tuple[int, ...]:
    """The static shape of a tensor value."""
    if value is None or not isinstance(value.type, TensorType) or not value.type.is_static:
        raise NotInOdlaError("a shape depends on data")
    if len(value.type.static_shape) > MOST_DIMENSIONS:
        raise NotInOdlaError(f"more than {MOST_DIMENSIONS} dimensions")
    return value.type.static_shape


def dtype_of(value: Value) -> DType:
    """The element type of a tensor value."""
    if not isinstance(value.type, TensorType):
        raise NotInOdlaError("sequences and optionals have no ODLA form")
    if value.type.dtype not in ELEMENTS:
        raise NotInOdlaError(f"ODLA has no element type {value.type.dtype.text}")
    return value.type.dtype


def dims(value: Value) -> Dims:
    """A value's shape as an argument."""
    return Dims(shape_of(value))


def element(dtype: DType) -> Name:
    """An element type as an argument."""
    return Name(ELEMENTS[dtype])


def value_type(value: Value) -> ValueType:
    """A value's type as an argument."""
    return ValueType(element(dtype_of(value)), dims(value))


def operand(node: Node, index: int) -> Value:
    """A required operand."""
    found = node.inputs[index] if index < len(node.inputs) else None
    if found is None:
        raise NotInOdlaError(f"operand {index} is omitted")
    return found


def optional(node: Node, index: int) -> Value | None:
    """An optional operand."""
    return node.inputs[index] if index < len(node.inputs) else None


def refusals(reasons: Sequence[tuple[Node, str]]) -> UnsupportedError:
    """One error that lists every node without an ODLA form."""
    lines = [f"{len(reasons)} node{'s have' if len(reasons) > 1 else ' has'} no form as ODLA calls"]
    lines += [f"  {label(node)}: {why}" for node, why in reasons]
    return UnsupportedError("\n".join(lines))
