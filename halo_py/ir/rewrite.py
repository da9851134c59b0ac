"""Changes a graph in place, inside one pass: use lists, a worklist, and frozen graphs on both sides.

A node is known by its first result: replacing an operand rebuilds the node but keeps its results, so a rewrite costs
what it touches, never the size of the graph. Rules are code: `rule(rewriter, node) -> bool`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import InternalError, Where
from halo_py.ir.graph import Graph, Node, StateUpdate, Value
from halo_py.ir.inference import Inference, infer_types
from halo_py.ir.op import Op
from halo_py.ir.order import ordered_nodes
from halo_py.ir.verify import compatible
from halo_py.types import DType, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

Rule = Callable[["Rewriter", Node], bool]
"""Looks at a node; changes the graph through the rewriter and answers True, or leaves it alone and answers False."""

MAXIMUM_REWRITES_PER_NODE = 50
"""A set of rules that rewrites more often than this per node of the graph is taken to run in a circle."""


def kind_of(node: Node) -> str:
    """What patterns call a node: its ONNX name ('Add'), or the registry name of an op that ONNX lacks."""
    return node.op.declaration.onnx or node.op.kind


class Rewriter:
    """A graph under change. `finish()` answers the new graph; the old one is untouched."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._constants: dict[Value, Array] = dict(graph.constants)
        self._outputs: list[Value] = list(graph.outputs)
        self._states: list[StateUpdate] = list(graph.states)
        self._producers: dict[Value, Node] = {}
        self._users: dict[Value, dict[Value, None]] = {}
        self._positions: dict[Value, tuple[int, ...]] = {}
        self._result_uses: dict[Value, int] = {}
        self._inference = Inference(self._constants)
        self._created: set[Value] = set()
        self._wanted_names: dict[Value, str] = {}
        self._worklist: deque[Value] = deque()
        self._queued: set[Value] = set()
        self._counter = 0
        self.rewrites = 0
        for position, node in enumerate(graph.nodes):
            self._positions[node.outputs[0]] = (position,)
            self._link(node)
        for value in (*self._outputs, *(update.updated for update in self._states)):
            self._result_uses[value] = self._result_uses.get(value, 0) + 1

    # -- looking ---------------------------------------------------------------------------------------------------

    def nodes(self) -> Iterator[Node]:
        """The nodes that are there now, each looked up when it is reached."""
        for key in list(self._positions):
            node = self._producers.get(key)
            if node is not None:
                yield node

    def producer(self, value: Value | None) -> Node | None:
        """The node that makes a value, None for inputs, constants and omitted operands."""
        return None if value is None else self._producers.get(value)

    def users(self, value: Value) -> list[Node]:
        """The nodes that read a value."""
        return [self._producers[key] for key in self._users.get(value, ())]

    def is_result(self, value: Value) -> bool:
        """Whether the graph answers this value (an output or a new state)."""
        return value in self._result_uses

    def has_one_use(self, value: Value) -> bool:
        """Whether exactly one node reads the value, once, and the graph does not answer it."""
        users = self._users.get(value, ())
        if len(users) != 1 or value in self._result_uses:
            return False
        return self._producers[next(iter(users))].inputs.count(value) == 1

    def is_used(self, value: Value) -> bool:
        """Whether anything reads the value."""
        return bool(self._users.get(value)) or value in self._result_uses

    def contents(self, value: Value | None) -> Array | None:
        """Contents of a constant, else None."""
        return None if value is None else self._constants.get(value)

    def scalar(self, value: Value | None) -> float | None:
        """The number that every element of a small float or integer constant equals, else None."""
        contents = self.contents(value)
        if contents is None or not 0 < contents.size <= 4096 or contents.dtype.kind in "OSUTbc":
            return None
        first = contents.reshape(-1)[0]
        return float(first) if contents.size == 1 or bool((contents == first).all()) else None

    def scalar_bool(self, value: Value | None) -> bool | None:
        """The truth value that every element of a boolean constant has, else None."""
        contents = self.contents(value)
        if contents is None or not contents.size or contents.dtype.kind != "b":
            return None
        return bool(contents.all()) if contents.all() or not contents.any() else None

    def integers(self, value: Value | None) -> NDArray[np.int64] | None:
        """Contents of an integer constant, else None."""
        contents = self.contents(value)
        return None if contents is None or contents.dtype.kind not in "iu" else contents.astype(np.int64)

    def floats(self, value: Value | None) -> NDArray[np.float64] | None:
        """Contents of a constant of a real floating-point type, in float64, else None."""
        contents = self.contents(value)
        type = None if value is None else value.type
        if contents is None or not isinstance(type, TensorType) or not type.dtype.is_float:
            return None
        return contents.astype(np.float64)

    def is_alive(self, node: Node) -> bool:
        """Whether the node is still in the graph, as it is."""
        return self._producers.get(node.outputs[0]) is node

    def type_of(self, value: Value) -> TensorType | None:
        """The tensor type of a value, None for sequences and optionals."""
        return value.type if isinstance(value.type, TensorType) else None

    # -- changing --------------------------------------------------------------------------------------------------

    def constant(self, contents: Array, name: str = "constant", dtype: DType | None = None) -> Value:
        """A new constant with these contents (not copied)."""
        found = dtype or DType.from_numpy(contents.dtype)
        value = Value(name, TensorType(found, tuple(contents.shape)))
        self._created.add(value)
        self._constants[value] = contents
        return value

    def ints(self, numbers: Sequence[int], name: str = "ints") -> Value:
        """A rank-1 int64 constant."""
        return self.constant(np.asarray(numbers, np.int64), name)

    def like(self, number: float, value: Value) -> Value:
        """A scalar constant of the element type of `value`."""
        assert isinstance(value.type, TensorType)
        return self.constant(np.asarray(number).astype(value.type.dtype.numpy), "scalar", value.type.dtype)

    def insert(
        self,
        op: Op,
        inputs: Sequence[Value | None],
        at: Node | Sequence[Node],
        *,
        types: Sequence[Type] | None = None,
        outputs: int = 1,
        bodies: tuple[Graph, ...] = (),
    ) -> tuple[Value, ...]:
        """Add a node and answer its results. It stands for the nodes `at` (place, name and order are taken from them).

        Types are inferred unless given. Raises ShapeError if the operands do not fit.
        """
        sources = (at,) if isinstance(at, Node) else tuple(at)
        anchor = sources[-1]
        where = sources[0].where.merge(*(node.where for node in sources[1:]))
        if types is None:
            types = infer_types(op, self._inference.args(inputs, bodies, outputs, where))[:outputs]
        values = tuple([Value(anchor.outputs[0].name, type) for type in types])
        self._created.update(values)
        self._counter += 1
        self._positions[values[0]] = (*self._positions[anchor.outputs[0]][:1], -1, self._counter)
        self._link(Node(op, tuple(inputs), values, anchor.name, bodies, where))
        self.touch(values[0])
        return values

    def apply(self, op: Op, inputs: Sequence[Value | None], at: Node | Sequence[Node]) -> Value:
        """`insert` for an op with one result."""
        return self.insert(op, inputs, at)[0]

    def replace(self, node: Node, *values: Value) -> None:
        """Use `values` instead of the results of `node`, and drop the node. New values inherit the results' names."""
        for old, new in zip(node.outputs, values, strict=True):
            if new in self._created and (self.is_result(old) or new not in self._wanted_names):
                self._wanted_names[new] = old.name
            self.replace_value(old, new)
        self.erase(node)

    def replace_with(self, node: Node, op: Op, inputs: Sequence[Value | None], also: Sequence[Node] = ()) -> Value:
        """Replace a node of one result by another op of the same result type. `also` names nodes it absorbs."""
        made = self.insert(op, inputs, (*also, node), types=[node.outputs[0].type])[0]
        self.replace(node, made)
        return made

    def replace_value(self, old: Value, new: Value) -> None:
        """Use `new` wherever `old` is read. Raises InternalError if their types cannot be equal."""
        if old is new:
            return
        if not compatible(old.type, new.type):
            raise InternalError(f"a rewrite replaces %{old.name}: {old.type} by {new.type}")
        for node in self.users(old):
            self.set_inputs(node, [new if value is old else value for value in node.inputs])
        if old in self._result_uses:
            self._outputs = [new if value is old else value for value in self._outputs]
            self._states = [
                replace(update, updated=new) if update.updated is old else update for update in self._states
            ]
            self._result_uses[new] = self._result_uses.get(new, 0) + self._result_uses.pop(old)
        self.touch(new)

    def set_inputs(self, node: Node, inputs: Sequence[Value | None]) -> Node:
        """The node with other operands (same results); it takes the old one's place."""
        return self.update(node, inputs=tuple(inputs))

    def update(
        self, node: Node, *, op: Op | None = None, inputs: tuple[Value | None, ...] | None = None,
        bodies: tuple[Graph, ...] | None = None, where: Where | None = None,
    ) -> Node:  # fmt: skip
        """The node changed in part, with the same results; it takes the old one's place."""
        self._unlink(node)
        made = Node(
            node.op if op is None else op,
            node.inputs if inputs is None else inputs,
            node.outputs,
            node.name,
            node.bodies if bodies is None else bodies,
            node.where if where is None else where,
        )
        self._link(made)
        self.touch(made.outputs[0])
        return made

    def erase(self, node: Node) -> None:
        """Drop a node whose results nobody reads, and then the nodes that only it read."""
        stack = [node]
        while stack:
            dead = stack.pop()
            if not self.is_alive(dead) or any(self.is_used(value) for value in dead.outputs):
                continue
            self._unlink(dead)
            for value in dead.outputs:
                self._producers.pop(value, None)
            for value in dead.inputs:
                maker = self.producer(value)
                if maker is not None:
                    stack.append(maker)
                    self.touch(maker.outputs[0])

    def erase_value(self, value: Value) -> None:
        """Drop the node that makes a value, if nobody reads its results."""
        node = self.producer(value)
        if node is not None:
            self.erase(node)

    def touch(self, value: Value) -> None:
        """Put the node that makes a value, and those that read it, on the worklist."""
        for key in (value, *self._users.get(value, ())):
            maker = self._producers.get(key)
            if maker is not None and maker.outputs[0] not in self._queued:
                self._queued.add(maker.outputs[0])
                self._worklist.append(maker.outputs[0])

    # -- running ---------------------------------------------------------------------------------------------------

    def run(self, rules: Mapping[str, Sequence[Rule]]) -> int:
        """Apply rules, by kind of node ('Add', '*' for any), until none applies; answers how often one did.

        Raises InternalError if they run in a circle.
        """
        everywhere = rules.get("*", ())
        self._worklist = deque(node.outputs[0] for node in self.nodes())
        self._queued = set(self._worklist)
        before = self.rewrites
        limit = before + MAXIMUM_REWRITES_PER_NODE * (len(self._positions) + 20)
        while self._worklist:
            key = self._worklist.popleft()
            self._queued.discard(key)
            node = self._producers.get(key)
            if node is None:
                continue
            for rule in (*rules.get(kind_of(node), ()), *everywhere):
                if rule(self, node):
                    self.rewrites += 1
                    self.touch(key)
                    if self.rewrites > limit:
                        raise InternalError(f"rewrite rules run in a circle, last {rule.__name__}", node.where)
                    break
        return self.rewrites - before

    def finish(self) -> Graph:
        """The graph as it is now: dead code and unused constants dropped, in topological order, names unique."""
        alive = self._reachable()
        nodes = ordered_nodes(alive, self._producers, self._positions)
        used = {value for node in nodes for value in node.inputs}
        used.update(self._outputs)
        used.update(update.updated for update in self._states)
        constants = {value: contents for value, contents in self._constants.items() if value in used}
        graph = Graph(
            self._graph.name,
            self._graph.inputs,
            tuple(self._outputs),
            tuple(nodes),
            constants,
            tuple(self._states),
            self._graph.output_names,
        )
        self._name(graph)
        return graph

    # -- inside ----------------------------------------------------------------------------------------------------

    def _link(self, node: Node) -> None:
        key = node.outputs[0]
        for value in node.outputs:
            self._producers[value] = node
        for value in node.inputs:
            if value is not None:
                self._users.setdefault(value, {})[key] = None

    def _unlink(self, node: Node) -> None:
        key = node.outputs[0]
        for value in node.inputs:
            if value is not None:
                self._users.get(value, {}).pop(key, None)

    def _reachable(self) -> dict[Value, Node]:
        alive: dict[Value, Node] = {}
        stack: list[Value | None] = [*self._outputs, *(update.updated for update in self._states)]
        while stack:
            node = self.producer(stack.pop())
            if node is not None and node.outputs[0] not in alive:
                alive[node.outputs[0]] = node
                stack.extend(node.inputs)
        return alive

    def _name(self, graph: Graph) -> None:
        """Give new values their names: those they inherit first, then numbered ones."""
        taken = {value.name for value in graph.values() if value not in self._created}
        new = [value for value in graph.values() if value in self._created]
        for value in new:
            wanted = self._wanted_names.get(value)
            if wanted is not None and wanted not in taken:
                value.name = wanted
                taken.add(wanted)
                self._created.discard(value)
        for value in new:
            if value in self._created:
                value.name = _free_name(value.name, taken)
                taken.add(value.name)
                self._created.discard(value)


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def rewrite_graph(graph: Graph, rules: Mapping[str, Sequence[Rule]]) -> Graph:
    """Apply rules to a graph and to the graphs nested in it, until none applies."""
    rewriter = Rewriter(graph)
    changed = False
    for node in graph.nodes:
        if node.bodies:
            bodies = tuple(rewrite_graph(body, rules) for body in node.bodies)
            if any(new is not old for new, old in zip(bodies, node.bodies, strict=True)):
                rewriter.update(node, bodies=bodies)
                changed = True
    return rewriter.finish() if rewriter.run(rules) or changed else graph


def every_rule(*groups: Mapping[str, Iterable[Rule]]) -> dict[str, tuple[Rule, ...]]:
    """Several tables of rules as one."""
    table: dict[str, tuple[Rule, ...]] = {}
    for group in groups:
        for kind, rules in group.items():
            table[kind] = (*table.get(kind, ()), *rules)
    return table
