"""Normalisation."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.pointwise import constant_like, float_limits
from halo_frontends.torchscript.table import aten
from halo_frontends.torchscript.values import Tensor

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Ints, Item, Value


@aten("batch_norm", "_batch_norm_impl_index")
def batch_norm(
    m: Maker,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Value:
    channels = m.length(input, 1) if m.rank(input) > 1 else m.length(input, 0)
    scale = weight or m.const(np.ones(channels, m.dtype(input).numpy))
    shift = bias or m.const(np.zeros(channels, m.dtype(input).numpy))
    if running_mean is None or running_var is None or training:
        axes = [axis for axis in range(m.rank(input)) if axis != 1]
        return _affine(m, _standardised(m, input, axes, eps), scale, shift)
    return m.op("BatchNormalization", input, scale, shift, running_mean, running_var, epsilon=eps)


@aten("native_batch_norm")
def native_batch_norm(
    m: Maker,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Value, Value, Value]:
    result = batch_norm(m, input, weight, bias, running_mean, running_var, training, momentum, eps)
    if not training:
        nothing = m.const(np.zeros(0, m.dtype(input).numpy))
        return result, nothing, nothing
    mean, variance = _batch_statistics(m, input)
    return result, mean, m.op("Reciprocal", m.op("Sqrt", m.op("Add", variance, constant_like(m, variance, eps))))


@aten("_native_batch_norm_legit_functional")
def batch_norm_functional(
    m: Maker,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value,
    running_var: Value,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Value, ...]:
    results = native_batch_norm(m, input, weight, bias, running_mean, running_var, training, momentum, eps)
    if not training:
        return (*results, running_mean, running_var)
    mean, variance = _batch_statistics(m, input)
    count = prod(m.shape(input)) // m.length(input, 1)
    unbiased = m.op("Mul", variance, constant_like(m, variance, count / max(count - 1, 1)))
    return (*results, _moved(m, running_mean, mean, momentum), _moved(m, running_var, unbiased, momentum))


@aten("_native_batch_norm_legit")
def batch_norm_legit(
    m: Maker, input: Value, weight: Value | None, bias: Value | None, *rest: Item
) -> tuple[Value, Value, Value]:
    """With running statistics before the last three arguments, or without."""
    running = [m.read(item) for item in rest[:-3] if isinstance(item, Tensor)]
    mean, variance = running if len(running) == 2 else (None, None)
    training, momentum, eps = rest[-3:]
    if not isinstance(momentum, (int, float)) or not isinstance(eps, (int, float)):
        raise m.unsupported("a norm whose settings depend on data is not supported")
    return native_batch_norm(m, input, weight, bias, mean, variance, bool(training), momentum, eps)


def _batch_statistics(m: Maker, input: Value) -> tuple[Value, Value]:
    """Mean and variance of every channel."""
    axes = [axis for axis in range(m.rank(input)) if axis != 1]
    mean = m.op("ReduceMean", input, m.ints(axes), keepdims=1)
    centred = m.op("Sub", input, mean)
    variance = m.op("ReduceMean", m.op("Mul", centred, centred), m.ints(axes), keepdims=0)
    return m.reshape(mean, [-1]), variance


def _moved(m: Maker, old: Value, new: Value, momentum: float) -> Value:
    """A running mean one step further."""
    kept = m.op("Mul", old, constant_like(m, old, 1 - momentum))
    return m.op("Add", kept, m.cast(m.op("Mul", new, constant_like(m, new, momentum)), m.dtype(old)))


@aten("_native_batch_norm_legit_no_training")
def batch_norm_no_training(
    m: Maker,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    momentum: float,
    eps: float,
) -> tuple[Value, Value, Value]:
    return native_batch_norm(m, input, weight, bias, running_mean, running_var, False, momentum, eps)


def _standardised(m: Maker, input: Value, axes: list[int], eps: float) -> Value:
    """(x - mean) / sqrt(variance + eps) over these axes."""
    centred = m.op("Sub", input, m.op("ReduceMean", input, m.ints(axes), keepdims=1))
    variance = m.op("ReduceMean", m.op("Mul", centred, centred), m.ints(axes), keepdims=1)
    return m.op("Div", centred, m.op("Sqrt", m.op("Add", variance, constant_like(m, variance, eps))))


def _affine(m: Maker, value: Value, scale: Value | None, shift: Value | None) -> Value:
    """Scale and shift per channel (axis 1)."""
    tail = [-1, *[1] * (m.rank(value) - 2)]
    if scale is not None:
        value = m.op("Mul", value, m.reshape(scale, tail))
    return value if shift is None else m.op("Add", value, m.reshape(shift, tail))


@aten("instance_norm")
def instance_norm(
    m: Maker,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Value:
    channels = m.length(input, 1)
    scale = weight or m.const(np.ones(channels, m.dtype(input).numpy))
    shift = bias or m.const(np.zeros(channels, m.dtype(input).numpy))
    if not use_input_stats and running_mean is not None and running_var is not None:
        return m.op("BatchNormalization", input, scale, shift, running_mean, running_var, epsilon=eps)
    return m.op("InstanceNormalization", input, scale, shift, epsilon=eps)


@aten("layer_norm")
def layer_norm(
    m: Maker,
    input: Value,
    normalized_shape: Ints,
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Value:
    scale = weight or m.const(np.ones(normalized_shape, m.dtype(input).numpy))
    return m.op("LayerNormalization", input, scale, bias, axis=-len(normalized_shape), epsilon=eps)


@aten("native_layer_norm")
def native_layer_norm(
    m: Maker, input: Value, normalized_shape: Ints, weight: Value | None, bias: Value | None, eps: float
) -> tuple[Value, Value, Value]:
    scale = weight or m.const(np.ones(normalized_shape, m.dtype(input).numpy))
    found, mean, deviation = m.ops(
        "LayerNormalization", [input, scale, bias], 3, axis=-len(normalized_shape), epsilon=eps
    )
    return found, mean, deviation


@aten("rms_norm", "_fused_rms_norm")
def rms_norm(
    m: Maker, input: Value, normalized_shape: Ints, weight: Value | None = None, eps: float | None = None
) -> Value:
    found = float_limits(m.dtype(input)).eps if eps is None else eps
    scale = weight or m.const(np.ones(normalized_shape, m.dtype(input).numpy))
    return m.op("RMSNormalization", input, scale, axis=-len(normalized_shape), epsilon=found)


@aten("group_norm")
def group_norm(
    m: Maker,
    input: Value,
    num_groups: int,
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Value:
    channels = m.length(input, 1)
    if m.rank(input) < 3:
        shape = m.shape(input)
        split = m.reshape(input, [shape[0], num_groups, -1])
        return _affine(m, m.reshape(_standardised(m, split, [2], eps), shape), weight, bias)
    scale = weight or m.const(np.ones(channels, m.dtype(input).numpy))
    shift = bias or m.const(np.zeros(channels, m.dtype(input).numpy))
    return m.op("GroupNormalization", input, scale, shift, num_groups=num_groups, epsilon=eps)


@aten("native_group_norm")
def native_group_norm(
    m: Maker,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[Value, Value, Value]:
    """With the means and reciprocal deviations of the groups."""
    flat = m.reshape(input, [N, group, C // group * HxW])
    mean = m.op("ReduceMean", flat, m.ints([2]), keepdims=0)
    centred = m.op("Sub", flat, m.unsqueeze(mean, 2))
    variance = m.op("ReduceMean", m.op("Mul", centred, centred), m.ints([2]), keepdims=0)
    deviation = m.op("Reciprocal", m.op("Sqrt", m.op("Add", variance, constant_like(m, variance, eps))))
    return group_norm(m, input, group, weight, bias, eps), mean, deviation


@aten("local_response_norm")
def local_response_norm(
    m: Maker, input: Value, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Value:
    return m.op("LRN", input, size=size, alpha=alpha, beta=beta, bias=k)


@aten("normalize")
def normalize(m: Maker, input: Value, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Value:
    from halo_frontends.torchscript.ops.norms import norm_over

    length = norm_over(m, input, p, [m.axis(dim, m.rank(input))], True)
    return m.op("Div", input, m.op("Max", length, constant_like(m, length, eps)))


@aten("cosine_similarity")
def cosine_similarity(m: Maker, x1: Value, x2: Value, dim: int = 1, eps: float = 1e-8) -> Value:
    shape = np.broadcast_shapes(m.shape(x1), m.shape(x2))
    x1, x2 = m.expand(x1, shape), m.expand(x2, shape)
    axis = m.ints([m.axis(dim, len(shape))])

    def unit(value: Value) -> Value:
        length = m.op("ReduceL2", value, axis, keepdims=1)
        return m.op("Div", value, m.op("Max", length, constant_like(m, length, eps)))

    return m.op("ReduceSum", m.op("Mul", unit(x1), unit(x2)), axis, keepdims=0)
