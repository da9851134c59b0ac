"""Reading elements by position."""

from __future__ import annotations

import itertools
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.comparison import truth
from halo_frontends.torchscript.table import aten
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Ints, OptionalValues, Value


@aten("embedding")
def embedding(
    m: Maker,
    weight: Value,
    indices: Value,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Value:
    return m.op("Gather", weight, as_positions(m, indices), axis=0)


def as_positions(m: Maker, value: Value) -> Value:
    """A value as positions. Raises NeedsIntegersError for floats, which says that an input must be integers."""
    if not m.dtype(value).is_integer:
        from halo_frontends.torchscript.needs import NeedsIntegersError

        raise NeedsIntegersError(value, m.emitter.where)
    return value if m.dtype(value) in (DType.INT32, DType.INT64) else m.cast(value, DType.INT64)


@aten("index_select")
def index_select(m: Maker, input: Value, dim: int, index: Value) -> Value:
    if not m.rank(input):
        return m.reshape(input, [])
    positions = as_positions(m, index)
    return m.op("Gather", input, m.flat(positions) if m.rank(positions) else m.unsqueeze(positions, 0),
                axis=m.axis(dim, m.rank(input)))  # fmt: skip


@aten("gather")
def gather(m: Maker, input: Value, dim: int, index: Value, sparse_grad: bool = False) -> Value:
    positions = as_positions(m, index)
    if not m.rank(input):
        return m.reshape(m.op("Gather", m.unsqueeze(input, 0), m.flat(positions), axis=0), m.shape(index))
    if not m.rank(positions):
        return m.op("Gather", input, positions, axis=0)
    return m.op("GatherElements", input, positions, axis=m.axis(dim, m.rank(input)))


@aten("take_along_dim")
def take_along_dim(m: Maker, input: Value, indices: Value, dim: int | None = None) -> Value:
    if dim is None:
        return m.op("GatherElements", m.flat(input), m.flat(indices), axis=0)
    axis = m.axis(dim, m.rank(input))
    a, b = list(m.shape(input)), list(m.shape(indices))
    wide = [max(x, y) if x and y else 0 for x, y in zip(a, b, strict=True)]
    left, right = [*wide], [*wide]
    left[axis], right[axis] = a[axis], b[axis]
    return m.op("GatherElements", m.expand(input, left), m.expand(as_positions(m, indices), right), axis=axis)


@aten("take")
def take(m: Maker, input: Value, index: Value) -> Value:
    return m.op("Gather", m.flat(input), as_positions(m, index), axis=0)


@aten("masked_select")
def masked_select(m: Maker, input: Value, mask: Value) -> Value:
    shape = np.broadcast_shapes(m.shape(input), m.shape(mask))
    value, flags = m.expand(input, shape), m.expand(truth(m, mask), shape)
    return m.op("Compress", m.flat(value), m.flat(flags), axis=0)


@aten("nonzero")
def nonzero(m: Maker, input: Value) -> Value:
    return m.transpose(m.op("NonZero", input), [1, 0])


@aten("nonzero_numpy")
def nonzero_tuple(m: Maker, input: Value) -> list[Value]:
    """The positions along each axis of the elements that are not 0."""
    found = m.op("NonZero", m.unsqueeze(input, 0) if not m.rank(input) else input)
    return [m.op("Gather", found, m.const(np.asarray(axis, np.int64)), axis=0) for axis in range(max(m.rank(input), 1))]


@aten("argwhere")
def argwhere(m: Maker, input: Value) -> Value:
    return nonzero(m, input)


@aten("index", "_unsafe_index")
def index(m: Maker, input: Value, indices: OptionalValues) -> Value:
    """Advanced indexing: a position per indexed axis, broadcast; the result's axes stand where NumPy puts them."""
    found = positions_by_axis(m, input, indices)
    if not found:
        return input
    axes = list(found)
    adjacent = axes == list(range(axes[0], axes[-1] + 1))
    if len(axes) == 1:
        return m.op("Gather", input, found[axes[0]], axis=axes[0])
    rank = m.rank(input)
    rest = [axis for axis in range(rank) if axis not in found]
    value = m.transpose(input, [*axes, *rest])
    joined = joined_positions(m, [found[axis] for axis in axes])
    value = m.op("GatherND", value, joined)
    if not adjacent or not axes[0]:
        return value
    count = m.rank(joined) - 1
    before = axes[0]
    order = [*range(count, count + before), *range(count), *range(count + before, count + len(rest))]
    return m.transpose(value, order)


def positions_by_axis(m: Maker, input: Value, indices: OptionalValues) -> dict[int, Value]:
    """Positions for each indexed axis; a mask over several axes becomes positions along each of them."""
    found: dict[int, Value] = {}
    axis = 0
    for entry in indices:
        if entry is None:
            axis += 1
        elif m.dtype(entry) in (DType.BOOL, DType.UINT8):
            for positions in nonzero_tuple(m, entry):
                found[axis] = positions
                axis += 1
        else:
            found[axis] = _wrapped(m, input, as_positions(m, entry), axis)
            axis += 1
    return found


def _wrapped(m: Maker, input: Value, positions: Value, axis: int) -> Value:
    """Known negative positions counted from the front; unknown ones are left to the node."""
    contents = m.known(positions)
    size = (m.type(input).shape or ())[axis] if axis < m.rank(input) else 0
    if contents is None or not isinstance(size, int) or not (contents < 0).any():
        return positions
    return m.const(np.where(contents < 0, contents + size, contents))


def joined_positions(m: Maker, positions: list[Value]) -> Value:
    """Positions along several axes, broadcast and side by side in a new last axis."""
    if all(m.is_static(entry) for entry in positions):
        shape = np.broadcast_shapes(*(m.shape(entry) for entry in positions))
        parts = [m.expand(m.cast(entry, DType.INT64), shape) for entry in positions]
    else:
        parts = [m.cast(entry, DType.INT64) for entry in positions]
        total = parts[0]
        for part in parts[1:]:
            total = m.op("Add", total, part)
        nothing = m.op("Sub", total, total)
        parts = [m.op("Add", part, nothing) for part in parts]
    return m.op("Concat", *(m.unsqueeze(part, m.rank(part)) for part in parts), axis=-1)


@aten("one_hot")
def one_hot(m: Maker, input: Value, num_classes: int = -1) -> Value:
    positions = as_positions(m, input)
    if num_classes < 0:
        contents = m.known(positions)
        if contents is None:
            raise m.unsupported("one_hot needs to know the number of classes")
        num_classes = int(contents.max()) + 1
    values = m.const(np.asarray([0, 1], np.int64))
    return m.op("OneHot", positions, m.number(num_classes, DType.INT64), values, axis=-1)


@aten("embedding_bag", "_embedding_bag", "_embedding_bag_forward_only")
def embedding_bag(
    m: Maker,
    weight: Value,
    indices: Value,
    offsets: Value,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Value | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Value, Value, Value, Value]:
    """Sums (mode 0), means (1) or maxima (2) of rows; where bags begin must be known."""
    starts = m.known(offsets)
    if starts is None:
        raise m.unsupported("bags that begin where data says are not supported")
    if padding_idx is not None and padding_idx >= 0:
        raise m.unsupported("bags with padding are not supported")
    count = m.length(indices, 0)
    bounds = [*starts.tolist()] if include_last_offset else [*starts.tolist(), count]
    rows = m.op("Gather", weight, as_positions(m, indices), axis=0)
    if per_sample_weights is not None:
        rows = m.op("Mul", rows, m.unsqueeze(per_sample_weights, 1))
    kind = ("ReduceSum", "ReduceMean", "ReduceMax")[mode]
    bags = [_bag(m, rows, kind, low, high) for low, high in itertools.pairwise(bounds)]
    nothing = m.const(np.zeros(0, np.int64))
    return m.op("Concat", *bags, axis=0), nothing, nothing, nothing


def _bag(m: Maker, rows: Value, kind: str, low: int, high: int) -> Value:
    if low == high:
        return m.const(np.zeros((1, m.length(rows, 1)), m.dtype(rows).numpy), m.dtype(rows))
    return m.op(kind, m.slice(rows, 0, low, high), m.ints([0]), keepdims=1)


@aten("unravel_index")
def unravel_index(m: Maker, indices: Value, shape: Ints) -> list[Value]:
    found: list[Value] = []
    for axis, size in enumerate(shape):
        step = m.number(prod(shape[axis + 1 :]), m.dtype(indices))
        found.append(m.op("Mod", m.op("Div", indices, step), m.number(size, m.dtype(indices))))
    return found
