"""Convolutions and pools of channels-last data: TensorFlow's padding rules, weights turned to ONNX's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from halo_frontends.emitter import Emitter
from halo_py.errors import ModelError
from halo_py.ir.graph import Value
from halo_py.types import Dim, Shape

Pads = tuple[tuple[int, int], ...]
"""Elements added (before, after) each spatial axis."""


@dataclass(frozen=True, slots=True)
class Window:
    """How a kernel moves over the spatial axes; `padding` is a rule or explicit amounts."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: Literal["SAME", "VALID"] | Pads
    channels_last: bool = True

    def attributes(self, field: Shape, kernel: Sequence[int], emit: Emitter) -> dict[str, object]:
        """ONNX's attributes for a kernel of this size on this spatial field. Raises ModelError."""
        if len(self.strides) != len(kernel) or min((*self.strides, *self.dilations, *kernel), default=1) < 1:
            raise ModelError(f"a window of {tuple(kernel)} cannot move by {self.strides}", emit.where)
        found: dict[str, object] = {"strides": self.strides, "dilations": self.dilations}
        pads = self.pads(field, kernel)
        if pads is None:
            return {**found, "auto_pad": "SAME_UPPER"}
        return {**found, "pads": (*(before for before, _ in pads), *(after for _, after in pads))}

    def pads(self, field: Shape, kernel: Sequence[int]) -> Pads | None:
        """The amounts, or None if they follow from dimensions that are not known.

        SAME: the output has ceil(size / stride) entries, and the odd element of padding stands behind.
        """
        if self.padding == "VALID":
            return ((0, 0),) * len(kernel)
        if self.padding != "SAME":
            return self.padding
        amounts: list[tuple[int, int]] = []
        for size, width, stride, dilation in zip(field, kernel, self.strides, self.dilations, strict=True):
            reach = (width - 1) * dilation + 1
            if not isinstance(size, int):
                if stride > 1:
                    return None
                total = reach - 1
            else:
                total = max(((size + stride - 1) // stride - 1) * stride + reach - size, 0)
            amounts.append((total // 2, total - total // 2))
        return tuple(amounts)


def to_channels_first(value: Value, window: Window, emit: Emitter) -> Value:
    """[N, field..., C] as [N, C, field...]."""
    rank = emit.rank(value)
    return emit.transpose(value, (0, rank - 1, *range(1, rank - 1))) if window.channels_last else value


def as_it_was(value: Value, window: Window, emit: Emitter) -> Value:
    """[N, C, field...] as [N, field..., C]."""
    rank = emit.rank(value)
    return emit.transpose(value, (0, *range(2, rank), 1)) if window.channels_last else value


def conv(x: Value, weights: Value, bias: Value | None, window: Window, emit: Emitter) -> Value:
    """Convolution; `weights` are [kernel..., C / groups, O]."""
    rank = emit.rank(weights)
    turned = emit.transpose(weights, (rank - 1, rank - 2, *range(rank - 2)))
    return conv_of_turned(x, turned, bias, window, emit)


def conv_of_turned(x: Value, weights: Value, bias: Value | None, window: Window, emit: Emitter) -> Value:
    """Convolution; `weights` are [O, C / groups, kernel...] already."""
    moved = to_channels_first(x, window, emit)
    return as_it_was(conv_first(moved, weights, bias, window, emit), window, emit)


def conv_first(x: Value, weights: Value, bias: Value | None, window: Window, emit: Emitter) -> Value:
    """Convolution of [N, C, field...]."""
    shape, kernel = emit.shape(x), emit.static_shape(weights)
    attributes = window.attributes(shape[2:], kernel[2:], emit)
    group = groups(shape[1], kernel, emit)
    return emit.op("Conv", x, weights, bias, group=group, kernel_shape=kernel[2:], **attributes)


def groups(channels: Dim, kernel: Sequence[int], emit: Emitter) -> int:
    """How many groups make kernels of [O, C, ...] fit data of this many channels. Raises ModelError."""
    if not isinstance(channels, int):
        return 1
    if not kernel[1] or channels % kernel[1]:
        raise ModelError(f"{channels} channels do not fit kernels of {kernel[1]} channels", emit.where)
    return channels // kernel[1]


def depthwise_weights(weights: Value, emit: Emitter) -> Value:
    """[height, width, C, M] as [C x M, 1, height, width]."""
    height, width, channels, multiplier = emit.static_shape(weights)
    turned = emit.transpose(weights, (2, 3, 0, 1))
    return emit.reshape(turned, (channels * multiplier, 1, height, width))


def conv_transpose(
    x: Value, weights: Value, bias: Value | None, out_field: Shape, window: Window, emit: Emitter
) -> Value:
    """The gradient of a convolution with regard to its input; `weights` are [C, O, kernel...], C the channels of x."""
    moved = to_channels_first(x, window, emit)
    kernel = emit.static_shape(weights)[2:]
    field = emit.numbers(emit.shape(moved)[2:], "the spatial dimensions")
    out = emit.numbers(out_field, "the size of the output")
    pads = window.pads(out, kernel)
    assert pads is not None
    extra: list[int] = []
    for size, made, width, stride, dilation, (before, after) in zip(
        field, out, kernel, window.strides, window.dilations, pads, strict=True
    ):
        extra.append(made - ((size - 1) * stride + (width - 1) * dilation + 1 - before - after))
    if min(extra) < 0 or any(add >= max(step, 1) for add, step in zip(extra, window.strides, strict=True)):
        raise ModelError(f"an output of {out} does not fit an input of {field}", emit.where)
    result = emit.op(
        "ConvTranspose",
        moved,
        weights,
        bias,
        kernel_shape=kernel,
        output_padding=tuple(extra),
        **window.attributes(out, kernel, emit),
    )
    return as_it_was(result, window, emit)


def pool(kind: str, x: Value, kernel: Sequence[int], window: Window, emit: Emitter) -> Value:
    """MaxPool or AveragePool; padding counts in neither."""
    moved = to_channels_first(x, window, emit)
    plain = replace(window, dilations=(1,) * len(kernel))
    attributes = plain.attributes(emit.shape(moved)[2:], kernel, emit)
    return as_it_was(emit.op(kind, moved, kernel_shape=tuple(kernel), **attributes), window, emit)
