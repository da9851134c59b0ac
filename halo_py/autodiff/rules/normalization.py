"""Normalisations, by their formulas: statistics of narrow floats are taken in the type arithmetic is done in."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from halo_py.autodiff.registry import by_formula
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.terms import Term, total
from halo_py.ops import normalization as ops
from halo_py.ops.local_response import LRN
from halo_py.ops.scalar import arithmetic_dtype


def _wide(term: Term) -> Term:
    return term.cast(arithmetic_dtype(term.dtype))


def _per_channel(vector: Term, rank: int) -> Term:
    """A vector [C] that broadcasts over [N, C, ...]."""
    return _wide(vector).unsqueezed(*range(1, rank - 1))


def _standardized(x: Term, axes: Sequence[int], epsilon: float) -> tuple[Term, Term, Term]:
    """(x - mean) / sqrt(variance + epsilon), the mean and the inverse deviation."""
    mean = x.mean(axes)
    centred = x - mean
    inverse = 1.0 / (centred.squared().mean(axes) + epsilon).sqrt()
    return centred * inverse, mean, inverse


@by_formula(ops.LayerNormalization)
def _layer_normalization(at: Backward, op: ops.LayerNormalization) -> list[Term]:
    x = at.x()
    y, mean, inverse = _standardized(_wide(x), range(op.axis % x.rank, x.rank), op.epsilon)
    y = y * _wide(at.x(1))
    if at.has(2):
        y = y + _wide(at.x(2))
    return [y.cast(x.dtype), mean.cast(op.stash_type), inverse.cast(op.stash_type)]


@by_formula(ops.RMSNormalization)
def _rms_normalization(at: Backward, op: ops.RMSNormalization) -> list[Term]:
    x, scale = _wide(at.x(0)), at.x(1)
    mean_square = x.squared().mean(range(op.axis % x.rank, x.rank))
    return [(x / (mean_square + op.epsilon).sqrt() * _wide(scale)).cast(scale.dtype)]


@by_formula(ops.InstanceNormalization)
def _instance_normalization(at: Backward, op: ops.InstanceNormalization) -> list[Term]:
    x = at.x()
    y, _, _ = _standardized(_wide(x), range(2, x.rank), op.epsilon)
    scale, bias = (_per_channel(at.x(index), x.rank) for index in (1, 2))
    return [(y * scale + bias).cast(x.dtype)]


@by_formula(ops.GroupNormalization)
def _group_normalization(at: Backward, op: ops.GroupNormalization) -> list[Term]:
    x = at.x()
    known = [dim for dim in x.shape[1:] if isinstance(dim, int)]
    each = prod(known if len(known) == x.rank - 1 else x.extents[1:]) // op.num_groups
    y, _, _ = _standardized(_wide(x).reshaped(x.shape[0], op.num_groups, each), (2,), op.epsilon)
    scale, bias = (_per_channel(at.x(index), x.rank) for index in (1, 2))
    return [(y.reshaped_like(x) * scale + bias).cast(x.dtype)]


@by_formula(ops.MeanVarianceNormalization)
def _mean_variance_normalization(at: Backward, op: ops.MeanVarianceNormalization) -> list[Term]:
    x = at.x()
    axes = sorted(axis % x.rank for axis in op.axes)
    wide = _wide(x)
    centred = wide - wide.mean(axes)
    return [(centred / (centred.squared().mean(axes).sqrt() + 1e-9)).cast(x.dtype)]


@by_formula(ops.BatchNormalization)
def _batch_normalization(at: Backward, op: ops.BatchNormalization) -> list[Term]:
    x = at.x()
    scale, bias, mean, variance = (_per_channel(at.x(index), x.rank) for index in range(1, 5))
    wide = _wide(x)
    if not op.training_mode:
        y = (wide - mean) * (scale / (variance + op.epsilon).sqrt()) + bias
        return [y.cast(x.dtype), at.x(3), at.x(4)]
    axes = [0, *range(2, x.rank)]
    own = wide.mean(axes)
    centred = wide - own
    spread = centred.squared().mean(axes)
    y = centred * (scale / (spread + op.epsilon).sqrt()) + bias
    running: list[Term] = []
    for old, new, like in ((mean, own, at.x(3)), (variance, spread, at.x(4))):
        mixed = old * op.momentum + new * (1 - op.momentum)
        running.append(mixed.reshaped_like(like).cast(like.dtype))
    return [y.cast(x.dtype), *running]


@by_formula(LRN)
def _lrn(at: Backward, op: LRN) -> list[Term]:
    x = at.x()
    wide = _wide(x)
    channels = x.extents[1]
    window = op.window(channels)
    below = (window - 1) // 2
    margins = [[count if axis == 1 else 0 for axis in range(x.rank)] for count in (below, window - 1 - below)]
    squares = wide.squared().padded(*margins)
    near = total([squares.part(1, first, first + channels) for first in range(window)])
    return [(wide / (near * (op.alpha / op.size) + op.bias) ** op.beta).cast(x.dtype)]
