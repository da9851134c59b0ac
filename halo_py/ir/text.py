"""The readable text form of graphs: `print_graph` and `parse_graph` are inverses.

Small constants stand in line. Large ones are elided: only a digest of their contents is printed, and `parse_graph`
finds the contents by that digest in the mapping it is given (`elided_contents(graph)` makes one).
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_py.errors import NOWHERE, Where
from halo_py.ir.encode import content_digest
from halo_py.ir.graph import Graph, Node, Value
from halo_py.types import Dim, DType, OptionalType, SequenceType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

INLINE_ELEMENTS = 8
"""Constants of at most this many elements are printed in line (strings always are)."""

_BARE_VALUE = re.compile(r"[\w.\-/$]+", re.ASCII)
_BARE_SYMBOL = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)


def print_type(type: Type) -> str:
    """A type as text; symbols that are not plain words are quoted."""
    if isinstance(type, SequenceType):
        return f"seq<{print_type(type.element)}>"
    if isinstance(type, OptionalType):
        return f"optional<{print_type(type.element)}>"
    if type.shape is None:
        return f"{type.dtype.text}[...]"
    return f"{type.dtype.text}[{', '.join(_dim(dim) for dim in type.shape)}]"


def _dim(dim: Dim) -> str:
    if isinstance(dim, int):
        return str(dim)
    parts = [_term(name, factor) for name, factor in dim.terms]
    if dim.constant:
        parts.append(str(dim.constant))
    return "+".join(parts).replace("+-", "-")


def _term(name: str, factor: int) -> str:
    text = name if _BARE_SYMBOL.fullmatch(name) else json.dumps(name)
    if factor in (1, -1):
        return text if factor == 1 else f"-{text}"
    return f"{factor}*{text}"


def print_literal(value: object) -> str:
    """An attribute value as text."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, DType):
        return value.text
    if isinstance(value, tuple):
        return f"[{', '.join(print_literal(item) for item in cast('tuple[object, ...]', value))}]"
    if is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}({_fields(value)})"
    raise TypeError(f"an attribute cannot hold a {type(value).__name__}: {value!r}")


def _fields(value: Any) -> str:
    """Fields that differ from their defaults, as `name=literal, ...`."""
    shown: list[str] = []
    for entry in fields(value):
        current: object = getattr(value, entry.name)
        if not _same(current, cast("object", entry.default)):
            shown.append(f"{entry.name}={print_literal(current)}")
    return ", ".join(shown)


def _same(left: object, right: object) -> bool:
    """Equal in type too, so that printing may leave it out (1 is not 1.0, 0.0 is not -0.0)."""
    return type(left) is type(right) and repr(left) == repr(right)


def inline_contents(array: Array, most: int = INLINE_ELEMENTS) -> str | None:
    """Contents of at most `most` elements as a literal from which the same bits are read back, else None."""
    strings = array.dtype.kind in "OSUT"
    if array.size > most and not strings:
        return None
    if array.dtype.kind == "c":
        return None
    items = [print_element(item, array.dtype) for item in array.reshape(-1)]
    if any(item is None for item in items):
        return None
    if array.ndim == 0:
        return items[0]
    return f"[{', '.join(item for item in items if item is not None)}]"


def print_element(item: Any, dtype: np.dtype[np.generic]) -> str | None:
    """One element in the shortest way that reads back as the same bits, None if there is none (most NaNs)."""
    if dtype.kind in "OSUT":
        return json.dumps(str(item))
    if dtype.kind == "b":
        return "true" if item else "false"
    if dtype.kind in "iu" or dtype.name.startswith(("int", "uint")):
        return str(int(item))
    number = float(item)
    short = "nan" if math.isnan(number) else str(item)
    for text in (short if any(mark in short for mark in (".", "e", "inf", "nan")) else short + ".0", repr(number)):
        if np.asarray(float(text)).astype(dtype).tobytes() == np.asarray(item, dtype).tobytes():
            return text
    return None


