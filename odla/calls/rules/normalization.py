"""Normalisation as ODLA calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_py.ops import elementwise as ew
from halo_py.ops.conversion import Cast
from halo_py.ops.local_response import LRN
from halo_py.ops.normalization import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    MeanVarianceNormalization,
    RMSNormalization,
)
from halo_py.ops.reduction import ReduceMean
from halo_py.ops.softmax import LpNormalization
from halo_py.types import DType
from odla.calls.emit import (
    CHANNELS_FIRST,
    Emit,
    NotInOdlaError,
    dtype_of,
    operand,
    optional,
    rule,
    shape_of,
)
from odla.calls.model import Signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from halo_py.ir.graph import Node, Value

_MOST_CHANNELS = 2**31 - 1
"""What an `odla_int32` holds."""


@rule("batch_normalization")
def batch_normalization(emit: Emit, node: Node) -> None:
    """At inference."""
    op = node.op
    assert isinstance(op, BatchNormalization)
    if op.attributes().get("training_mode"):
        raise NotInOdlaError("batch normalisation in training mode")
    x, scale, offset, average, variance = (operand(node, number) for number in range(5))
    arguments = (x, CHANNELS_FIRST, average, variance, op.epsilon, scale, offset, 1.0, 0.0)
    emit.call("odla_BatchNormalization", arguments, node.outputs[0])


@rule("instance_normalization")
def instance_normalization(emit: Emit, node: Node) -> None:
    """Per image and channel."""
    assert isinstance(node.op, InstanceNormalization)
    x, scale, offset = (operand(node, number) for number in range(3))
    emit.call(
        "odla_InstanceNormalization", (x, CHANNELS_FIRST, node.op.epsilon, scale, offset, 1.0, 0.0), node.outputs[0]
    )


@rule("layer_normalization")
def layer_normalization(emit: Emit, node: Node) -> None:
    """Over the last axes."""
    op = node.op
    assert isinstance(op, LayerNormalization)
    x = operand(node, 0)
    rank = len(shape_of(x))
    axes = tuple(range(op.axis % rank, rank))
    arguments = (x, len(axes), Signed(axes), op.epsilon, optional(node, 1), optional(node, 2))
    emit.call("odla_LayerNorm", arguments, node.outputs[0])
    if len(node.outputs) > 1:
        _statistics(emit, _wide(emit, x), emit.ints(axes), op.epsilon, node.outputs[1:])


def _statistics(emit: Emit, x: Value, axes: Value, epsilon: float, results: Sequence[Value]) -> None:
    """The mean and the inverse of the deviation, as far as they are asked for."""
    mean = emit.one(ReduceMean(), x, axes)
    centred = emit.one(ew.Sub(), x, mean)
    variance = emit.one(ReduceMean(), emit.one(ew.Mul(), centred, centred), axes)
    root = emit.one(ew.Sqrt(), emit.one(ew.Add(), variance, emit.number(epsilon, dtype_of(x))))
    for made, value in zip(results, (mean, emit.one(ew.Reciprocal(), root)), strict=False):
        emit.into(made, Cast(to=dtype_of(made)), value)


@rule("lrn")
def local_response(emit: Emit, node: Node) -> None:
    """Across channels."""
    op = node.op
    assert isinstance(op, LRN)
    made = node.outputs[0]
    if op.size > _MOST_CHANNELS:
        raise NotInOdlaError("a window that no odla_int32 holds")
    emit.call("odla_LRN", (operand(node, 0), CHANNELS_FIRST, op.size, op.alpha, op.beta, op.bias), made)


@rule("rms_normalization")
def rms_normalization(emit: Emit, node: Node) -> None:
    """The operand over sqrt(mean(x²) + epsilon), times scale, in float32 at least."""
    op, made = node.op, node.outputs[0]
    assert isinstance(op, RMSNormalization)
    x, scale = _wide(emit, operand(node, 0)), _wide(emit, operand(node, 1))
    rank = len(shape_of(x))
    axes = emit.ints(range(op.axis % rank, rank))
    mean = emit.one(ReduceMean(), emit.one(ew.Mul(), x, x), axes)
    root = emit.one(ew.Sqrt(), emit.one(ew.Add(), mean, emit.number(op.epsilon, dtype_of(x))))
    scaled = emit.one(ew.Mul(), emit.one(ew.Div(), x, root), scale)
    _narrowed(emit, scaled, made)


@rule("group_normalization")
def group_normalization(emit: Emit, node: Node) -> None:
    """Per image and group of channels."""
    op = node.op
    assert isinstance(op, GroupNormalization)
    x, scale, offset = (operand(node, number) for number in range(3))
    arguments = (x, CHANNELS_FIRST, op.num_groups, op.epsilon, scale, offset, 1.0, 0.0)
    emit.call("odla_GroupNormalization", arguments, node.outputs[0])


@rule("mean_variance_normalization")
def mean_variance(emit: Emit, node: Node) -> None:
    """(x - mean) / (deviation + 1e-9)."""
    op, made = node.op, node.outputs[0]
    assert isinstance(op, MeanVarianceNormalization)
    x = _wide(emit, operand(node, 0))
    axes = emit.ints([axis % len(shape_of(x)) for axis in op.axes])
    centred = emit.one(ew.Sub(), x, emit.one(ReduceMean(), x, axes))
    deviation = emit.one(ew.Sqrt(), emit.one(ReduceMean(), emit.one(ew.Mul(), centred, centred), axes))
    safe = emit.one(ew.Add(), deviation, emit.number(1e-9, dtype_of(x)))
    _narrowed(emit, emit.one(ew.Div(), centred, safe), made)


@rule("lp_normalization")
def lp_normalization(emit: Emit, node: Node) -> None:
    """By the 1- or 2-norm along an axis."""
    op = node.op
    assert isinstance(op, LpNormalization)
    x = operand(node, 0)
    axis = op.axis % len(shape_of(x))
    arguments = (x, op.p, CHANNELS_FIRST, 1, Signed((axis,)), 0.0, None)
    emit.call("odla_LpNormalize", arguments, node.outputs[0])


def _wide(emit: Emit, value: Value) -> Value:
    """The value in float32 if its type is narrower."""
    return emit.one(Cast(to=DType.FLOAT32), value) if dtype_of(value).bits < 32 else value


def _narrowed(emit: Emit, value: Value, made: Value) -> None:
    if dtype_of(value) is dtype_of(made):
        emit.become(made, value)
    else:
        emit.into(made, Cast(to=dtype_of(made)), value)
