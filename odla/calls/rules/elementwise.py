"""Element-wise ops as ODLA calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_py.ops import elementwise as ew
from halo_py.ops import logic
from halo_py.ops.activation import (
    Celu,
    Elu,
    Gelu,
    HardSigmoid,
    LeakyRelu,
    Selu,
    Shrink,
    Sigmoid,
    Softplus,
    SwiGLU,
    Swish,
    ThresholdedRelu,
)
from halo_py.ops.conversion import Cast
from halo_py.ops.logic import BitShift, IsInf
from halo_py.types import DType
from odla.calls.emit import (
    MOST_VALUES,
    Emit,
    NotInOdlaError,
    dims,
    dtype_of,
    element,
    operand,
    optional,
    rule,
    shape_of,
)
from odla.calls.model import Argument

if TYPE_CHECKING:
    from halo_py.ir.graph import Node

_PLAIN = {
    "abs": "Abs", "acos": "ACos", "acosh": "ACosh", "asin": "ASin", "asinh": "ASinh", "atan": "ATan",
    "atanh": "ATanh", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh", "erf": "Erf", "exp": "Exp", "floor": "Floor",
    "log": "Log", "neg": "Neg", "not": "Not", "reciprocal": "Reciprocal", "sign": "Sign",
    "sin": "Sin", "sinh": "Sinh", "sqrt": "Sqrt", "tan": "Tan", "tanh": "Tanh", "relu": "Relu",
    "sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign", "is_nan": "IsNaN",
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "and": "And", "or": "Or", "xor": "Xor",
    "equal": "Equal", "greater": "Greater", "less": "Less", "greater_or_equal": "GreaterOrEqual",
    "less_or_equal": "LessOrEqual", "prelu": "PRelu", "inverse": "Inverse", "hard_swish": "HardSwish",
}  # fmt: skip
"""Ops whose function takes the operands and nothing else."""


@rule(*_PLAIN)
def plain(emit: Emit, node: Node) -> None:
    """A function of the operands alone."""
    operands = [operand(node, number) for number in range(len(node.inputs))]
    emit.call(f"odla_{_PLAIN[node.op.kind]}", operands, node.outputs[0])


_VARIADIC = {"max": "odla_Max", "min": "odla_Min", "sum": "odla_Add"}


@rule(*_VARIADIC)
def variadic(emit: Emit, node: Node) -> None:
    """Two at a time."""
    function = _VARIADIC[node.op.kind]
    found = operand(node, 0)
    if len(node.inputs) == 1:
        emit.call("odla_Reshape", (found, dims(node.outputs[0])), node.outputs[0])
    for number in range(1, len(node.inputs)):
        other = operand(node, number)
        last = number == len(node.inputs) - 1
        shape = np.broadcast_shapes(shape_of(found), shape_of(other))
        made = node.outputs[0] if last else emit.value(dtype_of(found), shape, node.name)
        found = emit.call(function, (found, other), made)


@rule("mean")
def mean(emit: Emit, node: Node) -> None:
    """All operands at once."""
    operands = tuple(operand(node, number) for number in range(len(node.inputs)))
    if len(operands) > MOST_VALUES:
        raise NotInOdlaError(f"a mean of more than {MOST_VALUES} values")
    emit.call("odla_Mean", (operands,), node.outputs[0])


@rule("leaky_relu", "elu", "celu", "selu", "hard_sigmoid", "thresholded_relu", "shrink", "gelu", "is_inf", "mod")
def with_parameters(emit: Emit, node: Node) -> None:
    """A function of the operands and the attributes."""
    parameters: tuple[Argument, ...]
    match node.op:
        case LeakyRelu(alpha=alpha):
            function, parameters = "LeakyRelu", (alpha,)
        case Elu(alpha=alpha):
            function, parameters = "Elu", (alpha,)
        case Celu(alpha=alpha):
            function, parameters = "Celu", (alpha,)
        case Selu(alpha=alpha, gamma=gamma):
            function, parameters = "Selu", (alpha, gamma)
        case HardSigmoid(alpha=alpha, beta=beta):
            function, parameters = "HardSigmoid", (alpha, beta)
        case ThresholdedRelu(alpha=alpha):
            function, parameters = "ThresholdedRelu", (alpha,)
        case Shrink(bias=bias, lambd=lambd):
            function, parameters = "Shrink", (bias, lambd)
        case Gelu(approximate=approximate):
            function, parameters = "Gelu", (approximate == "tanh",)
        case IsInf() as op:
            function, parameters = "IsInf", (bool(op.detect_positive), bool(op.detect_negative))
        case ew.Mod(fmod=fmod):
            function, parameters = "Mod", (int(fmod),)
        case _:
            raise NotInOdlaError("no function takes these attributes")
    operands = [operand(node, number) for number in range(len(node.inputs))]
    emit.call(f"odla_{function}", (*operands, *parameters), node.outputs[0])


@rule("clip")
def clip(emit: Emit, node: Node) -> None:
    """Bounds that are known floats are odla_Clamp's; others go through odla_Max and odla_Min."""
    x, made = operand(node, 0), node.outputs[0]
    given = [optional(node, number) for number in (1, 2)]
    if dtype_of(x) in (DType.FLOAT32, DType.FLOAT16) and all(bound is None or bound in emit.known for bound in given):
        bounds = [float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)]
        for number, bound in enumerate(given):
            if bound is not None:
                bounds[number] = float(emit.contents(bound, "a bound").astype(np.float32).reshape(()))
        emit.call("odla_Clamp", (x, *bounds), made)
        return
    for bound, op in zip(given, (ew.Max(), ew.Min()), strict=True):
        x = x if bound is None else emit.one(op, x, emit.reshaped(bound, ()))
    emit.become(made, x)


