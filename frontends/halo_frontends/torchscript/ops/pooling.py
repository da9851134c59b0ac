"""Pooling."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.convolution import spread
from halo_frontends.torchscript.table import aten
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Ints, Item, Value

_SPATIAL = {"1": 1, "2": 2, "3": 3}


def _batched(m: Maker, input: Value, spatial: int) -> tuple[Value, bool]:
    alone = m.rank(input) == spatial + 1
    return (m.unsqueeze(input, 0) if alone else input), alone


def _max_pool(
    m: Maker, input: Value, spatial: int, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Value, Value]:
    """The maxima and the positions of them, counted inside of one channel."""
    value, alone = _batched(m, input, spatial)
    kernel = spread(kernel, spatial)
    found, positions = m.ops(
        "MaxPool",
        [value],
        2,
        kernel_shape=kernel,
        strides=spread(stride, spatial) if stride else kernel,
        pads=spread(padding, spatial) * 2,
        dilations=spread(dilation, spatial),
        ceil_mode=int(ceil_mode),
    )
    return (m.squeeze(found, 0), m.squeeze(positions, 0)) if alone else (found, positions)


def _only_max_pool(
    m: Maker, input: Value, spatial: int, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Value:
    value, alone = _batched(m, input, spatial)
    kernel = spread(kernel, spatial)
    found = m.op(
        "MaxPool",
        value,
        kernel_shape=kernel,
        strides=spread(stride, spatial) if stride else kernel,
        pads=spread(padding, spatial) * 2,
        dilations=spread(dilation, spatial),
        ceil_mode=int(ceil_mode),
    )
    return m.squeeze(found, 0) if alone else found


def _enter_max_pool(spatial: int) -> None:
    def max_pool(
        m: Maker,
        input: Value,
        kernel_size: Ints,
        stride: Ints = (),
        padding: Ints = (0,),
        dilation: Ints = (1,),
        ceil_mode: bool = False,
    ) -> Value:
        return _only_max_pool(m, input, spatial, kernel_size, stride, padding, dilation, ceil_mode)

    aten(f"max_pool{spatial}d")(max_pool)

    def max_pool_with_indices(
        m: Maker,
        input: Value,
        kernel_size: Ints,
        stride: Ints = (),
        padding: Ints = (0,),
        dilation: Ints = (1,),
        ceil_mode: bool = False,
    ) -> tuple[Value, Value]:
        found, positions = _max_pool(m, input, spatial, kernel_size, stride, padding, dilation, ceil_mode)
        if m.shape(input)[: m.rank(input) - spatial] == (1,) * (m.rank(input) - spatial):
            return found, positions
        return found, _within_channel(m, positions, input, spatial)

    aten(f"max_pool{spatial}d_with_indices")(max_pool_with_indices)

    def adaptive_max_pool(m: Maker, input: Value, output_size: Item) -> tuple[Value, Value]:
        return _adaptive_max(m, input, _output_sizes(m, input, output_size, spatial))

    aten(f"adaptive_max_pool{spatial}d")(adaptive_max_pool)

    def avg_pool(
        m: Maker,
        input: Value,
        kernel_size: Ints,
        stride: Ints = (),
        padding: Ints = (0,),
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Value:
        return _average(m, input, spatial, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    aten(f"avg_pool{spatial}d")(avg_pool)

    def adaptive_avg_pool(m: Maker, input: Value, output_size: Item) -> Value:
        return _adaptive_average(m, input, _output_sizes(m, input, output_size, spatial))

    aten(f"adaptive_avg_pool{spatial}d", f"_adaptive_avg_pool{spatial}d")(adaptive_avg_pool)

    def lp_pool(
        m: Maker, input: Value, norm_type: float, kernel_size: Ints, stride: Ints = (), ceil_mode: bool = False
    ) -> Value:
        raised = m.op("Pow", input, m.number(norm_type, m.dtype(input)))
        found = _average(m, raised, spatial, kernel_size, stride, (0,), ceil_mode, True, 1)
        return m.op("Pow", m.op("Relu", found), m.number(1 / norm_type, m.dtype(input)))

    aten(f"lp_pool{spatial}d")(lp_pool)

    def max_unpool(
        m: Maker, input: Value, indices: Value, output_size: Ints, stride: Ints = (), padding: Ints = ()
    ) -> Value:
        return _max_unpool(m, input, indices, output_size, spatial)

    aten(f"max_unpool{spatial}d")(max_unpool)


for _count in (1, 2, 3):
    _enter_max_pool(_count)


def _within_channel(m: Maker, positions: Value, input: Value, spatial: int) -> Value:
    """ONNX counts positions over the whole tensor, Torch inside of a channel."""
    plane = int(np.prod(m.shape(input)[-spatial:]))
    return m.op("Mod", positions, m.number(plane, DType.INT64))


def _average(
    m: Maker,
    input: Value,
    spatial: int,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    ceil_mode: bool,
    include_pad: bool,
    divisor: int | None,
) -> Value:
    value, alone = _batched(m, input, spatial)
    kernel = spread(kernel, spatial)
    found = m.op(
        "AveragePool",
        value,
        kernel_shape=kernel,
        strides=spread(stride, spatial) if stride else kernel,
        pads=spread(padding, spatial) * 2,
        ceil_mode=int(ceil_mode),
        count_include_pad=int(include_pad or divisor is not None),
    )
    if divisor is not None:
        if ceil_mode:
            raise m.unsupported("a divisor of one's own with rounding up is not supported")
        found = m.op("Mul", found, m.number(int(np.prod(kernel)) / divisor, m.dtype(found)))
    return m.squeeze(found, 0) if alone else found


def _output_sizes(m: Maker, input: Value, wanted: Item, spatial: int) -> tuple[int, ...]:
    """The wanted size of every spatial axis; None keeps the input's."""
    items = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
    if len(items) == 1:
        items = items * spatial
    sizes = m.shape(input)[-spatial:]
    found: list[int] = []
    for item, size in zip(items, sizes, strict=True):
        if item is None:
            found.append(size)
        elif isinstance(item, int):
            found.append(item)
        else:
            raise m.unsupported("a pooled size that depends on data is not supported")
    return tuple(found)


