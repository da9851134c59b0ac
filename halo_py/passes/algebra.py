"""Rules of arithmetic that change no value."""

from __future__ import annotations

import math

import numpy as np

from halo_py.ir.graph import Node, Value
from halo_py.ir.pattern import onnx_op
from halo_py.ir.rewrite import Rewriter, Rule, kind_of
from halo_py.types import DType, TensorType

_FLOAT_FORMAT: dict[DType, tuple[int, int]] = {
    DType.FLOAT64: (53, 11),
    DType.FLOAT32: (24, 8),
    DType.FLOAT16: (11, 5),
    DType.BFLOAT16: (8, 8),
}
"""Significant bits and exponent bits."""


def take(rewriter: Rewriter, node: Node, value: Value | None) -> bool:
    """Replace a node's only result by a value of the same type."""
    if value is None or len(node.outputs) != 1 or value.type != node.outputs[0].type:
        return False
    rewriter.replace(node, value)
    return True


def neutral_right(number: float) -> Rule:
    """The rule op(x, number) -> x."""

    def drop_neutral(rewriter: Rewriter, node: Node) -> bool:
        return rewriter.scalar(node.inputs[1]) == number and take(rewriter, node, node.inputs[0])

    return drop_neutral


def neutral_left(number: float) -> Rule:
    """The rule op(number, x) -> x."""

    def drop_neutral(rewriter: Rewriter, node: Node) -> bool:
        return rewriter.scalar(node.inputs[0]) == number and take(rewriter, node, node.inputs[1])

    return drop_neutral


def drop_identity(rewriter: Rewriter, node: Node) -> bool:
    """Identity(x), and one-operand Sum, Mean, Max, Min, Concat -> x."""
    return sum(value is not None for value in node.inputs) == 1 and take(rewriter, node, node.inputs[0])


def drop_dropout(rewriter: Rewriter, node: Node) -> bool:
    """Dropout outside training -> x; its mask must be unused."""
    source, _, training = (*node.inputs, None, None)[:3]
    if training is not None and rewriter.scalar_bool(training) is not False:
        return False
    if source is None or any(rewriter.is_used(value) for value in node.outputs[1:]):
        return False
    rewriter.replace_value(node.outputs[0], source)
    rewriter.erase(node)
    return True


def drop_cast(rewriter: Rewriter, node: Node) -> bool:
    """Cast(x, own type) -> x; Cast(Cast(x, wider), t) -> Cast(x, t)."""
    source = node.inputs[0]
    if source is not None and source.type == node.outputs[0].type:
        return take(rewriter, node, source)
    inner = rewriter.producer(source)
    if inner is None or kind_of(inner) != "Cast" or inner.inputs[0] is None or source is None:
        return False
    first, wide = inner.inputs[0].type, source.type
    if not (isinstance(first, TensorType) and isinstance(wide, TensorType) and holds(wide.dtype, first.dtype)):
        return False
    if first == node.outputs[0].type:
        return take(rewriter, node, inner.inputs[0])
    rewriter.replace_with(node, node.op, (inner.inputs[0],), (inner,))
    return True


def holds(wide: DType, narrow: DType) -> bool:
    """Whether every value of `narrow` is one of `wide`."""
    if wide is narrow:
        return True
    if narrow is DType.BOOL:
        return wide.is_integer or wide in _FLOAT_FORMAT
    to, of = _FLOAT_FORMAT.get(wide), _FLOAT_FORMAT.get(narrow)
    if to is not None and of is not None:
        return to[0] >= of[0] and to[1] >= of[1]
    if not narrow.is_integer:
        return False
    bits = narrow.bits - narrow.is_signed
    if wide.is_integer:
        return wide.bits - wide.is_signed >= bits and wide.is_signed >= narrow.is_signed
    return to is not None and to[0] >= bits and to[1] >= 8


def square(rewriter: Rewriter, node: Node) -> bool:
    """Pow(x, 2) -> Mul(x, x)."""
    base = node.inputs[0]
    if rewriter.scalar(node.inputs[1]) != 2 or base is None or base.type != node.outputs[0].type:
        return False
    rewriter.replace_with(node, onnx_op("Mul"), (base, base))
    return True


def divide_by_power_of_two(rewriter: Rewriter, node: Node) -> bool:
    """Div(x, c) -> Mul(x, 1 / c) where that is exact."""
    x, divisor = node.inputs
    number = rewriter.scalar(divisor)
    if x is None or divisor is None or number is None or not number or not math.isfinite(number):
        return False
    contents = rewriter.floats(divisor)
    type = node.outputs[0].type
    if not isinstance(type, TensorType) or type.dtype not in (DType.FLOAT32, DType.FLOAT64, DType.FLOAT16):
        return False
    mantissa, exponent = math.frexp(abs(number))
    if mantissa != 0.5 or abs(exponent) > 12 or contents is None:
        return False
    inverse = rewriter.constant(np.asarray(1.0 / contents).astype(type.dtype.numpy), divisor.name)
    rewriter.replace_with(node, onnx_op("Mul"), (x, inverse))
    return True


def involution(rewriter: Rewriter, node: Node) -> bool:
    """Neg(Neg(x)), Not(Not(x)) -> x."""
    inner = rewriter.producer(node.inputs[0])
    return inner is not None and inner.op == node.op and take(rewriter, node, inner.inputs[0])


def idempotent(rewriter: Rewriter, node: Node) -> bool:
    """Relu(Relu(x)), Abs(Abs(x)), Floor(Floor(x)), ... -> once."""
    inner = rewriter.producer(node.inputs[0])
    return inner is not None and inner.op == node.op and take(rewriter, node, node.inputs[0])


def known_condition(rewriter: Rewriter, node: Node) -> bool:
    """Where(constant of one value, a, b) -> the one that is taken."""
    condition = rewriter.scalar_bool(node.inputs[0])
    return condition is not None and take(rewriter, node, node.inputs[1 if condition else 2])


def clip_without_bounds(rewriter: Rewriter, node: Node) -> bool:
    """Clip(x) -> x; Clip(x, 0) of floats -> Relu(x)."""
    bounds = [*node.inputs[1:], None, None][:2]
    if bounds == [None, None]:
        return take(rewriter, node, node.inputs[0])
    type = node.outputs[0].type
    if bounds[1] is not None or not isinstance(type, TensorType) or not type.dtype.is_float:
        return False
    if rewriter.scalar(bounds[0]) != 0:
        return False
    rewriter.replace_with(node, onnx_op("Relu"), node.inputs[:1])
    return True


ALGEBRA: dict[str, list[Rule]] = {
    "Add": [neutral_right(0.0), neutral_left(0.0)],
    "Sub": [neutral_right(0.0)],
    "Mul": [neutral_right(1.0), neutral_left(1.0)],
    "Div": [neutral_right(1.0), divide_by_power_of_two],
    "Pow": [neutral_right(1.0), square],
    "Identity": [drop_identity],
    "Sum": [drop_identity],
    "Mean": [drop_identity],
    "Max": [drop_identity],
    "Min": [drop_identity],
    "Concat": [drop_identity],
    "Dropout": [drop_dropout],
    "Cast": [drop_cast],
    "Neg": [involution],
    "Not": [involution],
    "Relu": [idempotent],
    "Abs": [idempotent],
    "Floor": [idempotent],
    "Ceil": [idempotent],
    "Where": [known_condition],
    "Clip": [clip_without_bounds],
}
