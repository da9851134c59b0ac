"""Nested graphs of control-flow operators, whatever their file format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from halo_frontends.emitter import Emitter
from halo_py.errors import ModelError, Where
from halo_py.ir.graph import Graph, Value
from halo_py.types import Dim, DType, TensorType, Type, symbol


def with_captured(graph: Graph, own: Mapping[Value, Value], captured: Sequence[Value]) -> Graph:
    """The graph with one input per captured outer value, in this order, after its formal inputs.

    `own` maps those outer values that the graph reads to its inputs for them.
    """
    names = {value.name for value in graph.values()}
    insides = set(own.values())
    formal = tuple(value for value in graph.inputs if value not in insides)
    inputs: list[Value] = []
    for value in captured:
        inside = own.get(value)
        if inside is None:
            name = next(name for name in _numbered(value.name) if name not in names)
            names.add(name)
            inside = Value(name, value.type)
        inputs.append(inside)
    return replace(graph, inputs=(*formal, *inputs))


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        yield f"{name}_{number}"
        number += 1


class Generaliser:
    """Makes symbols of the dimensions in which two types of one carried value differ."""

    def __init__(self, name: str, where: Where) -> None:
        self._name = name
        self._where = where
        self._made: set[Dim] = set()

    def merge(self, old: Type, new: Type) -> Type:
        """A type that both values have. Raises ModelError for different element types."""
        if isinstance(old, TensorType) and isinstance(new, TensorType) and old.dtype == new.dtype:
            if old.shape is None or new.shape is None or len(old.shape) != len(new.shape):
                return TensorType(old.dtype, None)
            return TensorType(old.dtype, tuple(map(self._dim, old.shape, new.shape)))
        if old != new:
            raise ModelError(f"a carried value enters the body as {old} and leaves it as {new}", self._where)
        return old

    def _dim(self, old: Dim, new: Dim) -> Dim:
        if old == new or old in self._made:
            return old
        dim = symbol(f"{self._name}_carried_{len(self._made)}")
        self._made.add(dim)
        return dim


@dataclass(frozen=True, slots=True)
class Counter:
    """A loop variable that is `start + round * step`."""

    start: int
    step: int
    dtype: DType

    def at(self, round: int, emit: Emitter) -> Value:
        """Its value in a known round."""
        return emit.constant(np.asarray(self.start + round * self.step, self.dtype.numpy), "counter")

    def during(self, round: Value, emit: Emitter) -> Value:
        """Its value in a round that is a value."""
        found = emit.cast(round, self.dtype)
        if self.step != 1:
            found = emit.op("Mul", found, emit.scalar(self.step, found))
        return emit.op("Add", found, emit.scalar(self.start, found)) if self.start else found


_MOST_TRIED = 1000
"""Conditions of which nothing is known are followed so far to learn how many rounds there are."""
_MOST_ROUNDS = 1 << 62


def count_rounds(holds: Callable[[int], bool | None], monotone: Callable[[], bool]) -> int | None:
    """The first round whose condition does not hold; None if that is not known.

    `holds` answers None where the condition is not known. If it is `monotone` (once false, it stays false), the round
    is searched for and not counted to.
    """
    first = holds(0)
    if not first:
        return None if first is None else 0
    if not monotone():
        for round in range(1, _MOST_TRIED):
            found = holds(round)
            if not found:
                return None if found is None else round
        return None
    low, high = 0, 1
    while holds(high):
        low, high = high, 2 * high
        if high > _MOST_ROUNDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return None if holds(high) is None else high
