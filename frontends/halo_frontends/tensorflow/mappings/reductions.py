"""Reductions, positions of extremes, sums along an axis, softmax."""

from __future__ import annotations

from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow_ops import arithmetic
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType

_REDUCTIONS = {
    "EuclideanNorm": "ReduceL2",
    "Max": "ReduceMax",
    "Mean": "ReduceMean",
    "Min": "ReduceMin",
    "Prod": "ReduceProd",
    "Sum": "ReduceSum",
}


@maps(*_REDUCTIONS)
def _reduction(op: Operation) -> Value:
    keep = op.attributes.flag("keep_dims")
    return arithmetic.reduce(_REDUCTIONS[op.node.op], op.value(0), op.value(1), keep, op.emit)


@maps("All", "Any")
def _flags(op: Operation) -> Value:
    return arithmetic.reduce_flags(op.node.op, op.value(0), op.value(1), op.attributes.flag("keep_dims"), op.emit)


@maps("ArgMax", "ArgMin")
def _arg_extreme(op: Operation) -> Value:
    axis = op.integer(1, "the axis") if op.has(1) else 0
    return arithmetic.arg_extreme(
        op.node.op, op.value(0), axis, op.attributes.dtype("output_type", DType.INT64), op.emit
    )


@maps("Cumsum", "Cumprod")
def _cumulative(op: Operation) -> Value:
    kind = "CumSum" if op.node.op == "Cumsum" else "CumProd"
    exclusive, backwards = op.attributes.flag("exclusive"), op.attributes.flag("reverse")
    return arithmetic.cumulative(kind, op.value(0), op.integer(1, "the axis"), exclusive, backwards, op.emit)


@maps("Softmax")
def _softmax(op: Operation) -> Value:
    return op.emit.direct("Softmax", op.value(0), axis=-1)


@maps("LogSoftmax")
def _log_softmax(op: Operation) -> Value:
    return op.emit.direct("LogSoftmax", op.value(0), axis=-1)


@maps("L2Loss")
def _l2_loss(op: Operation) -> Value:
    total = op.emit.op("ReduceSumSquare", op.value(0), keepdims=0)
    return op.emit.op("Mul", total, op.emit.scalar(0.5, total))


@maps("TopK", "TopKV2", results="values indices")
def _top_k(op: Operation) -> tuple[Value, ...]:
    emit = op.emit
    k = emit.int64(emit.reshape(op.value(1), (1,))) if op.has(1) else emit.ints(op.attributes.integer("k"))
    values, places = emit.several("TopK", (op.value(0), k), 2, axis=-1, largest=1, sorted=1)
    return values, emit.cast(places, op.attributes.dtype("index_type", DType.INT32))


@maps("InTopKV2", "InTopK")
def _in_top_k(op: Operation) -> Value:
    """Whether fewer than k predictions of a row exceed that of its target."""
    emit, predictions = op.emit, op.value(0)
    target = emit.op("GatherElements", predictions, emit.unsqueeze(op.value(1), 1), axis=1)
    above = emit.cast(emit.op("Greater", predictions, target), DType.INT32)
    count = emit.op("ReduceSum", above, emit.ints(1), keepdims=0)
    if op.has(2):
        return emit.op("Less", count, emit.cast(emit.reshape(op.value(2), ()), DType.INT32))
    return emit.op("Less", count, emit.scalar(op.attributes.integer("k"), count))


_SEGMENTS = {"Sum": "add", "Prod": "mul", "Max": "max", "Min": "min"}


@maps(*(f"Segment{kind}" for kind in _SEGMENTS))
def _segments(op: Operation) -> Value:
    """A segment without entries is 0."""
    segments = op.ints(1, "the segments")
    if op.node.op != "SegmentSum" and len(set(segments)) <= max(segments, default=-1):
        raise UnsupportedError("segments without entries are not supported", op.emit.where)
    reduction, count = _SEGMENTS[op.node.op.removeprefix("Segment")], max(segments, default=-1) + 1
    return arithmetic.segment_reduction(op.value(0), op.value(1), count, reduction, op.emit)


@maps(*(f"UnsortedSegment{kind}" for kind in _SEGMENTS))
def _unsorted_segments(op: Operation) -> Value:
    reduction = _SEGMENTS[op.node.op.removeprefix("UnsortedSegment")]
    count = op.integer(2, "the number of segments")
    return arithmetic.segment_reduction(op.value(0), op.value(1), count, reduction, op.emit)


@maps("Where")
def _where(op: Operation) -> Value:
    return arithmetic.positions(op.value(0), op.emit)
