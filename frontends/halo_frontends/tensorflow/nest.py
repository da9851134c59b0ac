"""Graphs under construction inside of each other: what a body needs from outside becomes an operand of its node."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from halo_frontends.tensorflow.things import TensorList, Thing
from halo_frontends.tensorflow_ops.complex_numbers import Complex
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value
from halo_py.ir.inference import SMALL_CONTENTS
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


class Nest:
    """One graph under construction; `outer` is the graph around it."""

    def __init__(self, builder: GraphBuilder, outer: Nest | None = None) -> None:
        self.builder = builder
        self.outer = outer
        self.captured: dict[Value, Value] = {}
        """Outer value -> this graph's input for it."""
        self._constants: dict[str, Value] = {}

    def capture(self, outside: Value) -> Value:
        """A value of the graph around this one: small known contents are repeated here, anything else is an operand."""
        if self.outer is None:
            return outside
        found = self.captured.get(outside)
        if found is not None:
            return found
        builder = self.outer.builder
        known = builder.known(outside)
        if known is not None and known.size <= SMALL_CONTENTS:
            dtype = outside.type.dtype if isinstance(outside.type, TensorType) else None
            return self.builder.constant(known, outside.name, dtype)
        inside = self.builder.input(outside.name, outside.type)
        dims = builder.shape_value(outside)
        if dims is not None:
            self.builder.set_shape_value(inside, dims)
        self.captured[outside] = inside
        return inside

    def capture_thing(self, thing: Thing) -> Thing:
        """The same for anything that a body may be given."""
        if isinstance(thing, Value):
            return self.capture(thing)
        if isinstance(thing, Complex):
            return Complex(self.capture(thing.real), self.capture(thing.imaginary))
        if isinstance(thing, TensorList):
            items = None if thing.items is None else self.capture(thing.items)
            length = self.capture(thing.length) if isinstance(thing.length, Value) else thing.length
            return TensorList(items, length, thing.dtype, thing.element)
        return thing

    def constant(self, key: str, read: Callable[[], tuple[Array, DType]]) -> Value:
        """A constant of the outermost graph, read when it is first used."""
        found = self._constants.get(key)
        if found is None:
            if self.outer is None:
                contents, dtype = read()
                found = self.builder.constant(contents, key, dtype)
            else:
                found = self.capture(self.outer.constant(key, read))
            self._constants[key] = found
        return found
