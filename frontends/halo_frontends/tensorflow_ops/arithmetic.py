"""Element-wise operators that ONNX spells differently, and reductions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np

from halo_frontends.emitter import Emitter
from halo_py.errors import UnsupportedError, Where
from halo_py.ir.graph import Value
from halo_py.ops.limits import integer_limits
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def floor_div(x: Value, y: Value, emit: Emitter) -> Value:
    """The largest whole number at most x / y."""
    if not emit.dtype(x).is_integer:
        return emit.op("Floor", emit.op("Div", x, y))
    if not emit.dtype(x).is_signed:
        return emit.op("Div", x, y)
    return emit.op("Div", emit.op("Sub", x, emit.op("Mod", x, y, fmod=0)), y)


def floor_mod(x: Value, y: Value, emit: Emitter) -> Value:
    """The remainder of `floor_div`: it has the sign of y."""
    if emit.dtype(x).is_integer:
        return emit.op("Mod", x, y, fmod=0)
    rest, zero = emit.op("Mod", x, y, fmod=1), emit.scalar(0, x)
    apart = emit.op("Xor", emit.op("Less", rest, zero), emit.op("Less", y, zero))
    wrong = emit.op("And", apart, emit.op("Not", emit.op("Equal", rest, zero)))
    return emit.op("Where", wrong, emit.op("Add", rest, y), rest)


def squared_difference(x: Value, y: Value, emit: Emitter) -> Value:
    """(x - y) squared."""
    difference = emit.op("Sub", x, y)
    return emit.op("Mul", difference, difference)


def rsqrt(x: Value, emit: Emitter) -> Value:
    """1 / sqrt(x)."""
    return emit.op("Reciprocal", emit.op("Sqrt", x))


def where_not_zero(guard: Value, result: Value, emit: Emitter) -> Value:
    """The result, or 0 where `guard` is 0 (whatever the result is there)."""
    zero = emit.scalar(0, guard)
    return emit.op("Where", emit.op("Equal", guard, zero), emit.scalar(0, result), result)


def divide_no_nan(x: Value, y: Value, emit: Emitter) -> Value:
    """X / y, or 0 where y is 0."""
    return where_not_zero(y, emit.op("Div", x, y), emit)


def clip(x: Value, low: SupportsFloat | None, high: SupportsFloat | None, emit: Emitter) -> Value:
    """X limited to a range."""
    bounds = [None if bound is None else emit.scalar(float(bound), x) for bound in (low, high)]
    return emit.op("Clip", x, *bounds)


def log1p(x: Value, emit: Emitter) -> Value:
    """log(1 + x), exact for small x: log(u) * x / (u - 1), u = 1 + x (Kahan)."""
    one = emit.scalar(1, x)
    u = emit.op("Add", one, x)
    least = emit.op("Sub", u, one)
    ratio = emit.op("Div", emit.op("Mul", emit.op("Log", u), x), least)
    exact = emit.op("Or", emit.op("Equal", least, emit.scalar(0, x)), emit.op("IsInf", u))
    return emit.op("Where", exact, emit.op("Where", emit.op("IsInf", u), u, x), ratio)


def expm1(x: Value, emit: Emitter) -> Value:
    """exp(x) - 1, exact for small x: 2 tanh(x/2) / (1 - tanh(x/2)) near 0."""
    one = emit.scalar(1, x)
    plain = emit.op("Sub", emit.op("Exp", x), one)
    half = emit.op("Tanh", emit.op("Mul", x, emit.scalar(0.5, x)))
    near = emit.op("Div", emit.op("Mul", emit.scalar(2, x), half), emit.op("Sub", one, half))
    small = emit.op("Less", emit.op("Abs", x), one)
    return emit.op("Where", small, near, plain)


def gelu(x: Value, approximate: bool, emit: Emitter) -> Value:
    """The operand times the normal distribution at x."""
    return emit.op("Gelu", x, approximate="tanh" if approximate else "none")


def reduce(kind: str, x: Value, axes: Value | None, keep: bool, emit: Emitter) -> Value:
    """A reduction along axes that are an operand; without any axis nothing is reduced."""
    if axes is None:
        return emit.op(kind, x, keepdims=int(keep))
    contents = emit.known(axes)
    if contents is None:
        return emit.op(kind, x, emit.int64(emit.reshape(axes, (-1,))), keepdims=int(keep))
    rank = emit.rank(x)
    found = sorted({emit.axis(int(axis), rank) for axis in contents.reshape(-1)})
    if not found:
        return emit.op("Abs", x) if kind == "ReduceL2" else x
    return emit.op(kind, x, emit.ints(*found), keepdims=int(keep))


def reduce_flags(kind: str, x: Value, axes: Value | None, keep: bool, emit: Emitter) -> Value:
    """All or Any of booleans: the least or the greatest of 0 and 1."""
    numbers = emit.cast(x, DType.INT32)
    return emit.cast(reduce("ReduceMin" if kind == "All" else "ReduceMax", numbers, axes, keep, emit), DType.BOOL)


def normalized(x: Value, axes: Sequence[int], epsilon: float, emit: Emitter) -> Value:
    """X / sqrt(max(sum of squares along the axes, epsilon))."""
    total = emit.op("ReduceSumSquare", x, emit.ints(*axes), keepdims=1)
    return emit.op("Mul", x, rsqrt(emit.op("Max", total, emit.scalar(epsilon, x)), emit))


def arg_extreme(kind: str, x: Value, axis: int, dtype: DType, emit: Emitter) -> Value:
    """The position of the first greatest or least element along an axis."""
    return emit.cast(emit.op(kind, x, axis=emit.axis(axis, emit.rank(x)), keepdims=0), dtype)


def cumulative(kind: str, x: Value, axis: int, exclusive: bool, backwards: bool, emit: Emitter) -> Value:
    """CumSum or CumProd along an axis."""
    where = emit.constant(np.asarray(emit.axis(axis, emit.rank(x)), np.int64), "axis")
    return emit.op(kind, x, where, exclusive=int(exclusive), reverse=int(backwards))


def sum_of(values: Sequence[Value], emit: Emitter) -> Value:
    """All values added up."""
    total = values[0]
    for value in values[1:]:
        total = emit.op("Add", total, value)
    return total


def fake_quantized(x: Value, low: ArrayLike, high: ArrayLike, bits: int, narrow: bool, emit: Emitter) -> Value:
    """X rounded to one of 2^bits levels between bounds that are nudged so that 0 is a level.

    Bounds are two numbers, or two for every entry of the last axis; between 0 and 0 there is only 0.
    """
    single = np.float32
    under, over = np.asarray(low, single), np.asarray(high, single)
    empty = (under == 0) & (over == 0)
    least, most = single(narrow), single((1 << bits) - 1)
    scale = np.where(empty, single(1), (over - under) / (most - least))
    zero = np.clip(np.floor(least - under / scale + single(0.5)), least, most)
    bottom, top = (np.where(empty, single(0), (bound - zero) * scale) for bound in (least, most))

    def constant(contents: ArrayLike, name: str) -> Value:
        return emit.constant(np.asarray(contents, single), name)

    limited = emit.op("Min", emit.op("Max", x, constant(bottom, "bottom")), constant(top, "top"))
    level = emit.op("Mul", emit.op("Sub", limited, constant(bottom, "bottom")), constant(single(1) / scale, "levels"))
    whole = emit.op("Floor", emit.op("Add", level, emit.scalar(0.5, x)))
    return emit.op("Add", emit.op("Mul", whole, constant(scale, "scale")), constant(bottom, "bottom"))


def local_response(x: Value, radius: int, bias: float, alpha: float, beta: float, emit: Emitter) -> Value:
    """Images divided by (bias + alpha x the sum of squares of 2 radius + 1 channels) ^ beta; channels last."""
    size = 2 * radius + 1
    moved = emit.transpose(x, (0, 3, 1, 2))
    made = emit.op("LRN", moved, size=size, bias=bias, alpha=alpha * size, beta=beta)
    return emit.transpose(made, (0, 2, 3, 1))


def segment_sum(x: Value, segments: Value, count: int, emit: Emitter) -> Value:
    """Entry s is the sum of all x[i] with segments[i] = s; negative segments are dropped."""
    return segment_reduction(x, segments, count, "add", emit)


def segment_reduction(x: Value, segments: Value, count: int, reduction: str, emit: Emitter) -> Value:
    """The same for "add", "mul", "max" and "min"; a segment without entries has what changes nothing."""
    indices, start = emit.int64(segments), _neutral(reduction, emit.dtype(x), emit.where)
    sizes = emit.op("Shape", x, start=emit.rank(indices))
    shape = emit.concat([emit.ints(count + 1), sizes], 0)
    filled = emit.op("Expand", emit.scalar(start, x), shape)
    # What is dropped goes to an entry behind the others.
    kept = emit.op("Where", emit.op("Less", indices, emit.scalar(0, indices)), emit.scalar(count, indices), indices)
    total = emit.op("ScatterND", filled, emit.unsqueeze(kept, -1), x, reduction=reduction)
    return emit.slice(total, 0, 0, count)


_LARGEST = {
    DType.FLOAT16: float(np.finfo(np.float16).max),
    DType.BFLOAT16: float.fromhex("0x1.fep127"),
    DType.FLOAT32: float(np.finfo(np.float32).max),
    DType.FLOAT64: float(np.finfo(np.float64).max),
}


def _neutral(reduction: str, dtype: DType, where: Where) -> float:
    """The number that a reduction begins with."""
    if reduction in ("add", "mul"):
        return 0 if reduction == "add" else 1
    if dtype.is_integer:
        return integer_limits(dtype)[0 if reduction == "max" else 1]
    if dtype not in _LARGEST:
        raise UnsupportedError(f"a segment's {reduction} of {dtype.text}", where)
    return -_LARGEST[dtype] if reduction == "max" else _LARGEST[dtype]


def atan2(y: Value, x: Value, emit: Emitter) -> Value:
    """The angle of the point (x, y)."""
    zero, pi = emit.scalar(0, x), emit.scalar(np.pi, x)
    # Dividing by the larger of the two keeps the quotient within 1.
    steep = emit.op("Greater", emit.op("Abs", y), emit.op("Abs", x))
    lower = emit.op("Where", steep, y, x)
    upper = emit.op("Where", steep, x, y)
    angle = emit.op("Atan", where_not_zero(lower, emit.op("Div", upper, lower), emit))
    left, below = emit.op("Less", x, zero), emit.op("Less", y, zero)
    half = emit.op("Where", below, emit.op("Neg", pi), pi)
    flat = emit.op("Where", left, emit.op("Add", angle, half), angle)
    quarter = emit.op("Mul", half, emit.scalar(0.5, x))
    return emit.op("Where", steep, emit.op("Sub", quarter, angle), flat)


def positions(x: Value, emit: Emitter) -> Value:
    """Positions of the elements that are not zero, one per row, int64."""
    return emit.transpose(emit.op("NonZero", x), (1, 0))
