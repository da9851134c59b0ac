"""Reductions, positions of extremes, sums along an axis, normalisations."""

from __future__ import annotations

from halo_frontends.tensorflow_ops import arithmetic
from halo_frontends.tflite.activation import activated
from halo_frontends.tflite.operation import Operation, maps
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType

_REDUCTIONS = {
    "MEAN": "ReduceMean",
    "SUM": "ReduceSum",
    "REDUCE_MAX": "ReduceMax",
    "REDUCE_MIN": "ReduceMin",
    "REDUCE_PROD": "ReduceProd",
}


@maps(*_REDUCTIONS)
def _reduction(op: Operation) -> Value:
    return arithmetic.reduce(_REDUCTIONS[op.info.name], op.value(0), op.value(1), op.flag("keep_dims"), op.emit)


@maps("REDUCE_ALL", "REDUCE_ANY")
def _flags(op: Operation) -> Value:
    kind = "All" if op.info.name == "REDUCE_ALL" else "Any"
    return arithmetic.reduce_flags(kind, op.value(0), op.value(1), op.flag("keep_dims"), op.emit)


@maps("ARG_MAX", "ARG_MIN", integers="stored")
def _arg_extreme(op: Operation) -> Value:
    kind = "ArgMax" if op.info.name == "ARG_MAX" else "ArgMin"
    (axis,) = op.ints(1, "the axis")
    return arithmetic.arg_extreme(kind, op.value(0), axis, op.output_tensors[0].dtype or DType.INT32, op.emit)


@maps("CUMSUM")
def _cumsum(op: Operation) -> Value:
    (axis,) = op.ints(1, "the axis")
    return arithmetic.cumulative("CumSum", op.value(0), axis, op.flag("exclusive"), op.flag("reverse"), op.emit)


@maps("SOFTMAX")
def _softmax(op: Operation) -> Value:
    x, beta = op.value(0), op.number("beta")
    scaled = x if beta == 1 else op.emit.op("Mul", x, op.emit.scalar(beta, x))
    return op.emit.direct("Softmax", scaled, axis=-1)


@maps("LOG_SOFTMAX")
def _log_softmax(op: Operation) -> Value:
    return op.emit.direct("LogSoftmax", op.value(0), axis=-1)


@maps("L2_NORMALIZATION")
def _l2_normalization(op: Operation) -> Value:
    return activated(arithmetic.normalized(op.value(0), (-1,), 1e-12, op.emit), op.integer("activation"), op.emit)


@maps("LOCAL_RESPONSE_NORMALIZATION")
def _local_response(op: Operation) -> Value:
    x, emit = op.value(0), op.emit
    if emit.rank(x) != 4:
        raise UnsupportedError("normalises data that is no image", emit.where)
    return arithmetic.local_response(
        x, op.integer("radius"), op.number("bias"), op.number("alpha"), op.number("beta"), emit
    )


@maps("TOPK_V2", integers="stored")
def _top_k(op: Operation) -> tuple[Value, ...]:
    k = op.emit.int64(op.emit.reshape(op.value(1), (1,)))
    values, positions = op.emit.several("TopK", (op.value(0), k), 2, axis=-1, largest=1, sorted=1)
    return values, op.emit.cast(positions, DType.INT32)


@maps("SEGMENT_SUM")
def _segment_sum(op: Operation) -> Value:
    numbers = op.ints(1, "the segments")
    return arithmetic.segment_sum(op.value(0), op.value(1), max(numbers, default=-1) + 1, op.emit)


_SEGMENTS = {"SUM": "add", "PROD": "mul", "MAX": "max", "MIN": "min"}


@maps(*(f"UNSORTED_SEGMENT_{kind}" for kind in _SEGMENTS))
def _unsorted_segments(op: Operation) -> Value:
    (count,) = op.ints(2, "the number of segments")
    reduction = _SEGMENTS[op.info.name.removeprefix("UNSORTED_SEGMENT_")]
    return arithmetic.segment_reduction(op.value(0), op.value(1), count, reduction, op.emit)
