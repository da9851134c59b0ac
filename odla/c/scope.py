"""Scopes: graphs under construction. A computation is one; bodies of its loops and conditionals are scopes inside it.

Eager operators use scopes too: a small one for each call, or one for a whole loop.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.errors import UsageError
from halo_py.ir.builder import GraphBuilder
from odla.c.values import Role, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph
    from halo_py.ir.graph import Value as Node
    from halo_py.types import TensorType
    from odla.c.computation import Computation

    Array = NDArray[Any]

_SHAPE_LIKE = 64
"""Eager integers of at most so many elements in one dimension are constants of an eager call: axes, shapes, indices."""


class Scope:
    """A graph under construction. `parent` is the scope around it, `computation` what it belongs to (None: eager)."""

    def __init__(self, name: str, computation: Computation | None = None, parent: Scope | None = None) -> None:
        self.builder = GraphBuilder(name)
        self.computation = computation
        self.parent = parent
        self.captured: dict[Node, Node] = {}
        """Values of the scope around this one -> the inputs that bring them in."""
        self.eager_inputs: dict[Node, Array] = {}
        self._imported: dict[Value | Node, Node] = {}

    def value(self, node: Node, id: str | None, role: Role = Role.RESULT) -> Value:
        """A handle for a value of this scope's graph."""
        return Value(_tensor(node), id, role, node=node, scope=self)

    def local(self, value: Value) -> Node:
        """What stands for a value inside this scope. Raises UsageError if it cannot be seen from here."""
        if value.scope is self and value.node is not None:
            return value.node
        if value.node is None:
            return self._eager(value)
        if self.parent is None:
            raise UsageError(f"{value.label} belongs to another computation, or to a body that has ended")
        return self.import_node(self.parent.local(value))

    def known(self, node: Node) -> Array | None:
        """Contents of a value if they are known now: eager ones always are."""
        found = self.eager_inputs.get(node)
        return self.builder.known(node) if found is None else found

    def import_node(self, outer: Node) -> Node:
        """A value of the scope around this one, brought in: constants as copies, others as inputs."""
        found = self._imported.get(outer)
        if found is None:
            assert self.parent is not None
            contents = self.parent.builder.known(outer)
            if contents is not None:
                found = self.builder.constant(contents, outer.name)
            else:
                found = self.builder.input(outer.name, outer.type)
                self.captured[outer] = found
            self._imported[outer] = found
        return found

    def _eager(self, value: Value) -> Node:
        if self.parent is not None:
            return self.import_node(self.parent.local(value))
        found = self._imported.get(value)
        if found is None:
            contents = value.contents()
            if self.computation is None and not _is_shape_like(contents):
                found = self.builder.input("input", value.type)
                self.eager_inputs[found] = contents
            else:
                found = self.builder.constant(contents.copy(), value.id or "constant", value.type.dtype)
            self._imported[value] = found
        return found

    def body(self, own_inputs: Sequence[Node], outputs: Sequence[Node], captured: Sequence[Node]) -> Graph:
        """The finished body: its own inputs first, then one for each of the captured values."""
        for outer in captured:
            if outer not in self.captured:
                self.captured[outer] = self.builder.input(outer.name, outer.type)
        graph = self.builder.finish(outputs, [f"out{number}" for number in range(len(outputs))])
        return replace(graph, inputs=(*own_inputs, *(self.captured[outer] for outer in captured)))


def _is_shape_like(contents: Array) -> bool:
    return contents.ndim <= 1 and contents.size <= _SHAPE_LIKE and np.issubdtype(contents.dtype, np.integer)


def _tensor(node: Node) -> TensorType:
    from halo_py.types import TensorType

    if not isinstance(node.type, TensorType):
        raise UsageError(f"ODLA values are tensors, not {node.type}")
    return node.type
