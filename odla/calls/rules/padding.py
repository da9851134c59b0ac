"""Padding, cropping, triangles and reversed sequences as ODLA calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_py.ops.conversion import Cast
from halo_py.ops.dims import normalize_axis
from halo_py.ops.elementwise import Sub
from halo_py.ops.indexing import Gather, GatherElements
from halo_py.ops.logic import Less, Where
from halo_py.ops.movement import Expand
from halo_py.ops.padding import CenterCropPad, Pad, PadTable, ReverseSequence, Trilu
from halo_py.types import DType
from odla.calls.emit import Emit, NotInOdlaError, dtype_of, operand, optional, rule, shape_of
from odla.calls.model import Dims, Signed, Unsigned

if TYPE_CHECKING:
    from halo_py.ir.graph import Node, Value

Pads = list[tuple[int, int]]


@rule("pad")
def pad(emit: Emit, node: Node) -> None:
    """Zeros by odla_Pad, other values by odla_Concat, an operand's own contents by odla_Gather."""
    op, x, made = node.op, operand(node, 0), node.outputs[0]
    assert isinstance(op, Pad)
    axes = optional(node, 3)
    along = None if axes is None else tuple(emit.integers(axes, "axes"))
    pads = op.pads_of(len(shape_of(x)), tuple(emit.integers(operand(node, 1), "pads")), along)
    if op.mode == "constant":
        padded = _filled(emit, _cropped(emit, x, pads), pads, optional(node, 2))
    else:
        padded = x
        for axis, (before, after) in enumerate(pads):
            if before or after:
                taps = PadTable(op.mode, shape_of(padded)[axis], before, after).taps().positions[:, 0]
                padded = emit.one(Gather(axis=axis), padded, emit.ints(taps.tolist()))
    emit.become(made, padded)


@rule("center_crop_pad")
def center(emit: Emit, node: Node) -> None:
    """Zeros around the operand, or its middle."""
    assert isinstance(node.op, CenterCropPad)
    x, made = operand(node, 0), node.outputs[0]
    pads: Pads = []
    for have, size in zip(shape_of(x), shape_of(made), strict=True):
        first = -((have - size) // 2) if size < have else (size - have) // 2
        pads.append((first, size - have - first))
    emit.become(made, _filled(emit, _cropped(emit, x, pads), pads, None))


def _cropped(emit: Emit, x: Value, pads: Pads) -> Value:
    """What negative padding leaves."""
    if all(size >= 0 for pair in pads for size in pair):
        return x
    start = [max(0, -before) for before, _ in pads]
    end = [size - max(0, -after) for size, (_, after) in zip(shape_of(x), pads, strict=True)]
    shape = tuple(last - first for first, last in zip(start, end, strict=True))
    cut = emit.value(dtype_of(x), shape, f"{emit.node}.cropped")
    strides = Signed((1,) * len(shape))
    return emit.call("odla_Slice", (x, Signed(tuple(start)), Signed(tuple(end)), strides, Dims(shape)), cut)


def _filled(emit: Emit, x: Value, pads: Pads, filler: Value | None) -> Value:
    front = tuple(max(0, before) for before, _ in pads)
    back = tuple(max(0, after) for _, after in pads)
    if not any((*front, *back)):
        return x
    shape = tuple(a + size + b for a, size, b in zip(front, shape_of(x), back, strict=True))
    if filler is None or (filler in emit.known and not np.any(emit.known[filler])):
        zeros = emit.value(dtype_of(x), shape, f"{emit.node}.padded")
        return emit.call("odla_Pad", (x, Unsigned(front), Unsigned(back), Dims(shape)), zeros)
    for axis, (before, after) in enumerate(zip(front, back, strict=True)):
        parts = [_block(emit, filler, x, axis, before), x, _block(emit, filler, x, axis, after)]
        parts = [part for part, size in zip(parts, (before, 1, after), strict=True) if size]
        grown = (*shape[: axis + 1], *shape_of(x)[axis + 1 :])
        if len(parts) > 1:
            joined = emit.value(dtype_of(x), grown, f"{emit.node}.padded")
            x = emit.call("odla_Concat", (tuple(parts), axis, Dims(grown)), joined)
    return x


def _block(emit: Emit, filler: Value, x: Value, axis: int, size: int) -> Value:
    """The filler, repeated to so many rows along an axis of x."""
    if not size:
        return x
    shape = (*shape_of(x)[:axis], size, *shape_of(x)[axis + 1 :])
    return emit.one(Expand(), emit.reshaped(filler, ()), emit.ints(shape))


@rule("trilu")
def triangle(emit: Emit, node: Node) -> None:
    """A choice by a mask that is known."""
    assert isinstance(node.op, Trilu)
    x, made, offset = operand(node, 0), node.outputs[0], optional(node, 1)
    k = 0 if offset is None else emit.integers(offset, "k")[0]
    rows, columns = shape_of(x)[-2:]
    whole = np.ones((rows, columns), np.bool_)
    mask = np.triu(whole, k) if node.op.upper else np.tril(whole, k)
    emit.into(made, Where(), emit.constant(mask, f"{emit.node}.mask"), x, emit.number(0, dtype_of(x)))


@rule("reverse_sequence")
def reverse_sequence(emit: Emit, node: Node) -> None:
    """Elements gathered by positions: length - 1 - step before the end of a sequence, the step itself after it."""
    op, x, made = node.op, operand(node, 0), node.outputs[0]
    assert isinstance(op, ReverseSequence)
    shape = shape_of(x)
    batch, time = (normalize_axis(axis, len(shape)) for axis in (op.batch_axis, op.time_axis))
    if batch == time:
        raise NotInOdlaError("the batch along the axis of time")
    steps = np.arange(shape[time]).reshape([-1 if axis == time else 1 for axis in range(len(shape))])
    each = tuple(shape[batch] if axis == batch else 1 for axis in range(len(shape)))
    lengths = emit.reshaped(_wide(emit, operand(node, 1)), each)
    step, last = emit.constant(steps, f"{emit.node}.steps"), emit.constant(steps + 1, f"{emit.node}.ends")
    turned = emit.one(Sub(), lengths, last)
    source = emit.one(Where(), emit.one(Less(), step, lengths), turned, step)
    emit.into(made, GatherElements(axis=time), x, emit.one(Expand(), source, emit.ints(shape)))


def _wide(emit: Emit, value: Value) -> Value:
    return value if dtype_of(value) is DType.INT64 else emit.one(Cast(to=DType.INT64), value)
