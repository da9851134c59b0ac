"""Convolutions, pooling and resizing as ODLA calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_py.ops.contraction import MatMul
from halo_py.ops.conv_transpose import ConvTranspose
from halo_py.ops.convolution import Conv
from halo_py.ops.image import Resize
from halo_py.ops.indexing import Gather
from halo_py.ops.interpolation import ResizeTable, matrix
from halo_py.ops.logic import Where
from halo_py.ops.movement import Transpose
from halo_py.ops.pooling import AveragePool, MaxPool
from odla.calls.emit import (
    CHANNELS_FIRST,
    INPUT_FIRST,
    OUTPUT_FIRST,
    Emit,
    NotInOdlaError,
    dims,
    dtype_of,
    operand,
    optional,
    rule,
    shape_of,
)
from odla.calls.model import Argument, Name, Unsigned

if TYPE_CHECKING:
    from halo_py.ir.graph import Node, Value


@rule("conv", "conv_transpose")
def convolution(emit: Emit, node: Node) -> None:
    """Channels first, kernels as output, input, spatial (transposed: input, output, spatial)."""
    op = node.op
    assert isinstance(op, Conv | ConvTranspose)
    if op.attributes().get("epilogue") is not None:
        raise NotInOdlaError("a fused convolution")
    x, w, made = operand(node, 0), operand(node, 1), node.outputs[0]
    if isinstance(op, Conv):
        window = op.window(shape_of(w))
        before, after = window.padding(shape_of(x)[2:])
        function, layout = "odla_Conv", OUTPUT_FIRST
    else:
        window, out, before = op.geometry(shape_of(x)[2:], shape_of(w)[2:])
        spread = [
            (size - 1) * step + window.reach(number)
            for number, (size, step) in enumerate(zip(shape_of(x)[2:], window.strides, strict=True))
        ]
        after = tuple(full - size - front for full, size, front in zip(spread, out, before, strict=True))
        if min(after, default=0) < 0:
            raise NotInOdlaError("a transposed convolution with output padding beyond its window")
        function, layout = "odla_DeConv", INPUT_FIRST
    arguments = (
        x, CHANNELS_FIRST, op.group, w, layout, Unsigned(window.strides), Unsigned(window.dilations),
        Unsigned(tuple(before)), Unsigned(tuple(after)), optional(node, 2), dims(made),
    )  # fmt: skip
    emit.call(function, arguments, made)


@rule("max_pool", "average_pool")
def pool(emit: Emit, node: Node) -> None:
    """Windows of the field; a rounding up is padding at the end."""
    op = node.op
    assert isinstance(op, MaxPool | AveragePool)
    x, made = operand(node, 0), node.outputs[0]
    window = op.window()
    if any(step != 1 for step in window.dilations):
        raise NotInOdlaError("pooling with gaps in its window")
    field = shape_of(x)[2:]
    before, after = window.padding(field)
    reached = [
        (count - 1) * step + size - total - front
        for count, step, size, total, front in zip(
            shape_of(made)[2:], window.strides, window.kernel, field, before, strict=True
        )
    ]
    counts = isinstance(op, AveragePool) and bool(op.count_include_pad)
    if counts and any(more > back for more, back in zip(reached, after, strict=True)):
        raise NotInOdlaError("an average that counts padding where it rounds up")
    back = tuple(max(more, pad, 0) for more, pad in zip(reached, after, strict=True))
    sizes: list[Argument] = [Unsigned(window.kernel), Unsigned(window.strides), Unsigned(tuple(before)), Unsigned(back)]
    if isinstance(op, AveragePool):
        emit.call("odla_AveragePool", (x, CHANNELS_FIRST, *sizes, counts, dims(made)), made)
    elif len(node.outputs) > 1:
        raise NotInOdlaError("positions of maxima")
    else:
        emit.call("odla_MaxPool", (x, CHANNELS_FIRST, *sizes, dims(made)), made)


_INTERPOLATIONS = {"nearest": "ODLA_NEAREST", "linear": "ODLA_LINEAR", "cubic": "ODLA_CUBIC"}

_COORDINATES = {
    ("asymmetric", "floor"): "ODLA_ASSYMMETRIC",
    ("half_pixel", "round_prefer_floor"): "ODLA_HALF_PIXEL",
    ("half_pixel", "round_prefer_ceil"): "ODLA_HALF_PIXEL_TF",
    ("align_corners", "round_prefer_floor"): "ODLA_ALIGN_CORNERS",
}
"""How positions are counted, and how the nearest one is rounded, by the enumerator that means both."""


@rule("resize")
def resize(emit: Emit, node: Node) -> None:
    """By odla_Resize where it means the same, else a product with a matrix for each axis that changes."""
    op, x, made = node.op, operand(node, 0), node.outputs[0]
    assert isinstance(op, Resize)
    coordinates = _coordinates(emit, node, op)
    if coordinates is not None:
        emit.call("odla_Resize", (x, Name(_INTERPOLATIONS[op.mode]), Name(coordinates), 0, dims(made)), made)
        return
    values = [
        None if value is None else emit.contents(value, "roi, scales and sizes")
        for value in (optional(node, number) for number in (1, 2, 3))
    ]
    if op.mode != "nearest" and not dtype_of(x).is_float:
        raise NotInOdlaError("a resize of integers with these attributes")
    for axis, table in op.tables(shape_of(x), *values):
        x = _resized(emit, x, axis, table, op.extrapolation_value)
    emit.become(made, x)


def _coordinates(emit: Emit, node: Node, op: Resize) -> str | None:
    """The enumerator for how positions are counted, None if there is none or an attribute means something else."""
    if op.antialias or op.exclude_outside or op.cubic_coeff_a != -0.75 or op.keep_aspect_ratio_policy != "stretch":
        return None
    rounding = op.nearest_mode if op.mode == "nearest" else None
    x, scales = operand(node, 0), optional(node, 2)
    axes = op.axes or tuple(range(len(shape_of(x))))
    for axis, scale in zip(axes, [] if scales is None else emit.contents(scales, "scales").reshape(-1), strict=False):
        if float(scale) * shape_of(x)[axis] != shape_of(node.outputs[0])[axis]:
            return None
    wanted = op.coordinate_transformation_mode
    found = [name for (mode, near), name in _COORDINATES.items() if mode == wanted and rounding in (None, near)]
    return found[0] if found else None


def _resized(emit: Emit, x: Value, axis: int, table: ResizeTable, filler: float) -> Value:
    """Rows picked along an axis, or weighted; those outside of the operand are filled."""
    taps = table.taps()
    positions = taps.positions[:, 0]
    if table.mode == "nearest":
        made = emit.one(Gather(axis=axis), x, emit.ints(np.maximum(positions, 0).tolist()))
    else:
        order = [number for number in range(len(shape_of(x))) if number != axis] + [axis]
        weights = emit.constant(matrix(taps, table.size).T.astype(dtype_of(x).numpy), f"{emit.node}.weights")
        rows = emit.one(MatMul(), emit.one(Transpose(perm=tuple(order)), x), weights)
        made = emit.one(Transpose(perm=tuple(int(place) for place in np.argsort(order))), rows)
    if np.all(positions >= 0):
        return made
    inside = (positions >= 0).reshape([-1 if number == axis else 1 for number in range(len(shape_of(x)))])
    mask = emit.constant(inside, f"{emit.node}.inside")
    return emit.one(Where(), mask, made, emit.number(filler, dtype_of(x)))
