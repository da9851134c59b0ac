"""Loops of version 2: the condition and the body are functions."""

from __future__ import annotations

from collections.abc import Sequence

from halo_frontends.tensorflow.frame import Frame
from halo_frontends.tensorflow.graph import Ref
from halo_frontends.tensorflow.looping import LoopParts, run_loop
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow.things import Thing
from halo_py.errors import ModelError


@maps("While", "StatelessWhile")
def _while(op: Operation) -> list[Thing]:
    names = [op.attributes.function(name) for name in ("cond", "body")]
    condition, body = (op.frame.model.library.body(name, op.emit.where) for name in names)
    if len(condition.results) != 1:
        raise ModelError("the condition of a loop must answer one value", op.emit.where)

    def enter_condition(nest: Nest, things: Sequence[Thing]) -> Frame:
        return op.frame.enter(names[0], things, op.node, nest)

    def enter_body(nest: Nest, things: Sequence[Thing]) -> Frame:
        return op.frame.enter(names[1], things, op.node, nest)

    arguments = tuple(Ref(name) for name in body.arguments)
    parts = LoopParts(enter_condition, condition.results[0], enter_body, body, arguments, body.results)
    return run_loop(op, parts, op.inputs)
