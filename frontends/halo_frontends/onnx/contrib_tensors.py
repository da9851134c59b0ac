"""ONNX Runtime's operators on shapes, indices and images, in terms of ONNX's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from halo_frontends.onnx.contrib import REFUSED, expands
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_frontends.onnx.upgrade import Upgraded, upgrade
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType

REFUSED["MaxpoolWithMask"] = "what its mask means is not documented (ONNX Runtime keeps it for internal use)"
for _operator in ("ComplexMul", "ComplexMulConj"):
    REFUSED[_operator] = "ONNX Runtime has it for one kind of GPU only"

# -- the same under another name ----------------------------------------------------------------------------------


@expands("GatherND")
def _gather_nd(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    check_attributes(draft)
    write = NodeWriter(draft, maker)
    return (write.result(0, "GatherND", draft.value(0), write.cast(draft.value(1), DType.INT64)),)


@expands("Trilu")
def _trilu(draft: Draft, _maker: Maker) -> Draft:
    check_attributes(draft, "upper")
    return draft.renamed("Trilu")


@expands("GridSample")
def _grid_sample(draft: Draft, maker: Maker) -> Upgraded:
    check_attributes(draft, "mode", "padding_mode", "align_corners")
    return upgrade(draft.renamed("GridSample"), 16, maker)


@expands("SampleOp")
def _sample(draft: Draft, _maker: Maker) -> Draft:
    check_attributes(draft)
    return draft.renamed("Identity")


@expands("TorchEmbedding")
def _embedding(draft: Draft, _maker: Maker) -> Draft:
    """Rows of a table by number; the other operands only matter in training."""
    check_attributes(draft)
    return draft.renamed("Gather").reading(draft.value(0), draft.value(1))


@expands("ExpandDims")
def _expand_dims(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    check_attributes(draft)
    write = NodeWriter(draft, maker)
    return (write.result(0, "Unsqueeze", draft.value(0), write.ints(*write.known_ints(1, "the axis"))),)


@expands("Unique")
def _unique(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Results: values in the order in which they occur, where each element went, how many there are of each."""
    check_attributes(draft)
    values, inverse, counts = (*draft.outputs, "", "")[:3]
    named = replace(draft, outputs=(values, "", inverse, counts))
    found = maker.finish("Unique", [draft.value(0)], named, sorted=0)
    return found[0], found[2], found[3]


