"""If and Case of version 2: a known condition takes its branch, any other makes an If of two nested graphs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow.things import TensorList, Thing
from halo_frontends.tensorflow_ops.bodies import with_captured
from halo_frontends.tensorflow_ops.complex_numbers import Complex
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value
from halo_py.types import DType


@maps("If", "StatelessIf")
def _if(op: Operation) -> Sequence[Thing]:
    names = (op.attributes.function("then_branch"), op.attributes.function("else_branch"))
    condition = truth(op.value(0), op.emit)
    return choose(op, condition, names, op.inputs[1:])


@maps("Case", "StatelessCase")
def _case(op: Operation) -> Sequence[Thing]:
    """The branch of this number; the last one for numbers outside."""
    names = op.attributes.function_list("branches")
    if not names:
        raise ModelError("has no branches", op.emit.where)
    return _case_from(op, 0, names)


def _case_from(op: Operation, first: int, names: Sequence[str]) -> Sequence[Thing]:
    """The branches from `first` on: the first of them, or else the others."""
    known = op.emit.known(op.value(0))
    if known is not None:
        number = int(known.reshape(-1)[0].item())
        return op.frame.call(names[number if 0 <= number < len(names) else -1], op.inputs[1:], op.node)
    if len(names) != 2 or first:
        raise UnsupportedError(f"a choice among {len(names)} branches that is made at run time", op.emit.where)
    condition = op.emit.op("Equal", op.value(0), op.emit.scalar(0, op.value(0)))
    return choose(op, condition, (names[0], names[1]), op.inputs[1:])


def truth(value: Value, emit: Emitter) -> Value:
    """A condition as TensorFlow reads it: numbers are true if they are not 0, others if they hold anything."""
    if emit.dtype(value) is DType.BOOL:
        return value
    return emit.op("Not", emit.op("Equal", value, emit.scalar(0, value)))


def choose(op: Operation, condition: Value, names: tuple[str, str], arguments: Sequence[Thing]) -> Sequence[Thing]:
    """The results of the first function where the condition holds, else those of the second."""
    known = op.emit.known(condition)
    if known is not None and known.size == 1:
        return op.frame.call(names[0 if bool(known.reshape(-1)[0]) else 1], arguments, op.node)
    built = [_branch(op, name, arguments) for name in names]
    if len(built[0].things) != len(built[1].things):
        raise ModelError("its branches have different numbers of results", op.emit.where)
    return _joined(op, condition, built)


@dataclass(frozen=True, slots=True)
class _Branch:
    nest: Nest
    things: Sequence[Thing]


def _branch(op: Operation, name: str, arguments: Sequence[Thing]) -> _Branch:
    nest = Nest(GraphBuilder(f"{op.emit.name}.{name}", op.frame.model.file), op.frame.nest)
    inside = op.frame.enter(name, [nest.capture_thing(thing) for thing in arguments], op.node, nest)
    return _Branch(nest, inside.fetch(inside.body.results))


def _joined(op: Operation, condition: Value, built: Sequence[_Branch]) -> Sequence[Thing]:
    """One If with the results of both branches; what is no value must be the same on both sides."""
    plans: list[Thing | slice] = []
    outputs: tuple[list[Value], list[Value]] = ([], [])
    for left, right in zip(built[0].things, built[1].things, strict=True):
        pair = (_contents(left), _contents(right))
        if pair[0] and len(pair[0]) == len(pair[1]):
            plans.append(slice(len(outputs[0]), len(outputs[0]) + len(pair[0])))
            outputs[0].extend(pair[0])
            outputs[1].extend(pair[1])
        elif left is right:
            plans.append(left)
        else:
            raise UnsupportedError("its branches answer different handles", op.emit.where)
    captured = tuple(dict.fromkeys(value for branch in built for value in branch.nest.captured))
    bodies = tuple(
        with_captured(branch.nest.builder.finish(values), branch.nest.captured, captured)
        for branch, values in zip(built, outputs, strict=True)
    )
    flag = op.emit.reshape(condition, ())
    made = op.emit.with_bodies("If", (flag, *captured), bodies, len(outputs[0]), captured=len(captured))
    return [
        _rebuilt(made[plan], thing) if isinstance(plan, slice) else plan
        for plan, thing in zip(plans, built[0].things, strict=True)
    ]


def _contents(thing: Thing) -> tuple[Value, ...]:
    """The values that a thing consists of; none for a handle."""
    if isinstance(thing, Complex):
        return thing.real, thing.imaginary
    found = thing.items if isinstance(thing, TensorList) else thing
    return (found,) if isinstance(found, Value) else ()


def _rebuilt(values: Sequence[Value], like: Thing) -> Thing:
    if isinstance(like, Complex):
        return Complex(*values)
    if isinstance(like, TensorList):
        length = like.length if isinstance(like.length, int) else None
        return TensorList(values[0], length, like.dtype, like.element)
    return values[0]
