"""Attention, alone and in the fused forms that Torch takes in inference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.linear import linear
from halo_frontends.torchscript.ops.normalization import layer_norm
from halo_frontends.torchscript.table import aten
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Value

_MASKED = -1e30
"""What is added to scores that a boolean mask hides; a row that hides everything stays finite."""


def attend(
    m: Maker, query: Value, key: Value, value: Value, mask: Value | None, scale: float | None
) -> tuple[Value, Value]:
    """softmax(q k^T scale + mask) v, and the weights. A boolean mask says what is seen, a float one is added."""
    dtype = m.dtype(query)
    rank = m.rank(key)
    factor = 1 / math.sqrt(m.length(query, -1)) if scale is None else scale
    turned = m.transpose(key, [*range(rank - 2), rank - 1, rank - 2])
    scores = m.op("MatMul", m.op("Mul", query, m.number(factor, dtype)), turned)
    if mask is not None and m.dtype(mask) is DType.BOOL:
        hidden = m.number(_MASKED if dtype.bits > 16 else -1e4, dtype)
        scores = m.op("Where", mask, scores, hidden)
        weights = m.op("Softmax", scores, axis=-1)
        weights = m.op("Where", mask, weights, m.number(0, dtype))
    else:
        scores = scores if mask is None else m.op("Add", scores, m.cast(mask, dtype))
        weights = m.op("Softmax", scores, axis=-1)
    return m.op("MatMul", weights, value), weights


@aten("scaled_dot_product_attention", "_scaled_dot_product_attention_math_only")
def scaled_dot_product_attention(
    m: Maker,
    query: Value,
    key: Value,
    value: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    if dropout_p:
        raise m.unsupported("dropout of attention in training mode is not supported; save the model after model.eval()")
    if enable_gqa:
        key, value = (_repeated(m, part, m.shape(query)[-3]) for part in (key, value))
    if is_causal:
        rows, columns = m.length(query, -2), m.length(key, -2)
        attn_mask = m.const(np.tri(rows, columns, dtype=np.bool_))
    return attend(m, query, key, value, attn_mask, scale)[0]


def _repeated(m: Maker, value: Value, heads: int) -> Value:
    """Each head as often as there are query heads for it."""
    own = m.shape(value)[-3]
    order = np.repeat(np.arange(own), heads // own)
    return m.op("Gather", value, m.const(order), axis=m.rank(value) - 3)


@aten("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention")
def flash_attention(
    m: Maker,
    query: Value,
    key: Value,
    value: Value,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    attn_mask: Value | None = None,
    scale: float | None = None,
) -> tuple[Value, None]:
    return scaled_dot_product_attention(m, query, key, value, attn_mask, dropout_p, is_causal, scale), None


@aten("_native_multi_head_attention")
def native_multi_head_attention(
    m: Maker,
    query: Value,
    key: Value,
    value: Value,
    embed_dim: int,
    num_head: int,
    qkv_weight: Value,
    qkv_bias: Value,
    proj_weight: Value,
    proj_bias: Value,
    mask: Value | None = None,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    mask_type: int | None = None,
) -> tuple[Value, Value | None]:
    batch, length, _ = m.shape(query)
    width = embed_dim // num_head
    parts: list[Value] = []
    for number, source in enumerate((query, key, value)):
        start, end = number * embed_dim, (number + 1) * embed_dim
        found = linear(m, source, m.slice(qkv_weight, 0, start, end), m.slice(qkv_bias, 0, start, end))
        split = m.reshape(found, [batch, m.length(source, 1), num_head, width])
        parts.append(m.transpose(split, [0, 2, 1, 3]))
    found, weights = attend(m, parts[0], parts[1], parts[2], _seen(m, mask, mask_type), None)
    joined = m.reshape(m.transpose(found, [0, 2, 1, 3]), [batch, length, embed_dim])
    if need_weights and average_attn_weights:
        weights = m.op("ReduceMean", weights, m.ints([1]), keepdims=0)
    return linear(m, joined, proj_weight, proj_bias), weights if need_weights else None


def _seen(m: Maker, mask: Value | None, mask_type: int | None) -> Value | None:
    """Fast paths mark what is hidden; type 1 is per key of each batch item, 0 per query and key."""
    if mask is None:
        return None
    if m.dtype(mask) is DType.BOOL:
        mask = m.op("Not", mask)
    return m.unsqueeze(mask, 1, 2) if mask_type == 1 else mask


@aten("_transformer_encoder_layer_fwd")
def transformer_encoder_layer(
    m: Maker,
    src: Value,
    embed_dim: int,
    num_heads: int,
    qkv_weight: Value,
    qkv_bias: Value,
    proj_weight: Value,
    proj_bias: Value,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: Value,
    norm_bias_1: Value,
    norm_weight_2: Value,
    norm_bias_2: Value,
    ffn_weight_1: Value,
    ffn_bias_1: Value,
    ffn_weight_2: Value,
    ffn_bias_2: Value,
    mask: Value | None = None,
    mask_type: int | None = None,
) -> Value:
    def norm(value: Value, weight: Value, bias: Value) -> Value:
        return layer_norm(m, value, (embed_dim,), weight, bias, eps)

    def attention(value: Value) -> Value:
        return native_multi_head_attention(
            m, value, value, value, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias,
            mask, False, True, mask_type,
        )[0]  # fmt: skip

    def feed(value: Value) -> Value:
        wide = linear(m, value, ffn_weight_1, ffn_bias_1)
        wide = m.op("Gelu", wide, approximate="none") if use_gelu else m.op("Relu", wide)
        return linear(m, wide, ffn_weight_2, ffn_bias_2)

    if norm_first:
        src = m.op("Add", src, attention(norm(src, norm_weight_1, norm_bias_1)))
        return m.op("Add", src, feed(norm(src, norm_weight_2, norm_bias_2)))
    src = norm(m.op("Add", src, attention(src)), norm_weight_1, norm_bias_1)
    return norm(m.op("Add", src, feed(src)), norm_weight_2, norm_bias_2)
