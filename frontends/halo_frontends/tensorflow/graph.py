"""Graphs and functions of TensorFlow in one form: nodes by name that read results of other nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from halo_frontends.tensorflow.dtypes import read_dtype
from halo_frontends.tensorflow.tensors import shape_of
from halo_py.errors import ModelError, Where
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.tensorflow.proto import AttrValue, FunctionDef, GraphDef, NodeDef, TensorProto


@dataclass(frozen=True, slots=True)
class Ref:
    """A result of a node: the `port`-th of all, or (in functions) of those that belong to `result`."""

    node: str
    port: int = 0
    result: str = ""

    def __str__(self) -> str:
        return f"{self.node}:{self.port}" if self.port else self.node


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes of a node by name; each reader answers the default where the attribute is absent."""

    found: Mapping[str, AttrValue]
    where: Where

    def _get(self, name: str, kind: str) -> AttrValue | None:
        if name not in self.found:
            return None
        value = self.found[name]
        given = value.WhichOneof("value")
        if given != kind:
            raise ModelError(f"attribute {name!r} must be of kind {kind!r}, found {given!r}", self.where)
        return value

    def integer(self, name: str, default: int = 0) -> int:
        """An integer. Raises ModelError for an attribute of another kind (so do the others)."""
        value = self._get(name, "i")
        return default if value is None else value.i

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean."""
        value = self._get(name, "b")
        return default if value is None else value.b

    def number(self, name: str, default: float = 0.0) -> float:
        """A number."""
        value = self._get(name, "f")
        return default if value is None else value.f

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        value = self._get(name, "s")
        return default if value is None else value.s.decode("utf-8", "surrogateescape")

    def dtype(self, name: str, default: DType | None = None) -> DType:
        """An element type. Raises UnsupportedError for strings and handles."""
        value = self._get(name, "type")
        if value is None:
            if default is None:
                raise ModelError(f"attribute {name!r} is missing", self.where)
            return default
        return read_dtype(value.type, self.where)

    def ints(self, name: str) -> tuple[int, ...]:
        """A list of integers; empty if it is absent."""
        value = self._get(name, "list")
        return () if value is None else tuple(value.list.i)

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of numbers; empty if it is absent."""
        value = self._get(name, "list")
        return () if value is None else tuple(value.list.f)

    def shape(self, name: str) -> tuple[int | None, ...] | None:
        """A shape; None if it is absent or of unknown rank."""
        value = self._get(name, "shape")
        return None if value is None else shape_of(value.shape)

    def tensor(self, name: str) -> TensorProto:
        """A constant. Raises ModelError if it is absent."""
        value = self._get(name, "tensor")
        if value is None:
            raise ModelError(f"attribute {name!r} is missing", self.where)
        return value.tensor

    def function(self, name: str) -> str:
        """The name of a function. Raises ModelError if it is absent."""
        value = self._get(name, "func")
        if value is None:
            raise ModelError(f"attribute {name!r} is missing", self.where)
        return value.func.name

    def functions(self) -> list[str]:
        """The names of all functions that the attributes mention."""
        names = [value.func.name for value in self.found.values() if value.WhichOneof("value") == "func"]
        lists = [value.list.func for value in self.found.values() if value.WhichOneof("value") == "list"]
        return [*names, *(entry.name for entries in lists for entry in entries)]

    def function_list(self, name: str) -> tuple[str, ...]:
        """A list of functions."""
        value = self._get(name, "list")
        return () if value is None else tuple(entry.name for entry in value.list.func)

    def output_shape(self, port: int) -> tuple[int | None, ...] | None:
        """The shape that the exporter noted for a result, if it did."""
        value = self.found.get("_output_shapes")
        if value is None or value.WhichOneof("value") != "list" or port >= len(value.list.shape):
            return None
        return shape_of(value.list.shape[port])


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node. Control inputs name nodes that must have run before."""

    name: str
    op: str
    inputs: tuple[Ref, ...]
    controls: tuple[str, ...]
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Body:
    """A graph or a function: nodes, formal arguments, results."""

    name: str
    nodes: Mapping[str, NodeInfo]
    arguments: tuple[str, ...] = ()
    results: tuple[Ref, ...] = ()
    result_names: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    """Nodes that must run although no result may need them."""


class Library:
    """The functions of one model; each is taken apart when it is first called."""

    def __init__(self, functions: Sequence[FunctionDef], file: str) -> None:
        self._functions = {entry.signature.name: entry for entry in functions}
        self._bodies: dict[str, Body] = {}
        self._file = file

    def __contains__(self, name: str) -> bool:
        return name in self._functions

    def body(self, name: str, where: Where) -> Body:
        """A function. Raises ModelError if there is none of this name."""
        if name not in self._bodies:
            if name not in self._functions:
                raise ModelError(f"calls the function {name!r}, which the model does not have", where)
            self._bodies[name] = self._take_apart(self._functions[name])
        return self._bodies[name]

    def _take_apart(self, function: FunctionDef) -> Body:
        name = function.signature.name
        place = Where(self._file, name)
        nodes = read_nodes(function.node_def, self._file, in_function=True)
        names = tuple(entry.name for entry in function.signature.output_arg)
        missing = [entry for entry in names if entry not in function.ret]
        if missing:
            raise ModelError(f"the function does not say what its result {missing[0]!r} is", place)
        results = tuple(read_ref(function.ret[entry], place, in_function=True) for entry in names)
        arguments = tuple(entry.name for entry in function.signature.input_arg)
        return Body(name, nodes, arguments, results, names, tuple(function.control_ret.values()))


def read_nodes(nodes: Sequence[NodeDef], file: str, *, in_function: bool) -> dict[str, NodeInfo]:
    """Nodes by name. Raises ModelError if two have one name."""
    found: dict[str, NodeInfo] = {}
    for node in nodes:
        where = Where(file, node.name, node.op)
        if node.name in found:
            raise ModelError("two nodes have this name", where)
        data = tuple(read_ref(text, where, in_function=in_function) for text in node.input if not text.startswith("^"))
        controls = tuple(text[1:] for text in node.input if text.startswith("^"))
        found[node.name] = NodeInfo(node.name, node.op, data, controls, Attributes(node.attr, where))
    return found


def read_ref(text: str, where: Where, *, in_function: bool) -> Ref:
    """What an input text names. Raises ModelError if it is malformed."""
    parts = text.split(":")
    try:
        if in_function and len(parts) == 3:
            return Ref(parts[0], int(parts[2]), parts[1])
        if in_function and len(parts) == 2:
            return Ref(parts[0], 0, parts[1])
        if len(parts) <= 2 and parts[0]:
            port = int(parts[1]) if len(parts) == 2 else 0
            if port >= 0:
                return Ref(parts[0], port)
    except ValueError:
        pass
    raise ModelError(f"reads {text!r}, which is no name of a value", where)


def graph_body(graph: GraphDef, file: str) -> Body:
    """The main graph."""
    return Body("", read_nodes(graph.node, file, in_function=False))


@dataclass(frozen=True, slots=True)
class Users:
    """Who reads each node of a body."""

    by_node: Mapping[str, list[NodeInfo]] = field(default_factory=dict[str, "list[NodeInfo]"])

    @staticmethod
    def of(body: Body) -> Users:
        """The readers in this body."""
        found: dict[str, list[NodeInfo]] = {}
        for node in body.nodes.values():
            for ref in node.inputs:
                found.setdefault(ref.node, []).append(node)
        return Users(found)
