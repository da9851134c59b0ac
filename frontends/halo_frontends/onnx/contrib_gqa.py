"""ONNX Runtime's `GroupQueryAttention`, in terms of ONNX's Attention, RotaryEmbedding and TensorScatter."""

from __future__ import annotations

from dataclasses import dataclass, replace

from halo_frontends.onnx.attending import along_batch, attention, by_head, counted, scalar64
from halo_frontends.onnx.attributes import AttributeValue
from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import Dim, DType, add_dims

_SCORES_WITH_MASK, _PROBABILITIES = 2, 3
"""`qk_matmul_output_mode` for what goes into the softmax, and for what comes out of it."""

_ATTRIBUTES = (
    "num_heads", "kv_num_heads", "scale", "softcap", "do_rotary", "rotary_interleaved", "local_window_size", "causal",
    "smooth_softmax", "qk_output", "qk_norm_epsilon", "q_norm_epsilon", "k_norm_epsilon", "sliding_window_cache",
    "k_quant_type", "v_quant_type", "kv_cache_bit_width",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of decoding: new queries, keys and values [batch, step, heads x size], caches, and where they stand."""

    query: Value
    key: Value
    value: Value
    past: tuple[Value, Value] | None
    """Caches [batch, head, step, size] of which the first steps may be valid; None if there are no past tokens."""
    lengths: Value
    """Valid tokens per batch entry after the step, [batch]."""
    prompt: bool | None
    """Whether no token precedes the new ones; None if that is decided at run time."""
    first: Value | None = None
    """Position of the first new token per batch entry, [batch]; None if it is 0 or the number of cached steps."""


@expands("GroupQueryAttention")
def _group_query_attention(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: query, key, value, past key, past value, lengths less 1, greatest length, cosines, sines, positions,
    attention bias, sinks, scales of keys and of values, query scale, key scale, query lengths. Results: output,
    present key, present value, scores.
    """
    write = NodeWriter(draft, maker)
    _check(draft)
    step = _turned(write, _step(write))
    with_sinks = draft.has(11) or draft.integer("smooth_softmax", 0) > 0
    return _masked(write, step) if step.first is not None or with_sinks else _directly(write, step)


def _check(draft: Draft) -> None:
    """Raises UnsupportedError, ModelError."""
    check_attributes(draft, *_ATTRIBUTES)
    if draft.integer("sliding_window_cache", 0):
        raise UnsupportedError("caches that hold a window only are not supported", draft.where)
    quantised = any(draft.text(name, "NONE") != "NONE" for name in ("k_quant_type", "v_quant_type"))
    if quantised or draft.has(12) or draft.has(13):
        raise UnsupportedError("quantised caches are not supported", draft.where)
    heads, groups = draft.integer("num_heads", 0), draft.integer("kv_num_heads", 0)
    if heads < 1 or groups < 1 or heads % groups:
        raise ModelError(f"{heads} heads of queries do not share {groups} heads of keys", draft.where)


# -- queries, keys and values -------------------------------------------------------------------------------------


def _parts(write: NodeWriter) -> tuple[Value, Value, Value]:
    """Query, key and value, also where they are packed; normalised per head on demand."""
    draft = write.draft
    heads, groups = draft.integer("num_heads", 0), draft.integer("kv_num_heads", 0)
    if draft.has(1):
        query, key, value = draft.value(0), draft.value(1), draft.value(2)
    else:
        width = write.size(draft.value(0), 2)
        size = width // (heads + 2 * groups)
        if size * (heads + 2 * groups) != width:
            raise ModelError(f"a packed query of width {width} does not hold all heads", draft.where)
        query, key, value = write.split(draft.value(0), 2, (heads * size, groups * size, groups * size))
    if draft.has(14) or draft.has(15):
        query = _normalised(write, query, heads, draft.value(14), "q_norm_epsilon")
        key = _normalised(write, key, groups, draft.value(15), "k_norm_epsilon")
    return query, key, value


def _normalised(write: NodeWriter, value: Value, heads: int, scale: Value, name: str) -> Value:
    """Each head divided by its root mean square."""
    given = (write.draft.number(name), write.draft.number("qk_norm_epsilon"), 1e-6)
    epsilon = next(number for number in given if number is not None)
    by_heads = write.reshaped(value, 0, 0, heads, -1)
    made = write("RMSNormalization", by_heads, scale, axis=-1, epsilon=float(epsilon))
    return write.reshaped(made, 0, 0, -1)


def _turned(write: NodeWriter, step: _Step) -> _Step:
    """The step with queries and keys turned by their positions, on demand."""
    draft = write.draft
    if not draft.integer("do_rotary", 0):
        return step
    positions = _rotary_positions(write, step)
    cos, sin = (write("Gather", draft.value(index), positions) for index in (7, 8))
    attributes: dict[str, AttributeValue] = {"interleaved": draft.integer("rotary_interleaved", 0)}
    heads, groups = draft.integer("num_heads", 0), draft.integer("kv_num_heads", 0)
    rotated = 2 * write.size(cos, 2)
    if rotated * heads != write.size(step.query, 2):
        attributes["rotary_embedding_dim"] = rotated
    query = write("RotaryEmbedding", step.query, cos, sin, num_heads=heads, **attributes)
    key = write("RotaryEmbedding", step.key, cos, sin, num_heads=groups, **attributes)
    return replace(step, query=query, key=key)


# -- positions ----------------------------------------------------------------------------------------------------


def _step(write: NodeWriter) -> _Step:
    """The operands, and what is known of their positions."""
    draft = write.draft
    query, key, value = _parts(write)
    lengths = write("Add", write.reshaped(write.cast(draft.value(5), DType.INT64), -1), write.integer(1))
    step = _Step(query, key, value, None, lengths, True)
    if not draft.has(3) or write.shape(draft.value(3))[2] == 0:
        return step
    step = replace(step, past=(draft.value(3), draft.value(4)), prompt=None)
    known = _total(write)
    batch, new = write.shape(query)[:2]
    if draft.has(16) or known is None:
        return replace(step, first=_first(write, step))
    if known == new:
        return replace(step, prompt=True)
    # The greatest length is that of the only batch entry, and its new tokens fill up the cache.
    if batch == 1 and known == add_dims(write.shape(draft.value(3))[2], new):
        return replace(step, prompt=False)
    if isinstance(known, int) and isinstance(new, int):
        step = replace(step, prompt=False)
    return replace(step, first=_first(write, step))


def _total(write: NodeWriter) -> Dim | None:
    """The greatest number of tokens after the step, if it is known."""
    known = write.maker.builder.shape_value(write.draft.value(6))
    return known[0] if known else None


def _first(write: NodeWriter, step: _Step) -> Value:
    """The position of the first new token, per batch entry."""
    if write.draft.has(16):
        return write("Sub", step.lengths, write.reshaped(write.cast(write.draft.value(16), DType.INT64), -1))
    new = write.extent(step.query, 1)
    after_past = write("Sub", step.lengths, new)
    if step.prompt is False:
        return after_past
    return write("Where", _is_prompt(write, step), write.integer(0), after_past)


def _is_prompt(write: NodeWriter, step: _Step) -> Value:
    return write("Equal", write.extent(step.query, 1), scalar64(write, write.draft.value(6)))


def _first_or_cached(write: NodeWriter, step: _Step) -> Value:
    """The position of the first new token, as it broadcasts over [batch, step]."""
    if step.first is not None:
        return write.unsqueezed(step.first, 1)
    return write.integer(0) if step.past is None or step.prompt else write.extent(step.past[0], 2)


def _rotary_positions(write: NodeWriter, step: _Step) -> Value:
    """Positions by which queries and keys are turned, [batch, step].

    Given positions count for themselves; only of a prompt the very first one is taken, and the others follow it.
    """
    draft = write.draft
    shape = write("Shape", step.query, start=0, end=2)
    count = counted(write, write.extent(step.query, 1))
    if not draft.has(9):
        positions = write("Add", _first_or_cached(write, step), count)
        if draft.has(16):
            last = write("Sub", step.lengths, write.integer(1))
            positions = write("Min", positions, write.unsqueezed(last, 1))
        return write("Expand", positions, shape)
    given = draft.value(9)
    if step.prompt is False or draft.has(16):
        return given
    start = write.part(write.part(given, 0, 0, 1), 1, 0, 1)
    running = write("Expand", write("Add", start, count), shape)
    return running if step.prompt else write("Where", _is_prompt(write, step), running, given)


# -- attention ----------------------------------------------------------------------------------------------------


def _attributes(write: NodeWriter) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {"kv_num_heads": write.draft.integer("kv_num_heads", 0)}
    softcap = write.draft.number("softcap")
    if softcap:
        found["softcap"] = float(softcap)
    if write.wants(3):
        found["qk_matmul_output_mode"] = _SCORES_WITH_MASK if _before_softmax(write) else _PROBABILITIES
    return found


def _before_softmax(write: NodeWriter) -> bool:
    return write.draft.integer("qk_output", 0) == 1


def _directly(write: NodeWriter, step: _Step) -> tuple[Value, ...]:
    """The Attention node alone: new tokens follow past ones at positions that are known."""
    draft, attributes = write.draft, _attributes(write)
    attributes["is_causal"] = draft.integer("causal", 1)
    window = draft.integer("local_window_size", -1)
    if window > 0:
        attributes["left_window_size"] = window - 1
    buffers = step.past if step.prompt else None
    past = (None, None) if step.past is None or buffers is not None else step.past
    names = [*draft.outputs, "", "", ""][:4]
    if buffers is not None:
        names[1:3] = ["key", "value"]
    operands = (step.query, step.key, step.value, write.optional(10), *past)
    output, *rest = attention(write, operands, names, draft.integer("num_heads", 0), **attributes)
    if buffers is not None:
        rest[:2] = [
            write.result(number, "TensorScatter", cache, part, axis=2)
            for number, cache, part in zip((1, 2), buffers, rest, strict=False)
        ]
    if not write.wants(3):
        return output, *rest
    keys = write.extent(rest[2], 3)
    return output, *rest[:2], _scores(write, step, rest[2], keys)


def _masked(write: NodeWriter, step: _Step) -> tuple[Value, ...]:
    """Attention over caches, with a mask that says which keys a query sees."""
    draft = write.draft
    present = _present(write, step)
    cached = [_up_to_total(write, step, part) for part in present]
    keys = write.extent(cached[0], 2)
    low = write.number(float("-inf"), step.query)
    bias = write.number(0, step.query) if not draft.has(10) else draft.value(10)
    mask = write("Where", _seen(write, step, keys), bias, low)
    if draft.has(11) or draft.integer("smooth_softmax", 0) > 0:
        mask = _with_sinks(write, step, mask, keys)
        cached = [_with_zero(write, part) for part in cached]
    query = by_head(write, step.query, draft.integer("num_heads", 0))
    names = ("", "", "", "scores") if write.wants(3) else ("",)
    made, *rest = attention(write, (query, *cached, mask), names, draft.integer("num_heads", 0), **_attributes(write))
    output = write.result(0, "Reshape", write("Transpose", made, perm=(0, 2, 1, 3)), write.ints(0, 0, -1))
    return output, *present, *(_scores(write, step, part, keys) for part in rest[2:])


def _present(write: NodeWriter, step: _Step) -> tuple[Value, Value]:
    """The caches with the new tokens written into them: as long as they were, or as the greatest length asks for."""
    groups = write.draft.integer("kv_num_heads", 0)
    key, value = (by_head(write, part, groups) for part in (step.key, step.value))
    if step.past is None:
        return key, value
    first = step.first
    if first is None:
        count = write.integer(0) if step.prompt else write.extent(step.past[0], 2)
        first = along_batch(write, count, step.query)
    before, new, total = write.shape(step.past[0])[2], write.shape(step.query)[1], _total(write)
    made: list[Value] = []
    for number, cache, part in ((1, step.past[0], key), (2, step.past[1], value)):
        if isinstance(total, int) and isinstance(before, int) and total <= before:
            made.append(write.result(number, "TensorScatter", cache, part, first, axis=2))
            continue
        joined = write("TensorScatter", write("Concat", cache, part, axis=2), part, first, axis=2)
        if total != add_dims(before, new):
            longer = write("Max", scalar64(write, write.draft.value(6)), write.extent(cache, 2))
            joined = write("Slice", joined, write.ints(0), write.unsqueezed(longer, 0), write.ints(2))
        made.append(joined)
    return made[0], made[1]


def _up_to_total(write: NodeWriter, step: _Step, cache: Value) -> Value:
    """The steps of a cache before the greatest length: no query sees the others."""
    if step.past is None or _total(write) == write.shape(cache)[2]:
        return cache
    end = write.unsqueezed(scalar64(write, write.draft.value(6)), 0)
    return write("Slice", cache, write.ints(0), end, write.ints(2))


# -- masks --------------------------------------------------------------------------------------------------------


def _seen(write: NodeWriter, step: _Step, keys: Value) -> Value:
    """Whether a query sees a key, as it broadcasts over [batch, head, step, key]."""
    key = counted(write, keys)
    if not write.draft.integer("causal", 1):
        return write("Less", key, write.unsqueezed(step.lengths, 1, 2, 3))
    first = _first_or_cached(write, step)
    if step.first is not None:
        first = write.unsqueezed(first, 2, 3)
    query = write("Add", write.unsqueezed(counted(write, write.extent(step.query, 1)), 1), first)
    seen = write("LessOrEqual", key, query)
    window = write.draft.integer("local_window_size", -1)
    if window <= 0:
        return seen
    return write("And", seen, write("Greater", key, write("Sub", query, write.integer(window))))


def _with_sinks(write: NodeWriter, step: _Step, mask: Value, keys: Value) -> Value:
    """The mask with one more key, whose scores are the sinks of the heads: 0 for a smooth softmax."""
    draft = write.draft
    heads = write.ints(draft.integer("num_heads", 0))
    batch, steps = (write("Shape", step.query, start=axis, end=axis + 1) for axis in (0, 1))
    sinks = write.unsqueezed(draft.value(11), 1, 2) if draft.has(11) else write.number(0, mask)
    column = write("Expand", sinks, write("Concat", batch, heads, steps, write.ints(1), axis=0))
    wide = write("Expand", mask, write("Concat", batch, heads, steps, write.unsqueezed(keys, 0), axis=0))
    return write("Concat", wide, column, axis=3)


def _with_zero(write: NodeWriter, cache: Value) -> Value:
    """Keys or values [batch, head, step, size] with a step of zeros after them."""
    one = write.part(cache, 2, 0, 1)
    zeros = write("Expand", write.number(0, cache), write("Shape", one))
    return write("Concat", cache, zeros, axis=2)


def _scores(write: NodeWriter, step: _Step, scores: Value, keys: Value) -> Value:
    """Scores for the keys proper; 0 where a query does not see a key."""
    cut = write("Slice", scores, write.ints(0), write.unsqueezed(keys, 0), write.ints(3))
    if not _before_softmax(write):
        return cut
    return write.result(3, "Where", _seen(write, step, keys), cut, write.number(0, scores))