def _even_windows(sizes: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...] | None:
    """The window of an adaptive pooling whose windows are all of one size and side by side."""
    if all(out and size % out == 0 for size, out in zip(sizes, wanted, strict=True)):
        return tuple(size // out for size, out in zip(sizes, wanted, strict=True))
    return None


def _adaptive_average(m: Maker, input: Value, wanted: tuple[int, ...]) -> Value:
    spatial = len(wanted)
    sizes = m.shape(input)[-spatial:]
    if wanted == (1,) * spatial:
        axes = range(m.rank(input) - spatial, m.rank(input))
        return m.op("ReduceMean", input, m.ints(list(axes)), keepdims=1)
    kernel = _even_windows(sizes, wanted)
    if kernel is not None:
        return _average(m, input, spatial, kernel, kernel, (0,), False, True, None)
    for axis, (size, out) in enumerate(zip(sizes, wanted, strict=True), m.rank(input) - spatial):
        input = mix_axis(m, input, axis, _window_weights(size, out))
    return input


def _window_weights(size: int, out: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Row i holds the weights of window i: from floor(i size / out) to ceil((i + 1) size / out)."""
    weights = np.zeros((out, size), np.float32)
    for row in range(out):
        start, end = row * size // out, -(-(row + 1) * size // out)
        weights[row, start:end] = 1 / (end - start)
    return weights


def mix_axis(m: Maker, value: Value, axis: int, weights: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Value:
    """Every element along an axis becomes a weighted sum of the old ones: a product with a matrix."""
    rank = m.rank(value)
    order = [number for number in range(rank) if number != axis] + [axis]
    back = [order.index(number) for number in range(rank)]
    matrix = m.cast(m.const(np.ascontiguousarray(weights.T)), m.dtype(value))
    return m.transpose(m.op("MatMul", m.transpose(value, order), matrix), back)


def _adaptive_max(m: Maker, input: Value, wanted: tuple[int, ...]) -> tuple[Value, Value]:
    spatial = len(wanted)
    sizes = m.shape(input)[-spatial:]
    kernel = _even_windows(sizes, wanted)
    if kernel is not None:
        found, positions = _max_pool(m, input, spatial, kernel, kernel, (0,), (1,), False)
        return found, _within_channel(m, positions, input, spatial)
    starts = [
        [(row * size // out, -(-(row + 1) * size // out)) for row in range(out)]
        for size, out in zip(sizes, wanted, strict=True)
    ]
    axes = list(range(m.rank(input) - spatial, m.rank(input)))
    plane = np.arange(np.prod(sizes)).reshape(sizes)
    lead = m.shape(input)[: axes[0]]
    parts: list[Value] = []
    places: list[Value] = []
    for bounds in itertools.product(*starts):
        window = m.op(
            "Slice", input, m.ints([low for low, _ in bounds]), m.ints([high for _, high in bounds]), m.ints(axes)
        )
        flat = m.reshape(window, [*lead, -1])
        parts.append(m.op("ReduceMax", flat, m.ints([-1]), keepdims=1))
        seen = plane[tuple(slice(low, high) for low, high in bounds)].reshape(-1)
        places.append(m.op("Gather", m.const(seen), m.op("ArgMax", flat, axis=-1, keepdims=1), axis=0))
    found, where = (m.reshape(m.op("Concat", *some, axis=-1), [*lead, *wanted]) for some in (parts, places))
    return found, where


def _max_unpool(m: Maker, input: Value, indices: Value, output_size: Ints, spatial: int) -> Value:
    """Every element at its position inside of the channel, zeros elsewhere."""
    lead = m.shape(input)[: m.rank(input) - spatial]
    plane = int(np.prod(output_size[-spatial:]))
    zeros = m.const(np.zeros((*lead, plane), m.dtype(input).numpy), m.dtype(input))
    flat = [*lead, -1]
    filled = m.op("ScatterElements", zeros, m.reshape(indices, flat), m.reshape(input, flat), axis=len(lead))
    return m.reshape(filled, [*lead, *output_size[-spatial:]])
