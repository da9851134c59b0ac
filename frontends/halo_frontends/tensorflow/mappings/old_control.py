"""Control flow of version 1: Switch and Merge, and loops of Enter, Merge, Switch, NextIteration and Exit.

A loop is found from its Exit: the nodes of one frame name are taken as the parts of a loop, whose condition and body
are evaluated in frames of their own. Outside of loops both results of a Switch are its operand, and a Merge chooses by
the predicate of the Switch whose two sides meet in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from halo_frontends.tensorflow.frame import Frame
from halo_frontends.tensorflow.graph import NodeInfo, Ref
from halo_frontends.tensorflow.looping import LoopParts, run_loop
from halo_frontends.tensorflow.mappings.branches import truth
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow.things import Thing, as_value
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType

_ENTER, _EXIT, _NEXT = ("Enter", "RefEnter"), ("Exit", "RefExit"), ("NextIteration", "RefNextIteration")
_MERGE, _SWITCH = ("Merge", "RefMerge"), ("Switch", "RefSwitch")


# -- loops --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Variable:
    """One loop variable: where it enters, the Merge and Switch it goes through, its next value."""

    enter: NodeInfo
    merge: NodeInfo
    switch: NodeInfo
    next: Ref


@dataclass(frozen=True, slots=True)
class _OldLoop:
    """A loop of version 1."""

    variables: tuple[_Variable, ...]
    constants: tuple[NodeInfo, ...]
    """Enters of what stays as it is."""
    condition: Ref


def _needs_of_exit(frame: Frame, node: NodeInfo) -> Sequence[Ref]:
    loop = _find_loop(frame, node)
    return [*(entry.enter.inputs[0] for entry in loop.variables), *(entry.inputs[0] for entry in loop.constants)]


@maps(*_EXIT, needs=_needs_of_exit)
def _exit(op: Operation) -> Thing:
    """Import the whole loop; its other exits get their results too."""
    loop, frame = _find_loop(op.frame, op.node), op.frame
    count = len(loop.variables)
    initial, fixed = op.inputs[:count], op.inputs[count:]
    finals = run_loop(op, _parts(op, loop, fixed), initial)
    mine: Thing | None = None
    for entry, final in zip(loop.variables, finals, strict=True):
        for user in frame.users.by_node.get(entry.switch.name, ()):
            if user.op in _EXIT:
                frame.found[user.name] = (final,)
                mine = final if user.name == op.node.name else mine
    if mine is None:
        raise ModelError("leaves a loop that it is no part of", op.emit.where)
    return mine


def _parts(op: Operation, loop: _OldLoop, fixed: Sequence[Thing]) -> LoopParts:
    frame = op.frame

    def given(nest: Nest, things: Sequence[Thing], nodes: Sequence[NodeInfo]) -> Mapping[str, Sequence[Thing]]:
        found: dict[str, Sequence[Thing]] = {
            node.name: (thing, thing) for node, thing in zip(nodes, things, strict=True)
        }
        for node, thing in zip(loop.constants, fixed, strict=True):
            found[node.name] = (nest.capture_thing(thing) if nest is not frame.nest else thing,)
        return found

    def enter(nest: Nest, preset: Mapping[str, Sequence[Thing]]) -> Frame:
        return Frame(frame.model, frame.body, nest, frame.prefix, frame.depth + 1, preset=preset)

    def enter_condition(nest: Nest, things: Sequence[Thing]) -> Frame:
        return enter(nest, given(nest, things, [entry.merge for entry in loop.variables]))

    def enter_body(nest: Nest, things: Sequence[Thing]) -> Frame:
        return enter(nest, given(nest, things, [entry.switch for entry in loop.variables]))

    return LoopParts(
        enter_condition,
        loop.condition,
        enter_body,
        frame.body,
        tuple(Ref(entry.switch.name, 1) for entry in loop.variables),
        tuple(entry.next for entry in loop.variables),
    )


def _find_loop(frame: Frame, exit: NodeInfo) -> _OldLoop:
    """The loop that an Exit leaves. Raises ModelError if its parts do not fit together."""
    nodes = frame.body.nodes
    switch = nodes.get(exit.inputs[0].node) if exit.inputs else None
    merge = nodes.get(switch.inputs[0].node) if switch is not None and switch.op in _SWITCH else None
    if switch is None or merge is None or merge.op not in _MERGE or len(switch.inputs) != 2:
        raise ModelError("leaves no loop", frame.where(exit))
    enters = [nodes[ref.node] for ref in merge.inputs if ref.node in nodes and nodes[ref.node].op in _ENTER]
    if len(enters) != 1:
        raise ModelError("a loop is entered from several places", frame.where(exit))
    name = enters[0].attributes.text("frame_name")
    variables: list[_Variable] = []
    constants: list[NodeInfo] = []
    for node in nodes.values():
        if node.op in _ENTER and node.attributes.text("frame_name") == name:
            if node.attributes.flag("is_constant"):
                constants.append(node)
            else:
                found = _variable(frame, node)
                if found is None:
                    constants.append(node)
                else:
                    variables.append(found)
    condition = nodes.get(switch.inputs[1].node)
    if condition is None or condition.op != "LoopCond" or not condition.inputs:
        raise ModelError("a loop has no condition", frame.where(exit))
    return _OldLoop(tuple(variables), tuple(constants), condition.inputs[0])


def _variable(frame: Frame, enter: NodeInfo) -> _Variable | None:
    """The parts of a loop variable; None for a value that enters and never changes."""
    nodes, where = frame.body.nodes, frame.where(enter)
    merges = [user for user in frame.users.by_node.get(enter.name, ()) if user.op in _MERGE]
    if not merges:
        return None
    nexts = [nodes[ref.node] for ref in merges[0].inputs if ref.node in nodes and nodes[ref.node].op in _NEXT]
    switches = [user for user in frame.users.by_node.get(merges[0].name, ()) if user.op in _SWITCH]
    if len(merges) != 1 or len(nexts) != 1 or not nexts[0].inputs or len(enter.inputs) != 1:
        raise ModelError("a loop variable has no next value", where)
    if len(switches) != 1:
        raise UnsupportedError("a loop variable that is not handed on", where)
    return _Variable(enter, merges[0], switches[0], nexts[0].inputs[0])


# -- conditions ---------------------------------------------------------------------------------------------------


@maps(*_SWITCH, results="output_false output_true")
def _switch(op: Operation) -> tuple[Thing, ...]:
    """Both results are the operand: what is computed on the wrong side is not chosen by the Merge."""
    return op.thing(0), op.thing(0)


def _needs_of_merge(frame: Frame, node: NodeInfo) -> Sequence[Ref]:
    """The predicate first; then the side that a known predicate takes, or both."""
    choice = frame.model.sides(frame.body).choice(node)
    if choice is None:
        raise ModelError("joins what no condition has divided", frame.where(node))
    if choice.predicate.node not in frame.found:
        return (choice.predicate,)
    flag = as_value(frame.result(choice.predicate, frame.where(node)), "a predicate", frame.where(node))
    known = frame.nest.builder.known(flag)
    if known is None:
        return (choice.predicate, choice.otherwise, choice.then)
    return (choice.predicate, choice.then if bool(known.reshape(-1)[0]) else choice.otherwise)


@maps(*_MERGE, results="output value_index", needs=_needs_of_merge)
def _merge(op: Operation) -> tuple[Thing, ...]:
    """The value of the side that the predicate takes."""
    emit = op.emit
    index = emit.cast(emit.reshape(op.value(0), ()), DType.INT32)
    if len(op.inputs) == 2:
        return op.thing(1), index
    otherwise, then = op.thing(1), op.thing(2)
    if otherwise is then:
        return then, index
    if not isinstance(otherwise, Value) or not isinstance(then, Value):
        raise UnsupportedError("chooses between handles at run time", emit.where)
    if otherwise.type != then.type:
        raise UnsupportedError(f"chooses at run time between {then.type} and {otherwise.type}", emit.where)
    return emit.op("Where", truth(op.value(0), emit), then, otherwise), index
