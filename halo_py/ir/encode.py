"""Graphs and op attributes as JSON-able data, and structural keys.

Used by `.halo` files, by the text form and by everything that asks whether two layers are the same. Contents of
constants stay outside the document: they are listed beside it, in the order in which it numbers them.

Attribute values: None, bool, int, str, finite float stand for themselves; a tuple is a list; anything else is a
one-entry object `{kind: payload}`: `{"float": "inf"}`, `{"dtype": "float16"}`, `{"ScalarStep": {field: value}}`.
"""

from __future__ import annotations

import hashlib
import json
import math
import typing
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_py.errors import NOWHERE, ModelError, Where
from halo_py.ir.graph import Graph, Node, StateUpdate, Value
from halo_py.ir.op import REGISTRY, Op
from halo_py.types import Dim, DType, LinearDim, OptionalType, SequenceType, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

SMALL_INTEGER_CONTENTS = 64
"""Integer constants of at most this many elements (axes, pads, shapes) are part of a node's structure."""


# -- attributes ---------------------------------------------------------------------------------------------------


def encode_attribute(value: object) -> Json:
    """An attribute value as JSON-able data. Raises TypeError for a kind that no attribute may have."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, tuple):
        return [encode_attribute(item) for item in cast("tuple[object, ...]", value)]
    if isinstance(value, DType):
        return {"dtype": value.text}
    if is_dataclass(value) and not isinstance(value, type):
        return {
            type(value).__name__: {entry.name: encode_attribute(getattr(value, entry.name)) for entry in fields(value)}
        }
    raise TypeError(f"an attribute cannot hold a {type(value).__name__}: {value!r}")


def decode_attribute(data: Json, classes: Mapping[str, type[Any]]) -> Any:
    """The attribute value that was encoded; `classes` are the dataclasses it may be made of, by name.

    Raises ModelError for data of no known kind.
    """
    if isinstance(data, list):
        return tuple(decode_attribute(item, classes) for item in data)
    if not isinstance(data, dict):
        return data
    if len(data) == 1:
        ((kind, payload),) = data.items()
        if kind == "float" and isinstance(payload, str):
            return float(payload)
        if kind == "dtype" and isinstance(payload, str):
            return _dtype(payload)
        if kind in classes and isinstance(payload, dict):
            return _construct(classes[kind], {name: decode_attribute(item, classes) for name, item in payload.items()})
    raise ModelError(f"unknown attribute data {str(data)[:80]}")


def _construct(cls: type[Any], values: Mapping[str, object]) -> Any:
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{cls.__name__} cannot be made from fields {', '.join(values) or '(none)'}: {error}"
        ) from None


def _dtype(text: object) -> DType:
    try:
        return DType.from_text(str(text))
    except KeyError:
        raise ModelError(f"unknown element type {text!r}") from None


@cache
def attribute_classes(cls: type[Any]) -> dict[str, type[Any]]:
    """The dataclasses that the fields of an op class may hold, by name, found through its type hints."""
    found: dict[str, type[Any]] = {}

    def visit(hint: Any) -> None:
        for part in typing.get_args(hint):
            visit(part)
        if isinstance(hint, type) and is_dataclass(hint) and hint.__name__ not in found:
            found[hint.__name__] = hint
            for entry in typing.get_type_hints(hint).values():
                visit(entry)

    hints = typing.get_type_hints(cls)
    for entry in fields(cls):
        visit(hints[entry.name])
    return found


def encode_op(op: Op) -> Json:
    """`[registry name, {field: value}]`."""
    return [op.kind, {name: encode_attribute(value) for name, value in op.attributes().items()}]


def decode_op(data: Json) -> Op:
    """The op that was encoded. Raises ModelError if it is not registered or its fields do not fit."""
    match data:
        case [str() as kind, dict() as values]:
            return op_from_fields(kind, values)
        case _:
            raise ModelError(f"malformed op data {str(data)[:80]}")


def op_from_fields(kind: str, encoded: Mapping[str, Json]) -> Op:
    """The op of this registry name with these encoded fields; absent ones take their defaults."""
    cls = REGISTRY.by_name.get(kind)
    if cls is None:
        raise ModelError(f"unknown op {kind!r}", hint="`halo ops` lists every op")
    classes = attribute_classes(cls)
    return cast("Op", _construct(cls, {name: decode_attribute(value, classes) for name, value in encoded.items()}))


# -- types --------------------------------------------------------------------------------------------------------


def encode_type(type: Type) -> Json:
    """A tensor is `[dtype, shape or None]`; a wrapper is `{"sequence": element}` or `{"optional": element}`."""
    if isinstance(type, TensorType):
        shape: Json = None if type.shape is None else [_encode_dim(dim) for dim in type.shape]
        return [type.dtype.text, shape]
    return {"sequence" if isinstance(type, SequenceType) else "optional": encode_type(type.element)}


def decode_type(data: Json) -> Type:
    """The type that was encoded. Raises ModelError."""
    match data:
        case [str() as dtype, None]:
            return TensorType(_dtype(dtype), None)
        case [str() as dtype, list() as shape]:
            return TensorType(_dtype(dtype), tuple(_decode_dim(dim) for dim in shape))
        case {"sequence": element}:
            return SequenceType(decode_type(element))
        case {"optional": element}:
            return OptionalType(decode_type(element))
        case _:
            raise ModelError(f"malformed type data {str(data)[:80]}")


def _encode_dim(dim: Dim) -> Json:
    return dim if isinstance(dim, int) else [dim.constant, dict[str, Json](dim.terms)]


def _decode_dim(data: Json) -> Dim:
    match data:
        case int():
            return data
        case [int() as constant, dict() as terms] if terms:
            return LinearDim(constant, tuple(sorted((name, int(cast("int", value))) for name, value in terms.items())))
        case _:
            raise ModelError(f"malformed dimension data {str(data)[:80]}")


# -- graphs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EncodedGraph:
    """A graph as a JSON-able document, and the contents of its constants by the numbers the document uses.

    An array that stands for several constants (shared weights) is listed once.
    """

    document: dict[str, Json]
    contents: tuple[Array, ...]


class _Table:
    """Distinct items in order of first use."""

    def __init__(self) -> None:
        self.numbers: dict[Hashable, int] = {}
        self.items: list[Json] = []

    def __call__(self, key: Hashable, encode: Callable[[], Json]) -> int:
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = len(self.items)
            self.items.append(encode())
        return number


class _Encoder:
    def __init__(self) -> None:
        self.types, self.ops, self.files = _Table(), _Table(), _Table()
        self.contents: list[Array] = []
        self.content_numbers: dict[int, int] = {}

    def graph(self, graph: Graph) -> dict[str, Json]:
        numbers: dict[Value, int] = {}
        values: list[Json] = []
        types = self.types
        for value in graph.values():
            numbers[value] = len(values)
            values.append([value.name, types(value.type, partial(encode_type, value.type))])
        return {
            "name": graph.name,
            "values": values,
            "inputs": len(graph.inputs),
            "constants": [self.content(array) for array in graph.constants.values()],
            "nodes": [self.node(node, numbers) for node in graph.nodes],
            "outputs": [numbers[value] for value in graph.outputs],
            "output_names": list(graph.output_names),
            "states": [[numbers[update.state], numbers[update.updated]] for update in graph.states],
        }

    def content(self, array: Array) -> int:
        number = self.content_numbers.setdefault(id(array), len(self.contents))
        if number == len(self.contents):
            self.contents.append(array)
        return number

    def node(self, node: Node, numbers: Mapping[Value, int]) -> Json:
        data: list[Json] = [
            self.op(node.op),
            [-1 if value is None else numbers[value] for value in node.inputs],
            len(node.outputs),
            node.name,
            self.where(node.where),
        ]
        if node.bodies:
            data.append([self.graph(body) for body in node.bodies])
        return data

    def op(self, op: Op) -> int:
        # The text tells apart fields that are equal but not the same (1 and 1.0, 0.0 and -0.0).
        return self.ops((type(op), repr(op.__dict__)), partial(encode_op, op))

    def where(self, where: Where) -> Json:
        data: list[Json] = [
            -1 if where.file is None else self.files(where.file, partial(str, where.file)),
            where.node,
            where.op,
        ]
        if where.merged:
            data.append(list(where.merged))
        return data


def encode_graph(graph: Graph) -> EncodedGraph:
    """The graph as a document and its constants' contents (not copied)."""
    encoder = _Encoder()
    root = encoder.graph(graph)
    document: dict[str, Json] = {
        "types": encoder.types.items,
        "ops": encoder.ops.items,
        "files": encoder.files.items,
        "graph": root,
    }
    return EncodedGraph(document, tuple(encoder.contents))