@rule("round")
def rounded(emit: Emit, node: Node) -> None:
    """Halves go to the even neighbour (those of odla_Round go away from zero)."""
    x, dtype = operand(node, 0), dtype_of(operand(node, 0))
    below = emit.one(ew.Floor(), x)
    rest, half = emit.one(ew.Sub(), x, below), emit.number(0.5, dtype)
    odd = emit.one(ew.Mod(fmod=1), emit.one(ew.Abs(), below), emit.number(2, dtype))
    tie = emit.one(logic.And(), emit.one(logic.Equal(), rest, half), emit.one(Cast(to=DType.BOOL), odd))
    up = emit.one(logic.Or(), emit.one(logic.Greater(), rest, half), tie)
    emit.into(node.outputs[0], ew.Add(), below, emit.one(Cast(to=dtype), up))


@rule("mish")
def mish(emit: Emit, node: Node) -> None:
    """The operand times tanh(softplus(x))."""
    x = operand(node, 0)
    emit.into(node.outputs[0], ew.Mul(), x, emit.one(ew.Tanh(), emit.one(Softplus(), x)))


@rule("swiglu")
def gated(emit: Emit, node: Node) -> None:
    """A gate's swish times a value."""
    assert isinstance(node.op, SwiGLU)
    swished = emit.one(Swish(alpha=node.op.alpha), operand(node, 0))
    emit.into(node.outputs[0], ew.Mul(), swished, operand(node, 1))


@rule("bit_shift")
def shift(emit: Emit, node: Node) -> None:
    """By as many bits as another value says."""
    assert isinstance(node.op, BitShift)
    emit.call("odla_Shift", (operand(node, 0), operand(node, 1), node.op.direction == "LEFT"), node.outputs[0])


@rule("cast", "cast_like")
def cast(emit: Emit, node: Node) -> None:
    """Another element type."""
    made = node.outputs[0]
    emit.call("odla_Cast", (operand(node, 0), element(dtype_of(made))), made)


@rule("where")
def select(emit: Emit, node: Node) -> None:
    """One of two values."""
    operands = [operand(node, number) for number in range(3)]
    emit.call("odla_Select", (*operands, dims(node.outputs[0])), node.outputs[0])


@rule("swish")
def swish(emit: Emit, node: Node) -> None:
    """The operand times sigmoid(alpha x)."""
    assert isinstance(node.op, Swish)
    x, alpha = operand(node, 0), node.op.alpha
    if alpha == 1.0:
        emit.call("odla_Swish", (x,), node.outputs[0])
        return
    scaled = emit.one(ew.Mul(), x, emit.number(alpha, dtype_of(x)))
    emit.into(node.outputs[0], ew.Mul(), x, emit.one(Sigmoid(), scaled))
