"""Adds nodes to the graph under construction, or to the nested graph that is being built inside of it.

Values may be used in any graph inside the one that made them: `Emitter` turns such a use into an explicit operand
(a captured value). It also keeps the journal that takes back what one branch changed before the other is built.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_frontends.importer import make_op
from halo_frontends.torchscript.objects import StoredTensor
from halo_frontends.torchscript.values import Quantised, Scalar, Tensor
from halo_py.errors import ModelError, Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.op import REGISTRY
from halo_py.types import Dim, DType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

MOST_NODES = 300_000
"""A program that unrolls into more nodes than this is refused: a few lines could otherwise mean any number."""

_SMALL_CONTENTS = 64


@dataclass(slots=True, eq=False)
class Level:
    """A graph that is being built."""

    builder: GraphBuilder
    captured: dict[Value, Value] = field(default_factory=dict["Value", "Value"])
    """Outer value -> this graph's input for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One thing that the program changed: `key` names it, the functions read it and set it."""

    key: object
    old: Any
    get: Callable[[], Any]
    set: Callable[[Any], None]


class Emitter:
    """The graphs under construction, outermost first."""

    def __init__(self, builder: GraphBuilder) -> None:
        self.levels = [Level(builder)]
        self.where = Where(builder.file)
        self.name = ""
        self._owners: dict[Value, Level] = {}
        self._stored: dict[int, tuple[StoredTensor, Tensor]] = {}
        self._journals: list[list[Change]] = []
        self._nodes = 0

    @property
    def builder(self) -> GraphBuilder:
        """The builder of the innermost graph."""
        return self.levels[-1].builder

    @contextmanager
    def at(self, path: str, op: str) -> Generator[None]:
        """What is added until the context ends stands at this place: an op, in the module of this path."""
        before = self.where, self.name
        short = op.rpartition("::")[2]
        self.name = f"{path}/{short}" if path else short
        self.where = replace(self.where, node=self.name, op=op)
        try:
            yield
        finally:
            self.where, self.name = before

    # -- nodes ----------------------------------------------------------------------------------------------------

    def add(
        self,
        kind: str,
        inputs: Sequence[Value | None],
        outputs: int = 1,
        bodies: tuple[Graph, ...] = (),
        **attributes: object,
    ) -> tuple[Value, ...]:
        """A node of the ONNX operator `kind`. Raises ModelError if its operands do not fit."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ModelError(f"the program unrolls into more than {MOST_NODES} nodes", self.where)
        op = make_op(REGISTRY.by_onnx["", kind], {k: v for k, v in attributes.items() if v is not None}, self.where)
        operands = [None if value is None else self.local(value) for value in inputs]
        results = self.builder.add(op, operands, outputs=outputs, name=self.name, bodies=bodies, where=self.where)
        level = self.levels[-1]
        for value in results:
            self._owners[value] = level
        return results

    def input(self, name: str, type: Type) -> Value:
        """An input of the innermost graph."""
        value = self.builder.input(name, type)
        self._owners[value] = self.levels[-1]
        return value

    def constant(self, contents: Array, dtype: DType | None = None, name: str = "", level: int = -1) -> Value:
        """A constant of the innermost graph, or of the one at `level`."""
        owner = self.levels[level]
        value = owner.builder.constant(contents, name or self.name or "constant", dtype)
        self._owners[value] = owner
        return value

    def known(self, value: Value) -> Array | None:
        """The contents of a value if they are known now."""
        owner = self._owners.get(value)
        return None if owner is None else owner.builder.known(value)

    def dim(self, value: Value) -> Dim | None:
        """An integer of rank 0 as a dimension, if it is known in terms of sizes."""
        owner = self._owners.get(value)
        dims = None if owner is None else owner.builder.shape_value(value)
        return dims[0] if dims is not None and len(dims) == 1 else None

    def is_made_here(self, value: Value) -> bool:
        """Whether a value belongs to the innermost graph."""
        return self._owners.get(value) is self.levels[-1]

    def producer(self, value: Value) -> Node | None:
        """The node that makes a value, in whichever graph it is; None for an input or a constant of the file."""
        owner = self._owners.get(value)
        if owner is None:
            return None
        outer = next((key for key, inside in owner.captured.items() if inside is value), None)
        if outer is not None:
            return self.producer(outer)
        return next((node for node in reversed(owner.builder.nodes) if value in node.outputs), None)

    def local(self, value: Value) -> Value:
        """This value as the innermost graph knows it."""
        owner = self._owners[value]
        return value if owner is self.levels[-1] else self._captured(value, owner, len(self.levels) - 1)

    def _captured(self, value: Value, owner: Level, depth: int) -> Value:
        level = self.levels[depth]
        if owner is level:
            return value
        if depth == 0:
            raise ModelError("a value is used outside of the branch or loop that makes it", self.where)
        found = level.captured.get(value)
        if found is not None:
            return found
        known = owner.builder.known(value)
        if known is not None and known.size <= _SMALL_CONTENTS:
            inside = level.builder.constant(known, value.name)
        else:
            self._captured(value, owner, depth - 1)
            inside = level.builder.input(value.name, value.type)
            dims = owner.builder.shape_value(value)
            if dims is not None:
                level.builder.set_shape_value(inside, dims)
        level.captured[value] = inside
        self._owners[inside] = level
        return inside

    @contextmanager
    def nested(self, name: str) -> Generator[Level]:
        """A nested graph: nodes go into it until the context ends."""
        level = Level(GraphBuilder(name, self.where.file))
        self.levels.append(level)
        try:
            yield level
        finally:
            self.levels.pop()

    def body(self, level: Level, outputs: Sequence[Value], captured: Sequence[Value]) -> Graph:
        """A finished nested graph with one input per captured value, in this order, after its own inputs."""
        graph = level.builder.finish(list(outputs))
        names = {value.name for value in graph.values()}
        mine = set(level.captured.values())
        inputs: list[Value] = [value for value in graph.inputs if value not in mine]
        for value in captured:
            inside = level.captured.get(value)
            if inside is None or inside in graph.constants:
                inside = Value(_free_name(value.name, names), value.type)
            inputs.append(inside)
        return replace(graph, inputs=tuple(inputs))

    def captures(self, level: Level) -> list[Value]:
        """The outer values that a nested graph takes as operands."""
        return [value for value, inside in level.captured.items() if level.builder.known(inside) is None]

    # -- tensors --------------------------------------------------------------------------------------------------

    def stored(self, stored: StoredTensor, name: str) -> Tensor:
        """A tensor of the file; all uses of it are one tensor, a constant of the outermost graph."""
        found = self._stored.get(id(stored))
        if found is not None:
            return found[1]
        value = self.constant(stored.array, stored.dtype, name, level=0)
        quantised = None
        if stored.quantizer is not None:
            how = stored.quantizer
            scale = self.constant(np.asarray(how.scale, np.float32), None, f"{name}.scale", level=0)
            zero = np.asarray(how.zero_point).astype(stored.dtype.numpy)
            quantised = Quantised(scale, self.constant(zero, stored.dtype, f"{name}.zero_point", level=0), how.axis)
        tensor = Tensor(value, quantised=quantised)
        self._stored[id(stored)] = (stored, tensor)
        return tensor

    def read(self, tensor: Tensor) -> Value:
        """The contents of a tensor now."""
        if tensor.base is None or tensor.project is None:
            return tensor.value
        base = self.read(tensor.base)
        if base is not tensor.seen:
            self._set_contents(tensor, tensor.project(base), base)
        return tensor.value

    def write(self, tensor: Tensor, value: Value) -> None:
        """Give a tensor new contents, and the tensor it is a view of. Raises ModelError for a view that cannot be."""
        if tensor.base is None:
            self._set_contents(tensor, value, None)
            return
        if tensor.inject is None:
            raise ModelError("writes in place into a view whose elements share memory", self.where)
        base = tensor.inject(self.read(tensor.base), value)
        self.write(tensor.base, base)
        self._set_contents(tensor, value, self.read(tensor.base))

    def _set_contents(self, tensor: Tensor, value: Value, seen: Value | None) -> None:
        def assign(pair: tuple[Value, Value | None]) -> None:
            tensor.value, tensor.seen = pair

        self.change(tensor, (tensor.value, tensor.seen), lambda: (tensor.value, tensor.seen), assign, (value, seen))

    # -- the journal ----------------------------------------------------------------------------------------------

    def change(self, key: object, old: Any, get: Callable[[], Any], assign: Callable[[Any], None], new: Any) -> None:
        """Set something to `new`, so that the journal can take it back."""
        if self._journals:
            self._journals[-1].append(Change(key, old, get, assign))
        assign(new)

    @contextmanager
    def journal(self) -> Generator[list[Change]]:
        """Notes what changes until the context ends; `undo` takes it back."""
        changes: list[Change] = []
        self._journals.append(changes)
        try:
            yield changes
        finally:
            self._journals.pop()

    def changed_outside(self, changes: Sequence[Change]) -> dict[object, Change]:
        """The last change of everything but tensors that the innermost graph made itself."""
        first = {change.key: change for change in reversed(changes)}
        made = {
            key
            for key, change in first.items()
            if isinstance(key, Tensor) and self._owners.get(change.old[0]) is self.levels[-1]
        }
        return {change.key: change for change in changes if change.key not in made}

    def keep(self, changes: Sequence[Change]) -> None:
        """Changes of an inner journal that were not taken back belong to the one around it."""
        if self._journals:
            self._journals[-1].extend(changes)


def undo(changes: Sequence[Change]) -> None:
    """Take changes back, the last one first."""
    for change in reversed(changes):
        change.set(change.old)


def scalar_kind(dtype: DType):
    """The kind of number that a tensor of this type holds."""
    return "bool" if dtype is DType.BOOL else "int" if dtype.is_integer else "float"


def scalar(value: Value, dtype: DType) -> Scalar:
    """A run-time number."""
    return Scalar(value, scalar_kind(dtype))


def _free_name(wanted: str, names: set[str]) -> str:
    name, number = wanted, 1
    while name in names:
        name, number = f"{wanted}_{number}", number + 1
    names.add(name)
    return name
