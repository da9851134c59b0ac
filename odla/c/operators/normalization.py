"""Normalisations (ODLA/ops/odla_ops_nn.h, and layer normalisation of ODLA/odla_halo.h)."""

from __future__ import annotations

import numpy as np

from halo_py.errors import UsageError
from halo_py.ops import elementwise as ew
from halo_py.ops.local_response import LRN
from halo_py.ops.logic import Equal, Where
from halo_py.ops.normalization import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
)
from halo_py.ops.reduction import ReduceSum
from odla.c.decode import Numbers
from odla.c.operators.emit import Emit, Node, checked_axis, dtype_of, operator, rank_of, shape_of, size_of
from odla.c.operators.layout import channel_axis, channels_first, restored


def _per_channel(emit: Emit, x: Node, given: Node | None, scalar: float) -> Node:
    """A vector with one number per channel of x (channels first): the given one, or the scalar repeated."""
    if given is not None:
        return given if rank_of(given) == 1 else emit.reshape(given, (-1,))
    channels = size_of(x, 1, "the number of channels") if rank_of(x) > 1 else 1
    return emit.constant(np.full(channels, scalar), dtype_of(x))


@operator("odla_BatchNormalization")
def batch_normalization(
    emit: Emit,
    x: Node,
    input_layout: int,
    mean: Node,
    var: Node,
    epsilon: float,
    scale: Node | None,
    offset: Node | None,
    scalar_scale: float,
    scalar_offset: float,
) -> Node:
    """(x - mean) / sqrt(var + epsilon) scale + offset, per channel."""
    data = channels_first(emit, x, input_layout)
    gamma, beta = _per_channel(emit, data, scale, scalar_scale), _per_channel(emit, data, offset, scalar_offset)
    flat = [value if rank_of(value) == 1 else emit.reshape(value, (-1,)) for value in (mean, var)]
    return restored(emit, emit.add(BatchNormalization(epsilon=epsilon), data, gamma, beta, *flat), input_layout)


@operator("odla_GroupNormalization")
def group_normalization(
    emit: Emit,
    x: Node,
    input_layout: int,
    groups: int,
    epsilon: float,
    scale: Node | None,
    offset: Node | None,
    scalar_scale: float,
    scalar_offset: float,
) -> Node:
    """Normalisation over groups of channels."""
    data = channels_first(emit, x, input_layout)
    gamma, beta = _per_channel(emit, data, scale, scalar_scale), _per_channel(emit, data, offset, scalar_offset)
    op = GroupNormalization(epsilon=epsilon, num_groups=groups)
    return restored(emit, emit.add(op, data, gamma, beta), input_layout)


@operator("odla_InstanceNormalization")
def instance_normalization(
    emit: Emit,
    x: Node,
    input_layout: int,
    epsilon: float,
    scale: Node | None,
    offset: Node | None,
    scalar_scale: float,
    scalar_offset: float,
) -> Node:
    """Normalisation of every channel of every item."""
    data = channels_first(emit, x, input_layout)
    gamma, beta = _per_channel(emit, data, scale, scalar_scale), _per_channel(emit, data, offset, scalar_offset)
    return restored(emit, emit.add(InstanceNormalization(epsilon=epsilon), data, gamma, beta), input_layout)


@operator("odla_LRN")
def local_response(
    emit: Emit, x: Node, input_layout: int, window_size: int, alpha: float, beta: float, bias: float
) -> Node:
    """X / (bias + alpha / window_size sum of squares)^beta over neighbouring channels."""
    data = channels_first(emit, x, input_layout)
    op = LRN(alpha=alpha, beta=beta, bias=bias, size=window_size)
    return restored(emit, emit.add(op, data), input_layout)


@operator("odla_LpNormalize")
def lp_normalize(
    emit: Emit,
    x: Node,
    p: int,
    input_layout: int,
    axes_size: int,
    axes: Numbers | None,
    epsilon: float,
    scale: Node | None,
) -> Node:
    """X / (sum |x|^p + epsilon)^(1/p) over the axes (all without any); where that is zero the result is zero."""
    rank = rank_of(x)
    if p < 1 or axes_size > rank:
        raise UsageError(f"p is {p} and axes_size {axes_size}, the value has {rank} dimensions")
    named = () if axes is None else axes.take(axes_size)
    along = tuple(checked_axis(axis, rank, "axes") for axis in named) or tuple(range(rank))
    power = emit.add(ew.Abs(), x)
    if p > 1:
        power = emit.add(ew.Pow(), power, emit.like(p, x))
    total = emit.add(ReduceSum(keepdims=1), power, emit.ints(along))
    total = emit.add(ew.Add(), total, emit.like(epsilon, x))
    norm = total
    if p == 2:
        norm = emit.add(ew.Sqrt(), total)
    elif p > 2:
        norm = emit.add(ew.Pow(), total, emit.like(1 / p, x))
    safe = emit.add(Where(), emit.add(Equal(), norm, emit.like(0, x)), emit.like(1, x), norm)
    made = emit.add(ew.Div(), x, safe)
    return made if scale is None else emit.add(ew.Mul(), made, _along_channels(emit, x, scale, input_layout))


def _along_channels(emit: Emit, x: Node, scale: Node, layout: int) -> Node:
    """A vector with one number per channel, shaped to broadcast; anything else as it stands."""
    axis = channel_axis(x, layout)
    if rank_of(scale) != 1 or shape_of(scale)[0] != shape_of(x)[axis]:
        return scale
    return emit.unsqueeze(scale, tuple(range(1, rank_of(x) - axis)))


@operator("odla_LayerNorm")
def layer_norm(
    emit: Emit,
    x: Node,
    num_of_axes: int,
    axes: Numbers | None,
    epsilon: float,
    scale: Node | None,
    offset: Node | None,
) -> Node:
    """Normalisation over the last axes, of which the first one named counts."""
    rank = rank_of(x)
    if num_of_axes > rank:
        raise UsageError(f"num_of_axes is {num_of_axes}, the value has {rank} dimensions")
    named = sorted(checked_axis(axis, rank, "axes") for axis in (axes.take(num_of_axes) if axes is not None else ()))
    first = named[0] if named else rank - 1
    if named and named != list(range(first, rank)):
        raise UsageError(f"axes {named} are not the last ones")
    op = LayerNormalization(axis=first, epsilon=epsilon)
    gamma = scale
    if gamma is None:
        sizes = [size_of(x, axis, "a normalised size") for axis in range(first, rank)]
        gamma = emit.constant(np.ones(sizes), dtype_of(x))
    return emit.add(op, x, gamma) if offset is None else emit.add(op, x, gamma, offset)