@expands("Pad")
def _pad(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """The sizes may stand in a row of a matrix, the value in a vector of one."""
    check_attributes(draft, "mode")
    write = NodeWriter(draft, maker)
    value = write.reshaped(draft.value(2)) if draft.has(2) else None
    pads = write.reshaped(draft.value(1), -1)
    return (write.result(0, "Pad", draft.value(0), pads, value, mode=draft.text("mode", "constant")),)


@expands("Range")
def _range(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Bounds may be vectors of one; the step is 1 if it is left out."""
    check_attributes(draft)
    write = NodeWriter(draft, maker)
    start, limit = (write.reshaped(draft.value(index)) for index in (0, 1))
    step = write.reshaped(draft.value(2)) if draft.has(2) else write.number(1, start)
    return (write.result(0, "Range", start, limit, step),)


@expands("ConvTransposeWithDynamicPads")
def _conv_transpose(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    own = ("auto_pad", "dilations", "group", "kernel_shape", "output_padding", "strides")
    check_attributes(draft, *own)
    write = NodeWriter(draft, maker)
    pads = write.known_ints(2, "the padding")
    operands = (draft.value(0), draft.value(1), write.optional(3))
    return (write.result(0, "ConvTranspose", *operands, **draft.attributes, pads=pads),)


# -- a few nodes --------------------------------------------------------------------------------------------------


@expands("CDist")
def _distances(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Distances of the rows of A from those of B: |a|² - 2 a b + |b|², not below 0, or its root."""
    check_attributes(draft, "metric")
    metric = draft.text("metric", "sqeuclidean")
    if metric not in ("sqeuclidean", "euclidean"):
        raise UnsupportedError(f"the metric {metric!r} is not supported (nor is it by ONNX Runtime)", draft.where)
    write = NodeWriter(draft, maker)
    left, right = draft.value(0), draft.value(1)
    rows = write("ReduceSumSquare", left, write.ints(1))
    columns = write("ReduceSumSquare", right, write.ints(1), keepdims=0)
    product = write("Gemm", left, right, columns, alpha=-2.0, transB=1)
    squares = (write("Add", product, rows), write.number(0, left))
    if metric == "sqeuclidean":
        return (write.result(0, "Max", *squares),)
    return (write.result(0, "Sqrt", write("Max", *squares)),)


@expands("UnfoldTensor")
def _unfold(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Windows along a dimension; a last dimension holds what is in each."""
    check_attributes(draft, "dim", "size", "step")
    write = NodeWriter(draft, maker)
    source, size, step = draft.value(0), draft.integer("size", 0), draft.integer("step", 1)
    rank = write.rank(source)
    axis = draft.integer("dim", -1) % rank
    extent = write.size(source, axis)
    if not 1 <= size <= extent or step < 1:
        raise ModelError(f"windows of {size} in steps of {step} do not fit dimension {axis} of {extent}", draft.where)
    index = np.arange(0, extent - size + 1, step)[:, None] + np.arange(size)
    windows = write("Gather", source, write.constant(index), axis=axis)
    order = (*(number for number in range(rank + 1) if number != axis + 1), axis + 1)
    return (write.result(0, "Transpose", windows, perm=order),)


@expands("NGramRepeatBlock")
def _block_repeated(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Scores, minus infinity for tokens that would end an n-gram which stands in the ids already."""
    check_attributes(draft, "ngram_size")
    write = NodeWriter(draft, maker)
    ids, scores, size = draft.value(0), draft.value(1), draft.integer("ngram_size", 0)
    length = write.size(ids, 1)
    if size < 1:
        raise ModelError("the required attribute 'ngram_size' must be positive", draft.where)
    if size > length:
        return (write.result(0, "Identity", scores),)
    starts = length - size + 1
    low, high = write.number(float("-inf"), scores), write.number(float("inf"), scores)
    ends = write.part(ids, 1, size - 1, length)
    found: Value | None = None
    for place in range(size - 1):
        same = write(
            "Equal", write.part(ids, 1, place, place + starts), write.part(ids, 1, starts + place, starts + place + 1)
        )
        found = same if found is None else write("And", found, same)
    limits = low if found is None else write("Where", found, low, high)
    limits = write("Expand", limits, write("Shape", ends))
    return (write.result(0, "ScatterElements", scores, ends, limits, axis=1, reduction="min"),)


# -- CropAndResize ------------------------------------------------------------------------------------------------


@expands("CropAndResize")
def _crop_and_resize(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Boxes [y1, x1, y2, x2] (from 0 to 1) of images, sampled at as many points as the crop has, corners included.

    Operands: images [N, C, H, W], boxes [R, 4], the image of each box [R], the crop's height and width.
    """
    check_attributes(draft, "mode", "extrapolation_value")
    write = NodeWriter(draft, maker)
    image = draft.value(0)
    sizes = write.known_ints(3, "the crop's size")
    if len(sizes) != 2 or min(sizes) < 1:
        raise ModelError(f"a crop of size {sizes} is none", draft.where)
    mode = draft.text("mode", "bilinear")
    if mode not in ("bilinear", "nearest"):
        raise UnsupportedError(f"the mode {mode!r} is not supported", draft.where)
    y, x = (_points(write, axis, sizes[axis]) for axis in (0, 1))
    outside: Value | None = None
    for points, axis in ((y, 2), (x, 3)):
        last = write.number(write.size(image, axis) - 1, points)
        beyond = write("Or", write("Less", points, write.number(0, points)), write("Greater", points, last))
        outside = beyond if outside is None else write("Or", outside, beyond)
    assert outside is not None
    channels_last = write("Transpose", image, perm=(0, 2, 3, 1))
    sampled = _nearest(write, channels_last, y, x) if mode == "nearest" else _bilinear(write, channels_last, y, x)
    fill = write.number(draft.number("extrapolation_value") or 0.0, image)
    made = write("Where", write.unsqueezed(outside, 3), fill, sampled)
    return (write.result(0, "Transpose", made, perm=(0, 3, 1, 2)),)


def _points(write: NodeWriter, axis: int, count: int) -> Value:
    """Where the crops are sampled along an axis: [box, count, 1] or [box, 1, count], in pixels."""
    boxes = write.draft.value(1)
    pixels = write.number(write.size(write.draft.value(0), 2 + axis) - 1, boxes)
    start, end = (write("Mul", write.part(boxes, 1, side, side + 1), pixels) for side in (axis, axis + 2))
    if count == 1:
        points = write("Mul", write("Add", start, end), write.number(0.5, boxes))
    else:
        step = write("Div", write("Sub", end, start), write.number(count - 1, boxes))
        steps = write.constant(np.arange(count - 1).astype(write.dtype(boxes).numpy))
        points = write("Concat", write("Add", start, write("Mul", step, steps)), end, axis=1)
    return write.unsqueezed(points, 2 - axis)


def _picked(write: NodeWriter, image: Value, y: Value, x: Value) -> Value:
    """Pixels [box, height, width, channel] at rows [box, height, 1] and columns [box, 1, width]."""
    limits = [write.number(write.size(image, axis) - 1, y) for axis in (1, 2)]
    low = write.number(0, y)
    inside = [write("Min", write("Max", part, low), limit) for part, limit in zip((y, x), limits, strict=True)]
    numbers = write.unsqueezed(write.cast(write.draft.value(2), DType.INT64), 1, 2)
    index = [numbers, *(write.cast(part, DType.INT64) for part in inside)]
    shape = write("Shape", write("Add", index[1], index[2]))
    planes = [write.unsqueezed(write("Expand", part, shape), 3) for part in index]
    return write("GatherND", image, write("Concat", *planes, axis=3))


def _nearest(write: NodeWriter, image: Value, y: Value, x: Value) -> Value:
    """The nearest pixels, the farther one where two are equally near."""

    def rounded(points: Value) -> Value:
        low = write("Floor", points)
        up = write("GreaterOrEqual", write("Sub", points, low), write.number(0.5, points))
        return write("Add", low, write.cast(up, write.dtype(points)))

    return _picked(write, image, rounded(y), rounded(x))


def _bilinear(write: NodeWriter, image: Value, y: Value, x: Value) -> Value:
    """Pixels weighted along both axes."""
    top, left = write("Floor", y), write("Floor", x)
    bottom, right = write("Ceil", y), write("Ceil", x)
    down, across = (write.unsqueezed(write("Sub", whole, low), 3) for whole, low in ((y, top), (x, left)))

    def between(first: Value, second: Value, part: Value) -> Value:
        return write("Add", first, write("Mul", write("Sub", second, first), part))

    upper, lower = (
        between(_picked(write, image, row, left), _picked(write, image, row, right), across) for row in (top, bottom)
    )
    return between(upper, lower, down)
