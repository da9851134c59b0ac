"""Templates whose shapes are computed: chains from Shape, and shapes that depend on data."""

from __future__ import annotations

from math import prod

import numpy as np

from halo_py.ir.graph import Value
from halo_py.ops.choosing import TopK
from halo_py.ops.conversion import Cast
from halo_py.ops.elementwise import Abs, Add, Div, Mul, Sign, Sub
from halo_py.ops.indexing import Gather, GatherND
from halo_py.ops.literal import TensorLiteral
from halo_py.ops.logic import Greater
from halo_py.ops.movement import Expand, Transpose
from halo_py.ops.reduction import ReduceMax, ReduceSum
from halo_py.ops.reshaping import Reshape, Squeeze, Unsqueeze
from halo_py.ops.selection import Compress, NonZero, Unique
from halo_py.ops.sequence import (
    ConcatFromSequence,
    SequenceAt,
    SequenceConstruct,
    SequenceInsert,
    SequenceLength,
    SplitToSequence,
)
from halo_py.ops.shape import ConstantOfShape, Range, Shape, Size
from halo_py.ops.slicing import Concat, Slice
from halo_py.types import DType
from tests.fuzz.draft import Draft, RejectedError, dtype_of, tensor_dtype
from tests.fuzz.templates.base import template
from tests.fuzz.templates.movement import pick_any


def _dim(draft: Draft, shape: Value, axis: int) -> Value:
    """One entry of a shape as a rank-1 tensor, in one of the ways exporters write it."""
    if draft.chance(0.5):
        return draft.one(Slice(), shape, draft.ints(axis), draft.ints(axis + 1), draft.ints(0))
    scalar = draft.one(Gather(), shape, draft.constant(np.asarray(axis, np.int64)))
    return draft.one(Unsqueeze(), scalar, draft.ints(0))


@template("dynamic", 1.5)
def shape_chain(draft: Draft) -> None:
    """Shape, Gather, arithmetic, Concat, Reshape: how exporters spell a view."""
    value = pick_any(draft, 2)
    sizes = draft.shape(value)
    shape = draft.one(Shape(), value)
    first = _dim(draft, shape, 0)
    match draft.below(4):
        case 0:
            draft.one(Reshape(), value, draft.one(Concat(axis=0), first, draft.ints(-1)))
        case 1:
            rest = draft.one(Mul(), _dim(draft, shape, 1), draft.ints(prod(sizes[2:])))
            draft.one(Reshape(), value, draft.one(Concat(axis=0), first, rest))
        case 2:
            half = draft.one(Div(), first, draft.ints(2))
            draft.one(Slice(), value, draft.one(Mul(), half, draft.ints(0)), half, draft.ints(0))
        case _:
            wide = draft.one(Concat(axis=0), draft.ints(2), shape)
            draft.one(Expand(), value, wide)


@template("dynamic")
def made_from_shapes(draft: Draft) -> None:
    """ConstantOfShape, Range and Size of a value, joined with it."""
    value = draft.pick_float(1, dtype=DType.FLOAT32)
    shape = draft.one(Shape(), value)
    match draft.below(3):
        case 0:
            literal = TensorLiteral.of(np.asarray([draft.choose((0.0, 1.5))], np.float32))
            draft.one(Add(), value, draft.one(ConstantOfShape(value=literal), shape))
        case 1:
            last = draft.one(Gather(), shape, draft.constant(np.asarray(-1, np.int64)))
            zero, one = (draft.constant(np.asarray(number, np.int64)) for number in (0, 1))
            places = draft.one(Cast(to=DType.FLOAT32), draft.one(Range(), zero, last, one))
            draft.one(draft.choose((Add(), Mul(), Sub())), value, places)
        case _:
            count = draft.one(Cast(to=DType.FLOAT32), draft.one(Size(), value))
            draft.one(Div(), draft.one(ReduceSum(keepdims=0), value), count)


@template("dynamic")
def nonzero(draft: Draft) -> None:
    """Where a value is positive, gathered from it."""
    value = draft.pick_float(1, dtype=DType.FLOAT32)
    places = draft.one(NonZero(), draft.one(Greater(), value, draft.scalar(0.0, value)))
    if draft.chance(0.6):
        draft.one(GatherND(), value, draft.one(Transpose((1, 0)), places))


