"""Rearranging, joining, padding and repeating: operators that compute nothing."""

from __future__ import annotations

import numpy as np

from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow_ops import arithmetic, arranging
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType


@maps("Reshape")
def _reshape(op: Operation) -> Value:
    return arranging.reshape_to(op.value(0), op.value(1), op.emit)


@maps("ExpandDims")
def _expand_dims(op: Operation) -> Value:
    return arranging.expand_dims(op.value(0), op.integer(1, "the axis"), op.emit)


@maps("Squeeze")
def _squeeze(op: Operation) -> Value:
    return arranging.squeeze(op.value(0), op.attributes.ints("squeeze_dims"), op.emit)


@maps("Transpose")
def _transpose(op: Operation) -> Value:
    rank = op.emit.rank(op.value(0))
    order = op.ints(1, "the order of the axes")
    return op.emit.transpose(op.value(0), tuple(op.emit.axis(axis, rank) for axis in order))


@maps("Pack")
def _pack(op: Operation) -> Value:
    return arranging.pack(op.values(), op.attributes.integer("axis"), op.emit)


@maps("Unpack")
def _unpack(op: Operation) -> tuple[Value, ...]:
    return arranging.unpack(op.value(0), op.attributes.integer("axis"), op.emit)


@maps("ConcatV2")
def _concat(op: Operation) -> Value:
    axis = op.integer(len(op.inputs) - 1, "the axis")
    return _joined(op, op.values(0, -1), axis)


@maps("Concat")
def _old_concat(op: Operation) -> Value:
    return _joined(op, op.values(1), op.integer(0, "the axis"))


def _joined(op: Operation, parts: tuple[Value, ...], axis: int) -> Value:
    if not parts:
        raise ModelError("joins nothing", op.emit.where)
    if len(parts) == 1:
        return parts[0]
    return op.emit.direct("Concat", *parts, axis=op.emit.axis(axis, op.emit.rank(parts[0])))


@maps("Pad", "PadV2")
def _pad(op: Operation) -> Value:
    number = op.emit.reshape(op.value(2), ()) if op.has(2) else None
    return arranging.pad(op.value(0), op.value(1), number, op.emit)


@maps("MirrorPad")
def _mirror_pad(op: Operation) -> Value:
    return arranging.mirror_pad(op.value(0), op.value(1), op.attributes.text("mode") == "SYMMETRIC", op.emit)


@maps("Split")
def _split(op: Operation) -> tuple[Value, ...]:
    axis, parts = op.integer(0, "the axis"), op.attributes.integer("num_split")
    return arranging.split_evenly(op.value(1), axis, parts, op.emit)


@maps("SplitV")
def _split_v(op: Operation) -> tuple[Value, ...]:
    return arranging.split(op.value(0), op.integer(2, "the axis"), op.ints(1, "the sizes"), op.emit)


@maps("Tile")
def _tile(op: Operation) -> Value:
    return arranging.tile(op.value(0), op.value(1), op.emit)


@maps("BroadcastTo")
def _broadcast_to(op: Operation) -> Value:
    return arranging.broadcast_to(op.value(0), op.value(1), op.emit)


@maps("BroadcastArgs")
def _broadcast_args(op: Operation) -> Value:
    return arranging.broadcast_shapes(op.value(0), op.value(1), op.emit)


@maps("Fill")
def _fill(op: Operation) -> Value:
    return arranging.filled(op.value(0), op.value(1), op.emit)


@maps("Range")
def _range(op: Operation) -> Value:
    return arranging.range_of(op.value(0), op.value(1), op.value(2), op.emit, op.emit.dtype(op.value(0)))


@maps("LinSpace")
def _lin_space(op: Operation) -> Value:
    emit, count = op.emit, op.integer(2, "the number of steps")
    start, stop = emit.reshape(op.value(0), ()), emit.reshape(op.value(1), ())
    if not 0 < count <= 1 << 24:
        raise ModelError(f"makes {count} numbers", emit.where)
    steps = emit.constant(np.arange(count).astype(emit.dtype(start).numpy), "steps")
    step = emit.op("Div", emit.op("Sub", stop, start), emit.scalar(max(count - 1, 1), start))
    return emit.op("Add", start, emit.op("Mul", steps, step))


@maps("ReverseV2")
def _reverse(op: Operation) -> Value:
    return arranging.reverse(op.value(0), op.ints(1, "the axes"), op.emit)


@maps("ReverseSequence")
def _reverse_sequence(op: Operation) -> Value:
    time, batch = op.attributes.integer("seq_dim"), op.attributes.integer("batch_dim")
    return arranging.reverse_sequence(op.value(0), op.value(1), time, batch, op.emit)


@maps("Roll")
def _roll(op: Operation) -> Value:
    x, emit = op.value(0), op.emit
    for shift, axis in zip(op.ints(1, "the shifts"), op.ints(2, "the axes"), strict=True):
        place = emit.axis(axis, emit.rank(x))
        (size,) = emit.numbers(emit.shape(x)[place : place + 1], "the size of the axis")
        by = shift % size if size else 0
        if by:
            x = emit.concat([emit.slice(x, place, size - by), emit.slice(x, place, 0, size - by)], place)
    return x


