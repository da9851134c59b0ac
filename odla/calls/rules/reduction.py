"""Reductions, softmax and what else goes along an axis, as ODLA calls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from halo_py.ops.along_axis import CumSum
from halo_py.ops.choosing import TopK
from halo_py.ops.reduction import Reduce, ReduceL1, ReduceL2
from odla.calls.emit import (
    Emit,
    NotInOdlaError,
    dims,
    operand,
    optional,
    rule,
    shape_of,
    value_type,
)
from odla.calls.model import Argument, Unsigned

if TYPE_CHECKING:
    from halo_py.ir.graph import Node

_REDUCTIONS = {
    "reduce_sum": "ReduceSum", "reduce_mean": "ReduceMean", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd", "reduce_sum_square": "ReduceSumSquare", "reduce_log_sum": "ReduceLogSum",
    "reduce_log_sum_exp": "ReduceLogSumExp", "reduce_l1": "ReduceL1", "reduce_l2": "ReduceL2",
}  # fmt: skip


@rule(*_REDUCTIONS)
def reduction(emit: Emit, node: Node) -> None:
    """Over the listed axes, or all."""
    op, x = node.op, operand(node, 0)
    assert isinstance(op, Reduce)
    rank = len(shape_of(x))
    given = optional(node, 1)
    listed = [] if given is None else [axis % rank for axis in emit.integers(given, "axes")]
    if not listed and op.noop_with_empty_axes:
        _of_no_axes(emit, node)
        return
    axes = tuple(sorted(listed)) or tuple(range(rank))
    extra: tuple[Argument, ...] = (0.0,) if node.op.kind in ("reduce_l1", "reduce_l2") else ()
    arguments = (x, len(axes), Unsigned(axes), bool(op.keepdims), *extra, dims(node.outputs[0]))
    emit.call(f"odla_{_REDUCTIONS[node.op.kind]}", arguments, node.outputs[0])


@rule("global_average_pool", "global_max_pool")
def global_pool(emit: Emit, node: Node) -> None:
    """A reduction over the field."""
    x = operand(node, 0)
    axes = tuple(range(2, len(shape_of(x))))
    function = "odla_ReduceMean" if node.op.kind == "global_average_pool" else "odla_ReduceMax"
    emit.call(function, (x, len(axes), Unsigned(axes), True, dims(node.outputs[0])), node.outputs[0])


@rule("arg_max", "arg_min")
def position(emit: Emit, node: Node) -> None:
    """Where the extremum is."""
    attributes = node.op.attributes()
    x, made = operand(node, 0), node.outputs[0]
    axis = int(attributes["axis"]) % len(shape_of(x))
    flags = bool(attributes["keepdims"]), bool(attributes["select_last_index"])
    emit.call("odla_ArgMax" if node.op.kind == "arg_max" else "odla_ArgMin", (x, axis, *flags, value_type(made)), made)


@rule("softmax", "log_softmax", "hardmax")
def along(emit: Emit, node: Node) -> None:
    """Along one axis."""
    x = operand(node, 0)
    axis = int(node.op.attributes()["axis"]) % len(shape_of(x))
    function = {"softmax": "odla_Softmax", "log_softmax": "odla_LogSoftmax", "hardmax": "odla_Hardmax"}[node.op.kind]
    emit.call(function, (x, axis), node.outputs[0])


def _of_no_axes(emit: Emit, node: Node) -> None:
    """Every element is reduced by itself: along an axis of one."""
    x = operand(node, 0)
    single = emit.reshaped(x, (*shape_of(x), 1))
    found = emit.one(replace(node.op, keepdims=0, noop_with_empty_axes=0), single, emit.ints([-1]))
    emit.become(node.outputs[0], found)


@rule("global_lp_pool")
def global_norm(emit: Emit, node: Node) -> None:
    """The 1- or 2-norm of the field."""
    power = int(node.op.attributes()["p"])
    if power not in (1, 2):
        raise NotInOdlaError(f"the {power}-norm")
    x = operand(node, 0)
    axes = emit.ints(range(2, len(shape_of(x))))
    emit.into(node.outputs[0], ReduceL1() if power == 1 else ReduceL2(), x, axes)


@rule("top_k")
def largest(emit: Emit, node: Node) -> None:
    """So many of the largest or smallest, a number that is known; positions are int64."""
    op, x = node.op, operand(node, 0)
    assert isinstance(op, TopK)
    count = emit.integers(operand(node, 1), "the number of elements")[0]
    axis = op.axis % len(shape_of(x))
    values, places = (value_type(value) for value in node.outputs)
    emit.call("odla_TopK", (x, count, bool(op.largest), bool(op.sorted), axis, values, places), *node.outputs)


@rule("cum_sum")
def running_sum(emit: Emit, node: Node) -> None:
    """Along an axis that a value holds."""
    op = node.op
    assert isinstance(op, CumSum)
    arguments = (operand(node, 0), operand(node, 1), bool(op.exclusive), bool(op.reverse))
    emit.call("odla_CumSum", arguments, node.outputs[0])


@rule("det")
def determinant(emit: Emit, node: Node) -> None:
    """Of every matrix."""
    emit.call("odla_Det", (operand(node, 0), dims(node.outputs[0])), node.outputs[0])
