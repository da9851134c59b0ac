"""Views of elements picked by position, and rearrangements of blocks of elements."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.memory import Layout
from halo_frontends.torchscript.table import aten
from halo_frontends.torchscript.values import Tensor

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Ints, Value


def _picked(
    m: Maker, input: Tensor, positions: np.ndarray[tuple[int, ...], np.dtype[np.int64]], layout: Layout | None = None
) -> Tensor:
    """Elements at these positions of the flat tensor, each at most once."""
    flat = m.const(positions.reshape(-1))

    def project(base: Value) -> Value:
        return m.reshape(m.op("Gather", m.flat(base), flat, axis=0), positions.shape)

    def inject(base: Value, new: Value) -> Value:
        filled = m.op("ScatterElements", m.flat(base), flat, m.flat(new), axis=0)
        return m.reshape(filled, m.shape(base))

    return m.view(input, project, inject, layout)


@aten("diagonal", "linalg_diagonal", "diagonal_copy")
def diagonal(m: Maker, input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    shape = m.shape(m.read(input))
    places = np.arange(prod(shape)).reshape(shape)
    found = np.diagonal(places, offset, m.axis(dim1, len(shape)), m.axis(dim2, len(shape)))
    return _picked(m, input, np.ascontiguousarray(found))


@aten("unfold", "unfold_copy")
def unfold(m: Maker, input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows along an axis, as a new last axis."""
    value = m.read(input)
    rank = m.rank(value)
    axis = m.axis(dimension, rank)
    length = m.length(value, axis) if rank else 1
    starts = np.arange(0, length - size + 1, step)[:, None] + np.arange(size)
    order = [number for number in range(rank + 1) if number != axis + 1] + [axis + 1]
    return m.view(
        input,
        lambda base: (
            m.transpose(m.op("Gather", base, m.const(starts), axis=axis), order) if rank else m.unsqueeze(base, 0)
        ),
        None,
    )


@aten("as_strided", "as_strided_copy")
def as_strided(m: Maker, input: Tensor, size: Ints, stride: Ints, storage_offset: int | None = None) -> Tensor:
    """Elements at strides of the memory that the tensor lies in."""
    layout = m.layout(input)
    if layout is None:
        raise m.unsupported("strides of a tensor whose place in memory is not known are not supported")
    while input.base is not None:
        input = input.base
    offset = layout.offset if storage_offset is None else storage_offset
    total = prod(m.shape(m.read(input)))
    places = np.full(size, offset, np.int64)
    for axis, (count, step) in enumerate(zip(size, stride, strict=True)):
        places += (np.arange(count) * step).reshape([-1 if number == axis else 1 for number in range(len(size))])
    if places.size and places.max() >= total:
        raise m.wrong("reads outside of the tensor that it is a view of")
    return _picked(m, input, places, Layout(offset, stride))


@aten("pixel_shuffle")
def pixel_shuffle(m: Maker, input: Value, upscale_factor: int) -> Value:
    *lead, channels, height, width = m.shape(input)
    r = upscale_factor
    deep = channels // (r * r)
    split = m.reshape(input, [prod(lead), deep, r, r, height, width])
    return m.reshape(m.transpose(split, [0, 1, 4, 2, 5, 3]), [*lead, deep, height * r, width * r])


@aten("pixel_unshuffle")
def pixel_unshuffle(m: Maker, input: Value, downscale_factor: int) -> Value:
    *lead, channels, height, width = m.shape(input)
    r = downscale_factor
    split = m.reshape(input, [prod(lead), channels, height // r, r, width // r, r])
    return m.reshape(m.transpose(split, [0, 1, 3, 5, 2, 4]), [*lead, channels * r * r, height // r, width // r])


@aten("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(m: Maker, input: Value, groups: int) -> Value:
    batch, channels, *rest = m.shape(input)
    split = m.reshape(input, [batch, groups, channels // groups, *rest])
    order = [0, 2, 1, *range(3, len(rest) + 3)]
    return m.reshape(m.transpose(split, order), m.shape(input))
