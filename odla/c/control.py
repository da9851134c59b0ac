"""Loops and conditionals: bodies are scopes of their own, which become nested graphs when they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import UsageError
from halo_py.ops.control import If, Loop
from halo_py.ops.conversion import Cast
from halo_py.ops.reshaping import Identity, Reshape
from halo_py.ops.slicing import Slice
from halo_py.types import DType, TensorType
from odla.c import eager, state
from odla.c.scope import Scope
from odla.c.values import Role, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from halo_py.ir.graph import Value as Node

LAST_VALUE, FORWARD_BEFORE, FORWARD_AFTER, REVERSED_BEFORE, REVERSED_AFTER = range(5)
"""`odla_loop_output_mode`."""


class LoopScope(Scope):
    """A loop's body. `variables` are its loop variables, in the order of their creation."""

    def __init__(self, around: Scope, trips: Value) -> None:
        super().__init__(f"{around.builder.name}_body", around.computation, around)
        self.trips = trips
        self.trip = self.builder.input("iteration", TensorType(DType.INT64, ()))
        self.going = self.builder.input("going", TensorType(DType.BOOL, ()))
        self.variables: list[Value] = []
        self.initial: list[Node] = []
        self.updates: dict[Value, Value] = {}

    def variable(self, initial: Value, id: str | None) -> Value:
        """A loop variable with its value before the first iteration."""
        assert self.parent is not None
        outer = self.parent.local(initial)
        made = self.value(self.builder.input(id or "variable", outer.type), id, Role.LOOP_VARIABLE)
        self.initial.append(outer)
        self.variables.append(made)
        return made

    def end(self, condition: Value | None, outputs: Sequence[Value], modes: Sequence[int]) -> list[Node]:
        """Add the loop to the scope around it; answers one result per output."""
        around = self.parent
        assert around is not None
        before = [self.local(variable) for variable in self.variables]
        carried = self._carried(outputs)
        going = self._condition(condition)
        stacks = [
            self._stacked(value, mode, before, carried) for value, mode in zip(outputs, modes, strict=True) if mode
        ]
        (going, *results) = self._own([going, *carried, *stacks])
        captured = tuple(self.captured)
        body = self.body((self.trip, self.going, *before), (going, *results), captured)
        operands = (_scalar(around, self.trips), None, *self.initial, *captured)
        made = around.builder.add(
            Loop(captured=len(captured)), operands, outputs=len(results), name="loop", bodies=(body,)
        )
        last, stacked = made[: len(carried)], list(made[len(carried) :])
        answers = [
            self._answer(around, value, number, mode, last, stacked)
            for number, (value, mode) in enumerate(zip(outputs, modes, strict=True))
        ]
        for variable, node in zip(self.variables, last, strict=True):
            variable.node, variable.scope = node, around
        return answers

    def _carried(self, outputs: Sequence[Value]) -> list[Node]:
        """What each loop variable becomes: what was assigned to it, else the output in its place, if another value."""
        found: list[Node] = []
        for number, variable in enumerate(self.variables):
            update = self.updates.get(variable)
            if update is None and number < len(outputs) and outputs[number] not in self.variables:
                update = outputs[number]
            found.append(self.local(update or variable))
        return found

    def _condition(self, condition: Value | None) -> Node:
        if condition is None:
            return self.builder.constant(np.asarray(True), "always")
        return _boolean(self, condition)

    def _stacked(self, value: Value, mode: int, before: list[Node], carried: list[Node]) -> Node:
        if value not in self.variables:
            return self.local(value)
        number = self.variables.index(value)
        return (before if mode in (FORWARD_BEFORE, REVERSED_BEFORE) else carried)[number]

    def _own(self, nodes: list[Node]) -> list[Node]:
        """Results of a body are values of their own, however often one is named."""
        return [self.builder.add(Identity(), (node,), name="result")[0] for node in nodes]

    def _answer(
        self, around: Scope, value: Value, number: int, mode: int, last: Sequence[Node], stacked: list[Node]
    ) -> Node:
        if mode == LAST_VALUE:
            place = self.variables.index(value) if value in self.variables else number
            if place >= len(last):
                raise UsageError(f"output {number} of the loop is no loop variable, so it has no last value")
            return last[place]
        node = stacked.pop(0)
        if mode in (REVERSED_BEFORE, REVERSED_AFTER):
            ints = around.builder.ints
            bounds = (ints([-1]), ints([np.iinfo(np.int64).min]), ints([0]), ints([-1]))
            (node,) = around.builder.add(Slice(), (node, *bounds), name="reversed")
        return node


