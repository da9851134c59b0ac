"""Attention and rotary embeddings, by their formulas."""

from __future__ import annotations

from math import sqrt

import numpy as np

from halo_py.autodiff.registry import by_formula
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.terms import Term, concatenated
from halo_py.ops.attention import Attention
from halo_py.ops.indexing import Gather
from halo_py.ops.reduction import ReduceMax
from halo_py.ops.rotary import RotaryEmbedding
from halo_py.ops.scalar import arithmetic_dtype
from halo_py.ops.softmax import Softmax
from halo_py.types import DType

_LOWEST = float("-inf")


def _by_head(term: Term, heads: int | None) -> Term:
    """[batch, step, heads x size] as [batch, head, step, size]; 4-D terms have that shape already."""
    if term.rank == 4:
        return term
    batch, steps, width = term.extents
    count = heads or 1
    return term.reshaped(batch, steps, count, width // count).transposed(0, 2, 1, 3)


def _repeated(term: Term, group: int) -> Term:
    """Every head as often as there are queries' heads that share it."""
    if group == 1:
        return term
    batch, heads, steps, size = term.extents
    return term.unsqueezed(2).expanded(batch, heads, group, steps, size).reshaped(batch, heads * group, steps, size)


def _probabilities(scores: Term) -> Term:
    """Softmax of scores; a row without any finite score becomes zero."""
    top = scores.apply(ReduceMax(), scores.writer.ints(-1))
    seen = top.greater(_LOWEST)
    safe = seen.choose(scores, 0.0)
    return seen.choose(safe.apply(Softmax(-1)), 0.0)


@by_formula(Attention)
def _attention(at: Backward, op: Attention) -> list[Term]:
    if at.has(6):
        raise at.error("the gradient of attention with valid lengths is not supported")
    dtype = at.x(0).dtype
    wide = arithmetic_dtype(dtype)
    q = _by_head(at.x(0), op.q_num_heads)
    k, v = (_by_head(at.x(index), op.kv_num_heads) for index in (1, 2))
    past = 0
    if at.has(4):
        past = at.x(4).extents[2]
        k, v = (concatenated([at.x(4 + index), new], 2) for index, new in enumerate((k, v)))
    group = q.extents[1] // k.extents[1]
    keys, values = (_repeated(part, group).cast(wide) for part in (k, v))
    scale = op.scale or 1 / sqrt(q.extents[3])
    stages = [(q.cast(wide) * scale) @ keys.swapped()]
    stages.append((stages[0] / op.softcap).tanh() * op.softcap if op.softcap else stages[0])
    stages.append(_masked(at, op, stages[1], past))
    stages.append(_probabilities(stages[2]))
    y = stages[3] @ values
    if at.x(0).rank == 3:
        y = y.transposed(0, 2, 1, 3).reshaped(*at.y().extents)
    return [y.cast(dtype), k, v, stages[op.qk_matmul_output_mode].cast(dtype)]


def _masked(at: Backward, op: Attention, scores: Term, past: int) -> Term:
    """Scores with the mask added, and minus infinity where a key must not be seen."""
    queries, keys = scores.extents[2:]
    if at.has(3):
        mask = at.x(3)
        scores = mask.choose(scores, _LOWEST) if mask.dtype is DType.BOOL else scores + mask.cast(scores.dtype)
    lower, upper = op.band()
    if lower is None and upper is None:
        return scores
    distance = np.arange(keys) - (np.arange(queries)[:, np.newaxis] + past)
    seen = np.ones(distance.shape, np.bool_) if upper is None else distance <= upper
    seen = seen if lower is None else seen & (distance >= lower)
    return scores.writer.constant(seen).choose(scores, _LOWEST)


@by_formula(RotaryEmbedding)
def _rotary_embedding(at: Backward, op: RotaryEmbedding) -> list[Term]:
    dtype = at.x(0).dtype
    wide = arithmetic_dtype(dtype)
    x = _by_head(at.x(0), op.num_heads).cast(wide)
    full = x.extents[3]
    size = op.rotary_embedding_dim or full
    cos, sin = (at.x(index).cast(wide) for index in (1, 2))
    if at.has(3):
        cos, sin = (table.apply(Gather(0), at.x(3)) for table in (cos, sin))
    cos, sin = cos.unsqueezed(1), sin.unsqueezed(1)
    turned = x if size == full else x.part(3, 0, size)
    lead = x.extents[:3]
    pairs = (size // 2, 2) if op.interleaved else (2, size // 2)
    axis = 4 if op.interleaved else 3
    halves = turned.reshaped(*lead, *pairs)
    a, b = (halves.part(axis, number, number + 1).reshaped(*lead, size // 2) for number in range(2))
    made = [(cos * a - sin * b).unsqueezed(axis), (sin * a + cos * b).unsqueezed(axis)]
    joined = concatenated(made, axis).reshaped(*lead, size)
    if size < full:
        joined = concatenated([joined, x.part(3, size, full)], 3)
    if at.x(0).rank == 3:
        joined = joined.transposed(0, 2, 1, 3).reshaped(*at.x(0).extents)
    return [joined.cast(dtype)]
