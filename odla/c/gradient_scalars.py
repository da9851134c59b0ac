"""Gradient rules of ops that work element by element; see `gradient_rules`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from halo_py.ops import activation as act
from halo_py.ops import elementwise as ew
from halo_py.ops import logic
from odla.c.gradient_rules import RULES, Gradients, given, minus, operand_of, reduced_to, rule, times
from odla.c.operators.emit import Emit, Node, dtype_of

if TYPE_CHECKING:
    from halo_py.ir.graph import Node as GraphNode
    from halo_py.ir.op import Op


Derivative = Callable[[Emit, Node, Node, "Op"], Node]
"""Of (emit, x, y = f(x), op): f'(x)."""


def _unary(kind: str, derivative: Derivative) -> None:
    def apply(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
        x = operand_of(node)
        return (times(emit, given(gradients), derivative(emit, x, node.outputs[0], node.op)),)

    RULES[kind] = apply


def _square(emit: Emit, x: Node) -> Node:
    return emit.add(ew.Mul(), x, x)


def _where(emit: Emit, condition: Node, yes: Node, no: Node) -> Node:
    return emit.add(logic.Where(), condition, yes, no)


def _positive(emit: Emit, x: Node) -> Node:
    return emit.add(logic.Greater(), x, emit.like(0, x))


def _gelu_slope(emit: Emit, x: Node, _y: Node, op: Op) -> Node:
    gelu = cast("act.Gelu", op)
    half, one = emit.like(0.5, x), emit.like(1, x)
    if gelu.approximate == "none":
        bell = emit.add(ew.Exp(), times(emit, emit.like(-0.5, x), x, x))
        cumulated = emit.add(ew.Add(), one, emit.add(ew.Erf(), times(emit, emit.like(math.sqrt(0.5), x), x)))
        return emit.add(
            ew.Add(), times(emit, half, cumulated), times(emit, emit.like(1 / math.sqrt(2 * math.pi), x), x, bell)
        )
    scale, cubic = emit.like(math.sqrt(2 / math.pi), x), emit.like(0.044715, x)
    square = _square(emit, x)
    inner = times(emit, scale, x, emit.add(ew.Add(), one, times(emit, cubic, square)))
    bent = emit.add(ew.Tanh(), inner)
    slope = times(emit, scale, emit.add(ew.Add(), one, times(emit, emit.like(3, x), cubic, square)))
    steep = times(emit, half, x, minus(emit, one, _square(emit, bent)), slope)
    return emit.add(ew.Add(), times(emit, half, emit.add(ew.Add(), one, bent)), steep)


def _leaky_slope(emit: Emit, x: Node, _y: Node, op: Op) -> Node:
    return _where(emit, _positive(emit, x), emit.like(1, x), emit.like(cast("act.LeakyRelu", op).alpha, x))


def _elu_slope(emit: Emit, x: Node, y: Node, op: Op) -> Node:
    below = emit.add(ew.Add(), y, emit.like(cast("act.Elu", op).alpha, x))
    return _where(emit, _positive(emit, x), emit.like(1, x), below)


_unary("neg", lambda emit, x, _y, _op: emit.like(-1, x))
_unary("exp", lambda _emit, _x, y, _op: y)
_unary("log", lambda emit, x, _y, _op: emit.add(ew.Reciprocal(), x))
_unary("sqrt", lambda emit, x, y, _op: emit.add(ew.Div(), emit.like(0.5, x), y))
_unary("reciprocal", lambda emit, _x, y, _op: emit.add(ew.Neg(), _square(emit, y)))
_unary("abs", lambda emit, x, _y, _op: emit.add(ew.Sign(), x))
_unary("sin", lambda emit, x, _y, _op: emit.add(ew.Cos(), x))
_unary("cos", lambda emit, x, _y, _op: emit.add(ew.Neg(), emit.add(ew.Sin(), x)))
_unary("tanh", lambda emit, x, y, _op: minus(emit, emit.like(1, x), _square(emit, y)))
_unary("sigmoid", lambda emit, x, y, _op: times(emit, y, minus(emit, emit.like(1, x), y)))
_unary("softplus", lambda emit, x, _y, _op: emit.add(act.Sigmoid(), x))
_unary("relu", lambda emit, x, _y, _op: emit.cast(_positive(emit, x), dtype_of(x)))
_unary("leaky_relu", _leaky_slope)
_unary("elu", _elu_slope)
_unary("gelu", _gelu_slope)
_unary(
    "erf",
    lambda emit, x, _y, _op: times(
        emit, emit.like(2 / math.sqrt(math.pi), x), emit.add(ew.Exp(), emit.add(ew.Neg(), _square(emit, x)))
    ),
)


@rule("add")
def _add(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    g = given(gradients)
    return tuple(reduced_to(emit, g, operand_of(node, index)) for index in range(2))


@rule("sub")
def _sub(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    g = given(gradients)
    return reduced_to(emit, g, operand_of(node)), reduced_to(emit, emit.add(ew.Neg(), g), operand_of(node, 1))


@rule("mul")
def _mul(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    g, a, b = given(gradients), operand_of(node), operand_of(node, 1)
    return reduced_to(emit, times(emit, g, b), a), reduced_to(emit, times(emit, g, a), b)


@rule("div")
def _div(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    g, a, b = given(gradients), operand_of(node), operand_of(node, 1)
    over = emit.add(ew.Div(), g, b)
    return reduced_to(emit, over, a), reduced_to(emit, emit.add(ew.Neg(), times(emit, over, node.outputs[0])), b)


@rule("pow")
def _pow(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    g, a, b = given(gradients), operand_of(node), emit.cast(operand_of(node, 1), dtype_of(operand_of(node)))
    lowered = emit.add(ew.Pow(), a, minus(emit, b, emit.like(1, b)))
    positive = _positive(emit, a)
    safe = _where(emit, positive, a, emit.like(1, a))
    slope = _where(emit, positive, times(emit, node.outputs[0], emit.add(ew.Log(), safe)), emit.like(0, a))
    return reduced_to(emit, times(emit, g, b, lowered), a), reduced_to(emit, times(emit, g, slope), b)


@rule("max", "min")
def _extreme(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    g, y = given(gradients), node.outputs[0]
    found: list[Node] = []
    for index in range(len(node.inputs)):
        x = operand_of(node, index)
        chosen = emit.cast(emit.add(logic.Equal(), x, y), dtype_of(x))
        found.append(reduced_to(emit, times(emit, g, chosen), x))
    return found


@rule("where")
def _select(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    g, condition = given(gradients), operand_of(node)
    zero = emit.like(0, g)
    return (
        None,
        reduced_to(emit, _where(emit, condition, g, zero), operand_of(node, 1)),
        reduced_to(emit, _where(emit, condition, zero, g), operand_of(node, 2)),
    )


@rule("cast")
def _cast(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    return (emit.cast(given(gradients), dtype_of(operand_of(node))),)


@rule("clip")
def _clip(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    x = operand_of(node)
    kept = emit.cast(emit.add(logic.Equal(), x, node.outputs[0]), dtype_of(x))
    return (times(emit, given(gradients), kept),)
