"""Checks that a graph is well-formed: numbered invariants, cited in errors and tests.

V001 every value is defined once: it is one input, one constant or one result, of one graph
V002 names of values are not empty and unique in their graph
V003 every operand, output and state is defined, before its use (nodes are in topological order)
V004 a nested graph captures nothing: it reads no value of the graph around it
V005 the types of results are what the op infers from its operands
V006 the contents of constants have the type of their value
V007 every output has a name, not empty, and unique where the user sees it (not in nested graphs)
V008 every node names a place in the user's model
V009 ops are registered, and a node has at least one result
V010 a state is an input of the graph, and is updated once, by a value of its type
V011 dimensions are not negative
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import NOWHERE, HaloError, InternalError, Where
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.inference import Inference, infer_types
from halo_py.ir.op import REGISTRY
from halo_py.types import Dim, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant: its number, what is wrong, and where."""

    invariant: str
    message: str
    where: Where = NOWHERE

    def __str__(self) -> str:
        place = "" if self.where == NOWHERE else f" ({self.where})"
        return f"{self.invariant}: {self.message}{place}"


def verify_graph(graph: Graph, *, types: bool = True) -> None:
    """Raise InternalError listing every broken invariant. `types=False` skips re-inference (V005)."""
    found = violations(graph, types=types)
    if found:
        shown = "\n  ".join(str(item) for item in found[:10])
        more = f"\n  and {len(found) - 10} more" if len(found) > 10 else ""
        raise InternalError(f"graph {graph.name!r} is not well-formed:\n  {shown}{more}", found[0].where)


def violations(graph: Graph, *, types: bool = True) -> list[Violation]:
    """Every broken invariant of a graph and its nested graphs, in order of discovery."""
    checker = _Checker(types)
    checker.graph(graph, frozenset())
    return checker.found


