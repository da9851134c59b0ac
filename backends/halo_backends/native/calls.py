"""A graph's nodes as steps: the calls of `odla.calls` with values as numbered slots."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from halo_backends.native.wire import CallStep
from halo_py.ir.graph import Value
from halo_py.types import TensorType
from odla.api.table import functions, standard
from odla.calls.emit import ELEMENTS, MOST_DIMENSIONS, Emit
from odla.calls.lower import write
from odla.calls.model import Argument, Attribute, Call, Dims, Name, Names, Signed, Text, Unsigned, ValueType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from halo_backends.native.wire import Argument as Passed
    from halo_py.ir.graph import Graph, Node

    Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class NodeCalls:
    """A node and the calls that it is written as."""

    node: Node
    calls: tuple[Call, ...]

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions called, each once."""
        return tuple(dict.fromkeys(call.function for call in self.calls))

    @property
    def nests(self) -> bool:
        """Whether its calls open a body, which a failure leaves open."""
        return any(not call.results for call in self.calls)

    def operands(self) -> list[Value]:
        """Values that the calls take from outside."""
        made = {value for call in self.calls for value in call.results}
        return [value for call in self.calls for value in values_of(call) if value not in made]


@dataclass(frozen=True, slots=True, eq=False)
class GraphCalls:
    """A graph as calls. `constants` holds those that some call takes."""

    graph: Graph
    nodes: tuple[NodeCalls, ...]
    constants: Mapping[Value, Array]


def values_of(call: Call) -> list[Value]:
    """The values among a call's arguments."""
    listed = [argument if isinstance(argument, tuple) else (argument,) for argument in call.arguments]
    return [value for group in listed for value in group if isinstance(value, Value)]


def written(node: Node, emit: Emit) -> NodeCalls | str:
    """A node's calls, or why it has none."""
    for value in (*node.inputs, *node.outputs):
        reason = None if value is None else why_not(value)
        if reason is not None:
            return reason
    before = len(emit.calls)
    refused = write(emit, node)
    return refused if refused is not None else NodeCalls(node, tuple(map(_turned, emit.calls[before:])))


_COMMUTATIVE = frozenset(
    f"odla_{name}" for name in ("Add", "Mul", "Max", "Min", "And", "Or", "Xor", "Equal", "NotEqual")
)


def _turned(call: Call) -> Call:
    """A call whose first operand has the result's shape, where the order does not matter.

    ODLA's headers speak of broadcasting to the shape of the first operand only, and some libraries do no more.
    """
    if call.function not in _COMMUTATIVE:
        return call
    first, second = call.arguments
    assert isinstance(first, Value)
    assert isinstance(second, Value)
    made = _shape(call.results[0])
    turn = _shape(first) != made and _shape(second) == made
    return replace(call, arguments=(second, first)) if turn else call


def _shape(value: Value) -> object:
    return value.type.shape if isinstance(value.type, TensorType) else None


def why_not(value: Value) -> str | None:
    """Why ODLA cannot hold a value; None if it can."""
    type = value.type
    if not isinstance(type, TensorType):
        return "ODLA has tensors only"
    if type.dtype not in ELEMENTS:
        return f"ODLA has no element type {type.dtype.text}"
    if not type.is_static:
        return "a shape depends on data"
    return f"more than {MOST_DIMENSIONS} dimensions" if len(type.static_shape) > MOST_DIMENSIONS else None


def calls_of(graph: Graph) -> GraphCalls:
    """The calls of a graph whose every node has some."""
    emit = Emit(dict(graph.constants))
    nodes: list[NodeCalls] = []
    for node in graph.nodes:
        found = written(node, emit)
        assert isinstance(found, NodeCalls), found
        nodes.append(found)
    used = {value for each in nodes for value in each.operands()}
    constants = {value: contents for value, contents in emit.constants.items() if value in used}
    return GraphCalls(graph, tuple(nodes), constants)


@functools.cache
def enumerators() -> dict[str, int]:
    """Every enumerator's number."""
    return {name: number for each in standard().enumerations for name, number, _meaning in each.values}


@functools.cache
def _parameters() -> dict[str, tuple[str, ...]]:
    return {function.name: tuple(parameter.type for parameter in function.parameters) for function in functions()}


def type_of(value: Value) -> Passed:
    """A value's type as an argument."""
    assert isinstance(value.type, TensorType)
    return {"type": [enumerators()[ELEMENTS[value.type.dtype]], list(value.type.static_shape)]}


class Slots:
    """Numbers of handles, and ids, of a graph's values. No two values have the same id."""

    def __init__(self, fresh: Callable[[], int]) -> None:
        self.fresh = fresh
        self._slots: dict[Value, int] = {}
        self._ids: dict[Value, str] = {}
        self._taken: set[str] = set()
        self.without_id: set[Value] = set()
        """Further results of functions that take one id."""

    def of(self, value: Value) -> int:
        """The value's slot."""
        if value not in self._slots:
            self._slots[value] = self.fresh()
        return self._slots[value]

    def id(self, value: Value) -> Passed:
        """The value's id as an argument."""
        return {"text": self._id(value)}

    def _id(self, value: Value) -> str:
        if value not in self._ids:
            base = value.name.replace("\0", "_") or "value"
            name, number = base, 1
            while name in self._taken:
                name, number = f"{base}_{number}", number + 1
            self._taken.add(name)
            self._ids[value] = name
        return self._ids[value]

    def step(self, call: Call, label: str) -> CallStep:
        """A call with slots for values; functions that take ids get those of the results."""
        arguments = [self._argument(argument) for argument in call.arguments]
        if call.results:
            (*_others, last) = _parameters()[call.function]
            several = last == "odla_value_ids"
            if not several:
                self.without_id.update(call.results[1:])
            arguments.append({"ids": [self._id(v) for v in call.results]} if several else self.id(call.results[0]))
        return CallStep(call.function, tuple(arguments), tuple(self.of(value) for value in call.results), label)

    def _argument(self, argument: Argument) -> Passed:
        match argument:
            case None:
                return None
            case bool():
                return int(argument)
            case int() | float():
                return argument
            case Value():
                return {"v": self.of(argument)}
            case tuple():
                return {"vs": [self.of(value) for value in argument]}
            case Dims(sizes):
                return {"dims": list(sizes)}
            case Unsigned(numbers):
                return {"u32": list(numbers)}
            case Signed(numbers):
                return {"i32": list(numbers)}
            case Name(text):
                return enumerators()[text]
            case Names(texts):
                return {"i32": [enumerators()[text] for text in texts]}
            case ValueType(element, dims):
                return {"type": [enumerators()[element.text], list(dims.sizes)]}
            case Text(text):
                return {"text": text}
            case Attribute():
                raise AssertionError("calls by name are not asked for")


def missing_functions(nodes: Sequence[NodeCalls], exported: frozenset[str]) -> dict[Node, str]:
    """The nodes that need functions which a library lacks."""
    found: dict[Node, str] = {}
    for each in nodes:
        lacking = [name for name in each.functions if name not in exported]
        if lacking:
            found[each.node] = f"the library has no {' and no '.join(lacking)}"
    return found
