"""Choosing among boxes that overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halo_frontends.emitter import Emitter
from halo_py.ir.graph import Value
from halo_py.types import DType


def suppressed(
    boxes: Value, scores: Value, most: Value, overlap: Value | None, least: Value | None, emit: Emitter
) -> Value:
    """Numbers of the boxes [N, 4] that no better one overlaps too much, best first, at most `most`."""
    images, classes = emit.unsqueeze(boxes, 0), emit.unsqueeze(scores, 0, 1)
    triples = emit.op("NonMaxSuppression", images, classes, *_limits(most, overlap, least, emit))
    return emit.op("Gather", triples, emit.constant(np.asarray(2, np.int64), "box"), axis=1)


def _limits(most: Value, overlap: Value | None, least: Value | None, emit: Emitter) -> tuple[Value | None, ...]:
    """The operands of NonMaxSuppression behind boxes and scores, each a vector of one."""
    limits = (
        None if limit is None else emit.reshape(emit.cast(limit, DType.FLOAT32), (1,)) for limit in (overlap, least)
    )
    return emit.reshape(emit.int64(most), (1,)), *limits


def filled_up(values: Value, count: int, emit: Emitter) -> Value:
    """A vector with zeros behind it, as long as `count`."""
    zeros = emit.op("Expand", emit.scalar(0, values), emit.ints(count))
    return emit.reshape(emit.slice(emit.concat([values, zeros], 0), 0, 0, count), (count,))


def length(values: Value, emit: Emitter) -> Value:
    """How many entries a vector has, int32."""
    return emit.cast(emit.squeeze(emit.op("Shape", values), 0), DType.INT32)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many boxes are kept of a class and in all, how much they may overlap, and how good they must be."""

    of_class: Value
    total: int
    overlap: Value
    least: Value


@dataclass(frozen=True, slots=True)
class Chosen:
    """The best boxes of every image, best first, zeros behind them: corners [B, T, 4], scores and classes [B, T].

    `counts` says how many there are, [B].
    """

    boxes: Value
    scores: Value
    classes: Value
    counts: Value


def best_of_all_classes(boxes: Value, scores: Value, limits: Limits, emit: Emitter) -> Chosen:
    """Boxes [B, Q, N, 4] (Q is 1, or the number of classes) with scores [B, C, N], chosen class by class."""
    batch, sets, count, _ = emit.static_shape(boxes, 4)
    _, classes, _ = emit.static_shape(scores, 3)
    places = batch * classes if sets > 1 else batch
    triples = emit.op(
        "NonMaxSuppression",
        emit.reshape(boxes, (batch * sets, count, 4)),
        emit.reshape(scores, (places, batch * classes // places, count)),
        *_limits(limits.of_class, limits.overlap, limits.least, emit),
    )
    # Where each kept box stands in [B, C x N] has its score, every other place what is less than all scores.
    flat = emit.reshape(scores, (-1,))
    shape = np.asarray([batch * classes // places * count, count, 1], np.int64)
    at = emit.op("ReduceSum", emit.op("Mul", triples, emit.constant(shape, "strides")), emit.ints(1), keepdims=0)
    least = emit.scalar(-np.inf, DType.FLOAT32)
    nothing = emit.op("Expand", least, emit.ints(batch * classes * count))
    kept = emit.op("ScatterND", nothing, emit.unsqueeze(at, -1), emit.op("Gather", flat, at, axis=0))
    kept = emit.reshape(kept, (batch, classes * count))
    missing = limits.total - classes * count
    if missing > 0:
        kept = emit.concat([kept, emit.op("Expand", least, emit.ints(batch, missing))], 1)
    best, where = emit.several("TopK", (kept, emit.ints(limits.total)), 2, axis=-1, largest=1, sorted=1)
    return _gathered(boxes, best, where, (classes, count), emit)


def _gathered(boxes: Value, best: Value, where: Value, sizes: tuple[int, int], emit: Emitter) -> Chosen:
    """What stands at these places of [C, N] in every image, zeros where the score is no number."""
    batch, sets, count, _ = emit.static_shape(boxes, 4)
    there = emit.op("Greater", best, emit.scalar(-np.inf, best))
    zero = emit.scalar(0, best)
    last = emit.scalar(sizes[0] * sizes[1] - 1, where)
    where = emit.op("Min", where, last)
    rows = where if sets > 1 else emit.op("Mod", where, emit.scalar(count, where))
    corners = emit.op("GatherND", emit.reshape(boxes, (batch, sets * count, 4)), emit.unsqueeze(rows, -1), batch_dims=1)
    classes = emit.cast(emit.op("Div", where, emit.scalar(sizes[1], where)), DType.FLOAT32)
    return Chosen(
        emit.op("Where", emit.unsqueeze(there, -1), corners, zero),
        emit.op("Where", there, best, zero),
        emit.op("Where", there, classes, zero),
        emit.op("ReduceSum", emit.cast(there, DType.INT32), emit.ints(1), keepdims=0),
    )
