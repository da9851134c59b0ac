"""Losses; `reduction` is 0 for none, 1 for the mean, 2 for the sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.indexing import as_positions
from halo_frontends.torchscript.ops.pointwise import constant_like
from halo_frontends.torchscript.ops.reduction import reduce
from halo_frontends.torchscript.table import aten
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Number, Value


def _reduced(m: Maker, value: Value, reduction: int) -> Value:
    axes = list(range(m.rank(value)))
    return (value, reduce(m, "ReduceMean", value, axes, False), reduce(m, "ReduceSum", value, axes, False))[reduction]


@aten("mse_loss")
def mse_loss(m: Maker, input: Value, target: Value, reduction: int = 1) -> Value:
    gap = m.op("Sub", input, target)
    return _reduced(m, m.op("Mul", gap, gap), reduction)


@aten("l1_loss")
def l1_loss(m: Maker, input: Value, target: Value, reduction: int = 1) -> Value:
    return _reduced(m, m.op("Abs", m.op("Sub", input, target)), reduction)


@aten("smooth_l1_loss")
def smooth_l1_loss(m: Maker, input: Value, target: Value, reduction: int = 1, beta: float = 1.0) -> Value:
    gap = m.op("Abs", m.op("Sub", input, target))
    if not beta:
        return _reduced(m, gap, reduction)
    return _reduced(m, m.op("Div", _huber(m, gap, beta), constant_like(m, gap, beta)), reduction)


@aten("huber_loss")
def huber_loss(m: Maker, input: Value, target: Value, reduction: int = 1, delta: float = 1.0) -> Value:
    return _reduced(m, _huber(m, m.op("Abs", m.op("Sub", input, target)), delta), reduction)


def _huber(m: Maker, gap: Value, delta: float) -> Value:
    """gap^2 / 2 up to delta, then delta (gap - delta / 2)."""
    half = m.op("Mul", m.op("Mul", gap, gap), constant_like(m, gap, 0.5))
    far = m.op("Mul", m.op("Sub", gap, constant_like(m, gap, delta / 2)), constant_like(m, gap, delta))
    return m.op("Where", m.op("Less", gap, constant_like(m, gap, delta)), half, far)


@aten("binary_cross_entropy")
def binary_cross_entropy(
    m: Maker, input: Value, target: Value, weight: Value | None = None, reduction: int = 1
) -> Value:
    one, least = constant_like(m, input, 1), constant_like(m, input, -100)
    yes = m.op("Mul", target, m.op("Max", m.op("Log", input), least))
    no = m.op("Mul", m.op("Sub", one, target), m.op("Max", m.op("Log", m.op("Sub", one, input)), least))
    loss = m.op("Neg", m.op("Add", yes, no))
    return _reduced(m, loss if weight is None else m.op("Mul", loss, weight), reduction)


@aten("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    m: Maker,
    input: Value,
    target: Value,
    weight: Value | None = None,
    pos_weight: Value | None = None,
    reduction: int = 1,
) -> Value:
    """(1 - y) x + w log(1 + exp(-x)), with w = 1 + (positive weight - 1) y."""
    one = constant_like(m, input, 1)
    soft = m.op("Softplus", m.op("Neg", input))
    if pos_weight is not None:
        soft = m.op("Mul", soft, m.op("Add", m.op("Mul", m.op("Sub", pos_weight, one), target), one))
    loss = m.op("Add", m.op("Mul", m.op("Sub", one, target), input), soft)
    return _reduced(m, loss if weight is None else m.op("Mul", loss, weight), reduction)


@aten("kl_div")
def kl_div(m: Maker, input: Value, target: Value, reduction: int = 1, log_target: bool = False) -> Value:
    if log_target:
        loss = m.op("Mul", m.op("Exp", target), m.op("Sub", target, input))
    else:
        zero = constant_like(m, target, 0)
        some = m.op("Greater", target, zero)
        safe = m.op("Log", m.op("Where", some, target, constant_like(m, target, 1)))
        loss = m.op(
            "Where", some, m.op("Mul", target, m.op("Sub", safe, input)), m.op("Neg", m.op("Mul", target, input))
        )
    return _reduced(m, loss, reduction)


@aten("soft_margin_loss")
def soft_margin_loss(m: Maker, input: Value, target: Value, reduction: int = 1) -> Value:
    return _reduced(m, m.op("Softplus", m.op("Neg", m.op("Mul", target, input))), reduction)


@aten("hinge_embedding_loss")
def hinge_embedding_loss(m: Maker, input: Value, target: Value, margin: float = 1.0, reduction: int = 1) -> Value:
    zero, one = constant_like(m, input, 0), constant_like(m, input, 1)
    low = m.op("Max", m.op("Sub", constant_like(m, input, margin), input), zero)
    target = m.cast(target, m.dtype(input))
    near = m.op("Where", m.op("Equal", target, one), zero, low)
    far = m.op("Where", m.op("Equal", target, m.op("Neg", one)), zero, input)
    return _reduced(m, m.op("Add", near, far), reduction)


@aten("margin_ranking_loss")
def margin_ranking_loss(
    m: Maker, input1: Value, input2: Value, target: Value, margin: float = 0.0, reduction: int = 1
) -> Value:
    gap = m.op("Mul", m.op("Neg", target), m.op("Sub", input1, input2))
    return _reduced(m, m.op("Relu", m.op("Add", gap, constant_like(m, gap, margin))), reduction)


@aten("poisson_nll_loss")
def poisson_nll_loss(
    m: Maker, input: Value, target: Value, log_input: bool, full: bool, eps: float, reduction: int
) -> Value:
    if log_input:
        loss = m.op("Sub", m.op("Exp", input), m.op("Mul", target, input))
    else:
        shifted = m.op("Log", m.op("Add", input, constant_like(m, input, eps)))
        loss = m.op("Sub", input, m.op("Mul", target, shifted))
    if full:
        half = m.op("Log", m.op("Mul", target, constant_like(m, target, 2 * np.pi)))
        stirling = m.op("Sub", m.op("Mul", target, m.op("Log", target)), target)
        stirling = m.op("Add", stirling, m.op("Mul", half, constant_like(m, target, 0.5)))
        large = m.op("Greater", target, constant_like(m, target, 1))
        loss = m.op("Add", loss, m.op("Where", large, stirling, constant_like(m, target, 0)))
    return _reduced(m, loss, reduction)


@aten("nll_loss", "nll_loss2d", "nll_loss_nd")
def nll_loss(
    m: Maker, input: Value, target: Value, weight: Value | None = None, reduction: int = 1, ignore_index: int = -100
) -> Value:
    """The negative log-likelihood at the target classes (axis 1, or the only one)."""
    alone = m.rank(input) == 1
    value = m.unsqueeze(input, 0) if alone else input
    classes = as_positions(m, m.unsqueeze(target, 0) if alone else target)
    kept = m.op("Not", m.op("Equal", classes, m.number(ignore_index, m.dtype(classes))))
    safe = m.op("Where", kept, classes, m.number(0, m.dtype(classes)))
    picked = m.squeeze(m.op("GatherElements", value, m.unsqueeze(safe, 1), axis=1), 1)
    dtype = m.dtype(input)
    factor = m.cast(kept, dtype)
    if weight is not None:
        factor = m.op("Mul", factor, m.op("Gather", weight, safe, axis=0))
    loss = m.op("Neg", m.op("Mul", picked, factor))
    if not reduction:
        return m.squeeze(loss, 0) if alone else loss
    axes = list(range(m.rank(loss)))
    total = reduce(m, "ReduceSum", loss, axes, False)
    return total if reduction == 2 else m.op("Div", total, reduce(m, "ReduceSum", factor, axes, False))


@aten("cross_entropy_loss")
def cross_entropy_loss(
    m: Maker,
    input: Value,
    target: Value,
    weight: Value | None = None,
    reduction: int = 1,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Value:
    axis = 0 if m.rank(input) == 1 else 1
    logs = m.op("LogSoftmax", input, axis=axis)
    if m.dtype(target).is_float:
        return _soft_cross_entropy(m, logs, target, weight, reduction, label_smoothing, axis)
    if label_smoothing:
        raise m.unsupported("smoothed labels by class are not supported")
    return nll_loss(m, logs, target, weight, reduction, ignore_index)


def _soft_cross_entropy(
    m: Maker, logs: Value, target: Value, weight: Value | None, reduction: int, smoothing: float, axis: int
) -> Value:
    """Targets as probabilities."""
    if smoothing:
        target = m.op(
            "Add",
            m.op("Mul", target, constant_like(m, target, 1 - smoothing)),
            constant_like(m, target, smoothing / m.length(logs, axis)),
        )
    loss = m.op("Mul", logs, target)
    if weight is not None:
        loss = m.op("Mul", loss, m.reshape(weight, [-1, *[1] * (m.rank(logs) - axis - 1)]))
    found = m.op("Neg", reduce(m, "ReduceSum", loss, [axis], False))
    if reduction != 1 or not m.rank(found):
        return _reduced(m, found, reduction) if m.rank(found) else found
    return _reduced(m, found, 1)


@aten("cosine_embedding_loss")
def cosine_embedding_loss(
    m: Maker, input1: Value, input2: Value, target: Value, margin: float = 0.0, reduction: int = 1
) -> Value:
    from halo_frontends.torchscript.ops.normalization import cosine_similarity

    near = cosine_similarity(m, input1, input2, 1 if m.rank(input1) > 1 else 0)
    one = constant_like(m, near, 1)
    apart = m.op("Relu", m.op("Sub", near, constant_like(m, near, margin)))
    same = m.op("Greater", m.cast(target, m.dtype(near)), constant_like(m, near, 0))
    return _reduced(m, m.op("Where", same, m.op("Sub", one, near), apart), reduction)


@aten("triplet_margin_loss")
def triplet_margin_loss(
    m: Maker,
    anchor: Value,
    positive: Value,
    negative: Value,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 1,
) -> Value:
    from halo_frontends.torchscript.ops.norms import pairwise_distance

    near, far = pairwise_distance(m, anchor, positive, p, eps), pairwise_distance(m, anchor, negative, p, eps)
    if swap:
        far = m.op("Min", far, pairwise_distance(m, positive, negative, p, eps))
    gap = m.op("Add", m.op("Sub", near, far), constant_like(m, near, margin))
    return _reduced(m, m.op("Relu", gap), reduction)


@aten("multi_margin_loss")
def multi_margin_loss(
    m: Maker,
    input: Value,
    target: Value,
    p: Number = 1,
    margin: Number = 1,
    weight: Value | None = None,
    reduction: int = 1,
) -> Value:
    alone = m.rank(input) < 2
    value = m.reshape(input, [1, -1]) if alone else input
    classes = m.reshape(as_positions(m, target), [-1])
    count = m.length(value, 1)
    picked = m.op("GatherElements", value, m.unsqueeze(classes, 1), axis=1)
    gap = m.op("Relu", m.op("Add", m.op("Sub", value, picked), m.number(margin, m.dtype(value))))
    gap = gap if p == 1 else m.op("Mul", gap, gap)
    if weight is not None:
        gap = m.op("Mul", gap, m.unsqueeze(m.op("Gather", weight, classes, axis=0), 1))
    columns = m.const(np.arange(count)[None])
    other = m.op("Not", m.op("Equal", columns, m.cast(m.unsqueeze(classes, 1), DType.INT64)))
    kept = m.op("Where", other, gap, constant_like(m, gap, 0))
    found = m.op("Div", reduce(m, "ReduceSum", kept, [1], False), constant_like(m, gap, count))
    if reduction == 0 and alone and not m.rank(target):
        return m.squeeze(found, 0)
    return _reduced(m, found, reduction)
