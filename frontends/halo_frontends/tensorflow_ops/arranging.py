"""Rearranging, repeating and padding: the operators that compute nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from halo_frontends.emitter import WHOLE, Emitter
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import Dim, DType, scale_dim


def reshape_to(x: Value, shape: Value, emit: Emitter) -> Value:
    """The elements in another shape, of which one dimension may be -1."""
    dims = emit.dims_of(shape)
    if dims is not None and sum(not isinstance(dim, int) or dim == -1 for dim in dims) <= 1:
        return emit.reshape(x, dims)
    return emit.op("Reshape", x, emit.int64(shape), allowzero=0)


def expand_dims(x: Value, axis: int, emit: Emitter) -> Value:
    """An axis of size 1 added at this place of the result."""
    return emit.unsqueeze(x, emit.axis(axis, emit.rank(x) + 1))


def squeeze(x: Value, axes: Sequence[int], emit: Emitter) -> Value:
    """Axes of size 1 dropped: those given, or all of them."""
    rank = emit.rank(x)
    gone = [emit.axis(axis, rank) for axis in axes]
    if not gone:
        gone = [axis for axis, size in enumerate(emit.static_shape(x)) if size == 1]
    return emit.squeeze(x, *sorted(set(gone))) if gone else x


def pack(values: Sequence[Value], axis: int, emit: Emitter) -> Value:
    """Values of one shape along a new axis."""
    if not values:
        raise ModelError("packs no values", emit.where)
    place = emit.axis(axis, emit.rank(values[0]) + 1)
    return emit.concat([emit.unsqueeze(value, place) for value in values], place)


def unpack(x: Value, axis: int, emit: Emitter) -> tuple[Value, ...]:
    """The slices along one axis, without it."""
    place = emit.axis(axis, emit.rank(x))
    (count,) = emit.numbers(emit.shape(x)[place : place + 1], "the number of slices")
    if count == 0:
        return ()
    parts = split(x, place, (1,) * count, emit)
    return tuple(emit.squeeze(part, place) for part in parts)


_MOST_PARTS = 100_000


def split(x: Value, axis: int, sizes: Sequence[int], emit: Emitter) -> tuple[Value, ...]:
    """Consecutive parts of these sizes; one may be -1 (the rest)."""
    place = emit.axis(axis, emit.rank(x))
    if len(sizes) > _MOST_PARTS:
        raise ModelError(f"makes {len(sizes)} parts", emit.where)
    found = list(sizes)
    if -1 in found:
        (size,) = emit.numbers(emit.shape(x)[place : place + 1], "the size of the axis that is split")
        found[found.index(-1)] = size - sum(part for part in found if part != -1)
    if min(found, default=0) < 0:
        raise ModelError(f"parts of {found} do not fit", emit.where)
    if len(found) == 1:
        return (x,)
    return emit.several("Split", (x, emit.ints(*found)), len(found), axis=place)


def split_evenly(x: Value, axis: int, parts: int, emit: Emitter) -> tuple[Value, ...]:
    """Parts of equal size."""
    place = emit.axis(axis, emit.rank(x))
    (size,) = emit.numbers(emit.shape(x)[place : place + 1], "the size of the axis that is split")
    if not 0 < parts <= _MOST_PARTS or size % parts:
        raise ModelError(f"an axis of {size} cannot be split into {parts}", emit.where)
    return split(x, place, (size // parts,) * parts, emit)


def pad(x: Value, pads: Value, number: Value | None, emit: Emitter) -> Value:
    """Elements added before and after each axis; `pads` is [rank, 2]."""
    contents = emit.known(pads)
    if contents is None:
        order = emit.transpose(emit.int64(pads), (1, 0))
        return emit.op("Pad", x, emit.reshape(order, (-1,)), number)
    amounts = contents.reshape(-1, 2).astype(np.int64)
    if not amounts.any():
        return x
    return emit.op("Pad", x, emit.constant(amounts.T.reshape(-1), "pads"), number)


def mirror_pad(x: Value, pads: Value, symmetric: bool, emit: Emitter) -> Value:
    """Elements mirrored at the borders; `symmetric` repeats the border itself."""
    amounts = emit.must_know(pads, "the amounts of padding").reshape(-1, 2).astype(np.int64)
    if len(amounts) != emit.rank(x):
        raise ModelError(f"{len(amounts)} amounts of padding do not fit rank {emit.rank(x)}", emit.where)
    if not symmetric:
        return emit.op("Pad", x, emit.constant(amounts.T.reshape(-1), "pads"), mode="reflect") if amounts.any() else x
    for axis, (before, after) in enumerate(amounts.tolist()):
        parts = [x]
        if before:
            parts.insert(0, reverse(emit.slice(x, axis, 0, before), (axis,), emit))
        if after:
            parts.append(reverse(emit.slice(x, axis, -after), (axis,), emit))
        x = emit.concat(parts, axis)
    return x


def reverse(x: Value, axes: Sequence[int], emit: Emitter) -> Value:
    """The elements of these axes in opposite order."""
    if not axes:
        return x
    count = len(axes)
    starts, ends, steps = (emit.ints(*(number,) * count) for number in (WHOLE, -WHOLE, -1))
    return emit.op("Slice", x, starts, ends, emit.ints(*axes), steps)


def reverse_sequence(x: Value, lengths: Value, time: int, batch: int, emit: Emitter) -> Value:
    """The first `lengths[b]` entries along `time` in opposite order, for each entry b of axis `batch`."""
    rank = emit.rank(x)
    time, batch = emit.axis(time, rank), emit.axis(batch, rank)
    if time == batch:
        raise ModelError("reverses along the batch axis", emit.where)
    order = (time, batch, *(axis for axis in range(rank) if axis not in (time, batch)))
    turned = emit.op("ReverseSequence", emit.transpose(x, order), emit.int64(lengths), time_axis=0, batch_axis=1)
    return emit.transpose(turned, inverse(order))


def inverse(order: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes another one."""
    found = [0] * len(order)
    for place, axis in enumerate(order):
        found[axis] = place
    return tuple(found)