@template("dynamic")
def compressing(draft: Draft) -> None:
    """Compress along an axis or of all elements, by a constant or by data."""
    value = pick_any(draft, 1)
    axis = draft.choose((None, draft.below(len(draft.shape(value)))))
    size = prod(draft.shape(value)) if axis is None else draft.shape(value)[axis]
    flags = draft.integers([draft.between(1, size)], 0, 2).astype(np.bool_)
    draft.one(Compress(axis=axis), value, draft.given(flags))


@template("dynamic", 0.7)
def distinct(draft: Draft) -> None:
    """Unique of signs."""
    value = draft.pick_float(1, dtype=DType.FLOAT32)
    draft.add(Unique(sorted=draft.below(2)), (draft.one(Sign(), value),), draft.choose((1, 4)))


@template("dynamic")
def run_time_slice(draft: Draft) -> None:
    """Bounds, counts and shapes that are inputs of the graph."""
    value = pick_any(draft, 1)
    sizes = draft.shape(value)
    match draft.below(4):
        case 0:
            end = draft.input(np.asarray([draft.between(1, sizes[0])], np.int64))
            draft.one(Slice(), value, draft.ints(0), end, draft.ints(0))
        case 1:
            k = draft.input(np.asarray([draft.between(1, sizes[-1])], np.int64))
            draft.add(TopK(), (draft.pick_float(1) if dtype_of(value) is DType.BOOL else value, k), 2)
        case 2:
            draft.one(Reshape(), value, draft.input(np.asarray([sizes[0], -1], np.int64)))
        case _:
            limit = draft.input(np.asarray(draft.between(1, 5), np.int64))
            zero, one = (draft.constant(np.asarray(number, np.int64)) for number in (0, 1))
            draft.one(Range(), zero, limit, one)


@template("dynamic")
def by_data(draft: Draft) -> None:
    """A slice whose end is the number of positive elements."""
    value = draft.pick_float(1, dtype=DType.FLOAT32)
    positive = draft.one(Cast(to=DType.INT64), draft.one(Greater(), value, draft.scalar(0.0, value)))
    count = draft.one(ReduceSum(keepdims=0), positive)
    flat = draft.one(Reshape(), value, draft.ints(-1))
    draft.one(Slice(), flat, draft.ints(0), draft.one(Unsqueeze(), count, draft.ints(0)))


@template("dynamic", 0.8)
def sequences(draft: Draft) -> None:
    """A value in pieces in a sequence, and out of it again."""
    value = draft.pick_float(1, dtype=DType.FLOAT32)
    shape = draft.shape(value)
    axis = draft.below(len(shape))
    if draft.chance(0.5):
        split = draft.constant(np.asarray(draft.between(1, shape[axis]), np.int64))
        parts = draft.one(SplitToSequence(axis=axis), value, split)
    else:
        same = [other for other in draft.pool if tensor_dtype(other) is DType.FLOAT32 and draft.shape(other) == shape]
        parts = draft.one(SequenceConstruct(), value, *same[: draft.between(0, 2)])
    if draft.chance(0.4):
        place = draft.constant(np.asarray(draft.choose((0, -1)), np.int64)) if draft.chance(0.5) else None
        parts = draft.one(SequenceInsert(), parts, value, place)
    match draft.below(3):
        case 0:
            draft.one(ConcatFromSequence(axis=axis), parts)
        case 1:
            draft.one(SequenceAt(), parts, draft.constant(np.asarray(draft.choose((0, -1)), np.int64)))
        case _:
            draft.one(SequenceLength(), parts)


@template("dynamic", 0.7)
def data_scalar(draft: Draft) -> None:
    """A number found in the data scales everything else."""
    value = draft.pick_float(1, dtype=DType.FLOAT32)
    if 0 in draft.shape(value):
        raise RejectedError("empty")
    largest = draft.one(ReduceMax(keepdims=draft.below(2)), draft.one(Abs(), value))
    if draft.chance(0.3):
        largest = draft.one(Squeeze(), largest)
    draft.one(Div(), value, draft.one(Add(), largest, draft.scalar(0.5, value)))
