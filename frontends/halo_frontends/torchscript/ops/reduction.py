"""Sums, extremes, norms and statistics over axes."""

from __future__ import annotations

import builtins
import math
from math import prod
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
    from halo_frontends.torchscript.kinds import Ints, Item, Number, Operand


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


def _summable(m: Maker, value: Value, dtype: DType | None) -> Value:
    """Sums and products of integers and bool are int64."""
    if dtype is not None:
        return m.cast(value, dtype)
    return m.cast(value, DType.INT64) if category(m.dtype(value)) < 2 else value


@aten("sum")
def sum(m: Maker, input: Value, dim: Item = None, keepdim: bool = False, dtype: DType | None = None) -> Value:
    axes, dtype = _dim_or_dtype(m, dim, dtype)
    value = _summable(m, input, dtype)
    return reduce(m, "ReduceSum", value, axes_of(m, value, axes), keepdim)


def _dim_or_dtype(m: Maker, dim: Item, dtype: DType | None) -> tuple[tuple[int, ...] | None, DType | None]:
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
    value = _summable(m, value, dtype)
    return reduce(m, "ReduceSum", value, axes_of(m, value, dim), keepdim)


@aten("mean")
def mean(m: Maker, input: Value, dim: Item = None, keepdim: bool = False, dtype: DType | None = None) -> Value:
    axes, dtype = _dim_or_dtype(m, dim, dtype)
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
    value = _summable(m, input, dtype)
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


# -- norms ----------------------------------------------------------------------------------------------------------


def norm_over(m: Maker, value: Value, p: Number, axes: list[int], keepdim: bool) -> Value:
    """(sum |x|^p)^(1/p), its limits for infinite p, and the number of elements that are not 0 for p = 0."""
    if not isinstance(p, (int, float)):
        raise m.unsupported("a norm whose order depends on data is not supported")
    if p == 2:
        return reduce(m, "ReduceL2", value, axes, keepdim) if axes else m.op("Abs", value)
    size = m.op("Abs", value)
    if p == 1:
        return reduce(m, "ReduceSum", size, axes, keepdim)
    if math.isinf(p):
        return reduce(m, "ReduceMax" if p > 0 else "ReduceMin", size, axes, keepdim)
    if p == 0:
        return reduce(m, "ReduceSum", m.cast(truth(m, value), m.dtype(value)), axes, keepdim)
    total = reduce(m, "ReduceSum", m.op("Pow", size, constant_like(m, size, p)), axes, keepdim)
    return m.op("Pow", total, constant_like(m, size, 1 / p))


@aten("frobenius_norm")
def frobenius_norm(m: Maker, input: Value, dim: Ints = (), keepdim: bool = False) -> Value:
    return norm_over(m, input, 2, axes_of(m, input, dim), keepdim)


@aten("norm", "linalg_vector_norm")
def norm(
    m: Maker, input: Value, p: Item = 2, dim: Ints | None = None, keepdim: bool = False, dtype: DType | None = None
) -> Value:
    value = input if dtype is None else m.cast(input, dtype)
    order = 2 if p is None or isinstance(p, str) else p
    assert isinstance(order, (int, float))
    return norm_over(m, value, order, axes_of(m, value, dim), keepdim)


@aten("linalg_norm")
def linalg_norm(
    m: Maker, input: Value, ord: Item = None, dim: Ints | None = None, keepdim: bool = False, dtype: DType | None = None
) -> Value:
    value = input if dtype is None else m.cast(input, dtype)
    axes = axes_of(m, value, dim)
    if ord is None or (isinstance(ord, (int, float)) and len(axes) == 1):
        found = norm_over(m, value, ord if isinstance(ord, (int, float)) else 2, axes, False)
        if not keepdim:
            return found
        return m.reshape(found, [1 if axis in axes else size for axis, size in enumerate(m.shape(value))])
    return matrix_norm(m, value, ord, tuple(axes), keepdim)


