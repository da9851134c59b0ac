"""What a rule gets to write calls with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType, TensorType
from odla.calls.model import Argument, Call, Dims, Name, ValueType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from halo_py.ir.graph import Node

    Array = NDArray[Any]

MOST_DIMENSIONS = 10
"""Dimensions of an `odla_value_shape`."""

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
    """Collects calls and constants; values that rules add get names that no value has."""

    known: Mapping[Value, Array]
    """Contents of constants."""
    calls: list[Call] = field(default_factory=list[Call])
    constants: dict[Value, Array] = field(default_factory=dict[Value, "Array"])
    _count: int = 0

    def call(self, function: str, arguments: Sequence[Argument], *results: Value) -> Value:
        """Append a call; answers its first result."""
        for argument in arguments:
            for value in argument if isinstance(argument, tuple) else (argument,):
                if isinstance(value, Value) and value in self.known:
                    self.constants.setdefault(value, self.known[value])
        self.calls.append(Call(function, tuple(arguments), results))
        return results[0]

    def value(self, dtype: DType, shape: tuple[int, ...], hint: str) -> Value:
        """A new value."""
        self._count += 1
        return Value(f"{hint}.{self._count}", TensorType(dtype, shape))

    def constant(self, contents: Array, hint: str) -> Value:
        """A new constant."""
        array = np.asarray(contents)
        made = self.value(DType.from_numpy(array.dtype), array.shape, hint)
        self.constants[made] = array
        return made

    def reshaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The value in another shape (itself if it has that shape)."""
        if shape_of(value) == shape:
            return value
        made = self.value(dtype_of(value), shape, value.name)
        return self.call("odla_Reshape", (value, Dims(shape)), made)

    def contents(self, value: Value | None, what: str) -> Array:
        """Contents of an operand that must be constant."""
        found = None if value is None else self.known.get(value)
        if found is None:
            raise NotInOdlaError(f"{what} must be a constant")
        return found


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


def only_result(node: Node, others: str) -> Value:
    """The result of a node that must have one; `others` says what further ones would be."""
    first, *rest = node.outputs
    if rest:
        raise NotInOdlaError(others)
    return first


def refusals(reasons: Sequence[tuple[Node, str]]) -> UnsupportedError:
    """One error that lists every node without an ODLA form."""
    lines = [f"{len(reasons)} node{'s have' if len(reasons) > 1 else ' has'} no form as ODLA calls"]
    lines += [f"  {node.op.declaration.onnx or node.op.kind} {node.name!r}: {why}" for node, why in reasons]
    return UnsupportedError("\n".join(lines))
