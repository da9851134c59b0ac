"""Writing elements by position."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.comparison import truth
from halo_frontends.torchscript.ops.indexing import as_positions, joined_positions, positions_by_axis
from halo_frontends.torchscript.ops.pointwise import as_value, mul
from halo_frontends.torchscript.table import aten
from halo_frontends.torchscript.values import Tensor
from halo_py.ir.graph import Value
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Number, Operand, OptionalValues, Sizes

_REDUCTIONS = {
    "sum": "add",
    "add": "add",
    "prod": "mul",
    "multiply": "mul",
    "amax": "max",
    "amin": "min",
    "mean": "mean",
}


def _matched(m: Maker, index: Value, source: Operand, dtype: DType) -> Value:
    """The source in the shape of the positions: a number for all, or its leading part."""
    if not isinstance(source, Value):
        return m.expand(m.number(source, dtype), m.sizes(index))
    value = m.cast(source, dtype)
    for axis in range(m.rank(index)):
        if m.size_of(value, axis) != m.size_of(index, axis):
            value = m.slice(value, axis, 0, m.size(index, axis))
    return value


@aten("scatter")
def scatter(m: Maker, input: Value, dim: int, index: Value, src: Operand, reduce: str | None = None) -> Value:
    return _scattered(m, input, dim, index, src, "none" if reduce is None else _REDUCTIONS[reduce])


@aten("scatter_add")
def scatter_add(m: Maker, input: Value, dim: int, index: Value, src: Value) -> Value:
    return _scattered(m, input, dim, index, src, "add")


@aten("scatter_reduce")
def scatter_reduce(
    m: Maker, input: Value, dim: int, index: Value, src: Value, reduce: str, include_self: bool = True
) -> Value:
    kind = _REDUCTIONS[reduce]
    if not include_self:
        input = _neutral_where_written(m, input, dim, index, kind)
    if kind != "mean":
        return _scattered(m, input, dim, index, src, kind)
    total = _scattered(m, input, dim, index, src, "add")
    dtype = m.dtype(input)
    start = m.const(np.full(m.shape(input), 1, dtype.numpy), dtype)
    if not include_self:
        start = _neutral_where_written(m, start, dim, index, kind)
    count = _scattered(m, start, dim, index, 1, "add")
    return m.op("Div", total, count)


def _neutral_where_written(m: Maker, input: Value, dim: int, index: Value, kind: str) -> Value:
    dtype = m.dtype(input)
    least = -(1 << (dtype.bits - 1)) if dtype.is_signed else 0
    low = -np.inf if dtype.is_float else least
    high = np.inf if dtype.is_float else least + (1 << dtype.bits) - 1
    neutral = {"add": 0, "mean": 0, "mul": 1, "max": low, "min": high}[kind]
    return _scattered(m, input, dim, index, neutral, "none")


def _scattered(m: Maker, input: Value, dim: int, index: Value, source: Operand, reduction: str) -> Value:
    if m.empty(index):
        return input
    flat = not m.rank(input)
    value = m.unsqueeze(input, 0) if flat else input
    positions = as_positions(m, index if m.rank(index) else m.unsqueeze(index, 0))
    if isinstance(source, Value) and not m.rank(source):
        source = m.unsqueeze(source, 0)
    updates = _matched(m, positions, source, m.dtype(input))
    axis = m.axis(dim, m.rank(value))
    found = m.op("ScatterElements", value, positions, updates, axis=axis, reduction=reduction)
    return m.squeeze(found, 0) if flat else found


def _along(m: Maker, input: Value, axis: int, index: Value) -> Value:
    """Positions along one axis, the same for all other axes."""
    shape = list(m.shape(input))
    positions = m.flat(as_positions(m, index)) if m.rank(index) else m.unsqueeze(as_positions(m, index), 0)
    shape[axis] = m.length(positions, 0)
    line = m.reshape(positions, [-1 if number == axis else 1 for number in range(len(shape))])
    return m.expand(line, shape)


@aten("index_fill")
def index_fill(m: Maker, input: Value, dim: int, index: Value, value: Operand) -> Value:
    axis = m.axis(dim, m.rank(input))
    if not m.rank(input):
        return as_value(m, value, m.dtype(input))
    positions = _along(m, input, axis, index)
    source = m.expand(as_value(m, value, m.dtype(input)), m.shape(positions))
    return _scattered(m, input, axis, positions, source, "none")


@aten("index_copy")
def index_copy(m: Maker, input: Value, dim: int, index: Value, source: Value) -> Value:
    return _index_write(m, input, dim, index, source, "none")


@aten("index_add")
def index_add(m: Maker, input: Value, dim: int, index: Value, source: Value, alpha: Number = 1) -> Value:
    return _index_write(m, input, dim, index, source if alpha == 1 else mul(m, source, alpha), "add")


@aten("index_reduce")
def index_reduce(
    m: Maker, input: Value, dim: int, index: Value, source: Value, reduce: str, include_self: bool = True
) -> Value:
    if not m.rank(input):
        raise m.unsupported("a reduction into a tensor without axes is not supported")
    axis = m.axis(dim, m.rank(input))
    return scatter_reduce(m, input, axis, _along(m, input, axis, index), source, reduce, include_self)


def _index_write(m: Maker, input: Value, dim: int, index: Value, source: Value, reduction: str) -> Value:
    if not m.rank(input):
        source = m.reshape(source, [])
        return m.op("Add", input, source) if reduction == "add" else source
    axis = m.axis(dim, m.rank(input))
    positions = _along(m, input, axis, index)
    return _scattered(m, input, axis, positions, m.reshape(source, m.shape(positions)), reduction)


@aten("index_put", "_index_put_impl_", "_unsafe_index_put")
def index_put(
    m: Maker, input: Value, indices: OptionalValues, values: Value, accumulate: bool = False, unsafe: bool = False
) -> Value:
    only = indices[0] if len(indices) == 1 else None
    if only is not None and m.dtype(only) is DType.BOOL and not m.rank(values) and not accumulate:
        mask = m.unsqueeze(only, *range(m.rank(only), m.rank(input)))
        return m.op("Where", mask, m.cast(values, m.dtype(input)), input)
    found = positions_by_axis(m, input, indices)
    axes = list(found)
    rest = [axis for axis in range(m.rank(input)) if axis not in found]
    order = [*axes, *rest]
    back = [order.index(axis) for axis in range(len(order))]
    joined = joined_positions(m, [found[axis] for axis in axes])
    lead, tail = m.sizes(joined)[:-1], [m.size(input, axis) for axis in rest]
    updates = m.cast(values, m.dtype(input))
    adjacent = axes == list(range(axes[0], axes[-1] + 1))
    if adjacent and axes[0] and m.rank(values) > len(rest) - axes[0]:
        updates = _moved(m, updates, len(lead), axes[0], [*tail[: axes[0]], *lead, *tail[axes[0] :]])
    else:
        updates = m.expand(updates, [*lead, *tail])
    kind = "add" if accumulate else "none"
    filled = m.op("ScatterND", m.transpose(input, order), joined, updates, reduction=kind)
    return m.transpose(filled, back)


def _moved(m: Maker, updates: Value, count: int, before: int, shape: Sizes) -> Value:
    """Updates whose indexed axes stand in the middle, with those axes in front."""
    value = m.expand(updates, shape)
    rank = m.rank(value)
    order = [*range(before, before + count), *range(before), *range(before + count, rank)]
    return m.transpose(value, order)


@aten("masked_scatter")
def masked_scatter(m: Maker, input: Value, mask: Value, source: Value) -> Value:
    """The source's elements in order where the mask holds: the n-th place reads the n-th element."""
    shape = np.broadcast_shapes(m.shape(input), m.shape(mask))
    flags = m.expand(truth(m, mask), shape)
    flat = m.flat(m.cast(flags, DType.INT64))
    order = m.op("CumSum", flat, m.number(0, DType.INT64), exclusive=1)
    last = m.number(max(prod(m.shape(source)) - 1, 0), DType.INT64)
    picked = m.op("Gather", m.flat(source), m.op("Min", order, last), axis=0)
    return m.op("Where", flags, m.reshape(picked, shape), m.expand(input, shape))


