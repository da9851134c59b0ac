"""Padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.table import aten
from halo_frontends.torchscript.values import Number, Scalar
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Size, Sizes, Value

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def padded(m: Maker, input: Value, pad: Sizes, mode: str, value: Number | None) -> Value:
    """`pad` lists (before, after) pairs of the last axis, the one before it, and so on; negative ones cut off."""
    rank = m.rank(input)
    before: list[Size] = [0] * rank
    after: list[Size] = [0] * rank
    for position in range(len(pad) // 2):
        before[rank - 1 - position], after[rank - 1 - position] = pad[2 * position], pad[2 * position + 1]
    if mode != "constant":
        return _trimmed(m, input, before, after, mode)
    for axis in range(rank):
        low, high = before[axis], after[axis]
        if isinstance(low, Scalar) or isinstance(high, Scalar) or (low >= 0 and high >= 0):
            continue
        size = m.length(input, axis)
        input = m.slice(input, axis, max(-low, 0), size + min(high, 0))
        before[axis], after[axis] = max(low, 0), max(high, 0)
    if all(size == 0 for size in (*before, *after)):
        return input
    filler = None if value is None else m.number(value, m.dtype(input))
    if m.dtype(input) is DType.BOOL:
        filler = None if filler is None else m.cast(filler, DType.UINT8)
        return m.cast(m.op("Pad", m.cast(input, DType.UINT8), m.ints([*before, *after]), filler), DType.BOOL)
    return m.op("Pad", input, m.ints([*before, *after]), filler)


def _trimmed(m: Maker, input: Value, before: Sizes, after: Sizes, mode: str) -> Value:
    """Padding with what is there; what negative padding cuts off is still seen by the padding of the other side."""

    def grown(size: Size) -> Size:
        return size if isinstance(size, Scalar) else max(size, 0)

    if any(grown(size) for size in (*before, *after)):
        input = m.op("Pad", input, m.ints([grown(size) for size in (*before, *after)]), mode=_MODES[mode])
    for axis, (low, high) in enumerate(zip(before, after, strict=True)):
        if (isinstance(low, int) and low < 0) or (isinstance(high, int) and high < 0):
            first = -low if isinstance(low, int) and low < 0 else 0
            last = m.length(input, axis) + (high if isinstance(high, int) and high < 0 else 0)
            input = m.slice(input, axis, first, last)
    return input


@aten("pad")
def pad(m: Maker, input: Value, pad: Sizes, mode: str = "constant", value: Number | None = None) -> Value:
    return padded(m, input, pad, mode, value)


@aten("constant_pad_nd")
def constant_pad_nd(m: Maker, input: Value, pad: Sizes, value: Number = 0) -> Value:
    return padded(m, input, pad, "constant", value)


@aten("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def reflection_pad(m: Maker, input: Value, padding: Sizes) -> Value:
    return padded(m, input, padding, "reflect", None)


@aten("replication_pad1d", "replication_pad2d", "replication_pad3d")
def replication_pad(m: Maker, input: Value, padding: Sizes) -> Value:
    return padded(m, input, padding, "replicate", None)


@aten("_pad_circular")
def circular_pad(m: Maker, input: Value, padding: Sizes) -> Value:
    return padded(m, input, padding, "circular", None)


@aten("_pad_enum")
def pad_enum(m: Maker, input: Value, pad: Sizes, mode: int, value: Number | None = None) -> Value:
    return padded(m, input, pad, ("constant", "reflect", "replicate", "circular")[mode], value)
