"""What templates share: their list, and shapes and operands made to fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from halo_py.ir.graph import Value
from halo_py.ops.conversion import Cast
from halo_py.ops.elementwise import Abs, Add, Clip, Floor, Mul
from halo_py.ops.logic import Greater
from halo_py.ops.movement import Expand, Tile
from halo_py.ops.padding import Pad
from halo_py.ops.reduction import ReduceMean
from halo_py.ops.reshaping import Reshape
from halo_py.ops.slicing import Slice
from halo_py.types import DType
from tests.fuzz.draft import FLOATS, Draft, RejectedError, dtype_of


@dataclass(frozen=True, slots=True)
class Template:
    """A function that grows a draft; `weight` is how often it is drawn, `theme` the group it belongs to."""

    name: str
    theme: str
    weight: float
    grow: Callable[[Draft], None]


TEMPLATES: list[Template] = []


def template(theme: str, weight: float = 1.0) -> Callable[[Callable[[Draft], None]], Callable[[Draft], None]]:
    """Put a function on the list of templates."""

    def declare(grow: Callable[[Draft], None]) -> Callable[[Draft], None]:
        TEMPLATES.append(Template(grow.__name__, theme, weight, grow))
        return grow

    return declare


def factors(draft: Draft, elements: int, rank: int) -> list[int]:
    """A random shape of this rank with this many elements."""
    dims = [1] * rank
    rest = elements
    for prime in (2, 3, 5, 7, 11, 13):
        while rest % prime == 0:
            dims[draft.below(rank)] *= prime
            rest //= prime
    dims[draft.below(rank)] *= rest
    return dims


def broadcast_partner(draft: Draft, shape: Sequence[int]) -> list[int]:
    """A shape that broadcasts with this one."""
    other = [1 if draft.chance(0.35) else size for size in shape]
    drop = draft.below(len(shape) + 1) if draft.chance(0.5) else 0
    other = other[drop:]
    if draft.chance(0.15) and len(shape) < 4:
        other = [draft.between(1, 3), *([1] * (len(shape) - len(other))), *other]
    if draft.chance(0.2):
        other = [draft.between(2, 4) if a == 1 and b == 1 else b for a, b in zip_end(shape, other)]
    return other


def zip_end(shape: Sequence[int], other: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of sizes aligned at the end, one per dimension of `other`."""
    padded = [1] * (len(other) - len(shape)) + list(shape)
    return list(zip(padded[len(padded) - len(other) :], other, strict=True))


def broadcasts(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether two shapes broadcast."""
    return all(x == y or 1 in (x, y) for x, y in zip(reversed(a), reversed(b), strict=False))


def other_operand(draft: Draft, value: Value) -> Value:
    """A value of the same type that broadcasts with this one: of the pool, or new."""
    shape, dtype = draft.shape(value), dtype_of(value)

    def accept(other: Value) -> bool:
        same = other is not value and other.type != value.type and dtype_of(other) is dtype
        return same and broadcasts(draft.shape(other), shape)

    def residual(other: Value) -> bool:
        return other is not value and other.type == value.type

    for chance, condition in ((0.4, residual), (0.4, accept)):
        if draft.chance(chance):
            try:
                return draft.pick(condition)
            except RejectedError:
                continue
    wanted = broadcast_partner(draft, shape)
    if dtype in FLOATS:
        return draft.given(draft.floats(wanted, dtype))
    if dtype is DType.BOOL:
        return draft.given(draft.integers(wanted, 0, 2).astype(np.bool_))
    return draft.given(draft.integers(wanted, 1, 4, dtype))


def fit(draft: Draft, value: Value, shape: Sequence[int], dtype: DType) -> Value:
    """A value of this shape and type made from another one by casts and movements."""
    value = fit_shape(draft, value, tuple(shape))
    return fit_dtype(draft, value, dtype)


def fit_dtype(draft: Draft, value: Value, dtype: DType) -> Value:
    """The value as another type: floats become small non-negative integers, or whether they are positive."""
    found = dtype_of(value)
    if found is dtype:
        return value
    if dtype is DType.STRING or found is DType.STRING:
        raise RejectedError("strings stay strings")
    if dtype is DType.BOOL and found in FLOATS:
        return draft.one(Greater(), value, draft.scalar(0, value))
    if dtype.is_integer and found in FLOATS:
        value = draft.one(Floor(), draft.one(Abs(), value))
        value = draft.one(Clip(), value, None, draft.scalar(7, value))
    return draft.one(Cast(to=dtype), value)


def fit_shape(draft: Draft, value: Value, shape: tuple[int, ...]) -> Value:
    """The value moved into another shape."""
    found = draft.shape(value)
    if found == shape:
        return value
    if prod(found) == prod(shape):
        return draft.one(Reshape(), value, draft.ints(*shape))
    if prod(found) == 0:
        raise RejectedError("empty")
    if len(found) <= len(shape) and all(a in (1, b) for a, b in zip(found[::-1], shape[::-1], strict=False)):
        if draft.chance(0.5) or dtype_of(value) not in FLOATS:
            return draft.one(Expand(), value, draft.ints(*shape))
        return draft.one(Add(), value, draft.constant(draft.floats(shape, dtype_of(value))))
    if len(found) == len(shape):
        return _cut_and_pad(draft, value, shape)
    if dtype_of(value) in FLOATS and draft.chance(0.2):
        return draft.one(Expand(), draft.one(ReduceMean(keepdims=0), value), draft.ints(*shape))
    flat = draft.one(Reshape(), value, draft.ints(-1))
    return draft.one(Reshape(), _cut_and_pad(draft, flat, (prod(shape),)), draft.ints(*shape))


def _cut_and_pad(draft: Draft, value: Value, shape: tuple[int, ...]) -> Value:
    found = draft.shape(value)
    starts = [draft.between(0, max(0, a - b)) for a, b in zip(found, shape, strict=True)]
    ends = [start + b for start, b in zip(starts, shape, strict=True)]
    if any(a > b for a, b in zip(found, shape, strict=True)):
        value = draft.one(Slice(), value, draft.ints(*starts), draft.ints(*ends))
    found = draft.shape(value)
    if found == shape:
        return value
    if draft.chance(0.3):
        value = draft.one(Tile(), value, draft.ints(*(-(-b // a) for a, b in zip(found, shape, strict=True))))
        return draft.one(Slice(), value, draft.ints(*[0] * len(shape)), draft.ints(*shape))
    before = [draft.between(0, b - a) for a, b in zip(found, shape, strict=True)]
    after = [b - a - c for a, b, c in zip(found, shape, before, strict=True)]
    return draft.one(Pad(), value, draft.ints(*before, *after))


def scaled(draft: Draft, value: Value, factor: float) -> Value:
    """The value times a number."""
    return draft.one(Mul(), value, draft.scalar(factor, value))