class BranchScope(Scope):
    """One body of a conditional."""

    def __init__(self, around: Scope, name: str, owner: Conditional) -> None:
        super().__init__(f"{around.builder.name}_{name}", around.computation, around)
        self.owner = owner
        self.results: list[Value] = []

    def mark_output(self, value: Value) -> None:
        """The next result of the branch."""
        self.local(value)
        self.results.append(value)


class Conditional:
    """A conditional that is open: its condition and both bodies."""

    def __init__(self, around: Scope, condition: Value) -> None:
        self.around = around
        self.condition = _boolean(around, condition)
        self.bodies = (BranchScope(around, "else", self), BranchScope(around, "then", self))

    def end(self) -> list[Node]:
        """Add the conditional to the scope around it; answers its results."""
        other, then = self.bodies
        if len(then.results) != len(other.results):
            raise UsageError(f"the branches have {len(then.results)} and {len(other.results)} outputs")
        if not then.results:
            raise UsageError("the branches have no outputs: mark them with odla_SetValueAsOutput inside the bodies")
        results = [_branch_results(body) for body in (then, other)]
        captured = tuple(dict.fromkeys((*then.captured, *other.captured)))
        bodies = tuple(body.body((), made, captured) for body, made in zip((then, other), results, strict=True))
        operands = (self.condition, *captured)
        return list(
            self.around.builder.add(
                If(captured=len(captured)), operands, outputs=len(then.results), name="if", bodies=bodies
            )
        )


def _branch_results(body: BranchScope) -> list[Node]:
    nodes = [body.local(value) for value in body.results]
    return [body.builder.add(Identity(), (node,), name="result")[0] for node in nodes]


def open_scope(scope: Scope) -> None:
    """Make a body the innermost one of what it belongs to."""
    if scope.computation is None:
        state.set_eager_scope(scope)
    else:
        scope.computation.scope = scope
        scope.computation.changed()


def around_new_body() -> Scope:
    """The scope a new loop or conditional stands in; in eager mode one is made for the outermost."""
    found = state.scope()
    if found is not None:
        return found
    computation = state.computation()
    return Scope("eager") if computation is None else computation.root


def close_scope(
    around: Scope, nodes: list[Node], ids: Sequence[str | None], others: Sequence[Value]
) -> tuple[Value, ...]:
    """Answers a closed body's results as values; those of an outermost eager one, and `others`, become eager values."""
    named = [ids[number] if number < len(ids) else None for number in range(len(nodes))]
    computation = around.computation
    if computation is not None:
        open_scope(around)
        made = tuple(around.value(node, id) for node, id in zip(nodes, named, strict=True))
        for value in made:
            computation.remember(value)
        return made
    if around.parent is not None:
        state.set_eager_scope(around)
        return tuple(around.value(node, id) for node, id in zip(nodes, named, strict=True))
    state.set_eager_scope(None)
    arrays = eager.run(around, [*nodes, *(around.local(value) for value in others)])
    for value, array in zip(others, arrays[len(nodes) :], strict=True):
        value.become_eager(array)
    return tuple(eager.value_of(array, id) for array, id in zip(arrays, named, strict=False))


def branch_scope() -> BranchScope | None:
    """The branch body that is open innermost, if it is one."""
    found = state.scope()
    return found if isinstance(found, BranchScope) else None


def _boolean(scope: Scope, value: Value) -> Node:
    node = scope.local(value)
    if value.type.dtype is not DType.BOOL:
        (node,) = scope.builder.add(Cast(to=DType.BOOL), (node,), name="condition")
    return _to_scalar(scope, node)


def _scalar(scope: Scope, value: Value) -> Node:
    node = scope.local(value)
    if value.type.dtype is not DType.INT64:
        (node,) = scope.builder.add(Cast(to=DType.INT64), (node,), name="trips")
    return _to_scalar(scope, node)


def _to_scalar(scope: Scope, node: Node) -> Node:
    if isinstance(node.type, TensorType) and node.type.shape == ():
        return node
    return scope.builder.add(Reshape(), (node, scope.builder.ints([])), name="scalar")[0]
