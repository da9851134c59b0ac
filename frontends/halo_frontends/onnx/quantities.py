"""Quantities of quantised nodes: operands with their scale and zero point, as numbers and back."""

from __future__ import annotations

from halo_frontends.onnx.draft import Draft, Maker
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value


def operand(draft: Draft, index: int) -> Value | None:
    """Operand `index`, or None if it is omitted."""
    return draft.inputs[index] if draft.has(index) else None


def dequantized(draft: Draft, maker: Maker, first: int) -> Value:
    """Operand `first` as numbers; the operands after it are its scale and its zero point (0 if it is omitted)."""
    operands = [draft.value(first), draft.value(first + 1), operand(draft, first + 2)]
    return maker.make("DequantizeLinear", operands, draft)


def quantized(draft: Draft, maker: Maker, result: Value, scale: int) -> tuple[Value, ...]:
    """The node's result: numbers with the scale of operand `scale` and the zero point after it.

    Without a zero point it is 0, and the result has the element type of the node's first operand.
    """
    zero = operand(draft, scale + 1)
    if zero is not None:
        return maker.finish("QuantizeLinear", [result, draft.value(scale), zero], draft)
    dtype = draft.dtype(0).onnx_number
    return maker.finish("QuantizeLinear", [result, draft.value(scale)], draft, output_dtype=dtype)


def known_rank(draft: Draft, index: int) -> int:
    """Rank of operand `index`. Raises UnsupportedError if it is unknown."""
    rank = draft.rank(index)
    if rank is None:
        raise UnsupportedError(f"needs to know the rank of operand {index}", draft.where)
    return rank


def moved_channels(draft: Draft, maker: Maker, value: Value, rank: int, *, last: bool) -> Value:
    """A transposed value: channels from dimension 1 to the last one, or back."""
    spatial = range(1, rank - 1)
    order = (0, *(axis + 1 for axis in spatial), 1) if last else (0, rank - 1, *spatial)
    return maker.make("Transpose", [value], draft, perm=order)
