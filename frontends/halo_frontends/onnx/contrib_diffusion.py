"""What ONNX Runtime's optimiser makes of image generators for GPUs: convolutions and group norms, channels last."""

from __future__ import annotations

from dataclasses import replace

from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.contrib_fused import fused_convolution
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_py.errors import ModelError
from halo_py.ir.graph import Value

_CONV = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")


@expands("NhwcConv")
def _nhwc_conv(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Conv of an image with channels last and of kernels [outputs, field..., inputs of a group]."""
    check_attributes(draft, *_CONV)
    write = NodeWriter(draft, maker)
    source, weights = (channels_first(write, draft.value(number)) for number in (0, 1))
    return (channels_last(write, 0, write("Conv", source, weights, write.optional(2), **draft.attributes)),)


@expands("NhwcFusedConv")
def _nhwc_fused_conv(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """FusedConv of images with channels last; its kernels lie as those of Conv do."""
    write = NodeWriter(draft, maker)
    addend = channels_first(write, draft.value(3)) if draft.has(3) else None
    inner = draft.reading(channels_first(write, draft.value(0)), draft.value(1), write.optional(2), addend)
    made = fused_convolution(NodeWriter(replace(inner, outputs=(f"{draft.name}.channels_first",)), maker))
    return (channels_last(write, 0, made),)


@expands("GroupNorm")
def _group_norm(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: image, scale and shift of each channel."""
    check_attributes(draft, "activation", "channels_last", "epsilon", "groups")
    write = NodeWriter(draft, maker)
    return (_normalized(write, draft.value(0)),)


@expands("SkipGroupNorm")
def _skip_group_norm(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: image, scale, shift, skip (an image, or a number for each channel), bias. Results: output, the sum."""
    check_attributes(draft, "activation", "channels_last", "epsilon", "groups")
    write = NodeWriter(draft, maker)
    last, rank = bool(draft.integer("channels_last", 1)), write.rank(draft.value(0))
    addends = [_over_field(write, draft.value(3), last, rank)]
    if draft.has(4):
        bias = draft.value(4)
        addends.append(bias if last else write.unsqueezed(bias, *range(1, rank - 1)))
    *most, final = addends
    total = draft.value(0)
    for addend in most:
        total = write("Add", total, addend)
    total = write.result(1, "Add", total, final)
    return _normalized(write, total), total


def _over_field(write: NodeWriter, skip: Value, last: bool, rank: int) -> Value:
    """A skip that broadcasts over the image: [batch, channels] gets a field of extent 1."""
    if write.rank(skip) != 2:
        return skip
    first = 1 if last else 2
    return write.unsqueezed(skip, *range(first, first + rank - 2))


def _normalized(write: NodeWriter, image: Value) -> Value:
    """The node's first result from what it normalises."""
    draft = write.draft
    last, activation = bool(draft.integer("channels_last", 1)), draft.integer("activation", 0)
    if activation not in (0, 1):
        raise ModelError(f"activation {activation} is none of 0 (none) and 1 (SiLU)", draft.where)
    source = channels_first(write, image) if last else image
    epsilon = draft.number("epsilon")
    made = write(
        "GroupNormalization",
        source,
        *(write.cast(draft.value(number), write.dtype(image)) for number in (1, 2)),
        num_groups=draft.integer("groups", 0),
        epsilon=1e-5 if epsilon is None else float(epsilon),
    )
    if activation:
        made = write("Swish", made, alpha=1.0)
    return channels_last(write, 0, made) if last else write.result(0, "Identity", made)


def channels_first(write: NodeWriter, image: Value) -> Value:
    """[batch, field..., channels] as [batch, channels, field...]."""
    rank = write.rank(image)
    return write("Transpose", image, perm=(0, rank - 1, *range(1, rank - 1)))


def channels_last(write: NodeWriter, index: int, image: Value) -> Value:
    """Result `index` of the node: [batch, channels, field...] as [batch, field..., channels]."""
    return write.result(index, "Transpose", image, perm=_last(write.rank(image)))


def _last(rank: int) -> tuple[int, ...]:
    return (0, *range(2, rank), 1)