@aten("put")
def put(m: Maker, input: Value, index: Value, source: Value, accumulate: bool = False) -> Value:
    kind = "add" if accumulate else "none"
    flat = m.op("ScatterElements", m.flat(input), m.flat(index), m.flat(source), axis=0, reduction=kind)
    return m.reshape(flat, m.shape(input))


@aten("select_scatter")
def select_scatter(m: Maker, input: Value, src: Value, dim: int, index: int) -> Value:
    from halo_frontends.torchscript.ops.views import select

    return _written(m, input, src, lambda tensor: select(m, tensor, dim, index))


@aten("slice_scatter")
def slice_scatter(
    m: Maker, input: Value, src: Value, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Value:
    from halo_frontends.torchscript.ops.views import slice

    return _written(m, input, src, lambda tensor: slice(m, tensor, dim, start, end, step))


@aten("diagonal_scatter")
def diagonal_scatter(m: Maker, input: Value, src: Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Value:
    from halo_frontends.torchscript.ops.picking import diagonal

    return _written(m, input, src, lambda tensor: diagonal(m, tensor, offset, dim1, dim2))


def _written(m: Maker, input: Value, source: Value, view: Callable[[Tensor], Tensor]) -> Value:
    """The input with a view of it replaced."""
    tensor = Tensor(input)
    part = view(tensor)
    m.emitter.write(part, m.cast(source, m.dtype(input)))
    return m.read(tensor)


@aten("fill")
def fill(m: Maker, input: Value, value: Operand) -> Value:
    return m.expand(as_value(m, value, m.dtype(input)), m.sizes(input))


@aten("fill_diagonal")
def fill_diagonal(m: Maker, input: Value, value: Operand, wrap: bool = False) -> Value:
    number = as_value(m, value, m.dtype(input))
    shape = m.shape(input)
    mask = np.zeros(shape, np.bool_)
    np.fill_diagonal(mask, True, wrap)
    return m.op("Where", m.const(mask), number, input)


@aten("zero")
def zero(m: Maker, input: Value) -> Value:
    return m.expand(m.number(0, m.dtype(input)), m.sizes(input))


@aten("copy")
def copy(m: Maker, input: Value, src: Value, non_blocking: bool = False) -> Value:
    return m.expand(m.cast(src, m.dtype(input)), m.sizes(input))
