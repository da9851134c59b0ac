"""ONNX Runtime's `Attention`, `MultiHeadAttention` and `DecoderMaskedMultiHeadAttention`, by ONNX's Attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from halo_frontends.onnx.attending import (
    Sizes,
    added_to_scores,
    along_batch,
    attention,
    by_head,
    causal,
    counted,
    scalar64,
    unpadded,
)
from halo_frontends.onnx.attributes import AttributeValue
from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType

_SCORES_WITH_MASK = 2
"""`qk_matmul_output_mode` for scores as they enter the softmax."""


@dataclass(frozen=True, slots=True)
class Operands:
    """Queries, keys and values, each [batch, step, heads x size] or [batch, head, step, size], and what masks them."""

    query: Value
    key: Value
    value: Value
    mask: Value | None = None
    """Padding, in one of the forms of `unpadded`."""
    bias: Value | None = None
    past: tuple[Value, Value] | None = None
    causal: bool = False


# -- Attention ----------------------------------------------------------------------------------------------------


@expands("Attention")
def _attention(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: input, merged weights, bias, mask, past, attention bias. Results: output, present."""
    check_attributes(draft, "num_heads", "unidirectional", "qkv_hidden_sizes", "mask_filter_value", "scale",
                     "do_rotary", "rotary_embedding_dim", "past_present_share_buffer")  # fmt: skip
    for name in ("do_rotary", "past_present_share_buffer"):
        if draft.integer(name, 0):
            raise UnsupportedError(f"{name} is not supported (ONNX Runtime has it for GPUs only)", draft.where)
    write = NodeWriter(draft, maker)
    return of_projected(write, _projected(write), write.optional(3), write.optional(4), write.optional(5))


def of_projected(
    write: NodeWriter,
    parts: tuple[Value, Value, Value],
    mask: Value | None,
    past: Value | None,
    bias: Value | None = None,
) -> tuple[Value, ...]:
    """Results of a node like Attention from its queries, keys and values: output and present."""
    draft = write.draft
    pair = None
    if past is not None:
        halves = write.several(2, "Split", past, axis=0, num_outputs=2)
        pair = write("Squeeze", halves[0], write.ints(0)), write("Squeeze", halves[1], write.ints(0))
    operands = Operands(*parts, mask, bias, pair, bool(draft.integer("unidirectional", 0)))
    names = (draft.outputs[0], *(("key", "value") if write.wants(1) else ()))
    output, *present = _attended(write, operands, names)
    if not present:
        return (output,)
    caches = [write.unsqueezed(part, 0) for part in present]
    return output, write.result(1, "Concat", *caches, axis=0)