@aten("linalg_matrix_norm")
def matrix_norm(
    m: Maker, input: Value, ord: Item = "fro", dim: Ints = (-2, -1), keepdim: bool = False, dtype: DType | None = None
) -> Value:
    value = input if dtype is None else m.cast(input, dtype)
    rank = m.rank(value)
    rows, columns = m.axis(dim[0], rank), m.axis(dim[1], rank)
    if ord in ("fro", None):
        return reduce(m, "ReduceL2", value, sorted((rows, columns)), keepdim)
    if ord not in (1, -1, math.inf, -math.inf):
        raise m.unsupported(f"the matrix norm {ord!r} is not supported")
    assert isinstance(ord, (int, float))
    inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = reduce(m, "ReduceSum", m.op("Abs", value), [inner], True)
    found = reduce(m, "ReduceMax" if ord > 0 else "ReduceMin", sums, [outer], True)
    return found if keepdim else m.squeeze(found, *sorted((rows, columns)))


@aten("dist")
def dist(m: Maker, input: Value, other: Value, p: Number = 2) -> Value:
    gap = m.op("Sub", input, other)
    return norm_over(m, gap, p, axes_of(m, gap, None), False)


@aten("cdist", "_cdist_forward")
def cdist(m: Maker, x1: Value, x2: Value, p: float = 2.0, compute_mode: int | None = None) -> Value:
    gap = m.op("Sub", m.unsqueeze(x1, m.rank(x1) - 1), m.unsqueeze(x2, m.rank(x2) - 2))
    return norm_over(m, gap, p, [m.rank(gap) - 1], False)


