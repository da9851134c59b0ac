"""Quantised operators of `com.microsoft`, in terms of ONNX's own.

ONNX Runtime computes most of them by dequantizing, applying the operator in float32 and quantizing the result, or by
tables and fixed point arithmetic that agree with that up to one step of the result. That composition is the meaning.
"""

from __future__ import annotations

from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.draft import Draft, Maker
from halo_py.ir.graph import Value


@expands("QLinearAdd", "QLinearMul")
def _qlinear_binary(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: A, its scale and zero point, B, its scale and zero point, C's scale and zero point."""
    left, right = dequantized(draft, maker, 0), dequantized(draft, maker, 3)
    result = maker.make(draft.op.removeprefix("QLinear"), [left, right], draft)
    return maker.finish("QuantizeLinear", [result, draft.value(6), zero_point(draft, 7)], draft)


def dequantized(draft: Draft, maker: Maker, first: int) -> Value:
    """Operand `first` as numbers; its scale and zero point are the operands after it."""
    operands = [draft.value(first), draft.value(first + 1), zero_point(draft, first + 2)]
    return maker.make("DequantizeLinear", operands, draft)


def zero_point(draft: Draft, index: int) -> Value | None:
    """A zero point operand, or None if it is omitted (0)."""
    return draft.inputs[index] if draft.has(index) else None
