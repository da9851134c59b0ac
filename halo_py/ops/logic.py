"""Comparisons, Boolean and bit-wise logic, selection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from halo_py.ir.op import Sample, op
from halo_py.ops.sampling import booleans, floats, integers
from halo_py.ops.scalar_op import Elementwise
from halo_py.types import Dim, DType, LinearDim


class Comparison(Elementwise):
    """Two operands of one type, a Boolean result."""

    accepts = "numeric"
    result = DType.BOOL
    arity = 2


@op("equal", onnx="Equal", since=19, odla="odla_Equal")
class Equal(Comparison):
    """a = b."""

    accepts = "any"

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        a, b = dims
        if a == b:
            return 1
        if isinstance(a, int) and isinstance(b, int):
            return 0
        negative = any(isinstance(dim, int) and dim < 0 for dim in dims)
        return 0 if negative and any(_is_size(dim) for dim in dims) else None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (integers(0, 3, 7, low=0, high=3), integers(1, 3, 7, low=0, high=3)))
        yield Sample(cls(), (floats(2, 2, 3, 5), floats(2, 2, 3, 5)))
        yield Sample(cls(), (booleans(3, 4, 5), booleans(4, 5)))
        yield Sample(cls(), (integers(5, 4, 1, dtype=DType.INT64), np.asarray(2, np.int64)))
        yield Sample(cls(), (np.asarray(["a", "b"], object), np.asarray(["a", "c"], object)))


def _is_size(dim: Dim) -> bool:
    """Whether a symbolic dimension is surely not negative: no negative coefficient."""
    return isinstance(dim, LinearDim) and dim.constant >= 0 and all(factor > 0 for _, factor in dim.terms)


@op("greater", onnx="Greater", since=13, odla="odla_Greater")
class Greater(Comparison):
    """a > b."""


@op("less", onnx="Less", since=13, odla="odla_Less")
class Less(Comparison):
    """a < b."""


@op("greater_or_equal", onnx="GreaterOrEqual", since=16, odla="odla_GreaterOrEqual")
class GreaterOrEqual(Comparison):
    """a ≥ b."""


@op("less_or_equal", onnx="LessOrEqual", since=16, odla="odla_LessOrEqual")
class LessOrEqual(Comparison):
    """a ≤ b."""


class Boolean(Elementwise):
    """Two Boolean operands."""

    accepts = "bool"
    arity = 2


@op("not", onnx="Not", since=1, odla="odla_Not")
class Not(Elementwise):
    """Negation."""

    accepts = "bool"


@op("and", onnx="And", since=7, odla="odla_And")
class And(Boolean):
    """Both."""


@op("or", onnx="Or", since=7, odla="odla_Or")
class Or(Boolean):
    """At least one."""


@op("xor", onnx="Xor", since=7, odla="odla_Xor")
class Xor(Boolean):
    """Exactly one."""


class Bitwise(Elementwise):
    """Two integer operands."""

    accepts = "integer"
    arity = 2


@op("bitwise_not", onnx="BitwiseNot", since=18)
class BitwiseNot(Elementwise):
    """All bits flipped."""

    accepts = "integer"


@op("bitwise_and", onnx="BitwiseAnd", since=18)
class BitwiseAnd(Bitwise):
    """Bits set in both."""


@op("bitwise_or", onnx="BitwiseOr", since=18)
class BitwiseOr(Bitwise):
    """Bits set in one or both."""


@op("bitwise_xor", onnx="BitwiseXor", since=18)
class BitwiseXor(Bitwise):
    """Bits set in one of the two."""


@op("bit_shift", onnx="BitShift", since=28, odla="odla_Shift")
class BitShift(Bitwise):
    """Bits moved; a right shift of a signed type keeps the sign."""

    direction: Literal["LEFT", "RIGHT"]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        unsigned = DType.UINT32
        yield Sample(cls("LEFT"), (integers(0, 3, 5, low=0, dtype=unsigned), np.asarray(3, np.uint32)))
        yield Sample(
            cls("RIGHT"), (integers(1, 3, 5, low=0, high=99, dtype=unsigned), integers(2, 5, low=0, dtype=unsigned))
        )
        byte = DType.UINT8
        yield Sample(
            cls("LEFT"), (integers(3, 9, low=0, high=200, dtype=byte), integers(4, 9, low=0, high=9, dtype=byte))
        )


@op("is_nan", onnx="IsNaN", since=20, odla="odla_IsNaN")
class IsNaN(Elementwise):
    """Whether an element is not a number."""

    result = DType.BOOL

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        special = np.asarray([[1.0, np.nan, np.inf], [-np.inf, 0.0, np.nan]], np.float32)
        yield Sample(cls(), (special,))
        yield Sample(cls(), (special.astype(np.float16),))
        yield Sample(cls(), (np.asarray(np.nan, np.float32),))


@op("is_inf", onnx="IsInf", since=20, odla="odla_IsInf")
class IsInf(Elementwise):
    """Whether an element is one of the infinities asked for."""

    result = DType.BOOL

    detect_negative: int = 1
    detect_positive: int = 1

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        special = np.asarray([[1.0, np.nan, np.inf], [-np.inf, 0.0, np.inf]], np.float32)
        yield Sample(cls(), (special,))
        yield Sample(cls(detect_negative=0), (special,))
        yield Sample(cls(detect_positive=0), (special.astype(np.float16),))


@op("where", onnx="Where", since=16, odla="odla_Select")
class Where(Elementwise):
    """Elements of x where the condition holds, else of y; all three broadcast."""

    accepts = "bool"
    same_type_from = 1
    arity = 3

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        condition, x, y = dims
        if x == y:
            return x
        return (x if condition else y) if isinstance(condition, int) else None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (booleans(0, 3, 7), floats(1, 3, 7), floats(2, 3, 7)))
        yield Sample(cls(), (booleans(3, 5), floats(4, 2, 1, 5), floats(5, 3, 1)))
        half = DType.FLOAT16
        yield Sample(cls(), (booleans(6, 4, 1), floats(7, dtype=half), floats(8, 4, 6, dtype=half)), constant=(1,))
        yield Sample(cls(), (booleans(9, 6), integers(10, 6, dtype=DType.INT64), integers(11, 1, dtype=DType.INT64)))
        yield Sample(cls(), (booleans(12, 2), np.asarray(["a", "b"], object), np.asarray(["c"], object)))