class _Decoder:
    def __init__(self, document: Mapping[str, Any], contents: Sequence[Array]) -> None:
        self.types: list[Type] = [decode_type(item) for item in document["types"]]
        self.ops: list[Op] = [decode_op(item) for item in document["ops"]]
        self.files: list[str] = document["files"]
        self.contents = contents

    def graph(self, data: Mapping[str, Any]) -> Graph:
        named: list[tuple[str, int]] = data["values"]
        types = self.types
        values = [Value(name, types[number]) for name, number in named]
        position: int = data["inputs"]
        constants: dict[Value, Array] = {}
        for number in cast("list[int]", data["constants"]):
            constants[values[position]] = self.contents[number]
            position += 1
        rows: list[list[Any]] = data["nodes"]
        nodes: list[Node] = []
        for row in rows:
            end = position + cast("int", row[2])
            nodes.append(self.node(row, values, tuple(values[position:end])))
            position = end
        updates: list[tuple[int, int]] = data["states"]
        outputs: list[int] = data["outputs"]
        return Graph(
            data["name"],
            tuple(values[: data["inputs"]]),
            tuple([values[number] for number in outputs]),
            tuple(nodes),
            constants,
            tuple(StateUpdate(values[state], values[updated]) for state, updated in updates),
            tuple(data["output_names"]),
        )

    def node(self, row: list[Any], values: list[Value], results: tuple[Value, ...]) -> Node:
        numbers: list[int] = row[1]
        operands = tuple([None if number < 0 else values[number] for number in numbers])
        bodies = tuple([self.graph(body) for body in row[5]]) if len(row) > 5 else ()
        op = self.ops[cast("int", row[0])]
        return Node(op, operands, results, row[3], bodies, self.where(row[4]))

    def where(self, data: list[Any]) -> Where:
        number: int = data[0]
        merged: tuple[str, ...] = tuple(data[3]) if len(data) > 3 else ()
        if number < 0 and data[1] is None and data[2] is None and not merged:
            return NOWHERE
        return Where(None if number < 0 else self.files[number], data[1], data[2], merged)


