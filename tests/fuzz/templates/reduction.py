"""Templates that reduce: reductions over any axes, extrema, running sums, softmax and normalisations."""

from __future__ import annotations

import numpy as np

from halo_py.ir.graph import Value
from halo_py.ops import normalization as norm
from halo_py.ops import reduction as red
from halo_py.ops.along_axis import ArgMax, ArgMin, CumProd, CumSum
from halo_py.ops.conversion import Cast
from halo_py.ops.elementwise import Abs, Add
from halo_py.ops.softmax import Hardmax, LogSoftmax, LpNormalization, Softmax
from halo_py.types import DType
from tests.fuzz.draft import Draft
from tests.fuzz.templates.base import fit_shape, scaled, template
from tests.fuzz.templates.elementwise import pick_integers

ANY_REDUCTION = (red.ReduceSum, red.ReduceMean, red.ReduceMax, red.ReduceMin, red.ReduceSumSquare, red.ReduceL1)
FLOAT_REDUCTION = (*ANY_REDUCTION, red.ReduceL2, red.ReduceLogSumExp, red.ReduceMean, red.ReduceSum)


def _axes(draft: Draft, rank: int) -> Value | None:
    if rank == 0 or draft.chance(0.2):
        return None
    axes = draft.random.sample(range(rank), draft.between(1, rank))
    return draft.ints(*(axis - rank if draft.chance(0.3) else axis for axis in axes))


@template("reduction", 3)
def reducing(draft: Draft) -> None:
    """Sums, means, extrema, norms over some axes; integers too."""
    keep, noop = draft.below(2), int(draft.chance(0.1))
    if draft.chance(0.2):
        value = pick_integers(draft)
        draft.one(draft.choose(ANY_REDUCTION)(keep, noop), value, _axes(draft, len(draft.shape(value))))
        return
    value = draft.pick_float()
    axes = _axes(draft, len(draft.shape(value)))
    if draft.chance(0.15):
        away = draft.one(Add(), draft.one(Abs(), value), draft.scalar(0.5, value))
        draft.one(draft.choose((red.ReduceLogSum, red.ReduceProd))(keep, noop), away, axes)
        return
    draft.one(draft.choose(FLOAT_REDUCTION)(keep, noop), value, axes)


@template("reduction")
def extremum(draft: Draft) -> None:
    """Where the largest and smallest elements are."""
    value = draft.pick_float(1)
    rank = len(draft.shape(value))
    cls = draft.choose((ArgMax, ArgMin))
    draft.one(
        cls(axis=draft.between(-rank, rank - 1), keepdims=draft.below(2), select_last_index=draft.below(2)), value
    )


@template("reduction")
def running(draft: Draft) -> None:
    """Cumulative sums and products."""
    value = draft.pick_float(1)
    rank = len(draft.shape(value))
    axis = draft.constant(np.asarray(draft.between(-rank, rank - 1), np.int64))
    if draft.chance(0.75):
        draft.one(CumSum(exclusive=draft.below(2), reverse=draft.below(2)), value, axis)
    else:
        near_one = draft.one(Add(), scaled(draft, value, 0.125), draft.scalar(1.0, value))
        draft.one(CumProd(exclusive=draft.below(2), reverse=draft.below(2)), near_one, axis)


@template("reduction", 2)
def softmaxes(draft: Draft) -> None:
    """Softmax and its relatives on any axis."""
    value = draft.pick_float(1)
    rank = len(draft.shape(value))
    axis = draft.between(-rank, rank - 1)
    ops = (Softmax(axis), Softmax(axis), LogSoftmax(axis), Hardmax(axis), LpNormalization(axis, draft.between(1, 2)))
    draft.one(draft.choose(ops), value)


@template("normalization", 2)
def layer_norm(draft: Draft) -> None:
    """Layer and root-mean-square normalisation over the last dimensions."""
    value = draft.pick_float(1, dtype=DType.FLOAT32)
    shape = draft.shape(value)
    axis = draft.choose((len(shape) - 1, len(shape) - 1, draft.below(len(shape))))
    scale = draft.given(draft.positive(shape[axis:]))
    named = axis - len(shape) if draft.chance(0.5) else axis
    epsilon = draft.choose((1e-5, 1e-2))
    if draft.chance(0.3):
        draft.one(norm.RMSNormalization(axis=named, epsilon=epsilon), value, scale)
        return
    bias = draft.given(draft.floats(shape[axis:])) if draft.chance(0.6) else None
    outputs = 3 if draft.chance(0.15) else 1
    draft.add(norm.LayerNormalization(axis=named, epsilon=epsilon), (value, scale, bias), outputs)


@template("normalization", 1.5)
def channel_norm(draft: Draft) -> None:
    """Batch, instance, group and mean-variance normalisation."""
    source = draft.pick_float(2, 5, dtype=DType.FLOAT32)
    channels = draft.choose((2, 4))
    rest = [draft.between(2, 4) for _ in range(draft.between(1, 2))]
    value = source
    if len(draft.shape(source)) < 3 or draft.shape(source)[1] % channels:
        value = fit_shape(draft, source, (draft.between(1, 2), channels, *rest))
    channels = draft.shape(value)[1]
    scale, bias = draft.given(draft.positive((channels,))), draft.given(draft.floats((channels,)))
    match draft.below(4):
        case 0:
            mean, variance = draft.given(draft.floats((channels,))), draft.given(draft.positive((channels,)))
            draft.one(norm.BatchNormalization(epsilon=1e-3), value, scale, bias, mean, variance)
        case 1:
            draft.one(norm.InstanceNormalization(epsilon=1e-2), value, scale, bias)
        case 2:
            groups = draft.choose([g for g in (1, 2, channels) if channels % g == 0])
            draft.one(norm.GroupNormalization(groups, epsilon=1e-2), value, scale, bias)
        case _:
            axes = (0, 2, 3) if len(draft.shape(value)) == 4 else (1, 2)
            draft.one(norm.MeanVarianceNormalization(axes), value)


@template("normalization", 0.5)
def half_floats(draft: Draft) -> None:
    """A value as float16 or bfloat16, normalised or reduced."""
    value = draft.pick_float(1, dtype=DType.FLOAT32)
    narrow = draft.one(Cast(to=draft.choose((DType.FLOAT16, DType.BFLOAT16))), value)
    draft.one(draft.choose((Softmax(-1), red.ReduceMean(1), red.ReduceMax(0), red.ReduceSum(1))), narrow)
