"""Choices and loops that depend on data, as If and Loop nodes.

Each branch is interpreted in a nested graph on a copy of the variables; whatever it assigns or changes (variables,
attributes of modules, lists, tensors in place) becomes a result of the node. A branch that raises is never taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from halo_frontends.torchscript import syntax
from halo_frontends.torchscript.calls import RaisedError
from halo_frontends.torchscript.emitter import Change, Level, undo
from halo_frontends.torchscript.loops import Loop
from halo_frontends.torchscript.maker import is_number
from halo_frontends.torchscript.merging import Flat, flatten, leaf_dtype, rebuild
from halo_frontends.torchscript.names import names_assigned, names_read, returns
from halo_frontends.torchscript.objects import StoredTensor
from halo_frontends.torchscript.ranks import give_one_rank
from halo_frontends.torchscript.values import Item, Scalar, Tensor, Undefined
from halo_py.ir.graph import Value
from halo_py.types import DType, Type

if TYPE_CHECKING:
    from halo_frontends.torchscript.interpreter import Frame, Interpreter, Returned

_RESULT = "return"
_MOST_ROUNDS = 8


@dataclass(slots=True)
class _Branch:
    """What one branch made: its graph, and its variables and changed things as items of that graph."""

    level: Level
    variables: dict[object, Item]
    changes: dict[object, Change]
    ends: bool
    """Whether it returned from the function."""


@dataclass(frozen=True, slots=True)
class Control:
    """Builds nodes with nested graphs for an interpreter."""

    interpreter: Interpreter

    # -- choices --------------------------------------------------------------------------------------------------

    def choose(
        self, frame: Frame, statement: syntax.If, condition: Scalar, rest: Sequence[syntax.Statement]
    ) -> tuple[bool, Returned | None]:
        """An `if` on data; answers whether the block around it has ended, and with what."""
        from halo_frontends.torchscript.interpreter import Returned

        bodies: tuple[Sequence[syntax.Statement], ...] = (statement.then, statement.otherwise)
        ends = returns(statement.then) or returns(statement.otherwise)
        if ends:
            bodies = tuple((*body, *rest) for body in bodies)
        branches = [self._branch(frame, body) for body in bodies]
        alive = [number for number, branch in enumerate(branches) if branch is not None]
        if not alive:
            raise self.interpreter.maker.wrong(f"line {statement.line}: both branches raise an exception")
        if len(alive) == 1:
            result = self.interpreter.block(frame, bodies[alive[0]])
            return result is not None or ends, result
        wanted = {_RESULT} if ends else self._needed(frame, statement)
        self._merge(frame, condition, [branch for branch in branches if branch is not None], wanted)
        if not ends:
            return False, None
        return True, Returned(frame.variables.pop(_RESULT, None))

    def _branch(self, frame: Frame, body: Sequence[syntax.Statement]) -> _Branch | None:
        """A branch in a graph of its own; None if it raises."""
        emitter = self.interpreter.maker.emitter
        inside = replace(frame, variables=dict(frame.variables))
        with emitter.nested(emitter.name or "branch") as level, emitter.journal() as changes:
            try:
                result = self.interpreter.block(inside, body)
                if result is not None:
                    inside.variables[_RESULT] = result.value
                found: dict[object, Item] = {
                    name: self._frozen(item)
                    for name, item in inside.variables.items()
                    if frame.variables.get(name, _MISSING) is not item
                }
                last = emitter.changed_outside(changes)
                for key, change in last.items():
                    if not isinstance(key, Tensor):
                        found[key] = self._frozen(change.get())
                    elif key.base is None:
                        found[key] = Tensor(emitter.read(key))
            except RaisedError:
                return None
            finally:
                undo(changes)
        return _Branch(level, found, last, result is not None)

    def _frozen(self, item: Item) -> Item:
        """An item as it is now: tensors as their contents."""
        if isinstance(item, Tensor):
            return Tensor(self.interpreter.maker.emitter.read(item), quantised=item.quantised)
        if isinstance(item, tuple):
            return tuple(self._frozen(entry) for entry in item)
        if isinstance(item, list):
            return [self._frozen(entry) for entry in item]
        if isinstance(item, dict):
            return {key: self._frozen(value) for key, value in item.items()}
        return item

    def _needed(self, frame: Frame, statement: syntax.If) -> set[str]:
        """The variables that are read anywhere but inside of this statement."""
        everywhere = names_read(frame.function.body)
        here = names_read([statement])
        return {name for name, count in everywhere.items() if count > here[name]}

    def _merge(self, frame: Frame, condition: Scalar, branches: Sequence[_Branch], wanted: set[str]) -> None:
        keys = dict.fromkeys(key for branch in branches for key in branch.variables)
        kept = [key for key in keys if not isinstance(key, str) or key in wanted]
        pairs = [tuple(self._of(frame, branch, branches, key) for branch in branches) for key in kept]
        flats = [[flatten(item) for item in pair] for pair in pairs]
        plan = [_agree(*pair) for pair in flats]
        outputs: list[list[Value]] = [[], []]
        for agreed, pair in zip(plan, flats, strict=True):
            for number, flat in enumerate(pair):
                if isinstance(agreed, list):
                    outputs[number] += self._leaves(branches[number].level, flat, agreed)
        give_one_rank(self.interpreter.maker, condition.value, [branch.level for branch in branches], outputs)
        results = self._if_node(condition, branches, outputs)
        position = 0
        for key, agreed, pair, items in zip(kept, plan, flats, pairs, strict=True):
            count = len(agreed) if isinstance(agreed, list) else 0
            merged = _rebuilt(agreed, pair[0], items, results[position : position + count])
            position += count
            self._set(frame, branches, key, merged)

    def _of(self, frame: Frame, branch: _Branch, branches: Sequence[_Branch], key: object) -> Item:
        """What a branch gave a variable or changed thing; what it had before if the branch left it alone."""
        if key in branch.variables:
            return branch.variables[key]
        if isinstance(key, str):
            return frame.variables.get(key, Undefined("only one branch gives it a value"))
        change = next(other.changes[key] for other in branches if key in other.changes)
        return Tensor(self.interpreter.maker.emitter.read(key)) if isinstance(key, Tensor) else change.get()

    def _leaves(self, level: Level, flat: Flat, agreed: list[DType]) -> list[Value]:
        """The values that a branch answers for one variable, made in its graph."""
        maker, emitter = self.interpreter.maker, self.interpreter.maker.emitter
        emitter.levels.append(level)
        try:
            found: list[Value] = []
            for leaf, dtype in zip(flat.leaves, agreed, strict=True):
                value = maker.number(leaf, dtype) if is_number(leaf) else self._tensor_of(leaf)
                value = maker.cast(emitter.local(value), dtype)
                found.append(maker.op("Identity", value))
            return found
        finally:
            emitter.levels.pop()

    def _tensor_of(self, leaf: Item) -> Value:
        emitter = self.interpreter.maker.emitter
        if isinstance(leaf, StoredTensor):
            leaf = emitter.stored(leaf, "constant")
        assert isinstance(leaf, Tensor)
        return emitter.read(leaf)

    def _if_node(self, condition: Scalar, branches: Sequence[_Branch], outputs: list[list[Value]]) -> tuple[Value, ...]:
        emitter = self.interpreter.maker.emitter
        if not outputs[0]:
            return ()
        captured = list(dict.fromkeys(value for branch in branches for value in emitter.captures(branch.level)))
        bodies = tuple(
            emitter.body(branch.level, found, captured) for branch, found in zip(branches, outputs, strict=True)
        )
        return emitter.add("If", [condition.value, *captured], len(outputs[0]), bodies, captured=len(captured))

    def _set(self, frame: Frame, branches: Sequence[_Branch], key: object, merged: Item) -> None:
        emitter = self.interpreter.maker.emitter
        if isinstance(key, str):
            frame.variables[key] = merged
            return
        if isinstance(key, Tensor):
            assert isinstance(merged, Tensor)
            emitter.write(key, merged.value)
            return
        change = next(branch.changes[key] for branch in branches if key in branch.changes)
        emitter.change(key, change.get(), change.get, change.set, merged)

    # -- loops ----------------------------------------------------------------------------------------------------

    def repeat(
        self,
        frame: Frame,
        body: Sequence[syntax.Statement],
        condition: Scalar | None,
        test: syntax.Expression | None,
        trips: Scalar | None,
        targets: Sequence[syntax.Expression],
    ) -> None:
        """A loop on data: `while test` (which holds as `condition` says) or `for target in range(trips)`."""
        if returns(body):
            self.interpreter.refuse("a return out of a loop whose length depends on data")
        carried: list[object] = [name for name in names_assigned(body) if name in frame.variables]
        types: dict[int, Type] = {}
        known: dict[object, Change] = {}
        for _ in range(_MOST_ROUNDS):
            built = Loop(self.interpreter, frame, carried, types, known).build(body, test, targets)
            if built.more:
                carried, types = [*carried, *built.more], {}
                continue
            changed = built.changed_types()
            if not changed:
                built.finish(condition, trips)
                return
            types.update(changed)
        raise self.interpreter.maker.wrong("the shapes that a loop carries do not settle")


class _Missing:
    """Stands for a variable that has no value yet."""


_MISSING: Any = _Missing()


def _agree(left: Flat, right: Flat) -> list[DType] | str | None:
    """The element types of the merged leaves; None if both are one known item; a text that says why not."""
    if left.key == right.key and len(left.leaves) == len(right.leaves):
        same = all(_is_same(a, b) for a, b in zip(left.leaves, right.leaves, strict=True))
        if same:
            return None
        dtypes: list[DType] = []
        for a, b in zip(left.leaves, right.leaves, strict=True):
            first, second = leaf_dtype(a), leaf_dtype(b)
            if first is not second and not (is_number(a) and is_number(b)):
                return f"its branches make it {first.text} and {second.text}"
            dtypes.append(first if first is second else DType.FLOAT32)
        return dtypes
    return "its branches make it different kinds of things"


def _is_same(left: Item, right: Item) -> bool:
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return left.value is right.value
    return left is right or (
        is_number(left)
        and is_number(right)
        and not isinstance(left, Scalar)
        and type(left) is type(right)
        and left == right
    )


def _rebuilt(agreed: list[DType] | str | None, flat: Flat, items: tuple[Item, ...], results: Sequence[Value]) -> Item:
    if agreed is None:
        return items[0]
    if isinstance(agreed, str):
        return Undefined(agreed)
    return rebuild(flat, results)
