"""Spelled-out forms of activations and normalisations, which passes recognise, and near misses of them."""

from __future__ import annotations

from halo_py.ir.graph import Value
from halo_py.ops.activation import HardSigmoid, Relu, Sigmoid, Softplus
from halo_py.ops.contraction import MatMul
from halo_py.ops.elementwise import Add, Clip, Div, Erf, Exp, Log, Mul, Neg, Pow, Reciprocal, Sqrt, Sub, Tanh
from halo_py.ops.movement import Transpose
from halo_py.ops.reduction import ReduceMax, ReduceMean, ReduceSum
from halo_py.types import DType
from tests.fuzz.draft import Draft
from tests.fuzz.templates.base import scaled, template


def _swapped(draft: Draft, op: Add | Mul, left: Value, right: Value) -> Value:
    return draft.one(op, left, right) if draft.chance(0.5) else draft.one(op, right, left)


@template("patterns", 1.5)
def activations(draft: Draft) -> None:
    """GELU in both forms, Swish, HardSwish, Mish, Softplus, sigmoid by exponentials."""
    x = draft.pick_float(dtype=DType.FLOAT32)
    one = draft.scalar(draft.choose((1.0, 1.0, 1.0, 1.5)), x)
    match draft.below(7):
        case 0:
            inner = draft.one(Div(), x, draft.scalar(2**0.5, x)) if draft.chance(0.5) else scaled(draft, x, 0.5**0.5)
            grown = _swapped(draft, Add(), draft.one(Erf(), inner), one)
            if draft.chance(0.5):
                scaled(draft, _swapped(draft, Mul(), x, grown), 0.5)
            else:
                _swapped(draft, Mul(), scaled(draft, x, 0.5), grown)
        case 1:
            cube = draft.one(Pow(), x, draft.scalar(3.0, x))
            inner = scaled(draft, _swapped(draft, Add(), x, scaled(draft, cube, 0.044715)), 0.7978845608)
            scaled(draft, _swapped(draft, Mul(), x, _swapped(draft, Add(), draft.one(Tanh(), inner), one)), 0.5)
        case 2:
            _swapped(draft, Mul(), x, draft.one(Sigmoid(), x if draft.chance(0.7) else scaled(draft, x, 1.702)))
        case 3:
            three = draft.one(Add(), x, draft.scalar(3.0, x))
            six = draft.one(Clip(), three, draft.scalar(0.0, x), draft.scalar(draft.choose((6.0, 6.0, 5.0)), x))
            draft.one(Div(), _swapped(draft, Mul(), x, six), draft.scalar(6.0, x))
        case 4:
            _swapped(draft, Mul(), x, draft.one(Tanh(), draft.one(Softplus(), x)))
        case 5:
            draft.one(Log(), _swapped(draft, Add(), draft.one(Exp(), x), one))
        case _:
            _swapped(draft, Mul(), x, draft.one(HardSigmoid(1 / 6, 0.5), x))


@template("patterns", 1.5)
def normalisations(draft: Draft) -> None:
    """Layer normalisation, RMS normalisation and Softmax, spelled out."""
    x = draft.pick_float(1, dtype=DType.FLOAT32)
    rank = len(draft.shape(x))
    axes = draft.ints(-1 if draft.chance(0.7) else draft.below(rank))
    match draft.below(3):
        case 0:
            away = draft.one(Sub(), x, draft.one(ReduceMean(), x, axes))
            squared = (
                draft.one(Pow(), away, draft.scalar(2.0, x)) if draft.chance(0.5) else draft.one(Mul(), away, away)
            )
            variance = draft.one(ReduceMean(), squared, axes)
            root = draft.one(Sqrt(), draft.one(Add(), variance, draft.scalar(1e-2, x)))
            result = draft.one(Div(), away, root)
        case 1:
            mean = draft.one(ReduceMean(), draft.one(Mul(), x, x), axes)
            root = draft.one(Sqrt(), draft.one(Add(), mean, draft.scalar(1e-2, x)))
            result = draft.one(Mul(), x, draft.one(Reciprocal(), root))
        case _:
            away = draft.one(Sub(), x, draft.one(ReduceMax(), x, axes)) if draft.chance(0.6) else x
            power = draft.one(Exp(), away)
            result = draft.one(Div(), power, draft.one(ReduceSum(), power, axes))
    if draft.chance(0.6):
        size = draft.shape(x)[-1]
        result = _swapped(draft, Mul(), result, draft.constant(draft.positive((size,))))
        if draft.chance(0.7):
            _swapped(draft, Add(), result, draft.constant(draft.floats((size,))))


@template("patterns", 1.5)
def turned_products(draft: Draft) -> None:
    """Transposes around products and element-wise ops, which a compiler moves and cancels."""
    x = draft.pick_float(2, 4, dtype=DType.FLOAT32)
    rank = len(draft.shape(x))
    swap = (*range(rank - 2), rank - 1, rank - 2)
    turned = draft.one(Transpose(swap), x)
    if draft.chance(0.5):
        turned = draft.one(draft.choose((Relu(), Neg(), Tanh())), turned)
    if draft.chance(0.4):
        turned = draft.one(Add(), turned, draft.constant(draft.floats((draft.shape(turned)[-1],))))
    if draft.chance(0.6):
        inner = draft.shape(turned)[-1]
        weights = draft.constant(draft.floats((inner, draft.between(1, 5)), scale=inner**-0.5))
        turned = draft.one(MatMul(), turned, weights)
    draft.one(Transpose(swap), turned)


@template("patterns")
def affine_chain(draft: Draft) -> None:
    """Several factors and addends after each other, scalars and per channel: neutral ones too."""
    x = draft.pick_float(1, dtype=DType.FLOAT32)
    for _ in range(draft.between(2, 4)):
        like = draft.shape(x)[-1:] if draft.chance(0.5) else ()
        number = draft.constant(draft.positive(like)) if draft.chance(0.7) else None
        match draft.below(4):
            case 0:
                x = _swapped(draft, Mul(), x, number or draft.scalar(1.0, x))
            case 1:
                x = _swapped(draft, Add(), x, number or draft.scalar(0.0, x))
            case 2:
                x = draft.one(Div(), x, number or draft.scalar(1.0, x))
            case _:
                x = draft.one(Sub(), x, number or draft.scalar(0.0, x))
