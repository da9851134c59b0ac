"""Choosing among boxes that overlap, and what detectors end with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from halo_frontends.tensorflow_ops import boxes
from halo_frontends.tensorflow_ops.boxes import Limits
from halo_frontends.tflite.flexbuffer import MalformedFlexBufferError, read_numbers
from halo_frontends.tflite.operation import Operation, maps
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType

_MOST_DETECTIONS = 1_000_000


@maps("NON_MAX_SUPPRESSION_V4")
def _suppressed(op: Operation) -> tuple[Value, Value]:
    """Operands: boxes [N, 4], scores [N], how many at most, overlap, least score; zeros fill the result up."""
    found, count = _chosen(op)
    return boxes.filled_up(op.emit.cast(found, DType.INT32), count, op.emit), boxes.length(found, op.emit)


@maps("NON_MAX_SUPPRESSION_V5")
def _suppressed_scored(op: Operation) -> tuple[Value, Value, Value]:
    """Operand 5 is by how much scores fade with overlap: only 0, where boxes are dropped instead, is supported."""
    emit = op.emit
    if emit.must_know(op.value(5), "the sigma of soft suppression").any():
        raise UnsupportedError("soft suppression (a sigma other than 0) is not supported", emit.where)
    found, count = _chosen(op)
    scores = emit.op("Gather", op.value(1), found, axis=0)
    places = boxes.filled_up(emit.cast(found, DType.INT32), count, emit)
    return places, boxes.filled_up(scores, count, emit), boxes.length(found, emit)


def _chosen(op: Operation) -> tuple[Value, int]:
    """Numbers of the boxes kept, and how many there may be."""
    counts = op.ints(2, "how many boxes are chosen")
    if len(counts) != 1 or not 0 <= counts[0] <= _MOST_DETECTIONS:
        raise ModelError(f"chooses {list(counts)[:8]} boxes", op.emit.where)
    return boxes.suppressed(op.value(0), op.value(1), op.value(2), op.value(3), op.value(4), op.emit), counts[0]


@dataclass(frozen=True, slots=True)
class _Detections:
    """The options of TFLite_Detection_PostProcess."""

    numbers: Mapping[str, float]
    op: Operation

    def number(self, name: str, default: float | None = None) -> float:
        """Raises ModelError if a number without default is missing."""
        found = self.numbers.get(name, default)
        if found is None:
            raise ModelError(f"has no option {name!r}", self.op.emit.where)
        return float(found)

    def count(self, name: str, default: int | None = None) -> int:
        """A number of things."""
        found = self.number(name, default)
        if not 1 <= found <= _MOST_DETECTIONS:
            raise ModelError(f"has the option {name} = {found}", self.op.emit.where)
        return int(found)

    def total(self) -> int:
        """How many entries the results have."""
        found = self.count("max_detections") * self.count("max_classes_per_detection", 1)
        if found > _MOST_DETECTIONS:
            raise ModelError(f"finds up to {found} boxes", self.op.emit.where)
        return found

    def vector(self, names: Sequence[str]) -> Value:
        """Several numbers."""
        return self.op.emit.constant(np.asarray([self.number(name) for name in names], np.float32), names[0])


@maps("CUSTOM TFLite_Detection_PostProcess")
def _detections(op: Operation) -> Sequence[Value]:
    """Operands: boxes [1, N, 4] relative to anchors [N, 4] (y, x, height, width), and scores [1, N, C].

    The first classes of the scores may be the background: what is beyond `num_classes`.
    """
    try:
        given = _Detections(read_numbers(op.info.custom_options), op)
    except MalformedFlexBufferError:
        raise ModelError("has options that cannot be read", op.emit.where) from None
    emit, scores = op.emit, op.value(1)
    batch, count, columns = emit.static_shape(scores, 3)
    classes = given.count("num_classes")
    if batch != 1 or not 0 <= columns - classes <= columns or emit.static_shape(op.value(2)) != (count, 4):
        raise ModelError(f"scores of shape {[batch, count, columns]} do not fit {classes} classes", emit.where)
    scores = emit.slice(scores, 2, columns - classes)
    corners = _decoded(op, given)
    # Scores that are the least one are taken, where NonMaxSuppression drops them.
    least = float(np.nextafter(np.float32(given.number("nms_score_threshold")), np.float32(-np.inf)))
    overlap, least_score = emit.scalar(given.number("nms_iou_threshold"), DType.FLOAT32), emit.scalar(least, scores)
    if given.number("use_regular_nms", 0):
        return _class_by_class(given, corners, scores, overlap, least_score)
    return _by_best_class(given, corners, scores, overlap, least_score)


def _decoded(op: Operation, given: _Detections) -> Value:
    """Corners (top, left, bottom, right) [N, 4] of the boxes."""
    emit = op.emit
    encoded = emit.slice(emit.squeeze(op.value(0), 0), 1, 0, 4)
    middles, sizes = (emit.slice(encoded, 1, first, first + 2) for first in (0, 2))
    anchor_middles, anchor_sizes = (emit.slice(op.value(2), 1, first, first + 2) for first in (0, 2))
    middles = emit.op("Mul", emit.op("Div", middles, given.vector(("y_scale", "x_scale"))), anchor_sizes)
    middles = emit.op("Add", middles, anchor_middles)
    sizes = emit.op("Exp", emit.op("Div", sizes, given.vector(("h_scale", "w_scale"))))
    half = emit.op("Mul", emit.op("Mul", sizes, anchor_sizes), emit.scalar(0.5, sizes))
    return emit.concat([emit.op("Sub", middles, half), emit.op("Add", middles, half)], 1)


def _class_by_class(given: _Detections, corners: Value, scores: Value, overlap: Value, least: Value) -> Sequence[Value]:
    """Every class for itself, then the best of all."""
    emit = given.op.emit
    total = given.total()
    of_class = emit.constant(np.asarray(given.count("detections_per_class", 100), np.int64), "of_class")
    limits = Limits(of_class, given.count("max_detections"), overlap, least)
    found = boxes.best_of_all_classes(emit.unsqueeze(corners, 0, 1), emit.transpose(scores, (0, 2, 1)), limits, emit)
    results = [_longer(value, total, emit.rank(value), given) for value in (found.boxes, found.classes, found.scores)]
    return *results, emit.cast(found.counts, DType.FLOAT32)


def _longer(value: Value, total: int, rank: int, given: _Detections) -> Value:
    """Zeros behind the entries of axis 1."""
    emit = given.op.emit
    missing = total - emit.static_shape(value)[1]
    pads = emit.ints(*(0,) * rank, 0, missing, *(0,) * (rank - 2))
    return emit.op("Pad", value, pads) if missing > 0 else value


def _by_best_class(given: _Detections, corners: Value, scores: Value, overlap: Value, least: Value) -> Sequence[Value]:
    """Boxes by the score of their best class, each with its best classes."""
    emit = given.op.emit
    _, count, classes = emit.static_shape(scores)
    most, shown = given.count("max_detections"), min(given.count("max_classes_per_detection", 1), classes)
    several = (emit.squeeze(scores, 0), emit.ints(shown))
    best, labels = emit.several("TopK", several, 2, axis=-1, largest=1, sorted=1)
    leading = emit.reshape(emit.slice(best, 1, 0, 1), (count,))
    most_value = emit.constant(np.asarray(most, np.int64), "most")
    kept = boxes.suppressed(corners, leading, most_value, overlap, least, emit)
    places = boxes.filled_up(kept, most, emit)
    number = boxes.length(kept, emit)
    there = emit.op("Less", emit.constant(np.arange(most, dtype=np.int32), "row"), number)

    def rows(values: Value, width: int) -> Value:
        """The rows of the kept boxes, repeated for every class shown, zeros behind them."""
        zero = emit.scalar(0, values)
        chosen = emit.op("Where", emit.unsqueeze(there, 1), emit.op("Gather", values, places, axis=0), zero)
        if width == shown:
            return emit.reshape(chosen, (1, most * shown))
        repeated = emit.op("Expand", emit.unsqueeze(chosen, 1), emit.ints(most, shown, 4))
        return emit.reshape(repeated, (1, most * shown, 4))

    total = given.total()
    found = (rows(corners, -1), rows(emit.cast(labels, DType.FLOAT32), shown), rows(best, shown))
    lengthened = [_longer(value, total, emit.rank(value), given) for value in found]
    return *lengthened, emit.reshape(emit.cast(number, DType.FLOAT32), (1,))