def tile(x: Value, repeats: Value, emit: Emitter) -> Value:
    """Every axis repeated."""
    contents = emit.known(repeats)
    if contents is not None and (contents == 1).all():
        return x
    return emit.op("Tile", x, emit.int64(repeats))


def broadcast_to(x: Value, shape: Value, emit: Emitter) -> Value:
    """The tensor repeated to a shape."""
    return emit.op("Expand", x, emit.int64(shape))


def broadcast_shapes(left: Value, right: Value, emit: Emitter) -> Value:
    """The shape that two shapes broadcast to. Raises UnsupportedError if they are not known."""
    shapes = [emit.must_know_ints(value, "shapes that are broadcast") for value in (left, right)]
    try:
        found = np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ModelError(str(error), emit.where) from error
    return emit.constant(np.asarray(found, emit.dtype(left).numpy), "shape")


def filled(shape: Value, number: Value, emit: Emitter) -> Value:
    """A tensor of this shape with one number in every element."""
    contents = emit.known(number)
    wanted = emit.int64(shape)
    if contents is not None and emit.dtype(number) is not DType.STRING:
        return emit.op("ConstantOfShape", wanted, value=contents.reshape(1))
    return emit.op("Expand", number, wanted)


def pairs(value: Value, emit: Emitter) -> tuple[tuple[int, int], ...]:
    """Contents of a constant [n, 2]. Raises UnsupportedError if they are not known."""
    contents = emit.must_know(value, "amounts of padding").reshape(-1, 2)
    return tuple((int(before), int(after)) for before, after in contents.tolist())


def one_hot(indices: Value, depth: int, on: Value, off: Value, axis: int, emit: Emitter) -> Value:
    """`on` where the position along the new axis is the index, else `off`; indices outside give `off` only."""
    place = emit.axis(axis, emit.rank(indices) + 1)
    if not 0 <= depth <= _MOST_PARTS * 100:
        raise ModelError(f"codes of {depth} positions", emit.where)
    behind = emit.rank(indices) - place
    positions = np.arange(depth).astype(emit.dtype(indices).numpy).reshape(-1, *(1,) * behind)
    hit = emit.op("Equal", emit.unsqueeze(indices, place), emit.constant(positions, "positions"))
    return emit.op("Where", hit, on, off)


# -- blocks -------------------------------------------------------------------------------------------------------


def space_to_depth(x: Value, block: int, emit: Emitter, *, channels_last: bool = True) -> Value:
    """Blocks of the field as channels."""
    return _blocks("SpaceToDepth", x, block, emit, channels_last)


def depth_to_space(x: Value, block: int, emit: Emitter, *, channels_last: bool = True) -> Value:
    """Channels as blocks of the field."""
    return _blocks("DepthToSpace", x, block, emit, channels_last)


def _blocks(kind: str, x: Value, block: int, emit: Emitter, channels_last: bool) -> Value:
    if not channels_last:
        return emit.op(kind, x, blocksize=block)
    return emit.transpose(emit.op(kind, emit.transpose(x, (0, 3, 1, 2)), blocksize=block), (0, 2, 3, 1))


