"""Templates with windows: convolutions and pools of every attribute, resizes, local responses."""

from __future__ import annotations

from math import prod

import numpy as np

from halo_py.ir.graph import Value
from halo_py.ops.conv_transpose import ConvTranspose
from halo_py.ops.convolution import Conv
from halo_py.ops.image import Resize
from halo_py.ops.local_response import LRN
from halo_py.ops.pooling import AveragePool, GlobalAveragePool, GlobalLpPool, GlobalMaxPool, LpPool, MaxPool
from halo_py.types import DType
from tests.fuzz.draft import Draft, tensor_dtype
from tests.fuzz.templates.base import fit_shape, template

AUTO_PADS = ("NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


def image(draft: Draft, channels: int | None = None, space: int | None = None) -> Value:
    """A float tensor [N, C, spatial...], of the pool where one fits."""

    def accept(value: Value) -> bool:
        if not 3 <= draft.array(value).ndim <= 5:
            return False
        shape = draft.shape(value)
        return (channels in (None, shape[1])) and space in (None, len(shape) - 2) and min(shape) > 0

    fitting = [value for value in draft.pool if tensor_dtype(value) is DType.FLOAT32 and accept(value)]
    if fitting and draft.chance(0.75):
        return draft.choose(fitting[-5:])
    count = space or draft.choose((1, 2, 2, 2, 3))
    shape = (draft.between(1, 2), channels or draft.between(1, 6), *(draft.between(3, 7) for _ in range(count)))
    while prod(shape) > 600:
        shape = tuple(max(1, size - 1) for size in shape)
    return fit_shape(draft, draft.pick_float(dtype=DType.FLOAT32), shape)


def _window(draft: Draft, value: Value, most: int = 3) -> dict[str, tuple[int, ...] | None]:
    """Kernel, strides and dilations that fit into a padded image, and pads."""
    space = draft.shape(value)[2:]
    kernel = tuple(draft.between(1, min(most, size)) for size in space)
    strides = tuple(draft.choose((1, 1, 2, 3)) for _ in space) if draft.chance(0.6) else None
    dilations = None
    if draft.chance(0.3):
        dilations = tuple(
            draft.between(1, 2) if (k - 1) * 2 < size else 1 for k, size in zip(kernel, space, strict=True)
        )
    return {"kernel_shape": kernel, "strides": strides, "dilations": dilations}


def _pads(draft: Draft, kernel: tuple[int, ...]) -> tuple[int, ...] | None:
    if draft.chance(0.4):
        return None
    return tuple(draft.between(0, max(0, k - 1)) for _ in range(2) for k in kernel)


@template("windows", 3)
def convolution(draft: Draft) -> None:
    """Groups, depth-wise, pads or automatic ones, strides, dilations, with and without bias."""
    value = image(draft)
    shape = draft.shape(value)
    window = _window(draft, value)
    kernel = window["kernel_shape"]
    assert kernel is not None
    group = draft.choose([g for g in (1, 1, 2, 3, shape[1]) if shape[1] % g == 0])
    made = group * draft.between(1, max(1, 6 // group))
    fan = shape[1] // group * prod(kernel)
    weights = draft.given(draft.floats((made, shape[1] // group, *kernel), scale=fan**-0.5))
    bias = draft.given(draft.floats((made,))) if draft.chance(0.6) else None
    auto = draft.choose(AUTO_PADS)
    pads = _pads(draft, kernel) if auto == "NOTSET" else None
    named = kernel if draft.chance(0.7) else None
    op = Conv(auto, window["dilations"], group, named, pads, window["strides"])
    result = draft.one(op, value, weights, bias)
    if draft.chance(0.3):
        _batch_norm(draft, result)


def _batch_norm(draft: Draft, value: Value) -> None:
    from halo_py.ops.activation import Relu
    from halo_py.ops.normalization import BatchNormalization

    channels = draft.shape(value)[1]
    operands = [draft.constant(draft.floats((channels,))) for _ in range(3)]
    variance = draft.constant(draft.positive((channels,)))
    scale, bias, mean = operands
    result = draft.one(BatchNormalization(), value, scale, bias, mean, variance)
    if draft.chance(0.6):
        draft.one(Relu(), result)


@template("windows")
def transposed_convolution(draft: Draft) -> None:
    """Groups, output padding, output shape, pads."""
    value = image(draft)
    shape = draft.shape(value)
    kernel = tuple(draft.between(1, 3) for _ in shape[2:])
    strides = tuple(draft.between(1, 2) for _ in kernel)
    group = draft.choose([g for g in (1, 1, 2, shape[1]) if shape[1] % g == 0])
    made = draft.between(1, 3)
    fan = shape[1] // group * prod(kernel)
    weights = draft.given(draft.floats((shape[1], made, *kernel), scale=fan**-0.5))
    bias = draft.given(draft.floats((made * group,))) if draft.chance(0.5) else None
    dilations = tuple(draft.between(1, 2) for _ in kernel) if draft.chance(0.3) else None
    extra = tuple(draft.below(s) for s in strides) if draft.chance(0.4) else None
    auto = draft.choose(AUTO_PADS)
    pads = tuple(draft.below(k) for _ in range(2) for k in kernel) if auto == "NOTSET" and draft.chance(0.5) else None
    op = ConvTranspose(auto, dilations, group, kernel if draft.chance(0.7) else None, extra, None, pads, strides)
    draft.one(op, value, weights, bias)


@template("windows", 2)
def pooling(draft: Draft) -> None:
    """Maximum, average and Lp pools."""
    value = image(draft)
    window = _window(draft, value)
    kernel, strides, dilations = window["kernel_shape"], window["strides"], window["dilations"]
    assert kernel is not None
    auto = draft.choose(AUTO_PADS)
    ceil = draft.below(2) if auto == "NOTSET" else 0
    pads = tuple(draft.below(k) for _ in range(2) for k in kernel) if auto == "NOTSET" and draft.chance(0.5) else None
    match draft.below(5):
        case 0 | 1:
            op = MaxPool(kernel, auto, ceil, dilations, pads, draft.below(2), strides)
            draft.add(op, (value,), 2 if draft.chance(0.3) else 1)
        case 2 | 3:
            draft.one(AveragePool(kernel, auto, ceil, draft.below(2), dilations, pads, strides), value)
        case _:
            draft.one(LpPool(kernel, auto, ceil, dilations, draft.between(1, 3), pads, strides), value)


@template("windows", 0.7)
def global_pooling(draft: Draft) -> None:
    """One number per channel."""
    draft.one(draft.choose((GlobalAveragePool(), GlobalMaxPool(), GlobalLpPool(p=2), GlobalLpPool(p=1))), image(draft))


@template("windows")
def resizing(draft: Draft) -> None:
    """Nearest, linear and cubic, by scales or sizes."""
    value = image(draft)
    shape = draft.shape(value)
    mode = draft.choose(("nearest", "linear", "cubic") if len(shape) == 4 else ("nearest", "linear"))
    transformation = draft.choose(("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"))
    nearest = draft.choose(("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"))
    antialias = int(mode != "nearest" and draft.chance(0.2))
    op = Resize(antialias=antialias, coordinate_transformation_mode=transformation, mode=mode, nearest_mode=nearest)
    if draft.chance(0.5):
        scales = [1.0, 1.0, *(draft.choose((0.5, 1.0, 1.5, 2.0)) for _ in shape[2:])]
        draft.one(op, value, None, draft.constant(np.asarray(scales, np.float32)))
    else:
        sizes = [*shape[:2], *(draft.between(1, 2 * size) for size in shape[2:])]
        draft.one(op, value, None, None, draft.ints(*sizes))


@template("windows", 0.4)
def local_response(draft: Draft) -> None:
    """LRN over odd and even numbers of channels."""
    draft.one(LRN(size=draft.choose((1, 3, 5)), alpha=0.1, beta=0.75, bias=draft.choose((1.0, 2.0))), image(draft))
