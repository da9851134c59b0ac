"""Arithmetic, comparison and logic, element by element (ODLA/ops/odla_ops_math.h)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from halo_py.errors import UsageError
from halo_py.ops import elementwise as ew
from halo_py.ops import logic
from odla.c.operators.emit import Emit, Node, dtype_of, operator

if TYPE_CHECKING:
    from halo_py.ir.op import Op
    from odla.c.operators.emit import Dims

UNARY: dict[str, Op] = {
    "odla_Abs": ew.Abs(),
    "odla_ACos": ew.Acos(),
    "odla_ACosh": ew.Acosh(),
    "odla_ASin": ew.Asin(),
    "odla_ASinh": ew.Asinh(),
    "odla_ATan": ew.Atan(),
    "odla_ATanh": ew.Atanh(),
    "odla_Ceil": ew.Ceil(),
    "odla_Cos": ew.Cos(),
    "odla_Cosh": ew.Cosh(),
    "odla_Erf": ew.Erf(),
    "odla_Exp": ew.Exp(),
    "odla_Floor": ew.Floor(),
    "odla_IsNaN": logic.IsNaN(),
    "odla_Log": ew.Log(),
    "odla_Neg": ew.Neg(),
    "odla_Not": logic.Not(),
    "odla_Reciprocal": ew.Reciprocal(),
    "odla_Sign": ew.Sign(),
    "odla_Sin": ew.Sin(),
    "odla_Sinh": ew.Sinh(),
    "odla_Sqrt": ew.Sqrt(),
    "odla_Tan": ew.Tan(),
    "odla_Tanh": ew.Tanh(),
}
"""Functions of one operand that are one op."""

BINARY: dict[str, Op] = {
    "odla_Add": ew.Add(),
    "odla_And": logic.And(),
    "odla_Div": ew.Div(),
    "odla_Equal": logic.Equal(),
    "odla_Greater": logic.Greater(),
    "odla_GreaterOrEqual": logic.GreaterOrEqual(),
    "odla_Less": logic.Less(),
    "odla_LessOrEqual": logic.LessOrEqual(),
    "odla_Max": ew.Max(),
    "odla_Min": ew.Min(),
    "odla_Mul": ew.Mul(),
    "odla_Or": logic.Or(),
    "odla_Pow": ew.Pow(),
    "odla_Sub": ew.Sub(),
    "odla_Xor": logic.Xor(),
}
"""Functions of two operands that are one op."""


def _unary(op: Op, emit: Emit, x: Node) -> Node:
    return emit.add(op, x)


def _binary(op: Op, emit: Emit, lhs: Node, rhs: Node) -> Node:
    return emit.add(op, lhs, rhs)


for _name, _op in UNARY.items():
    operator(_name)(partial(_unary, _op))
for _name, _op in BINARY.items():
    operator(_name)(partial(_binary, _op))


@operator("odla_NotEqual")
def not_equal(emit: Emit, lhs: Node, rhs: Node) -> Node:
    """Whether elements differ."""
    return emit.add(logic.Not(), emit.add(logic.Equal(), lhs, rhs))


@operator("odla_Clamp")
def clamp(emit: Emit, x: Node, lo: float, hi: float) -> Node:
    """Limit to [lo, hi]."""
    return emit.add(ew.Clip(), x, emit.like(lo, x), emit.like(hi, x))


@operator("odla_IsInf")
def is_inf(emit: Emit, x: Node, detect_pos: bool, detect_neg: bool) -> Node:
    """Whether an element is one of the infinities asked for."""
    return emit.add(logic.IsInf(detect_negative=int(detect_neg), detect_positive=int(detect_pos)), x)


@operator("odla_Mean")
def mean(emit: Emit, inputs: tuple[Node, ...]) -> Node:
    """The mean of the inputs."""
    if not inputs:
        raise UsageError("inputs is empty")
    return emit.add(ew.Mean(), *inputs)


@operator("odla_Mod")
def mod(emit: Emit, lhs: Node, rhs: Node, fmod: int) -> Node:
    """Remainder with the sign of the divisor (fmod 0) or of the dividend; floats take the dividend's."""
    keeps = int(bool(fmod) or dtype_of(lhs).is_float)
    return emit.add(ew.Mod(fmod=keeps), lhs, rhs)


@operator("odla_Round")
def round_away(emit: Emit, x: Node) -> Node:
    """The nearest integer; halves go away from zero."""
    size = emit.add(ew.Abs(), x)
    below = emit.add(ew.Floor(), size)
    up = emit.add(logic.GreaterOrEqual(), emit.add(ew.Sub(), size, below), emit.like(0.5, x))
    nearest = emit.add(ew.Add(), below, emit.cast(up, dtype_of(x)))
    return emit.add(ew.Mul(), emit.add(ew.Sign(), x), nearest)


@operator("odla_Rsqrt")
def rsqrt(emit: Emit, x: Node) -> Node:
    """1 / sqrt(x)."""
    return emit.add(ew.Reciprocal(), emit.add(ew.Sqrt(), x))


@operator("odla_SquaredDifference")
def squared_difference(emit: Emit, lhs: Node, rhs: Node) -> Node:
    """(lhs - rhs) squared."""
    difference = emit.add(ew.Sub(), lhs, rhs)
    return emit.add(ew.Mul(), difference, difference)


@operator("odla_Select")
def select(emit: Emit, condition: Node, a: Node, b: Node, output_dims: Dims | None) -> Node:
    """Elements of a where the condition holds, of b elsewhere."""
    return emit.add(logic.Where(), condition, a, b)


@operator("odla_Shift")
def shift(emit: Emit, x: Node, shift_amount: Node, is_left_shift: bool) -> Node:
    """Bits moved to the left or to the right."""
    amount = emit.cast(shift_amount, dtype_of(x))
    return emit.add(logic.BitShift("LEFT" if is_left_shift else "RIGHT"), x, amount)
