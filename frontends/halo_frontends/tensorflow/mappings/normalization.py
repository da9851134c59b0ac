"""Batch normalisation and local response normalisation."""

from __future__ import annotations

import numpy as np

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.mappings.windows import channels_last
from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow_ops import arithmetic
from halo_frontends.tensorflow_ops.windows import Window, as_it_was, to_channels_first
from halo_py.ir.graph import Value
from halo_py.types import DType

_RESULTS = "y batch_mean batch_variance reserve_space_1 reserve_space_2 reserve_space_3"


@maps("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", results=_RESULTS)
def _batch_normalization(op: Operation) -> tuple[Value, ...]:
    """With the statistics that are operands, or (while training) those of the batch itself."""
    emit = op.emit
    window = Window((), (), "VALID", channels_last(op))
    x = to_channels_first(op.value(0), window, emit)
    scale, offset, mean, variance = op.values(1, 5)
    epsilon = op.attributes.number("epsilon", 1e-4)
    if op.attributes.flag("is_training", True):
        axes = emit.ints(0, *range(2, emit.rank(x)))
        wide = emit.cast(x, DType.FLOAT32)
        mean = emit.op("ReduceMean", wide, axes, keepdims=0)
        across = emit.unsqueeze(mean, 0, *range(2, emit.rank(x)))
        variance = emit.op("ReduceMean", arithmetic.squared_difference(wide, across, emit), axes, keepdims=0)
    made = emit.op("BatchNormalization", x, scale, offset, mean, variance, epsilon=epsilon)
    nothing = emit.constant(np.zeros(0, np.float32), "reserve_space_3")
    unbiased = _unbiased(variance, x, emit) if op.attributes.flag("is_training", True) else variance
    return (as_it_was(made, window, emit), mean, unbiased, mean, variance, nothing)


def _unbiased(variance: Value, x: Value, emit: Emitter) -> Value:
    """The variance of the population that a batch `x` [N, C, field...] is a sample of (Bessel's correction)."""
    count = emit.op("Div", emit.op("Size", x), emit.reshape(emit.op("Shape", x, start=1, end=2), ()))
    wide = emit.cast(count, DType.FLOAT32)
    less = emit.op("Max", emit.op("Sub", wide, emit.scalar(1, wide)), emit.scalar(1, wide))
    return emit.op("Mul", variance, emit.op("Div", wide, less))


@maps("LRN")
def _local_response(op: Operation) -> Value:
    attributes = op.attributes
    return arithmetic.local_response(
        op.value(0),
        attributes.integer("depth_radius", 5),
        attributes.number("bias", 1),
        attributes.number("alpha", 1),
        attributes.number("beta", 0.5),
        op.emit,
    )