def space_to_batch(x: Value, block: Sequence[int], pads: Sequence[Sequence[int]], emit: Emitter) -> Value:
    """Every block of the (padded) spatial axes spread over the batch."""
    rank, spatial = emit.rank(x), len(block)
    _check_blocks(rank, block, pads, emit)
    if any(number for pair in pads for number in pair):
        padding = [(0, 0), *((int(a), int(b)) for a, b in pads), *((0, 0),) * (rank - spatial - 1)]
        ends = (*(before for before, _ in padding), *(after for _, after in padding))
        x = emit.op("Pad", x, emit.ints(*ends))
    shape = emit.shape(x)
    cut: list[Dim] = [shape[0]]
    for size, width in zip(emit.numbers(shape[1 : spatial + 1], "the spatial dimensions"), block, strict=True):
        if size % width:
            raise ModelError(f"blocks of {width} do not divide {size}", emit.where)
        cut += [size // width, width]
    rest = range(1 + 2 * spatial, rank + spatial)
    order = (*range(2, 1 + 2 * spatial, 2), 0, *range(1, 1 + 2 * spatial, 2), *rest)
    spread = emit.transpose(emit.reshape(x, (*cut, *shape[spatial + 1 :])), order)
    count = int(np.prod(block))
    return emit.reshape(spread, (scale_dim(shape[0], count), *cut[1::2], *shape[spatial + 1 :]))


def batch_to_space(x: Value, block: Sequence[int], crops: Sequence[Sequence[int]], emit: Emitter) -> Value:
    """The opposite of `space_to_batch`: blocks collected from the batch, then borders cut off."""
    rank, spatial = emit.rank(x), len(block)
    _check_blocks(rank, block, crops, emit)
    shape, count = emit.shape(x), int(np.prod(block))
    images: Dim = -1
    if isinstance(shape[0], int):
        if shape[0] % count:
            raise ModelError(f"a batch of {shape[0]} does not hold blocks of {count}", emit.where)
        images = shape[0] // count
    field = emit.numbers(shape[1 : spatial + 1], "the spatial dimensions")
    spread = emit.reshape(x, (*block, images, *field, *shape[spatial + 1 :]))
    order = [spatial]
    for axis in range(spatial):
        order += [spatial + 1 + axis, axis]
    order += range(2 * spatial + 1, rank + spatial)
    grown = [size * width for size, width in zip(field, block, strict=True)]
    made = emit.reshape(emit.transpose(spread, order), (images, *grown, *shape[spatial + 1 :]))
    for axis, (size, (before, after)) in enumerate(zip(grown, crops, strict=True), 1):
        if before or after:
            made = emit.slice(made, axis, int(before), size - int(after))
    return made


def _check_blocks(rank: int, block: Sequence[int], pads: Sequence[Sequence[int]], emit: Emitter) -> None:
    if len(block) != len(pads) or not 0 < len(block) < rank or min(block) < 1:
        raise ModelError(f"blocks of {tuple(block)} do not fit rank {rank}", emit.where)
    if any(len(pair) != 2 or min(pair) < 0 for pair in pads):
        raise ModelError("has malformed paddings", emit.where)


# -- diagonals and triangles --------------------------------------------------------------------------------------


def band_part(x: Value, lower: int, upper: int, emit: Emitter) -> Value:
    """Matrices with zeros outside of `lower` diagonals below and `upper` above the main one (negative: all of them)."""
    made = x
    if lower >= 0:
        made = emit.op("Trilu", made, emit.constant(np.asarray(-lower, np.int64), "k"), upper=1)
    if upper >= 0:
        made = emit.op("Trilu", made, emit.constant(np.asarray(upper, np.int64), "k"), upper=0)
    return made


def diagonal_matrix(x: Value, emit: Emitter) -> Value:
    """Matrices with the last axis on their diagonal."""
    (size,) = emit.numbers(emit.shape(x)[-1:], "the size of the diagonal")
    if size > 1 << 14:
        raise UnsupportedError(f"a diagonal of {size} elements", emit.where)
    on = emit.constant(np.eye(size, dtype=np.bool_), "diagonal")
    return emit.op("Where", on, emit.unsqueeze(x, -1), emit.scalar(0, x))


def with_diagonal(x: Value, diagonal: Value, emit: Emitter) -> Value:
    """Matrices with another main diagonal."""
    rows, columns = emit.static_shape(x)[-2:]
    if rows * columns > 1 << 24:
        raise UnsupportedError(f"a diagonal of {rows} by {columns} elements", emit.where)
    on = emit.constant(np.eye(rows, columns, dtype=np.bool_), "diagonal")
    # The diagonal lies along the shorter axis; along the other it is repeated.
    spread = emit.unsqueeze(diagonal, -2 if columns <= rows else -1)
    return emit.op("Where", on, spread, x)


def diagonal_of(x: Value, emit: Emitter) -> Value:
    """The main diagonals of matrices."""
    shape = emit.static_shape(x)
    rows, columns = shape[-2:]
    length = min(rows, columns)
    flat = emit.reshape(x, (*shape[:-2], rows * columns))
    places = np.arange(length, dtype=np.int64) * (columns + 1)
    return emit.op("Gather", flat, emit.constant(places, "places"), axis=len(shape) - 2)


def range_of(start: Value, limit: Value, step: Value, emit: Emitter, dtype: DType) -> Value:
    """Numbers from `start` below `limit`."""
    scalars = [emit.cast(emit.reshape(value, ()), dtype) for value in (start, limit, step)]
    return emit.op("Range", *scalars)
