"""Element-wise templates: arithmetic with broadcasting, functions inside their domains, logic, casts."""

from __future__ import annotations

import numpy as np

from halo_py.ir.graph import Value
from halo_py.ir.op import Op
from halo_py.ops import activation as act
from halo_py.ops import elementwise as ew
from halo_py.ops import logic
from halo_py.ops.conversion import Cast, CastLike
from halo_py.types import DType
from tests.fuzz.draft import FLOATS, Draft, dtype_of, is_of
from tests.fuzz.templates.base import fit_dtype, other_operand, scaled, template

INTEGERS = (DType.INT64, DType.INT32, DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.UINT32, DType.UINT64)
ANYWHERE: tuple[Op, ...] = (
    *(ew.Abs(), ew.Neg(), ew.Exp(), ew.Sin(), ew.Cos(), ew.Atan(), ew.Sinh(), ew.Tanh(), ew.Asinh(), ew.Erf()),
    *(ew.Ceil(), ew.Floor(), ew.Round(), ew.Sign(), act.Relu(), act.Selu(), act.Sigmoid(), act.HardSwish()),
    *(act.Softplus(), act.Softsign(), act.Mish(), act.Gelu(), act.Gelu(approximate="tanh")),
)
"""Functions of any number."""


def _with_alpha(draft: Draft) -> Op:
    alpha = draft.choose((0.1, 0.5, 1.0, 1.75))
    return draft.choose(
        (
            act.LeakyRelu(alpha),
            act.Elu(alpha),
            act.Celu(alpha),
            act.Swish(alpha),
            act.HardSigmoid(alpha / 4, 0.4),
            act.ThresholdedRelu(alpha),
            act.Shrink(alpha / 2, alpha),
            act.Selu(alpha, 1.05),
        )
    )


@template("elementwise", 3)
def unary(draft: Draft) -> None:
    """A function of any number."""
    draft.one(_with_alpha(draft) if draft.chance(0.3) else draft.choose(ANYWHERE), draft.pick_float())


@template("elementwise")
def inside_domain(draft: Draft) -> None:
    """A function that needs its operand in a range, after an op that brings it there."""
    value = draft.pick_float()
    match draft.choose(("positive", "unit", "above one", "open")):
        case "positive":
            value = draft.one(ew.Add(), draft.one(ew.Abs(), value), draft.scalar(0.5, value))
            draft.one(draft.choose((ew.Sqrt(), ew.Log(), ew.Reciprocal(), ew.Acosh())), value)
        case "unit":
            value = draft.one(ew.Clip(), value, draft.scalar(-0.9, value), draft.scalar(0.9, value))
            draft.one(draft.choose((ew.Asin(), ew.Acos(), ew.Atanh(), ew.Tan())), value)
        case "above one":
            value = draft.one(ew.Add(), draft.one(ew.Mul(), value, value), draft.scalar(1.25, value))
            draft.one(draft.choose((ew.Acosh(), ew.Log(), ew.Sqrt())), value)
        case _:
            draft.one(draft.choose((ew.Cosh(), ew.Exp())), scaled(draft, value, 0.25))


@template("elementwise", 4)
def arithmetic(draft: Draft) -> None:
    """Two operands that broadcast."""
    value = draft.pick_float()
    other = other_operand(draft, value)
    pair = (value, other) if draft.chance(0.5) else (other, value)
    op = draft.choose((ew.Add(), ew.Sub(), ew.Mul(), ew.Add(), ew.Mul(), ew.Max(), ew.Min(), ew.Mod(fmod=1)))
    draft.one(op, *pair)


@template("elementwise")
def division(draft: Draft) -> None:
    """Divisors and bases that are not near zero."""
    value = draft.pick_float()
    dtype = dtype_of(value)
    shape = draft.shape(other_operand(draft, value))
    match draft.below(3):
        case 0:
            draft.one(ew.Div(), value, draft.given(draft.positive(shape, dtype)))
        case 1:
            bottom = draft.one(ew.Add(), draft.one(ew.Abs(), value), draft.scalar(0.75, value))
            draft.one(ew.Div(), other_operand(draft, value), bottom)
        case _:
            base = draft.one(ew.Add(), draft.one(ew.Abs(), value), draft.scalar(0.5, value))
            exponent = draft.choose((0.5, -1.0, 2.0, 3.0, 1.5))
            draft.one(ew.Pow(), base, draft.given(np.asarray(exponent).astype(dtype.numpy)))


@template("elementwise")
def several(draft: Draft) -> None:
    """Ops of several operands."""
    value = draft.pick_float()
    operands = [value, *(other_operand(draft, value) for _ in range(draft.between(0, 3)))]
    draft.random.shuffle(operands)
    draft.one(draft.choose((ew.Sum(), ew.Mean(), ew.Max(), ew.Min())), *operands)


