"""Convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.table import aten

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Ints, Item, Value


def spread(values: tuple[int, ...], count: int) -> tuple[int, ...]:
    """One number for every spatial axis."""
    return values * count if len(values) == 1 else values


def _batched(m: Maker, input: Value, rank: int) -> tuple[Value, bool]:
    """The input with a batch axis, and whether it had none."""
    if m.rank(input) == rank - 1:
        return m.unsqueeze(input, 0), True
    return input, False


def convolve(
    m: Maker,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Ints,
    padding: Item,
    dilation: Ints,
    groups: int,
) -> Value:
    """A convolution with as many spatial axes as the weight has; `padding` is a list, or "same" or "valid"."""
    spatial = m.rank(weight) - 2
    value, alone = _batched(m, input, spatial + 2)
    strides, dilations = spread(stride, spatial), spread(dilation, spatial)
    pads = _pads(m, padding, m.shape(weight)[2:], dilations)
    if m.dtype(weight) is not m.dtype(value):
        weight = m.cast(weight, m.dtype(value))
    found = m.op("Conv", value, weight, bias, strides=strides, pads=pads, dilations=dilations, group=groups)
    return m.squeeze(found, 0) if alone else found


def _pads(m: Maker, padding: Item, kernel: tuple[int, ...], dilations: tuple[int, ...]) -> tuple[int, ...]:
    """Padding before every axis, then after it. "same" puts an odd element behind."""
    if padding == "valid":
        return (0,) * (2 * len(kernel))
    if padding == "same":
        total = [dilation * (size - 1) for size, dilation in zip(kernel, dilations, strict=True)]
        return (*(size // 2 for size in total), *(size - size // 2 for size in total))
    if not isinstance(padding, (list, tuple, int)):
        raise m.wrong(f"the padding {padding!r} is none of a convolution")
    items = [padding] if isinstance(padding, int) else list(padding)
    sizes = [size for size in items if isinstance(size, int)]
    if len(sizes) != len(items):
        raise m.unsupported("padding that depends on data is not supported")
    return spread(tuple(sizes), len(kernel)) * 2


@aten("conv1d", "conv2d", "conv3d")
def conv(
    m: Maker,
    input: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Ints = (1,),
    padding: Item = 0,
    dilation: Ints = (1,),
    groups: int = 1,
) -> Value:
    return convolve(m, input, weight, bias, stride, padding, dilation, groups)


@aten("_convolution_mode")
def convolution_mode(
    m: Maker, input: Value, weight: Value, bias: Value | None, stride: Ints, padding: str, dilation: Ints, groups: int
) -> Value:
    return convolve(m, input, weight, bias, stride, padding, dilation, groups)


@aten("_convolution", "convolution")
def convolution(
    m: Maker,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
    benchmark: bool = False,
    deterministic: bool = False,
    cudnn_enabled: bool = False,
    allow_tf32: bool = False,
) -> Value:
    if transposed:
        return conv_transpose(m, input, weight, bias, stride, padding, output_padding, groups, dilation)
    return convolve(m, input, weight, bias, stride, padding, dilation, groups)


@aten("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(
    m: Maker,
    input: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Ints = (1,),
    padding: Ints = (0,),
    output_padding: Ints = (0,),
    groups: int = 1,
    dilation: Ints = (1,),
) -> Value:
    spatial = m.rank(weight) - 2
    value, alone = _batched(m, input, spatial + 2)
    found = m.op(
        "ConvTranspose",
        value,
        weight,
        bias,
        strides=spread(stride, spatial),
        pads=spread(padding, spatial) * 2,
        dilations=spread(dilation, spatial),
        output_padding=spread(output_padding, spatial),
        group=groups,
    )
    return m.squeeze(found, 0) if alone else found


@aten("conv_tbc")
def conv_tbc(m: Maker, input: Value, weight: Value, bias: Value, pad: int = 0) -> Value:
    """Time, batch, channels."""
    kernel = m.transpose(weight, [2, 1, 0])
    found = convolve(m, m.transpose(input, [1, 2, 0]), kernel, bias, (1,), [pad], (1,), 1)
    return m.transpose(found, [2, 0, 1])


@aten("col2im")
def col2im(
    m: Maker, input: Value, output_size: Ints, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> Value:
    alone = m.rank(input) == 2
    value = m.unsqueeze(input, 0) if alone else input
    found = m.op(
        "Col2Im",
        value,
        m.ints(output_size),
        m.ints(kernel_size),
        dilations=dilation,
        pads=spread(padding, 2) * 2,
        strides=spread(stride, 2),
    )
    return m.squeeze(found, 0) if alone else found


@aten("im2col")
def im2col(m: Maker, input: Value, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Value:
    """Windows as columns: a gather of rows, then one of columns, out of the padded input."""
    import numpy as np

    alone = m.rank(input) == 3
    value = m.unsqueeze(input, 0) if alone else input
    pads = spread(padding, 2)
    if any(pads):
        value = m.op("Pad", value, m.ints([0, 0, *pads, 0, 0, *pads]))
    batch, channels, height, width = m.shape(value)
    kernel, dilations, strides = (spread(numbers, 2) for numbers in (kernel_size, dilation, stride))
    rows, columns = (
        np.arange(size)[:, None] * step + np.arange(0, length - step * (size - 1), hop)[None]
        for size, step, hop, length in zip(kernel, dilations, strides, (height, width), strict=True)
    )
    value = m.op("Gather", value, m.const(rows.astype(np.int64)), axis=2)
    value = m.op("Gather", value, m.const(columns.astype(np.int64)), axis=4)
    value = m.transpose(value, [0, 1, 2, 4, 3, 5])
    found = m.reshape(value, [batch, channels * kernel[0] * kernel[1], rows.shape[1] * columns.shape[1]])
    return m.squeeze(found, 0) if alone else found
