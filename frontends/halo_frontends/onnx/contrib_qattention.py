"""ONNX Runtime's `QAttention`: an Attention whose projections are products of 8-bit integers."""

from __future__ import annotations

from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.contrib_attention import of_projected
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value


@expands("QAttention")
def _qattention(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: input, merged weights, bias, their scales, mask, their zero points, past. Results: output, present."""
    check_attributes(draft, "num_heads", "unidirectional", "mask_filter_value", "scale", "do_rotary",
                     "past_present_share_buffer")  # fmt: skip
    for name in ("do_rotary", "past_present_share_buffer"):
        if draft.integer(name, 0):
            raise UnsupportedError(f"{name} is not supported (ONNX Runtime has it for GPUs only)", draft.where)
    write = NodeWriter(draft, maker)
    return of_projected(write, _projected(write), write.optional(5), write.optional(8))


def _projected(write: NodeWriter) -> tuple[Value, Value, Value]:
    """Queries, keys and values: the integer product in units of both scales, plus bias."""
    draft = write.draft
    width = write.size(draft.value(1), 1)
    if width % 3:
        raise ModelError(f"weights of {width} columns are not three of one size", draft.where)
    scale = draft.value(3)
    product = (draft.value(0), draft.value(1), write.optional(6), write.optional(7))
    total = write.cast(write("MatMulInteger", *product), write.dtype(scale))
    merged = write("Add", write("Mul", total, write("Mul", scale, draft.value(4))), draft.value(2))
    query, key, value = write.split(merged, -1, (width // 3,) * 3)
    return query, key, value
