"""Sums, extremes, norms and statistics over axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.comparison import truth
from halo_frontends.torchscript.ops.pointwise import constant_like, maximum, minimum
from halo_frontends.torchscript.promotion import category
from halo_frontends.torchscript.table import aten
from halo_py.ir.graph import Value
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Ints, Item, Operand


def axes_of(m: Maker, value: Value, dim: Ints | None) -> list[int]:
    """The axes to reduce: none named means all."""
    rank = m.rank(value)
    if not dim:
        return list(range(rank))
    return sorted({m.axis(axis, rank) for axis in dim}) if rank else []


def reduce(m: Maker, kind: str, value: Value, axes: list[int], keepdim: bool) -> Value:
    """A reduction node; over no axes the value itself."""
    if not axes:
        return value
    return m.op(kind, value, m.ints(axes), keepdims=int(keepdim))


def summable(m: Maker, value: Value, dtype: DType | None) -> Value:
    """Sums and products of integers and bool are int64."""
    if dtype is not None:
        return m.cast(value, dtype)
    return m.cast(value, DType.INT64) if category(m.dtype(value)) < 2 else value


@aten("sum")
def sum(m: Maker, input: Value, dim: Item = None, keepdim: bool = False, dtype: DType | None = None) -> Value:
    axes, dtype = dim_or_dtype(m, dim, dtype)
    value = summable(m, input, dtype)
    return reduce(m, "ReduceSum", value, axes_of(m, value, axes), keepdim)


def dim_or_dtype(m: Maker, dim: Item, dtype: DType | None) -> tuple[tuple[int, ...] | None, DType | None]:
    """The second argument is axes where it is a list, and an element type in the short form: sum(x, dtype=...)."""
    if dim is None:
        return None, dtype
    items = list(dim) if isinstance(dim, (list, tuple)) else [dim]
    found = [item for item in items if isinstance(item, int)]
    if len(found) != len(items):
        raise m.unsupported("axes that depend on data are not supported")
    return tuple(found), dtype


@aten("nansum")
def nansum(m: Maker, input: Value, dim: Ints | None = None, keepdim: bool = False, dtype: DType | None = None) -> Value:
    value = input
    if m.dtype(input).is_float:
        value = m.op("Where", m.op("IsNaN", input), constant_like(m, input, 0), input)
    value = summable(m, value, dtype)
    return reduce(m, "ReduceSum", value, axes_of(m, value, dim), keepdim)


@aten("mean")
def mean(m: Maker, input: Value, dim: Item = None, keepdim: bool = False, dtype: DType | None = None) -> Value:
    axes, dtype = dim_or_dtype(m, dim, dtype)
    value = input if dtype is None else m.cast(input, dtype)
    if not m.dtype(value).is_float:
        raise m.wrong("a mean of integers")
    return reduce(m, "ReduceMean", value, axes_of(m, value, axes), keepdim)


@aten("nanmean")
def nanmean(
    m: Maker, input: Value, dim: Ints | None = None, keepdim: bool = False, dtype: DType | None = None
) -> Value:
    value = input if dtype is None else m.cast(input, dtype)
    there = m.cast(m.op("Not", m.op("IsNaN", value)), m.dtype(value))
    axes = axes_of(m, value, dim)
    return m.op("Div", nansum(m, value, tuple(axes), keepdim), reduce(m, "ReduceSum", there, axes, keepdim))


@aten("prod")
def product(m: Maker, input: Value, dim: int | None = None, keepdim: bool = False, dtype: DType | None = None) -> Value:
    value = summable(m, input, dtype)
    return reduce(m, "ReduceProd", value, axes_of(m, value, None if dim is None else (dim,)), keepdim)


def _extreme(m: Maker, kind: str, value: Value, axes: list[int], keepdim: bool) -> Value:
    """A maximum or minimum; of bool by way of integers."""
    if m.dtype(value) is DType.BOOL:
        return m.cast(reduce(m, kind, m.cast(value, DType.INT32), axes, keepdim), DType.BOOL)
    return reduce(m, kind, value, axes, keepdim)


@aten("amax")
def amax(m: Maker, input: Value, dim: Ints = (), keepdim: bool = False) -> Value:
    return _extreme(m, "ReduceMax", input, axes_of(m, input, dim), keepdim)


@aten("amin")
def amin(m: Maker, input: Value, dim: Ints = (), keepdim: bool = False) -> Value:
    return _extreme(m, "ReduceMin", input, axes_of(m, input, dim), keepdim)


@aten("aminmax")
def aminmax(m: Maker, input: Value, dim: int | None = None, keepdim: bool = False) -> tuple[Value, Value]:
    axes = () if dim is None else (dim,)
    return amin(m, input, axes, keepdim), amax(m, input, axes, keepdim)


@aten("max")
def max(m: Maker, input: Value, dim: Operand | None = None, keepdim: bool = False) -> object:
    return _max_or_min(m, "ReduceMax", "ArgMax", input, dim, keepdim)


@aten("min")
def min(m: Maker, input: Value, dim: Operand | None = None, keepdim: bool = False) -> object:
    return _max_or_min(m, "ReduceMin", "ArgMin", input, dim, keepdim)


def _max_or_min(m: Maker, kind: str, position: str, input: Value, dim: Operand | None, keepdim: bool) -> object:
    """Of all elements; along an axis, with positions; or of two tensors."""
    if dim is None:
        return _extreme(m, kind, input, axes_of(m, input, None), False)
    if isinstance(dim, Value):
        return (maximum if kind == "ReduceMax" else minimum)(m, input, dim)
    assert isinstance(dim, int)
    return _extreme(m, kind, input, axes_of(m, input, (dim,)), keepdim), _arg(m, position, input, dim, keepdim)


@aten("argmax")
def argmax(m: Maker, input: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    return _arg(m, "ArgMax", input, dim, keepdim)


@aten("argmin")
def argmin(m: Maker, input: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    return _arg(m, "ArgMin", input, dim, keepdim)


def _arg(m: Maker, kind: str, input: Value, dim: int | None, keepdim: bool) -> Value:
    if not m.rank(input):
        return m.number(0, DType.INT64)
    value = m.cast(input, DType.INT32) if m.dtype(input) is DType.BOOL else input
    if dim is None:
        found = m.op(kind, m.flat(value), axis=0, keepdims=0)
        return m.reshape(found, [1] * m.rank(input)) if keepdim else found
    return m.op(kind, value, axis=m.axis(dim, m.rank(input)), keepdims=int(keepdim))


@aten("all")
def all(m: Maker, input: Value, dim: Ints | None = None, keepdim: bool = False) -> Value:
    return _logical(m, "ReduceMin", input, dim, keepdim)


@aten("any")
def any(m: Maker, input: Value, dim: Ints | None = None, keepdim: bool = False) -> Value:
    return _logical(m, "ReduceMax", input, dim, keepdim)


def _logical(m: Maker, kind: str, input: Value, dim: Ints | None, keepdim: bool) -> Value:
    flags = m.cast(truth(m, input), DType.INT32)
    found = m.cast(reduce(m, kind, flags, axes_of(m, input, dim), keepdim), DType.BOOL)
    return m.cast(found, DType.UINT8) if m.dtype(input) is DType.UINT8 else found


@aten("count_nonzero")
def count_nonzero(m: Maker, input: Value, dim: Ints | None = None) -> Value:
    flags = m.cast(truth(m, input), DType.INT64)
    return reduce(m, "ReduceSum", flags, axes_of(m, input, dim), False)


@aten("logsumexp", "special_logsumexp")
def logsumexp(m: Maker, input: Value, dim: Ints, keepdim: bool = False) -> Value:
    value = input if m.dtype(input).is_float else m.cast(input, DType.FLOAT32)
    return reduce(m, "ReduceLogSumExp", value, axes_of(m, value, dim), keepdim)


# -- running totals ------------------------------------------------------------------------------------------------


@aten("cumsum")
def cumsum(m: Maker, input: Value, dim: int, dtype: DType | None = None) -> Value:
    value = summable(m, input, dtype)
    return m.op("CumSum", value, m.number(m.axis(dim, m.rank(value)), DType.INT64)) if m.rank(value) else value


@aten("cumprod")
def cumprod(m: Maker, input: Value, dim: int, dtype: DType | None = None) -> Value:
    value = summable(m, input, dtype)
    return m.op("CumProd", value, m.number(m.axis(dim, m.rank(value)), DType.INT64)) if m.rank(value) else value


@aten("cummax")
def cummax(m: Maker, input: Value, dim: int) -> tuple[Value, Value]:
    return _running(m, input, dim, "GreaterOrEqual")


@aten("cummin")
def cummin(m: Maker, input: Value, dim: int) -> tuple[Value, Value]:
    return _running(m, input, dim, "LessOrEqual")


def _running(m: Maker, input: Value, dim: int, wins: str) -> tuple[Value, Value]:
    """By doubling: each step takes what stands 1, 2, 4, ... places before."""
    if not m.rank(input):
        return input, m.number(0, DType.INT64)
    axis, shape = m.axis(dim, m.rank(input)), m.shape(input)
    size = shape[axis]
    line = [size if number == axis else 1 for number in range(len(shape))]
    positions = m.expand(m.const(np.arange(size).reshape(line)), shape)
    step = 1
    value = m.cast(input, DType.INT32) if m.dtype(input) is DType.BOOL else input
    while step < size:
        better = m.op(wins, m.slice(value, axis, step, size), m.slice(value, axis, 0, size - step))
        value, positions = (
            m.op(
                "Concat",
                m.slice(part, axis, 0, step),
                m.op("Where", better, m.slice(part, axis, step, size), m.slice(part, axis, 0, size - step)),
                axis=axis,
            )
            for part in (value, positions)
        )
        step *= 2
    return m.cast(value, m.dtype(input)), positions


@aten("logcumsumexp")
def logcumsumexp(m: Maker, input: Value, dim: int) -> Value:
    if not m.rank(input):
        return input
    axis = m.axis(dim, m.rank(input))
    most = reduce(m, "ReduceMax", input, [axis], True)
    total = m.op("CumSum", m.op("Exp", m.op("Sub", input, most)), m.number(axis, DType.INT64))
    return m.op("Add", m.op("Log", total), most)
