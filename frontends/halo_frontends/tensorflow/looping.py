"""Loops of both versions of control flow as one: what each loop variable is, how many rounds there are, the Loop op.

Variables that stay as they are become operands that the body captures. Counters that grow by a constant are computed
from the number of the round. If the condition depends on counters only, the number of rounds is known; a list that such
a loop fills entry by entry becomes a stacked result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.frame import Frame
from halo_frontends.tensorflow.graph import Body, Ref
from halo_frontends.tensorflow.mappings.branches import truth
from halo_frontends.tensorflow.mappings.lists import materialised
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow.operation import Operation
from halo_frontends.tensorflow.things import Collected, TensorList, Thing, as_value
from halo_frontends.tensorflow_ops.bodies import Counter, Generaliser, count_rounds, with_captured
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.types import DType, TensorType, Type

Enter = Callable[[Nest, Sequence[Thing]], Frame]
"""A frame of the condition or the body, with these things as its loop variables."""

_MONOTONE = frozenset(["Less", "LessEqual", "Greater", "GreaterEqual", "LogicalAnd", "Identity", "LoopCond", "Const"])
"""Of counters and what stays as it is they make conditions that, once false, stay false."""
_MOST_TRIALS = 8
_PASS_ON = frozenset({"Identity", "NextIteration", "RefNextIteration", "StopGradient"})


@dataclass(frozen=True, slots=True)
class LoopParts:
    """A loop: how to enter its condition and its body, and where variables stand in the body.

    `arguments[i]` is loop variable i inside of the body, `results[i]` its next value.
    """

    enter_condition: Enter
    condition: Ref
    enter_body: Enter
    body: Body
    arguments: tuple[Ref, ...]
    results: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class _Invariant:
    """A variable that stays as it is."""


@dataclass(frozen=True, slots=True)
class _Filled:
    """A list that gets its entry number r in round r; `item` is that entry."""

    item: Ref


@dataclass(frozen=True, slots=True)
class _Carried:
    """Any other variable."""


_Role = _Invariant | Counter | _Filled | _Carried


def run_loop(op: Operation, parts: LoopParts, initial: Sequence[Thing]) -> list[Thing]:
    """The loop variables after the loop. Raises ModelError, UnsupportedError."""
    if not len(initial) == len(parts.arguments) == len(parts.results):
        raise ModelError(f"{len(initial)} loop variables do not fit a body of {len(parts.arguments)}", op.emit.where)
    roles = _Analysis(op, parts, initial).roles()
    rounds = _rounds(op, parts, initial, roles)
    if rounds is None:
        plain = [role if isinstance(role, _Invariant) else _Carried() for role in roles]
        return _Builder(op, parts, initial, plain, None).run()
    if rounds == 0:
        return list(initial)
    kept = [
        _Carried() if isinstance(role, _Filled) and not _fits(thing, rounds) else role
        for role, thing in zip(roles, initial, strict=True)
    ]
    return _Builder(op, parts, initial, kept, rounds).run()


def _fits(thing: Thing, rounds: int) -> bool:
    """Whether a list has room for an entry per round."""
    return isinstance(thing, TensorList) and isinstance(thing.length, int) and thing.length >= rounds


# -- what the variables are ---------------------------------------------------------------------------------------


class _Analysis:
    """Looks at the nodes of a body to tell what each of its variables is."""

    def __init__(self, op: Operation, parts: LoopParts, initial: Sequence[Thing]) -> None:
        self._op = op
        self._parts = parts
        self._initial = initial
        self._place = {ref: number for number, ref in enumerate(parts.arguments)}

    def roles(self) -> list[_Role]:
        """One role per variable."""
        count = len(self._initial)
        found: list[_Role] = [_Invariant() if self._stays(number) else _Carried() for number in range(count)]
        for number in range(count):
            if isinstance(found[number], _Carried):
                found[number] = self._counter(number) or _Carried()
        for number in range(count):
            if isinstance(found[number], _Carried):
                found[number] = self._filled(number, found) or _Carried()
        return found

    def _origin(self, ref: Ref) -> Ref:
        """The value that a reference leads to, through nodes that pass on their operand."""
        for _ in range(1000):
            plain = Ref(ref.node, ref.port)
            node = self._parts.body.nodes.get(ref.node)
            if plain in self._place or node is None or node.op not in _PASS_ON or not node.inputs:
                return plain
            ref = node.inputs[0]
        return ref

    def _variable(self, ref: Ref) -> int | None:
        """The number of the variable that a reference leads to."""
        return self._place.get(self._origin(ref))

    def _stays(self, number: int) -> bool:
        return self._variable(self._parts.results[number]) == number

    def _counter(self, number: int) -> Counter | None:
        start = self._initial[number]
        node = self._parts.body.nodes.get(self._origin(self._parts.results[number]).node)
        known = self._op.emit.known(start) if isinstance(start, Value) else None
        if node is None or node.op not in ("Add", "AddV2") or known is None or known.ndim or known.dtype.kind != "i":
            return None
        for mine, other in ((0, 1), (1, 0)):
            step = self._constant(node.inputs[other])
            if self._variable(node.inputs[mine]) == number and step is not None:
                return Counter(int(known), step, DType.from_numpy(known.dtype))
        return None

    def _constant(self, ref: Ref) -> int | None:
        """An integer scalar that is a constant of the body, or a variable that stays."""
        number = self._variable(ref)
        if number is not None:
            thing = self._initial[number]
            known = self._op.emit.known(thing) if isinstance(thing, Value) and self._stays(number) else None
        else:
            node = self._parts.body.nodes.get(self._origin(ref).node)
            if node is None or node.op != "Const":
                return None
            known, _ = self._op.frame.model.tensors.read(node.attributes.tensor("value"), node.attributes.where)
        return int(known) if known is not None and known.ndim == 0 and known.dtype.kind == "i" else None

    def _filled(self, number: int, roles: Sequence[_Role]) -> _Filled | None:
        thing = self._initial[number]
        node = self._parts.body.nodes.get(self._origin(self._parts.results[number]).node)
        places = {"TensorListSetItem": (0, 1, 2), "TensorArrayWriteV3": (3, 1, 2)}
        if node is None or node.op not in places or not isinstance(thing, TensorList) or thing.items is not None:
            return None
        own, index, item = (node.inputs[place] for place in places[node.op])
        counter = self._variable(index)
        role = None if counter is None else roles[counter]
        if self._variable(own) != number or not isinstance(role, Counter) or (role.start, role.step) != (0, 1):
            return None
        return _Filled(item) if self._readers(number) == {node.name} else None

    def _readers(self, number: int) -> set[str]:
        """The nodes that do anything with a variable."""
        return {
            node.name
            for node in self._parts.body.nodes.values()
            if node.op not in _PASS_ON and any(self._variable(ref) == number for ref in node.inputs)
        }


def _rounds(op: Operation, parts: LoopParts, initial: Sequence[Thing], roles: Sequence[_Role]) -> int | None:
    """How often the body runs, if the condition follows from counters and what is known."""
    if not any(isinstance(role, Counter) for role in roles):
        return None
    scratch = Nest(GraphBuilder("condition", op.frame.model.file), op.frame.nest)
    emit = Emitter(scratch.builder, op.emit.where, op.emit.name)
    things = [
        scratch.capture_thing(thing) if isinstance(role, _Invariant) else _unknown(thing, scratch)
        for thing, role in zip(initial, roles, strict=True)
    ]
    kinds: set[str] = set()

    def holds(round: int) -> bool | None:
        try:
            here = [
                role.at(round, emit) if isinstance(role, Counter) else thing
                for thing, role in zip(things, roles, strict=True)
            ]
        except OverflowError:  # no counter gets so far
            return None
        inside = parts.enter_condition(scratch, here)
        (flag,) = inside.fetch([parts.condition])
        kinds.update(inside.kinds())
        known = scratch.builder.known(as_value(flag, "the condition", op.emit.where))
        return None if known is None else bool(known.reshape(-1)[0])

    return count_rounds(holds, lambda: kinds <= _MONOTONE)


def _unknown(thing: Thing, nest: Nest) -> Thing:
    """Something of the same kind of which nothing is known."""
    if isinstance(thing, Value):
        return nest.builder.input(thing.name, thing.type)
    return thing


# -- the Loop -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Built:
    """A body: its graph, and what each carried variable and each filled list was at its end."""

    graph: Graph
    captured: Mapping[Value, Value]
    ends: Sequence[Thing]
    items: Sequence[Value]


@dataclass(slots=True)
class _Builder:
    op: Operation
    parts: LoopParts
    initial: Sequence[Thing]
    roles: Sequence[_Role]
    rounds: int | None
    carried: list[int] = field(default_factory=list[int])
    filled: list[tuple[int, Ref]] = field(default_factory=list[tuple[int, Ref]])

    def __post_init__(self) -> None:
        for number, role in enumerate(self.roles):
            if isinstance(role, _Carried):
                self.carried.append(number)
            elif isinstance(role, _Filled):
                self.filled.append((number, role.item))

    def run(self) -> list[Thing]:
        """The variables after the loop."""
        starts = self._starts()
        built = self._to_fixed_point([value.type for value in starts])
        emit = self.op.emit
        if self.rounds is None:
            most, going = None, self._condition(self.op.frame.nest, self.initial)
        else:
            most, going = emit.constant(np.asarray(self.rounds, np.int64), "rounds"), None
        captured = tuple(built.captured)
        graph = with_captured(built.graph, built.captured, captured)
        count = len(self.carried) + len(self.filled)
        inputs = (most, going, *starts, *captured)
        made = emit.with_bodies("Loop", inputs, (graph,), count, captured=len(captured)) if count else ()
        return self._after(made, built)

    def _starts(self) -> list[Value]:
        """The values that the carried variables begin with; a list that is empty so far is as wide as the body says."""
        found = [self.initial[number] for number in self.carried]
        if any(isinstance(thing, TensorList) and thing.items is None for thing in found):
            ends = self._build([thing.type if isinstance(thing, Value) else None for thing in found]).ends
            found = [self._widened(start, end) for start, end in zip(found, ends, strict=True)]
        values: list[Value] = []
        for thing in found:
            if not isinstance(thing, (Value, TensorList)):
                raise UnsupportedError("a loop changes a handle", self.op.emit.where)
            value = thing if isinstance(thing, Value) else thing.items
            assert value is not None
            values.append(value)
        return values

    def _widened(self, start: Thing, end: Thing) -> Thing:
        if not isinstance(start, TensorList) or start.items is not None:
            return start
        if not isinstance(end, TensorList) or end.items is None:
            raise UnsupportedError("the shape of the entries of a list must be known", self.op.emit.where)
        shape = end.items.type.shape if isinstance(end.items.type, TensorType) else None
        items = materialised(start, None if shape is None else shape[1:], self.op.emit)
        return TensorList(items, start.length, start.dtype, start.element)

    def _to_fixed_point(self, types: list[Type]) -> _Built:
        """Build the body until the types of its carried variables are those it gives back."""
        general = Generaliser(self.op.emit.name, self.op.emit.where)
        for _ in range(_MOST_TRIALS):
            built = self._build(types)
            merged = [
                general.merge(old, _contents(end, self.op).type) for old, end in zip(types, built.ends, strict=True)
            ]
            if merged == types:
                return built
            types = merged
        raise ModelError("the types of the loop variables do not settle", self.op.emit.where)

    def _build(self, types: Sequence[Type | None]) -> _Built:
        """The body for carried variables of these types (None: a list of which nothing is known)."""
        nest = Nest(GraphBuilder(f"{self.op.emit.name}.body", self.op.frame.model.file), self.op.frame.nest)
        emit = Emitter(nest.builder, self.op.emit.where, self.op.emit.name)
        round = nest.builder.input("round", TensorType(DType.INT64, ()))
        nest.builder.input("going", TensorType(DType.BOOL, ()))
        entered = {number: self._entered(nest, number, type) for number, type in zip(self.carried, types, strict=True)}
        things = [
            entered[number] if number in entered else self._inside(nest, thing, role, round, emit)
            for number, (thing, role) in enumerate(zip(self.initial, self.roles, strict=True))
        ]
        inside = self.parts.enter_body(nest, things)
        ends = inside.fetch([self.parts.results[number] for number in self.carried])
        items = inside.fetch([item for _, item in self.filled])
        where = self.op.emit.where
        stacked = [as_value(item, "an entry of a list", where) for item in items]
        if any(type is None for type in types):
            return _Built(nest.builder.finish(()), nest.captured, ends, stacked)
        going = self._going(nest, things, ends, emit)
        outputs = [going, *(_contents(end, self.op) for end in ends), *stacked]
        return _Built(nest.builder.finish(outputs), nest.captured, ends, stacked)

    def _entered(self, nest: Nest, number: int, type: Type | None) -> Thing:
        """A carried variable as the body sees it."""
        thing = self.initial[number]
        if type is None and isinstance(thing, TensorList):
            return nest.capture_thing(thing)
        if type is None:
            raise UnsupportedError("a loop changes a handle", self.op.emit.where)
        inside = nest.builder.input(f"variable_{number}", type)
        if isinstance(thing, TensorList):
            length = thing.length if isinstance(thing.length, int) else None
            return TensorList(inside, length, thing.dtype, thing.element)
        return inside

    def _inside(self, nest: Nest, thing: Thing, role: _Role, round: Value, emit: Emitter) -> Thing:
        """Any other variable as the body sees it."""
        match role:
            case Counter():
                return role.during(round, emit)
            case _Filled():
                assert isinstance(thing, TensorList)
                return Collected(thing.dtype)
            case _:
                return nest.capture_thing(thing)

    def _going(self, nest: Nest, things: Sequence[Thing], ends: Sequence[Thing], emit: Emitter) -> Value:
        """Whether there is another round, at the end of the body."""
        if self.rounds is not None:
            return emit.constant(np.asarray(True), "going")
        after = list(things)
        for number, end in zip(self.carried, ends, strict=True):
            after[number] = end
        return self._condition(nest, after)

    def _condition(self, nest: Nest, things: Sequence[Thing]) -> Value:
        inside = self.parts.enter_condition(nest, things)
        (flag,) = inside.fetch([self.parts.condition])
        emit = Emitter(nest.builder, self.op.emit.where, self.op.emit.name)
        return emit.reshape(truth(as_value(flag, "the condition", self.op.emit.where), emit), ())

    def _after(self, made: Sequence[Value], built: _Built) -> list[Thing]:
        """The variables after the loop: results of the Loop, known counters, what stayed."""
        after = list(self.initial)
        for number, value, end in zip(self.carried, made, built.ends, strict=False):
            after[number] = value
            if isinstance(end, TensorList):
                length = end.length if isinstance(end.length, int) else None
                after[number] = TensorList(value, length, end.dtype, end.element)
        for (number, _), value in zip(self.filled, made[len(self.carried) :], strict=True):
            start = self.initial[number]
            assert isinstance(start, TensorList)
            after[number] = self._lengthened(value, start)
        for number, role in enumerate(self.roles):
            if isinstance(role, Counter):
                assert self.rounds is not None
                after[number] = role.at(self.rounds, self.op.emit)
        return after

    def _lengthened(self, stacked: Value, start: TensorList) -> TensorList:
        """A filled list as long as it was reserved: zeros behind the entries of the rounds."""
        emit = self.op.emit
        assert isinstance(start.length, int)
        assert self.rounds is not None
        if start.length > self.rounds:
            entry = emit.static_shape(stacked)[1:]
            zeros = np.zeros((start.length - self.rounds, *entry), start.dtype.numpy)
            stacked = emit.concat([stacked, emit.constant(zeros, "zeros")], 0)
        return TensorList(stacked, start.length, start.dtype, start.element)


def _contents(thing: Thing, op: Operation) -> Value:
    """The value that stands for a carried variable."""
    if isinstance(thing, TensorList):
        return materialised(thing, None, op.emit)
    return as_value(thing, "a loop variable", op.emit.where)