@maps("OneHot")
def _one_hot(op: Operation) -> Value:
    depth = op.integer(1, "the number of positions")
    return arranging.one_hot(op.value(0), depth, op.value(2), op.value(3), op.attributes.integer("axis", -1), op.emit)


def _last(op: Operation) -> bool:
    layout = op.attributes.text("data_format", "NHWC")
    if layout not in ("NHWC", "NCHW"):
        raise UnsupportedError(f"data of layout {layout} is not supported", op.emit.where)
    return layout == "NHWC"


@maps("SpaceToDepth")
def _space_to_depth(op: Operation) -> Value:
    block = op.attributes.integer("block_size")
    return arranging.space_to_depth(op.value(0), block, op.emit, channels_last=_last(op))


@maps("DepthToSpace")
def _depth_to_space(op: Operation) -> Value:
    block = op.attributes.integer("block_size")
    return arranging.depth_to_space(op.value(0), block, op.emit, channels_last=_last(op))


@maps("SpaceToBatchND")
def _space_to_batch(op: Operation) -> Value:
    return arranging.space_to_batch(op.value(0), op.ints(1, "blocks"), arranging.pairs(op.value(2), op.emit), op.emit)


@maps("BatchToSpaceND")
def _batch_to_space(op: Operation) -> Value:
    return arranging.batch_to_space(op.value(0), op.ints(1, "blocks"), arranging.pairs(op.value(2), op.emit), op.emit)


@maps("SpaceToBatch")
def _old_space_to_batch(op: Operation) -> Value:
    block = op.attributes.integer("block_size")
    return arranging.space_to_batch(op.value(0), (block, block), arranging.pairs(op.value(1), op.emit), op.emit)


@maps("BatchToSpace")
def _old_batch_to_space(op: Operation) -> Value:
    block = op.attributes.integer("block_size")
    return arranging.batch_to_space(op.value(0), (block, block), arranging.pairs(op.value(1), op.emit), op.emit)


@maps("MatrixBandPart")
def _band_part(op: Operation) -> Value:
    lower, upper = op.integer(1, "the number of diagonals"), op.integer(2, "the number of diagonals")
    return arranging.band_part(op.value(0), lower, upper, op.emit)


@maps("MatrixDiag")
def _matrix_diag(op: Operation) -> Value:
    return arranging.diagonal_matrix(op.value(0), op.emit)


@maps("MatrixDiagV2", "MatrixDiagV3")
def _matrix_diag_v3(op: Operation) -> Value:
    """Only the form that has the main diagonal and fits it."""
    if op.ints(1, "the diagonal") != (0,) or any(op.integer(place, "the size") != -1 for place in (2, 3)):
        raise UnsupportedError("other diagonals than the main one are not supported", op.emit.where)
    made = arranging.diagonal_matrix(op.value(0), op.emit)
    on = np.eye(op.emit.static_shape(made)[-1], dtype=np.bool_)
    return op.emit.op("Where", op.emit.constant(on, "diagonal"), made, op.value(4))


@maps("MatrixSetDiag")
def _matrix_set_diag(op: Operation) -> Value:
    return arranging.with_diagonal(op.value(0), op.value(1), op.emit)


@maps("MatrixSetDiagV2", "MatrixSetDiagV3")
def _matrix_set_diag_v3(op: Operation) -> Value:
    if op.ints(2, "the diagonal") != (0,):
        raise UnsupportedError("other diagonals than the main one are not supported", op.emit.where)
    return arranging.with_diagonal(op.value(0), op.value(1), op.emit)


@maps("MatrixDiagPart")
def _matrix_diag_part(op: Operation) -> Value:
    return arranging.diagonal_of(op.value(0), op.emit)


@maps("MatrixDiagPartV2", "MatrixDiagPartV3")
def _matrix_diag_part_v3(op: Operation) -> Value:
    if op.ints(1, "the diagonal") != (0,):
        raise UnsupportedError("other diagonals than the main one are not supported", op.emit.where)
    return arranging.diagonal_of(op.value(0), op.emit)


@maps("InvertPermutation")
def _invert_permutation(op: Operation) -> Value:
    x, emit = op.value(0), op.emit
    known = emit.must_know(x, "a permutation")
    return emit.constant(np.argsort(known).astype(known.dtype), "inverse")


@maps("Unique", results="y idx")
def _unique(op: Operation) -> tuple[Value, ...]:
    """The distinct elements in the order they appear, and which of them each element is."""
    values, _, places = op.emit.several("Unique", (op.value(0),), 3, sorted=0)
    return values, op.emit.cast(places, op.attributes.dtype("out_idx", DType.INT32))


@maps("ListDiff", results="out idx")
def _list_diff(op: Operation) -> tuple[Value, ...]:
    """The elements of the first operand that the second one lacks, and where they stand."""
    emit, x = op.emit, op.value(0)
    same = emit.op("Equal", emit.unsqueeze(x, 1), emit.unsqueeze(op.value(1), 0))
    there = arithmetic.reduce_flags("Any", same, emit.ints(1), False, emit)
    kept = emit.op("Not", there)
    places = emit.reshape(emit.op("NonZero", kept), (-1,))
    return emit.op("Compress", x, kept, axis=0), emit.cast(places, op.attributes.dtype("out_idx", DType.INT32))
