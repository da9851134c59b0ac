"""Cases of ODLA/ops/odla_ops_math.h, at least three per function. Expected: the reference meaning of ops, or NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_backends.native.conformance.case import GARBAGE, NULL, Case, Many, Shape, Type, V, one, reference, u
from halo_py.ir.op import Op
from halo_py.ops import elementwise as ew
from halo_py.ops import logic
from halo_py.ops import reduction as red
from halo_py.ops.along_axis import ArgMax, ArgMin, CumSum
from halo_py.ops.caching import Det
from halo_py.ops.einsum import Einsum
from odla.c.element_types import ElementType

Array = NDArray[Any]


def data(seed: int, *shape: int, low: float = -2.0, high: float = 2.0, dtype: Any = np.float32) -> Array:
    """Random contents."""
    return np.asarray(np.random.default_rng(seed).uniform(low, high, shape)).astype(dtype)


def flags(seed: int, *shape: int) -> Array:
    """Random booleans."""
    return np.random.default_rng(seed).integers(0, 2, shape).astype(bool)


UNARY: dict[str, tuple[Op, float, float]] = {
    "odla_Abs": (ew.Abs(), -2, 2),
    "odla_ACos": (ew.Acos(), -0.9, 0.9),
    "odla_ACosh": (ew.Acosh(), 1.1, 4),
    "odla_ASin": (ew.Asin(), -0.9, 0.9),
    "odla_ASinh": (ew.Asinh(), -2, 2),
    "odla_ATan": (ew.Atan(), -2, 2),
    "odla_ATanh": (ew.Atanh(), -0.9, 0.9),
    "odla_Ceil": (ew.Ceil(), -3, 3),
    "odla_Cos": (ew.Cos(), -3, 3),
    "odla_Cosh": (ew.Cosh(), -2, 2),
    "odla_Erf": (ew.Erf(), -2, 2),
    "odla_Exp": (ew.Exp(), -2, 2),
    "odla_Floor": (ew.Floor(), -3, 3),
    "odla_Log": (ew.Log(), 0.1, 4),
    "odla_Neg": (ew.Neg(), -2, 2),
    "odla_Reciprocal": (ew.Reciprocal(), 0.5, 4),
    "odla_Sign": (ew.Sign(), -2, 2),
    "odla_Sin": (ew.Sin(), -3, 3),
    "odla_Sinh": (ew.Sinh(), -2, 2),
    "odla_Sqrt": (ew.Sqrt(), 0, 4),
    "odla_Tan": (ew.Tan(), -1, 1),
    "odla_Tanh": (ew.Tanh(), -2, 2),
}

ARITHMETIC: dict[str, Op] = {
    "odla_Add": ew.Add(),
    "odla_Div": ew.Div(),
    "odla_Max": ew.Max(),
    "odla_Min": ew.Min(),
    "odla_Mul": ew.Mul(),
    "odla_Sub": ew.Sub(),
}
COMPARISONS: dict[str, Op] = {
    "odla_Equal": logic.Equal(),
    "odla_Greater": logic.Greater(),
    "odla_GreaterOrEqual": logic.GreaterOrEqual(),
    "odla_Less": logic.Less(),
    "odla_LessOrEqual": logic.LessOrEqual(),
}
LOGIC: dict[str, Op] = {"odla_And": logic.And(), "odla_Or": logic.Or(), "odla_Xor": logic.Xor()}
REDUCTIONS: dict[str, type[red.Reduce]] = {
    "odla_ReduceLogSum": red.ReduceLogSum,
    "odla_ReduceLogSumExp": red.ReduceLogSumExp,
    "odla_ReduceMax": red.ReduceMax,
    "odla_ReduceMean": red.ReduceMean,
    "odla_ReduceMin": red.ReduceMin,
    "odla_ReduceProd": red.ReduceProd,
    "odla_ReduceSum": red.ReduceSum,
    "odla_ReduceSumSquare": red.ReduceSumSquare,
}


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _elementwise()
    yield from _pairs()
    yield from _rest_of_elementwise()
    yield from _reductions()
    yield from _arguments_of_extremes()
    yield from _products()
    yield from _matrices()


def _elementwise() -> Iterator[Case]:
    for seed, (name, (op, low, high)) in enumerate(UNARY.items()):
        for shape in ((3,), (2, 3), (2, 1, 4)):
            x = data(seed, *shape, low=low, high=high)
            yield one(name, V(x), expect=reference(op, x), tolerance=1e-4)


def _pairs() -> Iterator[Case]:
    shapes = (((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (4, 1)), ((2, 2), ()))
    for seed, (name, op) in enumerate(ARITHMETIC.items()):
        for number, (left, right) in enumerate(shapes):
            a, b = data(seed, *left), data(seed + 100, *right, low=0.5)
            yield one(name, V(a), V(b, constant=number == 1), expect=reference(op, a, b))
        a, b = data(seed, 5, low=-9, high=9, dtype=np.int32), data(seed, 5, low=1, high=9, dtype=np.int32)
        yield one(name, V(a), V(b), expect=reference(op, a, b))
    for name, op in COMPARISONS.items():
        for left, right in shapes:
            a, b = data(3, *left, low=-2, high=2, dtype=np.int32), data(4, *right, low=-2, high=2, dtype=np.int32)
            yield one(name, V(a), V(b), expect=reference(op, a, b))
            yield one(name, V(a.astype(np.float32)), V(b.astype(np.float32)), expect=reference(op, a, b))
    for seed, (name, op) in enumerate(LOGIC.items()):
        for left, right in shapes:
            a, b = flags(seed, *left), flags(seed + 1, *right)
            yield one(name, V(a), V(b), expect=reference(op, a, b))
    for left, right in shapes:
        a, b = data(5, *left, low=-2, high=2, dtype=np.int64), data(6, *right, low=-2, high=2, dtype=np.int64)
        yield one("odla_NotEqual", V(a), V(b), expect=a != b)
        base, exponent = data(7, *left, low=0.5), data(8, *right)
        yield one("odla_Pow", V(base), V(exponent), expect=np.power(base, exponent), tolerance=1e-4)
        yield one("odla_SquaredDifference", V(base), V(exponent), expect=np.square(base - exponent))


def _rest_of_elementwise() -> Iterator[Case]:
    for shape in ((4,), (2, 3), (1, 2, 5)):
        x = data(11, *shape, low=-5, high=5)
        special = x.copy()
        special.reshape(-1)[:3] = (np.nan, np.inf, -np.inf)
        yield one("odla_IsNaN", V(special), expect=np.isnan(special))
        for up, down in ((True, True), (True, False), (False, True)):
            expected = (np.isposinf(special) & up) | (np.isneginf(special) & down)
            yield one("odla_IsInf", V(special), up, down, expect=expected)
        yield one("odla_Not", V(flags(12, *shape)), expect=~flags(12, *shape))
        yield one("odla_Clamp", V(x), -1.5, 2.25, expect=np.clip(x, -1.5, 2.25))
        halves = np.round(x * 2) / 2
        away = np.sign(halves) * np.floor(np.abs(halves) + 0.5)
        yield one("odla_Round", V(halves), expect=away.astype(np.float32))
        positive = np.abs(x) + 0.5
        yield one("odla_Rsqrt", V(positive), expect=1 / np.sqrt(positive))
        mask, other = flags(13, *shape), data(14, *shape)
        yield one("odla_Select", V(mask), V(x), V(other), GARBAGE, expect=np.where(mask, x, other))
    yield one(
        "odla_Round",
        V(np.asarray([0.49999997, -0.49999997, 2.5, -2.5], np.float32)),
        expect=np.asarray([0, 0, 3, -3], np.float32),
    )
    a, b = data(15, 6, low=-9, high=9, dtype=np.int32), data(16, 6, low=1, high=5, dtype=np.int32)
    b[::2] *= -1
    yield one("odla_Mod", V(a), V(b), 0, expect=np.mod(a, b))
    yield one("odla_Mod", V(a), V(b), 1, expect=np.fmod(a, b))
    x, y = data(17, 2, 3, low=-9, high=9), data(18, 3, low=1, high=4)
    yield one("odla_Mod", V(x), V(y), 1, expect=np.fmod(x, y))
    for count, shape in ((1, (3,)), (2, (2, 3)), (3, (2, 2))):
        arrays = [data(20 + number, *shape) for number in range(count)]
        yield one("odla_Mean", Many(tuple(V(each) for each in arrays)), expect=np.mean(arrays, axis=0))
    for dtype in (np.uint8, np.uint32, np.uint64):
        bits, amount = data(23, 2, 3, low=0, high=30, dtype=dtype), data(24, 3, low=0, high=4, dtype=dtype)
        yield one("odla_Shift", V(bits), V(amount), True, expect=np.left_shift(bits, amount))
        yield one("odla_Shift", V(bits), V(amount), False, expect=np.right_shift(bits, amount))


def _reductions() -> Iterator[Case]:
    x = data(31, 2, 3, 4, low=0.5, high=2)
    settings: tuple[tuple[tuple[int, ...], bool], ...] = (((1,), True), ((0, 2), False), ((), False), ((-1,), False))
    for axes, keep in settings:
        along = np.asarray(axes or range(3), np.int64)
        shape = Shape(np.sum(x, axis=tuple(along), keepdims=keep).shape)
        for name, cls in REDUCTIONS.items():
            expected = reference(cls(keepdims=int(keep)), x, along)
            yield one(name, V(x), len(axes), u(*axes) if axes else NULL, keep, shape, expect=expected, tolerance=1e-4)
            yield one(name, V(x), len(axes), u(*axes), keep, GARBAGE, expect=expected, tolerance=1e-4)
        for epsilon in (0.0, 0.25):
            absolute = np.sum(np.abs(x), axis=tuple(along), keepdims=keep) + epsilon
            root = np.sqrt(np.sum(np.square(x), axis=tuple(along), keepdims=keep) + epsilon)
            arguments = (V(x), len(axes), u(*axes), keep, epsilon, GARBAGE)
            yield one("odla_ReduceL1", *arguments, expect=absolute.astype(np.float32), tolerance=1e-4)
            yield one("odla_ReduceL2", *arguments, expect=root.astype(np.float32), tolerance=1e-4)


def _arguments_of_extremes() -> Iterator[Case]:
    x = data(41, 3, 4, 2, low=0, high=4, dtype=np.int32).astype(np.float32)
    for cls, name in ((ArgMax, "odla_ArgMax"), (ArgMin, "odla_ArgMin")):
        for axis, keep, last, element, dtype in (
            (0, True, False, ElementType.INT64, np.int64),
            (1, False, False, ElementType.INT32, np.int32),
            (-1, False, True, ElementType.INT64, np.int64),
        ):
            expected = reference(cls(axis=axis, keepdims=int(keep), select_last_index=int(last)), x).astype(dtype)
            yield one(name, V(x), axis, keep, last, Type(element, expected.shape), expect=expected)
    for axis, exclusive, reverse in ((0, False, False), (1, True, False), (2, False, True)):
        where = np.asarray(axis, np.int32)
        expected = reference(CumSum(exclusive=int(exclusive), reverse=int(reverse)), x, where)
        yield one("odla_CumSum", V(x), V(where, constant=axis != 1), exclusive, reverse, expect=expected)


def _products() -> Iterator[Case]:
    for a_transpose, b_transpose in ((False, False), (True, False), (False, True), (True, True)):
        a, b = data(51, *((4, 3) if a_transpose else (3, 4))), data(52, *((5, 4) if b_transpose else (4, 5)))
        left, right = a.T if a_transpose else a, b.T if b_transpose else b
        for c in (None, data(53, 5), data(54, 3, 5), data(55, 3, 1)):
            bias = 0 if c is None else c
            expected = np.float32(0.5) * (left @ right) + np.float32(2.0) * bias
            third = NULL if c is None else V(c, constant=c.ndim == 1)
            operands = (V(a), a_transpose, V(b, constant=True), b_transpose, 0.5, 2.0, third, GARBAGE)
            yield one("odla_Gemm", *operands, expect=expected, tolerance=1e-4)
        wide_a, wide_b = np.stack([a, 2 * a]), np.stack([b, -b])
        product = np.stack([left @ right, -2 * left @ right])
        yield one(
            "odla_BatchMatMul", V(wide_a), a_transpose, V(wide_b), b_transpose, GARBAGE, expect=product, tolerance=1e-4
        )
    many, matrix = data(56, 2, 3, 4), data(57, 4, 5)
    yield one("odla_BatchMatMul", V(many), False, V(matrix), False, GARBAGE, expect=many @ matrix, tolerance=1e-4)
    expected = 3 * (many @ matrix) + 0.5 * data(58, 5)
    yield one(
        "odla_Gemm",
        V(many),
        False,
        V(matrix),
        False,
        3.0,
        0.5,
        V(data(58, 5)),
        GARBAGE,
        expect=expected.astype(np.float32),
        tolerance=1e-4,
    )
    for equation, shapes in (
        ("ij,jk->ik", ((2, 3), (3, 4))),
        ("bij,bkj->bik", ((2, 3, 4), (2, 5, 4))),
        ("ii->i", ((3, 3),)),
        ("i,j,k->ijk", ((2,), (3,), (4,))),
    ):
        operands = [data(60 + number, *shape) for number, shape in enumerate(shapes)]
        expected = reference(Einsum(equation), *operands)
        yield one("odla_Einsum", Many(tuple(map(V, operands))), equation, GARBAGE, expect=expected, tolerance=1e-4)


def _matrices() -> Iterator[Case]:
    for shape in ((3, 3), (2, 2, 2), (2, 2, 4, 4)):
        x = data(71, *shape) + 3 * np.eye(shape[-1], dtype=np.float32)
        yield one("odla_Det", V(x), GARBAGE, expect=reference(Det(), x), tolerance=1e-3)
        yield one("odla_Inverse", V(x), expect=np.linalg.inv(x.astype(np.float64)).astype(np.float32), tolerance=1e-3)
