"""Sorting, the largest elements, searching and counting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.indexing import as_positions
from halo_frontends.torchscript.ops.pointwise import constant_like, tensor_of
from halo_frontends.torchscript.promotion import result_dtype
from halo_frontends.torchscript.table import aten
from halo_py.ir.graph import Value
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Item, Operand, Size


@aten("topk")
def topk(
    m: Maker, input: Value, k: Size, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Value, Value]:
    if not m.rank(input):
        return input, m.number(0, DType.INT64)
    axis = m.axis(dim, m.rank(input))
    value = m.cast(input, DType.INT32) if m.dtype(input) is DType.BOOL else input
    found, positions = m.ops("TopK", [value, m.ints([k])], 2, axis=axis, largest=int(largest))
    return m.cast(found, m.dtype(input)), positions


def _arranged(m: Maker, input: Value, dim: int, descending: bool) -> tuple[Value, Value]:
    axis = m.axis(dim, m.rank(input))
    return topk(m, input, m.size(input, axis) if m.rank(input) else 1, dim, descending)


@aten("sort")
def sort(m: Maker, input: Value, dim: Item = -1, descending: Item = False, stable: Item = None) -> tuple[Value, Value]:
    if isinstance(dim, bool) or dim is None:  # sort(x, stable, dim, descending)
        dim, descending = descending, stable
    assert isinstance(dim, int)
    return _arranged(m, input, dim, bool(descending))


@aten("argsort")
def argsort(m: Maker, input: Value, dim: Item = -1, descending: Item = False, stable: Item = None) -> Value:
    return sort(m, input, dim, descending, stable)[1]


@aten("msort")
def msort(m: Maker, input: Value) -> Value:
    return _arranged(m, input, 0, False)[0]


@aten("kthvalue")
def kthvalue(m: Maker, input: Value, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Value, Value]:
    if not m.rank(input):
        return input, m.number(0, DType.INT64)
    return _at_rank(m, input, k - 1, m.axis(dim, m.rank(input)), keepdim)


def _at_rank(m: Maker, input: Value, rank: int, axis: int, keepdim: bool) -> tuple[Value, Value]:
    """The element that stands at this place when an axis is sorted, and where it was."""
    found, positions = topk(m, input, rank + 1, axis, largest=False)
    last = m.const(np.asarray([rank] if keepdim else rank, np.int64))
    return m.op("Gather", found, last, axis=axis), m.op("Gather", positions, last, axis=axis)


@aten("median")
def median(m: Maker, input: Value, dim: int | None = None, keepdim: bool = False) -> object:
    if not m.rank(input):
        return input if dim is None else (input, m.number(0, DType.INT64))
    if dim is None:
        flat = m.flat(input)
        return _at_rank(m, flat, (m.length(flat, 0) - 1) // 2, 0, False)[0]
    axis = m.axis(dim, m.rank(input))
    return _at_rank(m, input, (m.length(input, axis) - 1) // 2, axis, keepdim)


@aten("quantile")
def quantile(
    m: Maker, input: Value, q: Operand, dim: int | None = None, keepdim: bool = False, interpolation: str = "linear"
) -> Value:
    """Between the two sorted elements around q (n - 1)."""
    known = m.known(q) if isinstance(q, Value) else np.asarray(q) if isinstance(q, (int, float)) else None
    if known is None or known.ndim > 1:
        raise m.unsupported("quantiles that depend on data are not supported")
    wanted = known.astype(np.float64)
    value = m.flat(input) if dim is None else input
    axis = 0 if dim is None else m.axis(dim, m.rank(input))
    ordered = _arranged(m, value, axis, False)[0]
    place = wanted * (m.length(value, axis) - 1)
    low, high = np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64)
    weight = {"linear": place - low, "lower": 0 * place, "higher": high > low, "midpoint": (high > low) / 2}.get(
        interpolation
    )
    if weight is None:
        weight = np.round(place) - low
    parts = [m.op("Gather", ordered, m.const(positions.reshape(-1)), axis=axis) for positions in (low, high)]
    shape = [-1 if number == axis else 1 for number in range(m.rank(value))]
    factor = m.const(np.asarray(weight, m.dtype(input).numpy).reshape(shape), m.dtype(input))
    mixed = m.op("Add", parts[0], m.op("Mul", factor, m.op("Sub", parts[1], parts[0])))
    order = [axis, *[number for number in range(m.rank(value)) if number != axis]]
    front = m.transpose(mixed, order)
    if keepdim:
        kept = [1] * m.rank(input) if dim is None else [1 if a == axis else s for a, s in enumerate(m.shape(input))]
        front = m.reshape(front, [wanted.size, *kept])
    return front if wanted.ndim else m.squeeze(front, 0)


@aten("searchsorted")
def searchsorted(
    m: Maker,
    sorted_sequence: Value,
    input: Operand,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Value | None = None,
) -> Value:
    """How many elements of the sorted line stand before each value."""
    if sorter is not None:
        sorted_sequence = m.op("GatherElements", sorted_sequence, sorter, axis=-1)
    value = tensor_of(m, input)
    dtype = result_dtype((sorted_sequence, value))
    line, value = m.cast(sorted_sequence, dtype), m.cast(value, dtype)
    before = "LessOrEqual" if right or side == "right" else "Less"
    if m.rank(line) > 1:
        line = m.unsqueeze(line, m.rank(line) - 1)
    flags = m.op(before, line, m.unsqueeze(value, m.rank(value)))
    wide = DType.INT32 if out_int32 else DType.INT64
    return m.op("ReduceSum", m.cast(flags, wide), m.ints([-1]), keepdims=0)


@aten("bucketize")
def bucketize(m: Maker, input: Operand, boundaries: Value, out_int32: bool = False, right: bool = False) -> Value:
    return searchsorted(m, boundaries, input, out_int32, right)


@aten("_unique2")
def unique(
    m: Maker, input: Value, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False
) -> tuple[Value, Value, Value]:
    found, _, inverse, counts = m.ops("Unique", [m.flat(input)], 4, sorted=1)
    return found, inverse if m.rank(input) == 1 else m.reshape(inverse, m.sizes(input)), counts


@aten("bincount")
def bincount(m: Maker, input: Value, weights: Value | None = None, minlength: int = 0) -> Value:
    contents = m.known(input)
    if contents is None:
        raise m.unsupported("counts whose number depends on data are not supported")
    size = int(max(minlength, contents.max(initial=-1) + 1))
    dtype = DType.INT64 if weights is None else m.dtype(weights)
    zeros = m.const(np.zeros(size, dtype.numpy), dtype)
    ones = m.const(np.ones(contents.size, dtype.numpy), dtype) if weights is None else weights
    return m.op("ScatterElements", zeros, as_positions(m, input), ones, axis=0, reduction="add")


@aten("histc")
def histc(m: Maker, input: Value, bins: int = 100, min: float = 0, max: float = 0) -> Value:
    if min == max:
        raise m.unsupported("a histogram whose range depends on data is not supported")
    value = m.flat(input)
    scaled = m.op("Mul", m.op("Sub", value, constant_like(m, value, min)), constant_like(m, value, bins / (max - min)))
    place = m.op(
        "Clip", m.cast(m.op("Floor", scaled), DType.INT64), m.number(0, DType.INT64), m.number(bins - 1, DType.INT64)
    )
    inside = m.op(
        "And",
        m.op("GreaterOrEqual", value, constant_like(m, value, min)),
        m.op("LessOrEqual", value, constant_like(m, value, max)),
    )
    zeros = m.const(np.zeros(bins, m.dtype(value).numpy))
    return m.op("ScatterElements", zeros, place, m.cast(inside, m.dtype(value)), axis=0, reduction="add")


@aten("isin")
def isin(
    m: Maker, elements: Operand, test_elements: Operand, assume_unique: bool = False, invert: bool = False
) -> Value:
    from halo_frontends.torchscript.ops.pointwise import as_value

    dtype = result_dtype((elements, test_elements))
    value, tests = as_value(m, elements, dtype), m.flat(as_value(m, test_elements, dtype))
    flags = m.cast(m.op("Equal", m.unsqueeze(value, m.rank(value)), tests), DType.INT32)
    found = m.cast(m.op("ReduceMax", flags, m.ints([-1]), keepdims=0), DType.BOOL)
    return m.op("Not", found) if invert else found
