"""Cases of ODLA/ops/odla_ops_process.h, odla_ops_quantization.h and odla_ops_custom.h."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from halo_backends.native.conformance.case import (
    GARBAGE,
    NULL,
    Array,
    Case,
    E,
    Many,
    Shape,
    Type,
    V,
    one,
    reference,
    several,
    u,
)
from halo_backends.native.conformance.cases_math import data, flags
from halo_py.ops.activation import Gelu
from halo_py.ops.elementwise import Round
from halo_py.ops.image import Resize
from halo_py.ops.quantization import QuantizeLinear
from halo_py.types import DType
from odla.c.element_types import ElementType


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _shapes()
    yield from _joins()
    yield from _cuts()
    yield from _picks()
    yield from _resizing()
    yield from _fills()
    yield from _quantization()
    yield from _custom()


def _shapes() -> Iterator[Case]:
    x = data(1, 2, 3, 4)
    for dims in ((6, 4), (2, -1), (4, 3, 2, 1)):
        yield one("odla_Reshape", V(x), Shape(dims), expect=x.reshape(dims))
        wanted = V(np.asarray(dims, np.int64), constant=True)
        yield one("odla_ReshapeDynamic", V(x), wanted, expect=x.reshape(dims))
    yield one("odla_ReshapeDynamic", V(x), V(np.asarray([8, 3], np.int32)), expect=x.reshape(8, 3))
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        yield one("odla_Transpose", V(x), Shape(order), GARBAGE, expect=x.transpose(order))
    for shape, axes in (((1, 3, 1), (0,)), ((1, 3, 1), ()), ((2, 1, 1, 3), (-2, 1))):
        y = data(2, *shape)
        expected = y.squeeze(axes or None)
        yield one("odla_Squeeze", V(y), len(axes), u(*axes) if axes else NULL, GARBAGE, expect=expected)
    for shape, dims in (((1, 3), (2, 3)), ((3, 1), (2, 3, 4)), ((), (2, 2))):
        y = data(3, *shape)
        yield one("odla_Broadcast", V(y), Shape(dims), expect=np.broadcast_to(y, dims))
        yield one("odla_ExpandDims", V(y), Shape(dims), expect=np.broadcast_to(y, dims))
        yield one("odla_Shape", V(y), GARBAGE, expect=np.asarray(shape, np.int64))
    for target in (DType.INT32, DType.FLOAT16, DType.BOOL, DType.FLOAT64):
        expected = x.astype(target.numpy)
        yield one("odla_Cast", V(x), E(f"ODLA_{target.text.upper()}"), expect=expected)
    yield one("odla_Cast", V(x), E("ODLA_QINT8"), expect=x.astype(np.int8), element=ElementType.QINT8)


def _joins() -> Iterator[Case]:
    a, b = data(4, 2, 3), data(5, 2, 3)
    for axis in (0, 1, -1):
        pair = Many((V(a), V(b)))
        yield one("odla_Concat", pair, axis, GARBAGE, expect=np.concatenate([a, b], axis))
        yield one("odla_Stack", pair, axis, GARBAGE, expect=np.stack([a, b], axis))
    numbers = [np.asarray(3, np.int64), np.asarray([4, 5], np.int64)]
    yield one("odla_Concat", Many(tuple(map(V, numbers))), 0, GARBAGE, expect=np.asarray([3, 4, 5]))
    for repeat in ((1, 1), (2, 1), (3, 2)):
        yield one("odla_Tile", V(a), u(*repeat), GARBAGE, expect=np.tile(a, repeat))
        yield one("odla_TileDynamic", V(a), V(np.asarray(repeat, np.int64)), GARBAGE, expect=np.tile(a, repeat))
    for front, back in (((0, 1), (2, 0)), ((1, 1), (1, 1)), ((0, 0), (0, 3))):
        expected = np.pad(a, tuple(zip(front, back, strict=True)))
        yield one("odla_Pad", V(a), u(*front), u(*back), GARBAGE, expect=expected)


def _cuts() -> Iterator[Case]:
    x = data(6, 4, 6)
    for start, end, stride in (((0, 1), (4, 5), (1, 2)), ((-3, 0), (-1, 6), (1, 1)), ((3, 5), (-5, 1), (-1, -2))):
        slices = tuple(slice(*each) for each in zip(start, end, stride, strict=True))
        expected = x[:: stride[0]][:, ::1] if start == (3, 5) else x[slices]
        if start == (3, 5):
            expected = x[::-1][:, 5:1:-2]
        yield one("odla_Slice", V(x), u(*start), u(*end), u(*stride), GARBAGE, expect=expected)
    for start, size, stride in (((1, 0), (2, 3), (1, 2)), ((0, 2), (4, 4), None), ((3, 5), (4, 2), (-1, -3))):
        steps = stride or (1, 1)
        rows = [start[0] + number * steps[0] for number in range(size[0])]
        columns = [start[1] + number * steps[1] for number in range(size[1])]
        third = NULL if stride is None else V(np.asarray(stride, np.int32))
        first, count = V(np.asarray(start, np.int64)), V(np.asarray(size, np.int64), constant=stride is None)
        yield one("odla_SliceDynamic", V(x), first, count, third, GARBAGE, expect=x[np.ix_(rows, columns)])
    for entries, axes in (([7], [1]), ([7, 9], [0, 2]), ([5, 6, 7], [2, 1, 0])):
        original = np.asarray([1, 2, 3], np.int64)
        expected = original.copy()
        expected[axes] = entries
        operands = (V(np.asarray(entries, np.int64)), V(original), V(np.asarray(axes, np.int32)))
        yield one("odla_DimsExpand", *operands, GARBAGE, expect=expected)
    for axis, parts in ((0, 2), (1, 3), (-1, 6)):
        where = V(np.asarray([axis], np.int32), constant=True)
        yield several("odla_Split", V(x), where, parts, expect=np.split(x, parts, axis))


def _picks() -> Iterator[Case]:
    x = data(7, 3, 4, 2)
    for axis, indices in ((0, [2, 0]), (1, [[3, 1], [0, -1]]), (-1, 1)):
        places = np.asarray(indices, np.int64)
        yield one("odla_Gather", V(x), V(places, constant=axis == 1), axis, GARBAGE, expect=np.take(x, places, axis))
        spread = np.asarray(np.random.default_rng(8).integers(0, x.shape[axis], x.shape), np.int32)
        expected = np.take_along_axis(x, spread.astype(np.int64), axis)
        yield one("odla_GatherElements", V(x), V(spread), axis, GARBAGE, expect=expected)
    yield one("odla_GatherND", V(x), V(np.asarray([[0, 1], [2, 3]])), 0, GARBAGE, expect=x[[0, 2], [1, 3]])
    yield one("odla_GatherND", V(x), V(np.asarray([[1, 2, 0]], np.int32)), 0, GARBAGE, expect=x[[1], [2], [0]])
    batched = np.asarray([[1], [3], [0]], np.int64)
    yield one("odla_GatherND", V(x), V(batched), 1, GARBAGE, expect=x[np.arange(3), batched[:, 0]])
    for axis, size in ((0, 3), (1, 4), (-1, 2)):
        mask = np.asarray([True, False, True, True][:size])
        expected = np.compress(mask, x, axis)
        yield one("odla_Compress", V(x), V(mask), axis, GARBAGE, expect=expected)
    mask = flags(9, 24)
    yield one("odla_Compress", V(x), V(mask), 2147483647, GARBAGE, expect=np.compress(mask, x.reshape(-1)))
    for axis, indices in ((-1, [0, 2, 1]), (0, [1, -1]), (1, [[2, 0]])):
        places = np.asarray(indices, np.int64)
        values = np.asarray([-1, 5], np.float32)
        hot = np.eye(3, dtype=np.float32)[places % 3] * 6 - 1
        expected: Array = np.moveaxis(hot, -1, axis)
        yield one("odla_OneHot", V(places), 3, V(values, constant=True), axis, GARBAGE, expect=expected)
    for axis, largest, k in ((0, True, 2), (1, False, 3), (2, True, 1)):
        order = np.argsort(-x if largest else x, axis, kind="stable")
        places = np.take(order, range(k), axis)
        values = np.take_along_axis(x, places, axis)
        types = (Type(ElementType.FLOAT32, values.shape), Type(ElementType.INT32, values.shape))
        yield several("odla_TopK", V(x), k, largest, True, axis, *types, expect=(values, places.astype(np.int32)))


def _resizing() -> Iterator[Case]:
    x = data(10, 1, 2, 4, 5)
    modes = {"ODLA_ASSYMMETRIC": "asymmetric", "ODLA_HALF_PIXEL": "half_pixel", "ODLA_ALIGN_CORNERS": "align_corners"}
    for mode, text in modes.items():
        kinds: tuple[tuple[str, Any], ...] = (
            ("ODLA_NEAREST", "nearest"),
            ("ODLA_LINEAR", "linear"),
            ("ODLA_CUBIC", "cubic"),
        )
        for kind, name in kinds:
            rounding = "floor" if text == "asymmetric" else "round_prefer_floor"
            op = Resize(coordinate_transformation_mode=text, mode=name, nearest_mode=rounding)
            for sizes in ((1, 2, 8, 10), (1, 2, 3, 7)):
                expected = reference(op, x, None, None, np.asarray(sizes, np.int64))
                shape = Shape(sizes)
                yield one("odla_Resize", V(x), E(kind), E(mode), 0b0011, shape, expect=expected, tolerance=1e-4)
    last = x.transpose(0, 2, 3, 1).copy()
    op = Resize(coordinate_transformation_mode="half_pixel", mode="linear")
    expected = reference(op, x, None, None, np.asarray((1, 2, 8, 10), np.int64)).transpose(0, 2, 3, 1)
    yield one(
        "odla_Resize",
        V(last),
        E("ODLA_LINEAR"),
        E("ODLA_HALF_PIXEL"),
        0b0110,
        Shape((1, 8, 10, 2)),
        expect=expected,
        tolerance=1e-4,
    )
    taken = x[:, :, [int((row + 0.5) * 0.5) for row in range(8)]][..., [int((c + 0.5) * 0.5) for c in range(10)]]
    yield one("odla_Resize", V(x), E("ODLA_NEAREST"), E("ODLA_HALF_PIXEL_TF"), 3, Shape((1, 2, 8, 10)), expect=taken)
    for scales in ((1, 1, 2, 2), (1, 1, 0.5, 2), (1, 1, 1.5, 1)):
        factors = np.asarray(scales, np.float32)
        expected = reference(op, x, None, factors, None)
        arguments = (V(x), V(factors, constant=True), NULL, E("ODLA_LINEAR"), E("ODLA_HALF_PIXEL"), GARBAGE)
        yield one("odla_ResizeDynamic", *arguments, expect=expected, tolerance=1e-4)
    sizes = np.asarray((1, 2, 6, 3), np.int64)
    arguments = (V(x), NULL, V(sizes, constant=True), E("ODLA_LINEAR"), E("ODLA_HALF_PIXEL"), GARBAGE)
    yield one("odla_ResizeDynamic", *arguments, expect=reference(op, x, None, None, sizes), tolerance=1e-4)


def _fills() -> Iterator[Case]:
    for element, dtype, shape in (
        ("FLOAT32", np.float32, (3, 4)),
        ("INT32", np.int32, (2, 2)),
        ("FLOAT64", np.float64, (4, 1)),
    ):
        type = Type(ElementType[element], shape)
        yield one("odla_Fill", type, E("ODLA_EyeLike"), 0.0, 0.0, 0.0, expect=np.eye(*shape, dtype=dtype))


def _quantization() -> Iterator[Case]:
    x = data(12, 3, 4, low=-3, high=3)
    for dtype, element, zero in ((np.int8, "INT8", -3), (np.uint8, "UINT8", 120), (np.int16, "INT16", 5)):
        scale, point = np.asarray(0.05, np.float32), np.asarray(zero, dtype)
        quantised = reference(QuantizeLinear(), x, scale, point)
        call = (V(scale, constant=True), V(point, constant=True), 1)
        yield one("odla_Quantize", V(x), *call, E(f"ODLA_{element}"), expect=quantised)
        back = ((quantised.astype(np.float64) - zero) * 0.05).astype(np.float32)
        yield one("odla_Dequantize", V(quantised), *call, E("ODLA_FLOAT32"), expect=back)
    scales, zeros = np.asarray([0.1, 0.2, 0.05], np.float32), np.asarray([1, -2, 3], np.int8)
    columns = (scales[:, None], zeros[:, None].astype(np.float64))
    quantised = np.clip(np.round(x / columns[0]) + columns[1], -128, 127).astype(np.int8)
    call = (V(scales, constant=True), V(zeros, constant=True), 0)
    yield one("odla_Quantize", V(x), *call, E("ODLA_QINT8"), expect=quantised, element=ElementType.QINT8)
    back = ((quantised - columns[1]) * columns[0]).astype(np.float16)
    yield one("odla_Dequantize", V(quantised), *call, E("ODLA_FLOAT16"), expect=back, tolerance=1e-3)


def _custom() -> Iterator[Case]:
    """The attributes follow the ids, which the C writer puts last: `ids` is one of the arguments here."""
    x = data(13, 2, 3)
    for name, attributes, expected in _custom_calls(x):
        yield Case("odla_CustomOp", (Many((V(x),)), name, name, E(attributes)), (expected,), 1, 1e-4)
    sequence, like = np.asarray([[0, 0, 1, 2], [3, 3, 3, 4]], np.int32), data(14, 2, 1, 4, 4)
    apart = np.abs(sequence[:, None, :, None] - sequence[:, None, None, :]).astype(np.float32)
    operands = Many((V(sequence), V(like)))
    mask = (-10000.0 * np.tanh(apart)).astype(np.float32)
    yield Case("odla_CustomOp", (operands, "custom_IpuAttentionMask", "m", E("")), (mask,), 1, 1e-2)


def _custom_calls(x: Array) -> Iterator[tuple[str, str, Array]]:
    yield "custom_IpuGelu", "", reference(Gelu(approximate="tanh"), x)
    yield "Round", "", reference(Round(), x)
    yield "LeakyRelu", '"alpha", 0.25', np.where(x > 0, x, np.float32(0.25) * x)
    yield "Gelu", '"approximate", "tanh"', reference(Gelu(approximate="tanh"), x)
    yield "Transpose", '"perm", (odla_int64)2, order', x.T