@dataclass
class _Checker:
    types: bool
    depth: int = 0
    found: list[Violation] = field(default_factory=list[Violation])
    everywhere: set[Value] = field(default_factory=set[Value])

    def report(self, invariant: str, message: str, where: Where = NOWHERE) -> None:
        self.found.append(Violation(invariant, message, where))

    def graph(self, graph: Graph, outer: frozenset[Value]) -> None:
        defined: set[Value] = set()
        self.define((*graph.inputs, *graph.constants), defined)
        for value, contents in graph.constants.items():
            self.contents(value, contents)
        inference = Inference(graph.constants)
        visible: frozenset[Value] | None = None
        for node in graph.nodes:
            complete = self.operands(node, defined, outer)
            self.registered(node)
            if node.bodies:
                visible = outer | defined if visible is None or not visible >= defined else visible
                self.depth += 1
                for body in node.bodies:
                    self.graph(body, visible)
                self.depth -= 1
            if complete and self.types and node.outputs:
                self.inferred(node, inference)
            self.define(node.outputs, defined, node.where)
        self.names(graph)
        self.ends(graph, defined, outer)

    def define(self, values: Iterable[Value], defined: set[Value], where: Where = NOWHERE) -> None:
        for value in values:
            if value in self.everywhere:
                self.report("V001", f"%{value.name} is defined more than once", where)
            self.everywhere.add(value)
            defined.add(value)
            self.dimensions(value, where)

    def dimensions(self, value: Value, where: Where) -> None:
        type = value.type
        if isinstance(type, TensorType) and type.shape is not None:
            for dim in type.shape:
                if isinstance(dim, int) and dim < 0:
                    self.report("V011", f"%{value.name} has the type {type}", where)
                    return

    def contents(self, value: Value, contents: Array) -> None:
        type = value.type
        if not isinstance(type, TensorType) or type.shape != contents.shape or not _holds(type, contents):
            found = f"{contents.dtype.name}{list(contents.shape)}"
            self.report("V006", f"constant %{value.name} has the type {type}, its contents {found}")

    def operands(self, node: Node, defined: set[Value], outer: frozenset[Value]) -> bool:
        missing = [value for value in node.inputs if value is not None and value not in defined]
        for value in missing:
            self.undefined(value, outer, f"an operand of {node.name!r}", node.where)
        return not missing

    def undefined(self, value: Value, outer: frozenset[Value], use: str, where: Where = NOWHERE) -> None:
        if value in outer:
            self.report("V004", f"%{value.name}, {use}, belongs to the graph around this one", where)
        else:
            self.report("V003", f"%{value.name}, {use}, is not defined before its use", where)

    def registered(self, node: Node) -> None:
        if node.where == NOWHERE or not (node.where.node or node.where.op):
            self.report("V008", f"node {node.name!r} names no place in the user's model")
        if REGISTRY.by_name.get(node.op.kind) is not type(node.op):
            self.report("V009", f"op {node.op.kind!r} of node {node.name!r} is not registered", node.where)
        if not node.outputs:
            self.report("V009", f"node {node.name!r} has no result", node.where)

    def inferred(self, node: Node, inference: Inference) -> None:
        args = inference.args(node.inputs, node.bodies, len(node.outputs), node.where)
        try:
            types = infer_types(node.op, args)
        except HaloError as error:
            self.report("V005", f"node {node.name!r} cannot be inferred: {error.message}", node.where)
            return
        if len(types) < len(node.outputs):
            self.report("V005", f"{node.op.kind} has {len(types)} results, {node.name!r} has more", node.where)
        for value, type in zip(node.outputs, types, strict=False):
            if not compatible(value.type, type):
                message = f"%{value.name} has the type {value.type}, {node.op.kind} infers {type}"
                self.report("V005", message, node.where)
        inference.learn(node.op, args, node.outputs)

    def names(self, graph: Graph) -> None:
        for name, count in Counter(value.name for value in graph.values()).items():
            if not name:
                self.report("V002", f"a value of graph {graph.name!r} has no name")
            elif count > 1:
                self.report("V002", f"{count} values of graph {graph.name!r} are called %{name}")

    def ends(self, graph: Graph, defined: set[Value], outer: frozenset[Value]) -> None:
        for value in graph.outputs:
            if value not in defined:
                self.undefined(value, outer, f"an output of graph {graph.name!r}")
        if len(graph.output_names) != len(graph.outputs):
            self.report("V007", f"{len(graph.outputs)} outputs have {len(graph.output_names)} names")
        for name, count in Counter(graph.output_names).items():
            if not name or (count > 1 and self.depth == 0):
                self.report("V007", f"{count} outputs of graph {graph.name!r} are called {name!r}")
        for state, count in Counter(update.state for update in graph.states).items():
            if state not in graph.inputs or count > 1:
                self.report("V010", f"state %{state.name} is no input, or is updated more than once")
        for update in graph.states:
            if update.updated not in defined:
                self.undefined(update.updated, outer, f"the new contents of state %{update.state.name}")
            elif not compatible(update.state.type, update.updated.type):
                self.report("V010", f"state %{update.state.name} is updated by a {update.updated.type}")


def _holds(type: TensorType, contents: Array) -> bool:
    return contents.dtype == type.dtype.numpy or (contents.dtype.kind in "SUT" and type.dtype.numpy.kind == "O")


def compatible(left: Type, right: Type) -> bool:
    """Whether one value may have both types: equal wherever both are known."""
    if isinstance(left, TensorType) and isinstance(right, TensorType):
        if left.dtype is not right.dtype:
            return False
        if left.shape is None or right.shape is None or left.shape == right.shape:
            return True
        if len(left.shape) != len(right.shape):
            return False
        return all(_may_equal(a, b) for a, b in zip(left.shape, right.shape, strict=True))
    if isinstance(left, TensorType) or isinstance(right, TensorType):
        return False
    return type(left) is type(right) and compatible(left.element, right.element)


def _may_equal(left: Dim, right: Dim) -> bool:
    return left == right or not (isinstance(left, int) and isinstance(right, int))
