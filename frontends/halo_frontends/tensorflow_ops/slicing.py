"""Parts of tensors: strided slices with their masks, slices, gathers and scatters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halo_frontends.emitter import WHOLE, Emitter
from halo_frontends.tensorflow_ops.arranging import filled
from halo_py.errors import ModelError
from halo_py.ir.graph import Value
from halo_py.types import DType

Bound = int | Value | None
"""Where a slice begins or ends: a number, a vector of one that is known at run time, or nothing (the whole axis)."""


@dataclass(frozen=True, slots=True)
class Masks:
    """Bit i speaks of entry i of the slice specification."""

    begin: int = 0
    end: int = 0
    ellipsis: int = 0
    new_axis: int = 0
    shrink_axis: int = 0


@dataclass(frozen=True, slots=True)
class _Cut:
    """What happens to one axis of the operand; without it, the axis is kept whole."""

    axis: int
    begin: Bound
    end: Bound
    step: int


def strided_slice(
    x: Value, begin: Value, end: Value, strides: Value, masks: Masks, emit: Emitter, *, offset: bool = False
) -> Value:
    """`x[begin:end:strides]` where masks leave bounds open, add axes and drop axes. With `offset`, `end` counts from
    `begin`.
    """
    steps = emit.must_know_ints(strides, "strides of a slice")
    if len(steps) > 64:
        raise ModelError(f"slices {len(steps)} axes", emit.where)
    cuts: list[_Cut] = []
    found: list[tuple[int, Value]] = []
    shrunk: list[int] = []
    added: list[int] = []
    rank, axis, place = emit.rank(x), 0, 0
    spoken = sum(not (masks.new_axis | masks.ellipsis) >> entry & 1 for entry in range(len(steps)))
    for entry, step in enumerate(steps):
        bit = 1 << entry
        if masks.ellipsis & bit:
            # Entries behind the ellipsis speak of the last axes.
            skipped = rank - spoken
            if skipped < 0:
                break
            axis, place = axis + skipped, place + skipped
            continue
        if masks.new_axis & bit:
            added.append(place)
            place += 1
            continue
        if axis >= rank:
            raise ModelError(f"slices more axes than the {rank} there are", emit.where)
        if masks.shrink_axis & bit:
            first = _bound(begin, entry, emit)
            if isinstance(first, int):
                cuts.append(_Cut(axis, first, first + 1 if first != -1 else None, 1))
            else:
                found.append((axis, first))
            shrunk.append(axis)
        else:
            cuts.append(_range(axis, begin, end, step, entry, masks, emit, offset))
            place += 1
        axis += 1
    made = _cut(x, cuts, emit)
    for place, index in found:
        made = emit.op("Gather", made, index, axis=place)
    if shrunk:
        made = emit.squeeze(made, *shrunk)
    return emit.unsqueeze(made, *added) if added else made


def _range(
    axis: int, begin: Value, end: Value, step: int, entry: int, masks: Masks, emit: Emitter, offset: bool
) -> _Cut:
    bit = 1 << entry
    if step == 0:
        raise ModelError("slices with stride 0", emit.where)
    first = None if masks.begin & bit else _bound(begin, entry, emit)
    last = None if masks.end & bit else _bound(end, entry, emit)
    if offset and first is not None and last is not None:
        if isinstance(first, int) and isinstance(last, int):
            last = first + last
        else:
            last = emit.op("Add", _operand(first, emit), _operand(last, emit))
    return _Cut(axis, first, last, step)


def _bound(bounds: Value, entry: int, emit: Emitter) -> int | Value:
    dims = emit.dims_of(bounds)
    if dims is not None and entry < len(dims):
        found = dims[entry]
        if isinstance(found, int):
            return found
    elif emit.shape(bounds) and isinstance(emit.shape(bounds)[0], int) and entry >= int(str(emit.shape(bounds)[0])):
        raise ModelError("has fewer bounds than strides", emit.where)
    return emit.int64(emit.item(bounds, entry))


def _operand(bound: Bound, emit: Emitter) -> Value:
    assert bound is not None
    return emit.ints(bound) if isinstance(bound, int) else bound


def _cut(x: Value, cuts: Sequence[_Cut], emit: Emitter) -> Value:
    """One Slice over all axes that are not kept whole."""
    kept = [cut for cut in cuts if cut.begin is not None or cut.end is not None or cut.step != 1]
    if not kept:
        return x
    begins: list[Bound] = []
    ends: list[Bound] = []
    for cut in kept:
        forward = cut.step > 0
        begins.append(cut.begin if cut.begin is not None else 0 if forward else WHOLE)
        ends.append(cut.end if cut.end is not None else WHOLE if forward else -WHOLE)
    axes, steps = emit.ints(*(cut.axis for cut in kept)), emit.ints(*(cut.step for cut in kept))
    return emit.op("Slice", x, vector(begins, emit), vector(ends, emit), axes, steps)


def vector(bounds: Sequence[Bound], emit: Emitter) -> Value:
    """Numbers and vectors of one as one vector."""
    numbers = [bound for bound in bounds if isinstance(bound, int)]
    if len(numbers) == len(bounds):
        return emit.ints(*numbers)
    return emit.concat([_operand(bound, emit) for bound in bounds], 0)


def slice_by_size(x: Value, begin: Value, size: Value, emit: Emitter) -> Value:
    """`size` entries per axis from `begin`; -1 means all that are left."""
    begins, sizes = emit.dims_of(begin), emit.dims_of(size)
    rank = emit.rank(x)
    starts: list[Bound] = []
    ends: list[Bound] = []
    for axis in range(rank):
        first = begins[axis] if begins is not None and axis < len(begins) else None
        count = sizes[axis] if sizes is not None and axis < len(sizes) else None
        start = first if isinstance(first, int) else emit.int64(emit.item(begin, axis))
        starts.append(start)
        if count == -1:
            ends.append(WHOLE)
        elif isinstance(count, int) and isinstance(start, int):
            ends.append(start + count)
        else:
            length = emit.ints(count) if isinstance(count, int) else emit.int64(emit.item(size, axis))
            ends.append(emit.op("Add", _operand(start, emit), length))
    return emit.op(
        "Slice", x, vector(starts, emit), vector(ends, emit), emit.ints(*range(rank)), emit.ints(*(1,) * rank)
    )


def gather(x: Value, indices: Value, axis: int, batch_dims: int, emit: Emitter) -> Value:
    """Entries of one axis; the first `batch_dims` axes of data and indices go together."""
    rank = emit.rank(x)
    axis = emit.axis(axis, rank)
    batch = emit.axis(batch_dims, emit.rank(indices) + 1)
    if batch == 0:
        return emit.op("Gather", x, indices, axis=axis)
    if axis < batch:
        raise ModelError(f"gathers along axis {axis}, one of {batch} batch axes", emit.where)
    # The gathered axis goes behind the batch axes; what stood between them comes back in front of the rest.
    between = axis - batch
    order = (*range(batch), axis, *range(batch, axis), *range(axis + 1, rank))
    found = emit.op("GatherND", emit.transpose(x, order), emit.unsqueeze(emit.int64(indices), -1), batch_dims=batch)
    made, count = emit.rank(found), emit.rank(indices) - batch
    back = (
        *range(batch),
        *range(batch + count, batch + count + between),
        *range(batch, batch + count),
        *range(batch + count + between, made),
    )
    return emit.transpose(found, back)


def gather_nd(x: Value, indices: Value, emit: Emitter, batch_dims: int = 0) -> Value:
    """Slices of the data; the last axis of `indices` is one position."""
    return emit.op("GatherND", x, emit.int64(indices), batch_dims=batch_dims)


def scatter_nd(indices: Value, updates: Value, shape: Value, emit: Emitter) -> Value:
    """Zeros of a shape to which updates are added at the positions in `indices`."""
    zeros = filled(shape, emit.scalar(0, updates), emit)
    return emit.op("ScatterND", zeros, emit.int64(indices), updates, reduction="add")


def update_slice(x: Value, part: Value, start: Value, emit: Emitter) -> Value:
    """The data with `part` put where `start` says, moved so that it fits inside."""
    shape, sizes = emit.static_shape(x), emit.static_shape(part)
    last = np.asarray([size - extent for size, extent in zip(shape, sizes, strict=True)], np.int64)
    if (last < 0).any():
        raise ModelError(f"a part of shape {sizes} does not fit into {shape}", emit.where)
    first = emit.op("Clip", emit.int64(start), emit.scalar(0, DType.INT64), None)
    first = emit.op("Min", first, emit.constant(last, "last"))
    offsets = np.stack(np.meshgrid(*(np.arange(size) for size in sizes), indexing="ij"), -1).astype(np.int64)
    return emit.op("ScatterND", x, emit.op("Add", emit.constant(offsets, "offsets"), first), part)