def elided_contents(graph: Graph, most: int = INLINE_ELEMENTS) -> dict[str, Array]:
    """Digest -> contents of every constant that `print_graph` elides, nested graphs included."""
    found: dict[str, Array] = {}
    for part in nested_graphs(graph):
        for array in part.constants.values():
            if inline_contents(array, most) is None:
                found[content_digest(array)] = array
    return found


def nested_graphs(graph: Graph) -> Iterator[Graph]:
    """The graph and every graph inside it."""
    yield graph
    for node in graph.nodes:
        for body in node.bodies:
            yield from nested_graphs(body)


@dataclass(frozen=True, slots=True)
class TextOptions:
    """What the text shows.

    `places` prints the source location of nodes where it is not what the file and the node's name say.
    `digests` prints digests of elided constants; without it they read `sha256:0000000000000000` (quick to print,
    not to be parsed). Constants of at most `inline_elements` elements are printed in line.
    """

    places: bool = True
    digests: bool = True
    inline_elements: int = INLINE_ELEMENTS


@dataclass
class _Printer:
    options: TextOptions
    file: str | None = None
    lines: list[str] = field(default_factory=list[str])

    def graph(self, graph: Graph, indent: str) -> None:
        inside = indent + "  "
        inputs = ", ".join(f"{_value(value)}: {print_type(value.type)}" for value in graph.inputs)
        self.lines.append(f"{indent}graph {json.dumps(graph.name)} ({inputs}) {{")
        for value, array in graph.constants.items():
            self.lines.append(f"{inside}const {_value(value)}: {print_type(value.type)} = {self.contents(array)}")
        for node in graph.nodes:
            self.node(node, inside)
        for update in graph.states:
            self.lines.append(f"{inside}state {_value(update.state)} <- {_value(update.updated)}")
        results = [
            f"{json.dumps(name)} = {_value(value)}"
            for name, value in zip(graph.output_names, graph.outputs, strict=True)
        ]
        self.lines.append(f"{inside}return {', '.join(results)}".rstrip())
        self.lines.append(f"{indent}}}")

    def contents(self, array: Array) -> str:
        text = inline_contents(array, self.options.inline_elements)
        if text is not None:
            return text
        return f"sha256:{content_digest(array) if self.options.digests else '0' * 16}"

    def node(self, node: Node, indent: str) -> None:
        results = ", ".join(f"{_value(value)}: {print_type(value.type)}" for value in node.outputs)
        name = "" if node.name == node.outputs[0].name else f" {json.dumps(node.name)}"
        operands = ", ".join("_" if value is None else _value(value) for value in node.inputs)
        attributes = _fields(node.op)
        text = f"{indent}{results} = {node.op.kind}{name}({operands})"
        if attributes:
            text += f" {{{attributes}}}"
        if self.options.places and node.where != default_place(
            node.name, node.op.declaration.onnx, node.op.kind, self.file
        ):
            text += f" at({', '.join(print_literal(part) for part in _place(node.where))})"
        self.lines.append(text)
        for body in node.bodies:
            self.graph(body, indent + "  ")


def default_place(name: str, onnx: str | None, kind: str, file: str | None) -> Where:
    """The location a node has when its text gives none."""
    return Where(file, name, onnx or kind)


def _place(where: Where) -> tuple[object, ...]:
    place = (where.file, where.node, where.op)
    return (*place, where.merged) if where.merged else place


def _value(value: Value) -> str:
    return f"%{value.name}" if _BARE_VALUE.fullmatch(value.name) else f"%{json.dumps(value.name)}"


def print_graph(graph: Graph, options: TextOptions | None = None) -> str:
    """The graph as text, one line per constant and node."""
    printer = _Printer(options or TextOptions())
    if printer.options.places:
        files = Counter(node.where.file for node in graph.walk() if node.where != NOWHERE)
        printer.file = files.most_common(1)[0][0] if files else None
        if printer.file is not None:
            printer.lines.append(f"file {json.dumps(printer.file)}")
    printer.graph(graph, "")
    return "\n".join(printer.lines) + "\n"