def _projected(write: NodeWriter) -> tuple[Value, Value, Value]:
    """Queries, keys and values: the input times the merged weights, plus bias."""
    draft = write.draft
    merged = write("MatMul", draft.value(0), draft.value(1))
    if draft.has(2):
        merged = write("Add", merged, draft.value(2))
    width = write.size(draft.value(1), 1)
    sizes = draft.ints("qkv_hidden_sizes") or (width // 3,) * 3
    if len(sizes) != 3 or sum(sizes) != width or sizes[0] != sizes[1]:
        raise ModelError(f"hidden sizes {sizes} do not fit weights of {width} columns", draft.where)
    query, key, value = write.split(merged, -1, sizes)
    return query, key, value


def _attended(write: NodeWriter, operands: Operands, names: Sequence[str]) -> tuple[Value, ...]:
    """An Attention node; its results are the output, present key and value, and scores, as far as they are named."""
    sizes = _sizes(write, operands)
    keep = None if operands.mask is None else unpadded(write, operands.mask, operands.query, sizes)
    # A padding mask and the causal one make one addend, so that a row of padding sees what ONNX Runtime lets it see.
    merged = operands.causal and (keep is not None or _wants_scores(names))
    mask = added_to_scores(write, operands.query, keep, causal(write, sizes) if merged else None, operands.bias)
    return _node(write, replace(operands, mask=mask, causal=operands.causal and not merged), names)


def _node(write: NodeWriter, operands: Operands, names: Sequence[str]) -> tuple[Value, ...]:
    """The Attention node itself, whose mask is added to the scores; results as `_attended` has them."""
    heads = write.draft.integer("num_heads", 0)
    if heads < 1:
        raise ModelError("the required attribute 'num_heads' is missing", write.draft.where)
    attributes: dict[str, AttributeValue] = {"is_causal": int(operands.causal)}
    if _wants_scores(names):
        attributes["qk_matmul_output_mode"] = _SCORES_WITH_MASK
    parts = (operands.query, operands.key, operands.value)
    rest = (operands.mask, *(operands.past or (None, None)))
    if write.rank(operands.key) == write.rank(operands.value) == 3:
        return attention(write, (*parts, *rest), names, heads, **attributes)
    made, *others = attention(
        write, (*(by_head(write, part, heads) for part in parts), *rest), ("", *names[1:]), heads, **attributes
    )
    flat = write("Transpose", made, perm=(0, 2, 1, 3))
    return write.result(0, "Reshape", flat, write.ints(0, 0, -1)), *others


def _wants_scores(names: Sequence[str]) -> bool:
    return len(names) > 3 and bool(names[3])


def _sizes(write: NodeWriter, operands: Operands) -> Sizes:
    steps = write.extent(operands.key, -2)
    if operands.past is None:
        return Sizes(write.extent(operands.query, 1), steps)
    first = write.extent(operands.past[0], 2)
    return Sizes(write.extent(operands.query, 1), write("Add", first, steps), first)


# -- MultiHeadAttention -------------------------------------------------------------------------------------------


@expands("MultiHeadAttention")
def _multi_head_attention(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: query, key, value, bias, key padding mask, attention bias, past key, past value, past length, cache
    indirection. Results: output, present key, present value, masked scores.
    """
    check_attributes(draft, "num_heads", "unidirectional", "mask_filter_value", "scale")
    write = NodeWriter(draft, maker)
    query, key, value = _biased(write, _unpacked(write), write.optional(3))
    past = (draft.value(6), draft.value(7)) if draft.has(6) or draft.has(7) else None
    operands = Operands(
        query, key, value, write.optional(4), write.optional(5), past, bool(draft.integer("unidirectional", 0))
    )
    if past is not None and draft.has(8):
        return _buffered(write, operands, draft.value(8), write.optional(9))
    return _attended(write, operands, draft.outputs)


def _unpacked(write: NodeWriter) -> tuple[Value, Value, Value]:
    """Query, key and value: given one by one, key and value packed, or all packed."""
    draft = write.draft
    if not draft.has(1):
        query = draft.value(0)
        if write.rank(query) == 5:
            query, key, value = (_plane(write, query, number) for number in range(3))
            return query, key, value
        width = write.size(query, 2)
        if width % 3:
            raise ModelError(f"a packed query of width {width} does not hold three parts", draft.where)
        query, key, value = write.split(query, 2, (width // 3,) * 3)
        return query, key, value
    if write.rank(draft.value(1)) == 5:
        return draft.value(0), _plane(write, draft.value(1), 0), _plane(write, draft.value(1), 1)
    return draft.value(0), draft.value(1), draft.value(2)


def _plane(write: NodeWriter, packed: Value, number: int) -> Value:
    """Part `number` of [batch, step, head, parts, size], as [batch, step, heads x size]."""
    return write.reshaped(write.part(packed, 3, number, number + 1), 0, 0, -1)


def _biased(write: NodeWriter, parts: tuple[Value, Value, Value], bias: Value | None) -> tuple[Value, Value, Value]:
    """Query, key and value plus their parts of the bias; keys and values that are given by head get none."""
    if bias is None:
        return parts
    width, hidden = write.size(bias, 0), write.size(parts[0], 2)
    ends = (0, hidden, 2 * hidden, width)
    made = [
        part if write.rank(part) == 4 else write("Add", part, write.part(bias, 0, start, end))
        for part, start, end in zip(parts, ends, ends[1:], strict=False)
    ]
    return made[0], made[1], made[2]


# -- with a buffer of past keys and values ------------------------------------------------------------------------


@expands("DecoderMaskedMultiHeadAttention")
def _decoder_attention(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """One query per batch entry. Operands: query, key, value, mask, attention bias, past key, past value, past length,
    beam width, cache indirection, bias. Results: output, present key, present value, masked scores.
    """
    check_attributes(draft, "num_heads", "mask_filter_value", "scale", "past_present_share_buffer", "output_qk")
    write = NodeWriter(draft, maker)
    query, key, value = _biased(write, _unpacked(write), write.optional(10))
    past = (draft.value(5), draft.value(6)) if draft.has(5) or draft.has(6) else None
    operands = Operands(query, key, value, write.optional(3), write.optional(4), past)
    if past is not None and draft.integer("past_present_share_buffer", 0):
        return _buffered(write, operands, draft.value(7), write.optional(9))
    return _attended(write, operands, draft.outputs)


def _buffered(write: NodeWriter, operands: Operands, length: Value, indirection: Value | None) -> tuple[Value, ...]:
    """Attention with buffers of past keys and values, of which `length` steps are valid: the new ones go after them.

    `indirection` [..., most] says for every past step from which beam of the same batch entry it is taken.
    """
    assert operands.past is not None
    heads = write.draft.integer("num_heads", 0)
    first = scalar64(write, length)
    at = along_batch(write, first, operands.query)
    new = [by_head(write, part, heads) for part in (operands.key, operands.value)]
    key, value = (
        write.result(number, "TensorScatter", cache, part, at, axis=2)
        for number, cache, part in zip((1, 2), operands.past, new, strict=True)
    )
    valid = write("Add", first, write.extent(new[0], 2))
    keys = _key_count(write, operands, valid)
    seen = [part if indirection is None else _from_beams(write, part, indirection, first) for part in (key, value)]
    if keys is not None:
        end = write.unsqueezed(keys, 0)
        seen = [write("Slice", part, write.ints(0), end, write.ints(2)) for part in seen]
    sizes = Sizes(write.extent(operands.query, 1), keys or write.extent(key, 2), first)
    keep = None if operands.mask is None else unpadded(write, operands.mask, operands.query, sizes)
    may_see = None if keys is not None else write("Less", counted(write, sizes.keys), valid)
    if operands.causal:
        may_see = causal(write, sizes)
    mask = added_to_scores(write, operands.query, keep, may_see, operands.bias)
    scores = write.draft.outputs[3] if write.wants(3) else ""
    found = _node(write, Operands(operands.query, seen[0], seen[1], mask), (write.draft.outputs[0], "", "", scores))
    return found[0], key, value, found[-1]


def _key_count(write: NodeWriter, operands: Operands, valid: Value) -> Value | None:
    """How many steps of the buffer are keys: what the masks cover, or the valid ones; None if that is not known."""
    for given in (operands.mask, operands.bias):
        if given is not None and write.rank(given) > 1:
            return write.extent(given, -1)
    return None if write.maker.builder.known(valid) is None else valid


def _from_beams(write: NodeWriter, cache: Value, indirection: Value, first: Value) -> Value:
    """A cache [batch x beam, head, step, size] whose steps before `first` are those of other beams."""
    beams, steps = write.size(indirection, -2), write.extent(cache, 2)
    own = write.unsqueezed(counted(write, write.extent(cache, 0)), 1)
    width = write.integer(beams)
    base = write("Mul", write("Div", own, width), width)
    chosen = write("Add", base, write.cast(write.reshaped(indirection, -1, write.size(indirection, -1)), DType.INT64))
    chosen = write("Where", write("Less", counted(write, steps), first), chosen, own)
    index = write("Expand", write.unsqueezed(chosen, 1, 3), write("Shape", cache))
    return write("GatherElements", cache, index, axis=0)
