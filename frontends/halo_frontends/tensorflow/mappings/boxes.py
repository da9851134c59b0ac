"""Choosing among boxes that overlap."""

from __future__ import annotations

from collections.abc import Sequence

from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow_ops import boxes
from halo_frontends.tensorflow_ops.arithmetic import clip
from halo_frontends.tensorflow_ops.boxes import Limits
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType


def _chosen(op: Operation) -> Value:
    """Operands: boxes [N, 4], scores [N], how many at most, overlap and least score (if they are operands)."""
    emit = op.emit
    overlap = op.value(3) if op.has(3) else emit.scalar(op.attributes.number("iou_threshold", 0.5), DType.FLOAT32)
    least = op.value(4) if op.has(4) else None
    wide = [emit.cast(op.value(index), DType.FLOAT32) for index in (0, 1)]
    return boxes.suppressed(wide[0], wide[1], op.value(2), overlap, least, emit)


@maps("NonMaxSuppression", "NonMaxSuppressionV2", "NonMaxSuppressionV3")
def _suppressed(op: Operation) -> Value:
    return op.emit.cast(_chosen(op), DType.INT32)


@maps("NonMaxSuppressionV4", results="selected_indices valid_outputs")
def _suppressed_padded(op: Operation) -> tuple[Value, Value]:
    found = _chosen(op)
    return _padded(op, op.emit.cast(found, DType.INT32)), boxes.length(found, op.emit)


@maps("NonMaxSuppressionV5", results="selected_indices selected_scores valid_outputs")
def _suppressed_scored(op: Operation) -> tuple[Value, Value, Value]:
    """Operand 5 is by how much scores fade with overlap: only 0, where boxes are dropped instead, is supported."""
    emit = op.emit
    if emit.must_know(op.value(5), "the sigma of soft suppression").any():
        raise UnsupportedError("soft suppression (a sigma other than 0) is not supported", emit.where)
    found = _chosen(op)
    scores = emit.op("Gather", op.value(1), found, axis=0)
    return _padded(op, emit.cast(found, DType.INT32)), _padded(op, scores), boxes.length(found, emit)


def _padded(op: Operation, values: Value) -> Value:
    if not op.attributes.flag("pad_to_max_output_size"):
        return values
    return boxes.filled_up(values, op.integer(2, "how many boxes are chosen"), op.emit)


@maps("CombinedNonMaxSuppression", results="nmsed_boxes nmsed_scores nmsed_classes valid_detections")
def _combined(op: Operation) -> Sequence[Value]:
    """Boxes [B, N, Q, 4] (Q is 1 or the number of classes) and scores [B, N, C]."""
    emit, (found, scores) = op.emit, op.values(0, 2)
    of_class, total = op.integer(2, "how many boxes of a class"), op.integer(3, "how many boxes")
    sets, classes = emit.static_shape(found)[2], emit.static_shape(scores)[2]
    if sets not in (1, classes):
        raise ModelError(f"{sets} sets of boxes do not fit {classes} classes", emit.where)
    if op.attributes.flag("pad_per_class"):
        total = min(total, of_class * classes)
    limits = Limits(op.value(2), total, op.value(4), op.value(5))
    turned = emit.transpose(found, (0, 2, 1, 3)), emit.transpose(scores, (0, 2, 1))
    made = boxes.best_of_all_classes(*turned, limits, emit)
    corners = clip(made.boxes, 0, 1, emit) if op.attributes.flag("clip_boxes", True) else made.boxes
    return corners, made.scores, made.classes, made.counts