@aten("pairwise_distance")
def pairwise_distance(
    m: Maker, x1: Value, x2: Value, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Value:
    gap = m.op("Sub", x1, x2)
    gap = m.op("Add", gap, constant_like(m, gap, eps))
    return norm_over(m, gap, p, [m.rank(gap) - 1], keepdim)


@aten("pdist")
def pdist(m: Maker, input: Value, p: float = 2.0) -> Value:
    rows, columns = np.triu_indices(m.shape(input)[0], 1)
    left, right = (m.op("Gather", input, m.const(part.astype(np.int64)), axis=0) for part in (rows, columns))
    return norm_over(m, m.op("Sub", left, right), p, [1], False)


@aten("renorm")
def renorm(m: Maker, input: Value, p: Number, dim: int, maxnorm: Number) -> Value:
    axis = m.axis(dim, m.rank(input))
    length = norm_over(m, input, p, [other for other in range(m.rank(input)) if other != axis], True)
    limit = m.number(maxnorm, m.dtype(input))
    factor = m.op("Div", limit, m.op("Add", length, constant_like(m, length, 1e-7)))
    return m.op("Where", m.op("Greater", length, limit), m.op("Mul", input, factor), input)


# -- statistics -----------------------------------------------------------------------------------------------------


def _spread(m: Maker, value: Value, axes: list[int], correction: float, keepdim: bool) -> Value:
    """The variance: squared distances from the mean over (n - correction)."""
    centred = m.op("Sub", value, reduce(m, "ReduceMean", value, axes, True))
    total = reduce(m, "ReduceSum", m.op("Mul", centred, centred), axes, keepdim)
    count = prod(m.shape(value)[axis] for axis in axes) - correction
    return m.op("Div", total, constant_like(m, total, count if count > 0 else 0.0))


def _statistics(m: Maker, input: Value, dim: Item, unbiased: Item, keepdim: bool, correction: Item):
    """The forms std(x, unbiased), std(x, dim, unbiased, keepdim) and std(x, dim, *, correction, keepdim)."""
    if isinstance(dim, bool):
        unbiased, dim = dim, None
    axes = axes_of(m, input, _dim_or_dtype(m, dim, None)[0])
    if isinstance(correction, (int, float)) and not isinstance(correction, bool):
        return axes, float(correction)
    return axes, 0.0 if unbiased is False else 1.0


@aten("var")
def var(
    m: Maker, input: Value, dim: Item = None, unbiased: Item = None, keepdim: bool = False, correction: Item = None
) -> Value:
    axes, found = _statistics(m, input, dim, unbiased, keepdim, correction)
    return _spread(m, input, axes, found, keepdim)


@aten("std")
def std(
    m: Maker, input: Value, dim: Item = None, unbiased: Item = None, keepdim: bool = False, correction: Item = None
) -> Value:
    return m.op("Sqrt", var(m, input, dim, unbiased, keepdim, correction))


@aten("var_mean")
def var_mean(
    m: Maker, input: Value, dim: Item = None, unbiased: Item = None, keepdim: bool = False, correction: Item = None
) -> tuple[Value, Value]:
    axes, found = _statistics(m, input, dim, unbiased, keepdim, correction)
    return _spread(m, input, axes, found, keepdim), reduce(m, "ReduceMean", input, axes, keepdim)


@aten("std_mean")
def std_mean(
    m: Maker, input: Value, dim: Item = None, unbiased: Item = None, keepdim: bool = False, correction: Item = None
) -> tuple[Value, Value]:
    found, centre = var_mean(m, input, dim, unbiased, keepdim, correction)
    return m.op("Sqrt", found), centre


@aten("trace")
def trace(m: Maker, input: Value) -> Value:
    rows, columns = m.shape(input)
    places = m.const(np.arange(builtins.min(rows, columns)) * (columns + 1))
    picked = m.op("Gather", m.flat(input), places, axis=0)
    return m.op("ReduceSum", _summable(m, picked, None), m.ints([0]), keepdims=0)


@aten("cumsum")
def cumsum(m: Maker, input: Value, dim: int, dtype: DType | None = None) -> Value:
    value = _summable(m, input, dtype)
    return m.op("CumSum", value, m.number(m.axis(dim, m.rank(value)), DType.INT64)) if m.rank(value) else value


@aten("cumprod")
def cumprod(m: Maker, input: Value, dim: int, dtype: DType | None = None) -> Value:
    value = _summable(m, input, dtype)
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


def _trapezoids(m: Maker, y: Value, x: Value | None, dx: Number, axis: int) -> Value:
    """The areas between neighbours."""
    size = m.shape(y)[axis]
    value = y if m.dtype(y).is_float else m.cast(y, DType.FLOAT32)
    pairs = m.op("Add", m.slice(value, axis, 1, size), m.slice(value, axis, 0, size - 1))
    width = m.number(dx, m.dtype(value))
    if x is not None:
        places = m.cast(x, m.dtype(value))
        if m.rank(x) == 1:
            places = m.reshape(places, [-1 if number == axis else 1 for number in range(m.rank(y))])
        across = m.axis(axis - m.rank(y), m.rank(places))
        count = m.shape(places)[across]
        width = m.op("Sub", m.slice(places, across, 1, count), m.slice(places, across, 0, count - 1))
    return m.op("Mul", m.op("Mul", pairs, width), constant_like(m, value, 0.5))


@aten("trapezoid", "trapz")
def trapezoid(m: Maker, y: Value, x: Operand | None = None, dx: Number = 1, dim: int = -1) -> Value:
    places, step = (x, dx) if isinstance(x, Value) else (None, dx if x is None else x)
    axis = m.axis(dim, m.rank(y))
    return reduce(m, "ReduceSum", _trapezoids(m, y, places, step, axis), [axis], False)


@aten("cumulative_trapezoid")
def cumulative_trapezoid(m: Maker, y: Value, x: Operand | None = None, dx: Number = 1, dim: int = -1) -> Value:
    places, step = (x, dx) if isinstance(x, Value) else (None, dx if x is None else x)
    axis = m.axis(dim, m.rank(y))
    return m.op("CumSum", _trapezoids(m, y, places, step, axis), m.number(axis, DType.INT64))


@aten("sum_to_size")
def sum_to_size(m: Maker, input: Value, size: Ints) -> Value:
    lead = m.rank(input) - len(size)
    shape = m.shape(input)
    axes = [axis for axis in range(len(shape)) if axis < lead or (size[axis - lead] == 1 and shape[axis] != 1)]
    return m.reshape(reduce(m, "ReduceSum", input, axes, True), size)


@aten("cov")
def cov(
    m: Maker, input: Value, correction: int = 1, fweights: Value | None = None, aweights: Value | None = None
) -> Value:
    if fweights is not None or aweights is not None:
        raise m.unsupported("weighted covariances are not supported")
    rows = m.unsqueeze(input, 0) if m.rank(input) < 2 else input
    rows = rows if m.dtype(rows).is_float else m.cast(rows, DType.FLOAT32)
    centred = m.op("Sub", rows, m.op("ReduceMean", rows, m.ints([1]), keepdims=1))
    count = m.shape(rows)[1] - correction
    found = m.op("Div", m.op("MatMul", centred, m.transpose(centred, [1, 0])), constant_like(m, rows, count))
    return m.squeeze(found, 0, 1) if m.rank(input) < 2 else found
