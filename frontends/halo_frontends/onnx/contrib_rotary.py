"""ONNX Runtime's rotary embeddings, in terms of ONNX's."""

from __future__ import annotations

import numpy as np

from halo_frontends.onnx.attending import counted
from halo_frontends.onnx.attributes import AttributeValue
from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value

_ATTRIBUTES = ("interleaved", "num_heads", "rotary_embedding_dim", "scale", "is_packed_batching")
"""ONNX Runtime's kernels look at neither of the last two."""

_TIME, _HEIGHT, _WIDTH = range(3)


@expands("RotaryEmbedding")
def _rotary(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: input, position numbers [batch, step] or the first position [1], tables of cosines and sines."""
    check_attributes(draft, *_ATTRIBUTES)
    write = NodeWriter(draft, maker)
    positions = draft.value(1)
    if write.rank(positions) == 1:
        source = draft.value(0)
        batch, steps = (0, 1) if write.rank(source) == 3 else (0, 2)
        count = counted(write, write.extent(source, steps))
        shape = [write("Shape", source, start=axis, end=axis + 1) for axis in (batch, steps)]
        positions = write("Expand", write("Add", count, positions), write("Concat", *shape, axis=0))
    cos, sin = (write("Gather", draft.value(index), positions) for index in (2, 3))
    return (_turned(write, cos, sin),)


def _turned(write: NodeWriter, cos: Value, sin: Value) -> Value:
    """The input turned by angles whose cosines and sines are given by batch entry and step, as the draft's result."""
    draft = write.draft
    source, turned = draft.value(0), 2 * write.size(cos, 2)
    wanted, heads = draft.integer("rotary_embedding_dim", 0), draft.integer("num_heads", 0)
    if wanted not in (0, turned):
        raise ModelError(f"tables of {turned // 2} columns do not turn {wanted} numbers", draft.where)
    attributes: dict[str, AttributeValue] = {"interleaved": draft.integer("interleaved", 0)}
    if write.rank(source) == 3:
        width = write.size(source, 2)
        heads = heads if wanted and heads else width // turned
        size = width // max(heads, 1)
        attributes["num_heads"] = heads
    else:
        size = write.size(source, 3)
    if size != turned:
        attributes["rotary_embedding_dim"] = turned
    return write.result(0, "RotaryEmbedding", source, cos, sin, **attributes)


@expands("MRotaryEmbedding")
def _rotary_of_three_positions(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Each pair is turned by one of three positions: time, height and width [3, batch, step]."""
    check_attributes(draft, *_ATTRIBUTES, "mrope_section", "mrope_layout")
    write = NodeWriter(draft, maker)
    pairs = write.size(draft.value(2), 1)
    chosen = _streams(draft, pairs)
    tables: list[Value] = []
    for index in (2, 3):
        found = write("Gather", draft.value(index), draft.value(1))
        parts = [write("Squeeze", write.part(found, 0, stream, stream + 1), write.ints(0)) for stream in range(3)]
        wide = write("Where", write.constant(chosen == _WIDTH), parts[_WIDTH], parts[_TIME])
        tables.append(write("Where", write.constant(chosen == _HEIGHT), parts[_HEIGHT], wide))
    return (_turned(write, tables[0], tables[1]),)


def _streams(draft: Draft, pairs: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """By which position each pair is turned: in sections one after another, or interleaved by threes."""
    sections = draft.ints("mrope_section") or ()
    if len(sections) != 3 or sum(sections) != pairs or min(sections) < 0:
        raise ModelError(f"sections {sections} do not fit tables of {pairs} columns", draft.where)
    match draft.integer("mrope_layout", 0):
        case 0:
            return np.repeat(np.arange(3), sections)
        case 1:
            chosen = np.zeros(pairs, np.int64)
            for stream in (_HEIGHT, _WIDTH):
                chosen[stream : 3 * sections[stream] : 3] = stream
            return chosen
        case other:
            raise UnsupportedError(f"mrope_layout {other} is not known", draft.where)
