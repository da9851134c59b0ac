"""Loops whose length depends on data, as Loop nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript import syntax
from halo_frontends.torchscript.emitter import Change, scalar, undo
from halo_frontends.torchscript.gathering import appended, growing_list, is_of_list, references
from halo_frontends.torchscript.maker import is_number
from halo_frontends.torchscript.merging import flatten, general_type, leaf_dtype, rebuild
from halo_frontends.torchscript.objects import StoredTensor
from halo_frontends.torchscript.promotion import number_dtype
from halo_frontends.torchscript.values import Item, Scalar, StackedList, Tensor
from halo_py.ir.graph import Value
from halo_py.types import DType, TensorType, Type

if TYPE_CHECKING:
    from halo_frontends.torchscript.interpreter import Frame, Interpreter


class Loop:
    """One attempt to build a loop: which things are carried, and with which types."""

    def __init__(
        self,
        interpreter: Interpreter,
        frame: Frame,
        carried: list[object],
        types: dict[int, Type],
        known: dict[object, Change],
    ) -> None:
        self._interpreter = interpreter
        self._maker = interpreter.maker
        self._emitter = interpreter.maker.emitter
        self._frame = frame
        self._keys = carried
        self._types = types
        self.more: list[object] = []
        """Things that the body changes and that must be carried too."""
        self._known_changes = known
        """How to read and set what earlier attempts found changed."""
        self._gathered: dict[str, Value] = {}
        """Variables that hold lists to which the body appends, and what an iteration appends."""

    def build(
        self, body: Sequence[syntax.Statement], test: syntax.Expression | None, targets: Sequence[syntax.Expression]
    ) -> Loop:
        """Interpret the body once, on inputs of a nested graph."""
        emitter = self._emitter
        self._before = [flatten(self._initial(key)) for key in self._keys]
        leaves = [leaf for flat in self._before for leaf in flat.leaves]
        self._start = [self._as_value(leaf) for leaf in leaves]
        inside = replace(self._frame, variables=dict(self._frame.variables))
        with emitter.nested("loop") as level, emitter.journal() as changes:
            try:
                trip = emitter.input("trip", TensorType(DType.INT64, ()))
                going = emitter.input("going", TensorType(DType.BOOL, ()))
                self._inputs = [
                    emitter.input(f"carried_{number}", self._types.get(number, value.type))
                    for number, value in enumerate(self._start)
                ]
                self._enter(inside)
                if targets:
                    self._interpreter.bind(inside, targets[0], scalar(trip, DType.INT64))
                self._interpreter.block(inside, body)
                on = self._going(inside, test, going)
                self._level, self._outputs = level, [on, *self._leave(inside, changes, body)]
            finally:
                undo(changes)
        return self

    def _initial(self, key: object) -> Item:
        if isinstance(key, str):
            return self._frame.variables[key]
        if isinstance(key, Tensor):
            return key
        change = self._known_changes[key]
        return change.get()

    def _as_value(self, leaf: Item) -> Value:
        if is_number(leaf):
            return self._maker.number(leaf, number_dtype(leaf))
        if isinstance(leaf, StoredTensor):
            leaf = self._emitter.stored(leaf, "constant")
        assert isinstance(leaf, Tensor)
        return self._emitter.local(self._emitter.read(leaf))

    def _enter(self, inside: Frame) -> None:
        """Give everything carried the value that it has in the body."""
        for key, item in zip(self._keys, self._rebuilt(self._inputs), strict=True):
            self._assign(inside, key, item)

    def _rebuilt(self, values: Sequence[Value]) -> list[Item]:
        found: list[Item] = []
        position = 0
        for flat in self._before:
            found.append(rebuild(flat, values[position : position + len(flat.leaves)]))
            position += len(flat.leaves)
        return found

    def _assign(self, frame: Frame, key: object, item: Item) -> None:
        if isinstance(key, str):
            frame.variables[key] = item
        elif isinstance(key, Tensor):
            assert isinstance(item, Tensor)
            self._emitter.write(key, item.value)
        else:
            change = self._known_changes[key]
            self._emitter.change(key, change.get(), change.get, change.set, item)

    def _going(self, inside: Frame, test: syntax.Expression | None, going: Value) -> Value:
        """Whether there is another iteration."""
        if test is None:
            return self._maker.op("Identity", going)
        found = self._interpreter.truth(self._interpreter.evaluate(inside, test))
        return self._maker.op("Identity", self._emitter.local(self._maker.number(found, DType.BOOL)))

    def _leave(self, inside: Frame, changes: Sequence[Change], body: Sequence[syntax.Statement]) -> list[Value]:
        """The carried values at the end of the body, and what it appends to lists."""
        last = {
            key: change
            for key, change in self._emitter.changed_outside(changes).items()
            if not isinstance(key, Tensor) or key.base is None
        }
        self._gather(last, body)
        self.more = [key for key in last if key not in self._keys]
        self._known_changes.update({key: last[key] for key in self.more})
        outputs: list[Value] = []
        for key, flat in zip(self._keys, self._before, strict=True):
            item = (
                inside.variables[key] if isinstance(key, str) else key if isinstance(key, Tensor) else last[key].get()
            )
            now = flatten(item)
            if now.key != flat.key or len(now.leaves) != len(flat.leaves):
                what = repr(key) if isinstance(key, str) else "a list, dictionary or attribute that its body changes"
                self._interpreter.refuse(f"{what} is another kind of thing after an iteration of a loop on data")
            for leaf, first in zip(now.leaves, flat.leaves, strict=True):
                dtype = leaf_dtype(first)
                value = self._emitter.local(self._maker.cast(self._as_value(leaf), dtype))
                outputs.append(self._maker.op("Identity", value))
        outputs += [self._maker.op("Identity", value) for value in self._gathered.values()]
        return outputs

    def _gather(self, last: dict[object, Change], body: Sequence[syntax.Statement]) -> None:
        """Take lists out of what is carried: those the body made itself, and those it only appends to."""
        seen = references(self._frame.variables.values())
        for key in [key for key in last if is_of_list(key)]:
            change = last[key]
            if not seen[key[1]]:
                del last[key]
                continue
            name = growing_list(self._frame.variables, seen, key[1], body)
            entry = None if name is None else appended(self._maker, change, last)
            if name is not None and entry is not None:
                self._gathered[name] = self._as_value(entry)
                del last[key]

    def changed_types(self) -> dict[int, Type]:
        """Carried values that leave the body with another shape than they enter it with, and a type for both."""
        found: dict[int, Type] = {}
        for number, (value, output) in enumerate(
            zip(self._inputs, self._outputs[1 : len(self._inputs) + 1], strict=True)
        ):
            merged = general_type(value.type, output.type, f"{self._emitter.name}_{number}")
            if merged != value.type:
                found[number] = merged
        return found

    def finish(self, condition: Scalar | None, trips: Scalar | None) -> None:
        """Add the node, and give everything carried its results."""
        emitter = self._emitter
        captured = emitter.captures(self._level)
        body = emitter.body(self._level, self._outputs, captured)
        first = emitter.constant(np.asarray(True)) if condition is None else condition.value
        operands = [None if trips is None else trips.value, first, *self._start, *captured]
        count = len(self._start)
        results: tuple[Value, ...] = ()
        if count or self._gathered:
            results = emitter.add("Loop", operands, count + len(self._gathered), (body,), captured=len(captured))
        for key, item in zip(self._keys, self._rebuilt(results[:count]), strict=True):
            self._assign(self._frame, key, item)
        for name, value in zip(self._gathered, results[count:], strict=True):
            self._frame.variables[name] = StackedList(Tensor(value))
