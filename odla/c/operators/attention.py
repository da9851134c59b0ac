"""Multi-head attention (ODLA/odla_halo.h)."""

from __future__ import annotations

from halo_py.errors import UsageError
from halo_py.ops import elementwise as ew
from halo_py.ops.attention import Attention
from halo_py.ops.contraction import MatMul
from odla.c.operators.emit import Emit, Node, operator, rank_of, shape_of, size_of


@operator("odla_MultiHeadAttention")
def multi_head_attention(
    emit: Emit,
    x: Node,
    mask: Node | None,
    query_weight: Node,
    query_bias: Node | None,
    key_weight: Node,
    key_bias: Node | None,
    value_weight: Node,
    value_bias: Node | None,
) -> Node:
    """Self-attention over [batch, sequence, hidden], the results of the heads side by side."""
    if rank_of(x) != 3:
        raise UsageError(f"input has {rank_of(x)} dimensions, not batch, sequence and hidden")
    heads = _heads(query_weight, mask)
    projected = [
        _projected(emit, x, weight, bias, name)
        for name, weight, bias in (
            ("query", query_weight, query_bias),
            ("key", key_weight, key_bias),
            ("value", value_weight, value_bias),
        )
    ]
    width = shape_of(projected[0])[-1]
    if not isinstance(width, int) or width % heads or shape_of(projected[1])[-1] != width:
        raise UsageError(f"queries of {width} and keys of {shape_of(projected[1])[-1]} columns are no {heads} heads")
    op = Attention(q_num_heads=heads, kv_num_heads=heads)
    return emit.add(op, *projected) if mask is None else emit.add(op, *projected, mask)


def _heads(weight: Node, mask: Node | None) -> int:
    """How many heads: the weight's middle dimension, else the mask's second one, else one."""
    if rank_of(weight) == 3:
        return size_of(weight, 1, "the number of heads")
    if mask is not None and rank_of(mask) == 4:
        return size_of(mask, 1, "the number of heads")
    return 1


def _projected(emit: Emit, x: Node, weight: Node, bias: Node | None, name: str) -> Node:
    if rank_of(weight) not in (2, 3):
        raise UsageError(f"{name}_weight has {rank_of(weight)} dimensions, not 2 or 3")
    flat = weight if rank_of(weight) == 2 else emit.reshape(weight, (0, -1))
    made = emit.add(MatMul(), x, flat)
    return made if bias is None else emit.add(ew.Add(), made, emit.reshape(bias, (-1,)))
