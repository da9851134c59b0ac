"""Reductions, argmax, cumulative sums, determinant and inverse (ODLA/ops/odla_ops_math.h)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from halo_py.errors import UsageError
from halo_py.ops import elementwise as ew
from halo_py.ops import reduction as red
from halo_py.ops.along_axis import ArgMax, ArgMin, CumSum
from halo_py.ops.caching import Det
from halo_py.ops.linear_algebra import Inverse
from odla.c.decode import Numbers, ValueType
from odla.c.operators.emit import Emit, Node, checked_axis, operator, rank_of

if TYPE_CHECKING:
    from odla.c.operators.emit import Dims

REDUCTIONS: dict[str, type[red.Reduce]] = {
    "odla_ReduceLogSum": red.ReduceLogSum,
    "odla_ReduceLogSumExp": red.ReduceLogSumExp,
    "odla_ReduceMax": red.ReduceMax,
    "odla_ReduceMean": red.ReduceMean,
    "odla_ReduceMin": red.ReduceMin,
    "odla_ReduceProd": red.ReduceProd,
    "odla_ReduceSum": red.ReduceSum,
    "odla_ReduceSumSquare": red.ReduceSumSquare,
}


def _axes(x: Node, count: int, axes: Numbers | None) -> tuple[int, ...]:
    """The axes to reduce; all of them if none is named."""
    rank = rank_of(x)
    if count > rank:
        raise UsageError(f"num_of_axes is {count}, the value has {rank} dimensions")
    if not count or axes is None:
        return tuple(range(rank))
    return tuple(dict.fromkeys(checked_axis(axis, rank, "axes") for axis in axes.take(count)))


def _reduced(emit: Emit, cls: type[red.Reduce], x: Node, axes: tuple[int, ...], keep_dims: bool) -> Node:
    if not axes:
        return emit.add(cls(keepdims=1, noop_with_empty_axes=0), x)
    return emit.add(cls(keepdims=int(keep_dims)), x, emit.ints(axes))


def _reduce(
    cls: type[red.Reduce],
    emit: Emit,
    x: Node,
    num_of_axes: int,
    axes: Numbers | None,
    keep_dims: bool,
    output_dims: Dims | None,
) -> Node:
    return _reduced(emit, cls, x, _axes(x, num_of_axes, axes), keep_dims)


for _name, _cls in REDUCTIONS.items():
    operator(_name)(partial(_reduce, _cls))


@operator("odla_ReduceL1")
def reduce_l1(
    emit: Emit,
    x: Node,
    num_of_axes: int,
    axes: Numbers | None,
    keep_dims: bool,
    epsilon: float,
    output_dims: Dims | None,
) -> Node:
    """The sum of magnitudes, plus epsilon."""
    total = _reduced(emit, red.ReduceL1, x, _axes(x, num_of_axes, axes), keep_dims)
    return emit.add(ew.Add(), total, emit.like(epsilon, x)) if epsilon else total


@operator("odla_ReduceL2")
def reduce_l2(
    emit: Emit,
    x: Node,
    num_of_axes: int,
    axes: Numbers | None,
    keep_dims: bool,
    epsilon: float,
    output_dims: Dims | None,
) -> Node:
    """The root of the sum of squares plus epsilon."""
    along = _axes(x, num_of_axes, axes)
    if not epsilon:
        return _reduced(emit, red.ReduceL2, x, along, keep_dims)
    squares = _reduced(emit, red.ReduceSumSquare, x, along, keep_dims)
    return emit.add(ew.Sqrt(), emit.add(ew.Add(), squares, emit.like(epsilon, x)))


@operator("odla_ArgMax")
def arg_max(
    emit: Emit, x: Node, axis: int, keep_dims: bool, return_last_index: bool, output_value_type: ValueType
) -> Node:
    """The index of the maximum along an axis."""
    op = ArgMax(axis=axis, keepdims=int(keep_dims), select_last_index=int(return_last_index))
    return emit.cast(emit.add(op, x), output_value_type.type.dtype)


@operator("odla_ArgMin")
def arg_min(
    emit: Emit, x: Node, axis: int, keep_dims: bool, return_last_index: bool, output_value_type: ValueType
) -> Node:
    """The index of the minimum along an axis."""
    op = ArgMin(axis=axis, keepdims=int(keep_dims), select_last_index=int(return_last_index))
    return emit.cast(emit.add(op, x), output_value_type.type.dtype)


@operator("odla_CumSum")
def cum_sum(emit: Emit, x: Node, axis: Node, exclusion: bool, reverse: bool) -> Node:
    """Running sums along an axis."""
    return emit.add(CumSum(exclusive=int(exclusion), reverse=int(reverse)), x, axis)


@operator("odla_Det")
def det(emit: Emit, x: Node, output_shape: Dims | None) -> Node:
    """Determinants of the matrices in the last two dimensions."""
    return emit.add(Det(), x)


@operator("odla_Inverse")
def inverse(emit: Emit, x: Node) -> Node:
    """Inverses of the matrices in the last two dimensions."""
    return emit.add(Inverse(), x)
