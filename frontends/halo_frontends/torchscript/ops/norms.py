"""Norms, distances and statistics."""

from __future__ import annotations

import builtins
import math
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.comparison import truth
from halo_frontends.torchscript.ops.pointwise import constant_like
from halo_frontends.torchscript.ops.reduction import axes_of, dim_or_dtype, reduce, summable
from halo_frontends.torchscript.table import aten
from halo_py.ir.graph import Value
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Ints, Item, Number, Operand


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
    rows, columns = np.triu_indices(m.length(input, 0), 1)
    left, right = (m.op("Gather", input, m.const(part.astype(np.int64)), axis=0) for part in (rows, columns))
    return norm_over(m, m.op("Sub", left, right), p, [1], False)


@aten("norm_except_dim")
def norm_except_dim(m: Maker, v: Value, pow: int = 2, dim: int = 0) -> Value:
    axes = [axis for axis in range(m.rank(v)) if dim == -1 or axis != m.axis(dim, m.rank(v))]
    return norm_over(m, v, pow, axes, dim != -1)


@aten("_weight_norm")
def weight_norm(m: Maker, v: Value, g: Value, dim: int = 0) -> Value:
    return m.op("Mul", v, m.op("Div", g, norm_except_dim(m, v, 2, dim)))


@aten("_weight_norm_interface")
def weight_norm_interface(m: Maker, v: Value, g: Value, dim: int = 0) -> tuple[Value, Value]:
    length = norm_except_dim(m, v, 2, dim)
    return m.op("Mul", v, m.op("Div", g, length)), length


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
    count = prod(m.length(value, axis) for axis in axes) - correction
    return m.op("Div", total, constant_like(m, total, count if count > 0 else 0.0))


def _statistics(m: Maker, input: Value, dim: Item, unbiased: Item, keepdim: bool, correction: Item):
    """The forms std(x, unbiased), std(x, dim, unbiased, keepdim) and std(x, dim, *, correction, keepdim)."""
    if isinstance(dim, bool):
        unbiased, dim = dim, None
    axes = axes_of(m, input, dim_or_dtype(m, dim, None)[0])
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
    return m.op("ReduceSum", summable(m, picked, None), m.ints([0]), keepdims=0)


def _trapezoids(m: Maker, y: Value, x: Value | None, dx: Number, axis: int) -> Value:
    """The areas between neighbours."""
    size = m.length(y, axis)
    value = y if m.dtype(y).is_float else m.cast(y, DType.FLOAT32)
    pairs = m.op("Add", m.slice(value, axis, 1, size), m.slice(value, axis, 0, size - 1))
    width = m.number(dx, m.dtype(value))
    if x is not None:
        places = m.cast(x, m.dtype(value))
        if m.rank(x) == 1:
            places = m.reshape(places, [-1 if number == axis else 1 for number in range(m.rank(y))])
        across = m.axis(axis - m.rank(y), m.rank(places))
        count = m.length(places, across)
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
    count = m.length(rows, 1) - correction
    found = m.op("Div", m.op("MatMul", centred, m.transpose(centred, [1, 0])), constant_like(m, rows, count))
    return m.squeeze(found, 0, 1) if m.rank(input) < 2 else found
