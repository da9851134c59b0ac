"""Names to values while importing: initialisers on first use, values of enclosing graphs captured as operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from halo_py.errors import ModelError, Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value
from halo_py.ir.inference import SMALL_CONTENTS
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

ReadInitialiser = Callable[[], tuple["Array", DType]]


class Scope:
    """The names visible to the nodes of one graph or function body.

    `outer` is the enclosing graph (None for a function body, which sees nothing outside). If it is built by another
    builder, values found there are captured: they become inputs of this body, listed in `captured`.
    """

    def __init__(self, builder: GraphBuilder, outer: Scope | None = None) -> None:
        self.builder = builder
        self.outer = outer
        self.captured: dict[Value, Value] = {}
        """Outer value -> this body's input for it."""
        self._names: dict[str, Value] = {}
        self._absent: set[str] = set()
        self._initialisers: dict[str, ReadInitialiser] = {}

    def bind(self, name: str, value: Value, where: Where) -> None:
        """Give a node's result its name. Raises ModelError if this graph has that name already."""
        if name in self._names or name in self._initialisers:
            raise ModelError(f"the value {name!r} is made twice", where)
        self._names[name] = value

    def add_initialiser(self, name: str, read: ReadInitialiser) -> None:
        """A constant that is read when it is first used; one that nobody uses costs nothing."""
        self._initialisers.setdefault(name, read)

    def bind_absent(self, name: str) -> None:
        """A formal operand of a function that its caller left out."""
        self._absent.add(name)

    def is_absent(self, name: str) -> bool:
        """Whether this name stands for an operand that was left out."""
        if name in self._absent:
            return True
        if name in self._names or name in self._initialisers or self.outer is None:
            return False
        return self.outer.is_absent(name)

    def defines(self, name: str) -> bool:
        """Whether this name is visible."""
        if name in self._names or name in self._initialisers or name in self._absent:
            return True
        return self.outer is not None and self.outer.defines(name)

    def find(self, name: str) -> Value | None:
        """The value of this name, or None if nothing visible has it."""
        found = self._names.get(name)
        if found is not None:
            return found
        read = self._initialisers.get(name)
        if read is not None:
            contents, dtype = read()
            value = self._names[name] = self.builder.constant(contents, name, dtype)
            return value
        if self.outer is None:
            return None
        outside = self.outer.find(name)
        if outside is None or self.outer.builder is self.builder:
            return outside
        value = self._names[name] = self.capture(name, outside)
        return value

    def capture(self, name: str, outside: Value) -> Value:
        """An outer value inside this body: small known contents are repeated here, anything else is an operand."""
        assert self.outer is not None
        outer = self.outer.builder
        known = outer.known(outside)
        if known is not None and known.size <= SMALL_CONTENTS:
            dtype = outside.type.dtype if isinstance(outside.type, TensorType) else None
            return self.builder.constant(known, name, dtype)
        if outside in self.captured:
            return self.captured[outside]
        inside = self.builder.input(name, outside.type)
        dims = outer.shape_value(outside)
        if dims is not None:
            self.builder.set_shape_value(inside, dims)
        self.captured[outside] = inside
        return inside