def decode_graph(document: Mapping[str, Json], contents: Sequence[Array]) -> Graph:
    """The graph of a document made by `encode_graph`. Raises ModelError if the document is malformed."""
    try:
        return _Decoder(cast("Mapping[str, Any]", document), contents).graph(cast("dict[str, Any]", document["graph"]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelError(f"malformed graph document: {type(error).__name__}: {error}") from error


# -- structure ----------------------------------------------------------------------------------------------------

StructuralKey = tuple[Any, ...]
"""Hashable; equal for nodes that differ only in names, places and weights."""


def structural_key(node: Node, contents: Mapping[Value, Array] | None = None) -> StructuralKey:
    """Op, operand types, result types and the structure of bodies: equal for equal layers.

    With `contents` (the graph's constants), small integer constants (axes, pads, shapes) count too: they decide what
    the node does. Larger or floating-point contents, the weights, never do.
    """
    return (
        node.op,
        tuple([None if value is None else value.type for value in node.inputs]),
        tuple([value.type for value in node.outputs]),
        tuple([_small_integers(value, contents) for value in node.inputs]) if contents else (),
        tuple([_structure(body) for body in node.bodies]) if node.bodies else (),
    )


def _small_integers(value: Value | None, contents: Mapping[Value, Array] | None) -> bytes | None:
    array = None if value is None or not contents else contents.get(value)
    if array is None or array.dtype.kind not in "iu" or array.size > SMALL_INTEGER_CONTENTS:
        return None
    return array.tobytes()


def _structure(graph: Graph) -> StructuralKey:
    numbers = {value: number for number, value in enumerate(graph.values())}
    return (
        len(graph.inputs),
        tuple(value.type for value in (*graph.inputs, *graph.constants)),
        tuple(_small_integers(value, graph.constants) for value in graph.constants),
        tuple(
            (structural_key(node), tuple(numbers.get(value, -1) for value in node.inputs if value))
            for node in graph.nodes
        ),
        tuple(numbers[value] for value in graph.outputs),
    )


def content_digest(array: Array) -> str:
    """16 hexadecimal digits of the SHA-256 of an array's type, shape and contents."""
    digest = hashlib.sha256(f"{array.dtype.name}{array.shape}".encode())
    if array.dtype.kind in "OSUT":
        digest.update(json.dumps([str(item) for item in array.reshape(-1).tolist()]).encode())
    else:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]
