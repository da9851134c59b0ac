"""Gradient rules of matrix products and convolutions; see `gradient_rules`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from halo_py.errors import UnsupportedError
from halo_py.ops.contraction import Gemm, MatMul
from halo_py.ops.conv_transpose import ConvTranspose
from halo_py.ops.convolution import Conv
from halo_py.ops.padding import Pad
from halo_py.ops.reduction import ReduceSum
from halo_py.ops.slicing import Concat, Slice
from odla.c.gradient_rules import Gradients, given, operand_of, reduced_to, rule, sizes_of, times
from odla.c.operators.emit import Emit, Node, rank_of

if TYPE_CHECKING:
    from halo_py.ir.graph import Node as GraphNode


def _swapped(emit: Emit, x: Node) -> Node:
    rank = rank_of(x)
    return emit.transpose(x, (*range(rank - 2), rank - 1, rank - 2))


@rule("matmul")
def _matmul(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    a, b, g = operand_of(node), operand_of(node, 1), given(gradients)
    wide_a = emit.unsqueeze(a, (0,)) if rank_of(a) == 1 else a
    wide_b = emit.unsqueeze(b, (1,)) if rank_of(b) == 1 else b
    if rank_of(b) == 1:
        g = emit.unsqueeze(g, (rank_of(g),))
    if rank_of(a) == 1:
        g = emit.unsqueeze(g, (rank_of(g) - 1,))
    to_a = reduced_to(emit, emit.add(MatMul(), g, _swapped(emit, wide_b)), wide_a)
    to_b = reduced_to(emit, emit.add(MatMul(), _swapped(emit, wide_a), g), wide_b)
    return emit.reshape(to_a, sizes_of(a)), emit.reshape(to_b, sizes_of(b))


@rule("gemm")
def _gemm(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    op, a, b, g = cast("Gemm", node.op), operand_of(node), operand_of(node, 1), given(gradients)
    scaled = g if op.alpha == 1.0 else times(emit, g, emit.like(op.alpha, g))
    left = _swapped(emit, a) if op.transA else a
    right = _swapped(emit, b) if op.transB else b
    to_a = emit.add(MatMul(), scaled, _swapped(emit, right))
    to_b = emit.add(MatMul(), _swapped(emit, left), scaled)
    found: list[Node | None] = [
        _swapped(emit, to_a) if op.transA else to_a,
        _swapped(emit, to_b) if op.transB else to_b,
    ]
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        found.append(reduced_to(emit, times(emit, g, emit.like(op.beta, g)), node.inputs[2]))
    return found


@rule("conv")
def _conv(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    op, x, w, g = cast("Conv", node.op), operand_of(node), operand_of(node, 1), given(gradients)
    if op.auto_pad != "NOTSET" or op.epilogue is not None:
        raise UnsupportedError("cannot differentiate a convolution with automatic padding")
    count = rank_of(x) - 2
    strides, dilations = op.strides or (1,) * count, op.dilations or (1,) * count
    pads = op.pads or (0,) * (2 * count)
    made = [
        (size - 1) * step + (reach - 1) * spread + 1 - pads[axis] - pads[count + axis]
        for axis, (size, step, reach, spread) in enumerate(
            zip(sizes_of(g)[2:], strides, sizes_of(w)[2:], dilations, strict=True)
        )
    ]
    extra = tuple(size - found for size, found in zip(sizes_of(x)[2:], made, strict=True))
    back = ConvTranspose(
        group=op.group, strides=strides, dilations=dilations, pads=pads, output_padding=_within(extra, strides)
    )
    found: list[Node | None] = [_padded_to(emit, emit.add(back, g, w), sizes_of(x)), _conv_weights(emit, op, x, w, g)]
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        found.append(emit.add(ReduceSum(keepdims=0), g, emit.ints([0, *range(2, count + 2)])))
    return found


def _within(extra: tuple[int, ...], strides: Sequence[int]) -> tuple[int, ...]:
    """The part of missing sizes that a transposed convolution can add itself."""
    return tuple(max(0, min(size, stride - 1)) for size, stride in zip(extra, strides, strict=True))


def _padded_to(emit: Emit, x: Node, sizes: tuple[int, ...]) -> Node:
    """Zeros appended up to these sizes."""
    missing = [size - has for size, has in zip(sizes, sizes_of(x), strict=True)]
    return emit.add(Pad(), x, emit.ints([*[0] * len(missing), *missing])) if any(missing) else x


def _conv_weights(emit: Emit, op: Conv, x: Node, w: Node, g: Node) -> Node:
    """The gradient of the kernel: the data convolved with the gradient, strides and dilations exchanged."""
    count = rank_of(x) - 2
    swap = (1, 0, *range(2, count + 2))
    strides, dilations = op.strides or (1,) * count, op.dilations or (1,) * count
    across = Conv(strides=dilations, dilations=strides, pads=op.pads or (0,) * (2 * count))
    parts: list[Node] = []
    for number in range(op.group):
        data, slope = _channels(emit, x, number, op.group), _channels(emit, g, number, op.group)
        made = emit.add(across, emit.transpose(data, swap), emit.transpose(slope, swap))
        ends = list(sizes_of(w)[2:])
        axes = list(range(2, count + 2))
        cut = emit.add(Slice(), made, emit.ints([0] * count), emit.ints(ends), emit.ints(axes))
        parts.append(emit.transpose(cut, swap))
    return parts[0] if len(parts) == 1 else emit.add(Concat(axis=0), *parts)


def _channels(emit: Emit, x: Node, number: int, groups: int) -> Node:
    if groups == 1:
        return x
    size = sizes_of(x)[1] // groups
    return emit.add(Slice(), x, emit.ints([number * size]), emit.ints([(number + 1) * size]), emit.ints([1]))
