"""Normalisations and embeddings of ONNX Runtime's transformer operators, in terms of ONNX's."""

from __future__ import annotations

from dataclasses import replace

from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_py.ir.graph import Value
from halo_py.types import DType

_EPSILON = 1e-12
"""Default of the fused normalisations."""


@expands("SkipLayerNormalization")
def _skip_layer_normalization(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: input, skip, scale, shift, bias. Results: output, mean, inverse deviation, input + skip + bias."""
    check_attributes(draft, "epsilon")
    write = NodeWriter(draft, maker)
    total = _total(write, write.optional(4))
    operands = (total, draft.value(2), write.optional(3))
    count = 3 if write.wants(1) or write.wants(2) else 1
    names = (*draft.outputs, "", "")[:count]
    epsilon = _epsilon(draft)
    made = maker.finish("LayerNormalization", operands, replace(draft, outputs=names), axis=-1, epsilon=epsilon)
    return (*made, total, total, total)[:count] + (total,) * (4 - count)


@expands("SkipSimplifiedLayerNormalization")
def _skip_rms_normalization(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: input, skip, scale, bias. Results: output, a mean of 0, inverse deviation, input + skip + bias."""
    check_attributes(draft, "epsilon")
    write = NodeWriter(draft, maker)
    total = _total(write, write.optional(3))
    epsilon = _epsilon(draft)
    made = write.result(0, "RMSNormalization", total, draft.value(2), axis=-1, epsilon=epsilon)
    if not (write.wants(1) or write.wants(2)):
        return made, made, made, total
    inverse = inverse_deviation(write, total, -1, epsilon)
    zeros = write("Expand", write.number(0, inverse), write("Shape", inverse))
    return made, zeros, inverse, total


def _total(write: NodeWriter, bias: Value | None) -> Value:
    """Input plus skip (which broadcasts) plus bias: result 3."""
    operands = (write.draft.value(0), write.draft.value(1))
    if bias is None:
        return write.result(3, "Add", *operands)
    return write.result(3, "Add", write("Add", *operands), bias)


def _epsilon(draft: Draft, default: float = _EPSILON) -> float:
    given = draft.number("epsilon")
    return default if given is None else float(given)


def inverse_deviation(write: NodeWriter, value: Value, axis: int, epsilon: float) -> Value:
    """1 / sqrt(mean square + epsilon) over the dimensions from `axis` on, which stay with extent 1; in float32."""
    wide = write.cast(value, DType.FLOAT32)
    rank = write.rank(value)
    axes = write.ints(*range(axis % rank, rank))
    mean = write("ReduceMean", write("Mul", wide, wide), axes)
    return write("Reciprocal", write("Sqrt", write("Add", mean, write.number(epsilon, mean))))


@expands("EmbedLayerNormalization")
def _embed_layer_normalization(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: ids, segment ids, word, position and segment embedding, scale, shift, mask, position ids. Results:
    output, number of unmasked words, sum of embeddings.
    """
    check_attributes(draft, "epsilon", "mask_index_type")
    write = NodeWriter(draft, maker)
    ids = draft.value(0)
    if draft.has(8):
        positions = write("Gather", draft.value(3), draft.value(8))
    else:
        end = write("Shape", ids, start=1, end=2)
        positions = write("Slice", draft.value(3), write.ints(0), end, write.ints(0))
    words = write("Gather", draft.value(2), ids)
    if draft.has(1) and draft.has(4):
        words = write("Add", words, positions)
        total = write.result(2, "Add", words, write("Gather", draft.value(4), draft.value(1)))
    else:
        total = write.result(2, "Add", words, positions)
    scale, shift = draft.value(5), draft.value(6)
    made = write.result(0, "LayerNormalization", total, scale, shift, axis=-1, epsilon=_epsilon(draft))
    return made, _words(write) if write.wants(1) else made, total


def _words(write: NodeWriter) -> Value:
    """The number of ones in each row of the mask; 0 without one."""
    draft = write.draft
    if not draft.has(7):
        zero = write.cast(write.integer(0), DType.INT32)
        return write.result(1, "Expand", zero, write("Shape", draft.value(0), start=0, end=1))
    mask = draft.value(7)
    ones = write.cast(write("Equal", mask, write.number(1, mask)), DType.INT32)
    return write.result(1, "ReduceSum", ones, write.ints(1), keepdims=0)