@template("elementwise")
def selecting(draft: Draft) -> None:
    """Where, Clip and PRelu."""
    value = draft.pick_float()
    match draft.below(4):
        case 0:
            condition = comparison_of(draft, value)
            pair = [value, other_operand(draft, value)]
            draft.random.shuffle(pair)
            draft.one(logic.Where(), condition, *pair)
        case 1:
            low = draft.scalar(-0.5, value) if draft.chance(0.7) else None
            high = draft.scalar(0.75, value) if draft.chance(0.7) else None
            draft.one(ew.Clip(), value, low, high)
        case 2:
            condition = fit_dtype(draft, other_operand(draft, value), DType.BOOL)
            draft.one(logic.Where(), condition, value, draft.scalar(draft.choose((0.0, -1.5, 2.0)), value))
        case _:
            slope = draft.floats([1 if draft.chance(0.5) else n for n in draft.shape(value)], dtype_of(value))
            draft.one(act.PRelu(), value, draft.given(slope))


def comparison_of(draft: Draft, value: Value) -> Value:
    """Booleans from comparing a value."""
    ops = (logic.Greater(), logic.Less(), logic.GreaterOrEqual(), logic.LessOrEqual(), logic.Equal())
    other = draft.scalar(0.25, value) if draft.chance(0.4) else other_operand(draft, value)
    return draft.one(draft.choose(ops), value, other)


@template("integer", 1.5)
def comparing(draft: Draft) -> None:
    """Comparisons of floats or integers."""
    comparison_of(draft, draft.pick_float() if draft.chance(0.6) else pick_integers(draft))


@template("integer")
def logical(draft: Draft) -> None:
    """Booleans combined."""
    value = draft.pick(is_of(DType.BOOL))
    if draft.chance(0.25):
        draft.one(logic.Not(), value)
        return
    draft.one(draft.choose((logic.And(), logic.Or(), logic.Xor(), logic.Equal())), value, other_operand(draft, value))


def pick_integers(draft: Draft) -> Value:
    """An integer tensor; a new one if there is none."""
    if draft.chance(0.8):
        fitting = [value for value in draft.pool if is_of(*INTEGERS)(value) and draft.array(value).size]
        if fitting:
            return draft.choose(fitting[-6:])
    dtype = draft.choose(INTEGERS[: 4 if draft.chance(0.8) else 8])
    return draft.input(draft.integers([draft.between(1, 5) for _ in range(draft.below(4))], 0, 9, dtype))


@template("integer", 2)
def integer_arithmetic(draft: Draft) -> None:
    """Integers with integers: exact on every device."""
    value = pick_integers(draft)
    signed = dtype_of(value).is_signed
    match draft.below(6):
        case 0:
            draft.one(draft.choose((ew.Add(), ew.Sub(), ew.Mul())), value, other_operand(draft, value))
        case 1:
            divisor = draft.integers(draft.shape(value), 1, 5, dtype_of(value))
            op = draft.choose((ew.Div(), ew.Mod(), ew.Mod(fmod=1)))
            draft.one(op, value, draft.given(divisor * draft.choose((1, -1)) if signed else divisor))
        case 2:
            draft.one(draft.choose((ew.Max(), ew.Min())), value, other_operand(draft, value))
        case 3:
            ops = (logic.BitwiseAnd(), logic.BitwiseOr(), logic.BitwiseXor())
            draft.one(draft.choose(ops), value, other_operand(draft, value))
        case 4:
            draft.one(
                draft.choose((ew.Abs(), ew.Neg(), ew.Sign(), logic.BitwiseNot()) if signed else (ew.Abs(),)), value
            )
        case _:
            low, high = draft.scalar(1, value), draft.scalar(5, value)
            draft.one(ew.Clip(), value, low if draft.chance(0.7) else None, high)


@template("integer", 0.5)
def shifting(draft: Draft) -> None:
    """Shifts of unsigned integers."""
    value = draft.pick(is_of(DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64))
    by = draft.given(draft.integers(draft.shape(value), 0, 4, dtype_of(value)))
    draft.one(logic.BitShift(direction="LEFT" if draft.chance(0.5) else "RIGHT"), value, by)


@template("cast", 1.5)
def casting(draft: Draft) -> None:
    """Between floats, integers and booleans; floats become integers after rounding."""
    value = draft.pick(is_of(*FLOATS, *INTEGERS, DType.BOOL))
    found = dtype_of(value)
    wanted = draft.choose((*FLOATS, *INTEGERS, DType.BOOL, DType.FLOAT32, DType.FLOAT32))
    if found in FLOATS and wanted not in FLOATS:
        value = draft.one(draft.choose((ew.Round(), ew.Floor(), ew.Ceil())), value)
        low = -100 if wanted.is_signed else 0
        value = draft.one(ew.Clip(), value, draft.scalar(low, value), draft.scalar(100, value))
    if draft.chance(0.25):
        draft.one(CastLike(), value, draft.constant(np.zeros(1, wanted.numpy)))
    else:
        draft.one(Cast(to=wanted), value)


@template("cast", 1.5)
def back_to_float(draft: Draft) -> None:
    """Integers, booleans and other floats as float32 (graphs would become all integers otherwise)."""
    value = draft.pick(is_of(*INTEGERS, DType.BOOL, DType.FLOAT16, DType.FLOAT64, DType.BFLOAT16))
    draft.one(Cast(to=DType.FLOAT32), value)
