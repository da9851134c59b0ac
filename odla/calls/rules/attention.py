"""Attention, rotary embeddings and caches as ODLA calls."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from halo_py.ops.attention import Attention
from halo_py.ops.caching import TensorScatter
from halo_py.ops.contraction import MatMul
from halo_py.ops.conversion import Cast
from halo_py.ops.dims import normalize_axis
from halo_py.ops.elementwise import Add, Div, Mod, Mul, Sub, Tanh
from halo_py.ops.indexing import Gather, GatherElements
from halo_py.ops.logic import And, Equal, GreaterOrEqual, Less, LessOrEqual, Where
from halo_py.ops.movement import Expand, Transpose
from halo_py.ops.reduction import ReduceMax
from halo_py.ops.rotary import RotaryEmbedding
from halo_py.ops.slicing import Concat
from halo_py.ops.softmax import Softmax
from halo_py.types import DType
from odla.calls.emit import Emit, dims, dtype_of, operand, optional, rule, shape_of
from odla.calls.model import Dims, Signed

if TYPE_CHECKING:
    from halo_py.ir.graph import Node, Value


def by_head(emit: Emit, x: Value, heads: int | None) -> Value:
    """[batch, step, heads x size] as [batch, head, step, size]; 4-D values have that shape already."""
    shape = shape_of(x)
    if len(shape) == 4:
        return x
    split = emit.reshaped(x, (shape[0], shape[1], heads or 1, shape[2] // (heads or 1)))
    return emit.one(Transpose(perm=(0, 2, 1, 3)), split)


def side_by_side(emit: Emit, x: Value, made: Value) -> None:
    """[batch, head, step, size] as the result, which has heads side by side if it has 3 dimensions."""
    if len(shape_of(made)) == 3:
        x = emit.one(Transpose(perm=(0, 2, 1, 3)), x)
        emit.call("odla_Reshape", (x, dims(made)), made)
    else:
        emit.become(made, x)


@dataclass(frozen=True, slots=True)
class _Attention:
    """One attention: `group` queries share a head of keys and values; `past` keys come before the new ones."""

    emit: Emit
    node: Node
    op: Attention
    dtype: DType
    group: int
    past: int

    def scores(self, q: Value, k: Value) -> Value:
        """Scaled products [batch, head, query, key]."""
        emit = self.emit
        batch, heads, queries, size = shape_of(q)
        keys = shape_of(k)[2]
        root = emit.number(sqrt(self.op.scale or 1 / sqrt(size)), self.dtype)
        q, k = emit.one(Mul(), q, root), emit.one(Mul(), k, root)
        rows = emit.reshaped(q, (batch, heads // self.group, self.group * queries, size))
        products = emit.one(MatMul(), rows, emit.one(Transpose(perm=(0, 1, 3, 2)), k))
        return emit.reshaped(products, (batch, heads, queries, keys))

    def capped(self, scores: Value) -> Value:
        """Scores limited smoothly, if asked for."""
        if not self.op.softcap:
            return scores
        emit = self.emit
        cap = emit.number(self.op.softcap, self.dtype)
        return emit.one(Mul(), emit.one(Tanh(), emit.one(Div(), scores, cap)), cap)

    def masked(self, scores: Value) -> Value:
        """Minus infinity where a key must not be seen, and a float mask added."""
        emit, mask = self.emit, optional(self.node, 3)
        keys = shape_of(scores)[-1]
        seen = self._seen(shape_of(scores))
        if mask is not None and dtype_of(mask) is DType.BOOL:
            mask = self._widened(mask, keys, False)
            seen = mask if seen is None else emit.one(And(), seen, mask)
        elif mask is not None:
            scores = emit.one(Add(), scores, self._widened(mask, keys, -np.inf))
        if seen is None:
            return scores
        return emit.one(Where(), seen, scores, emit.number(-np.inf, self.dtype))

    def _widened(self, mask: Value, keys: int, filler: float) -> Value:
        """A mask of fewer keys sees none of the others."""
        shape = shape_of(mask)
        if shape[-1] in (1, keys):
            return mask
        rest = np.full((*shape[:-1], keys - shape[-1]), filler, dtype_of(mask).numpy)
        return self.emit.one(Concat(axis=-1), mask, self.emit.constant(rest, "unseen"))

    def _seen(self, shape: tuple[int, ...]) -> Value | None:
        """Which keys a query may see by position; None for all."""
        emit, valid = self.emit, optional(self.node, 6)
        batch, _, queries, keys = shape
        lower, upper = self.op.band()
        at, row = np.arange(keys).reshape(1, 1, 1, keys), np.arange(queries).reshape(1, 1, queries, 1)
        if valid is None:
            if lower is None and upper is None:
                return None
            distance = at - row - self.past
            inside = np.ones(distance.shape, np.bool_)
            inside &= True if upper is None else distance <= upper
            inside &= True if lower is None else distance >= lower
            return emit.constant(inside, f"{emit.node}.band")
        lengths = emit.reshaped(emit.one(Cast(to=DType.INT64), valid), (batch, 1, 1, 1))
        found = emit.one(Less(), emit.constant(at, "keys"), lengths)
        distance = emit.one(Sub(), emit.constant(at - row + queries, f"{emit.node}.distance"), lengths)
        for bound, compared in ((upper, LessOrEqual()), (lower, GreaterOrEqual())):
            if bound is not None:
                inside = emit.one(compared, distance, emit.number(bound, DType.INT64))
                found = emit.one(And(), found, inside)
        return found

    def probabilities(self, scores: Value) -> Value:
        """Softmax; a row without any finite score becomes zero."""
        emit = self.emit
        precision = self.op.softmax_precision or self.dtype
        wide = scores if precision is self.dtype else emit.one(Cast(to=precision), scores)
        found = emit.one(Softmax(axis=-1), wide)
        if optional(self.node, 3) is not None or optional(self.node, 6) is not None or self.op.band() != (None, None):
            highest = emit.one(ReduceMax(keepdims=1), wide, emit.ints([3]))
            none = emit.one(Equal(), highest, emit.number(-np.inf, precision))
            found = emit.one(Where(), none, emit.number(0, precision), found)
        return found if precision is self.dtype else emit.one(Cast(to=self.dtype), found)

    def weighted(self, probabilities: Value, v: Value) -> Value:
        """Values weighted by probabilities [batch, head, query, size]."""
        batch, heads, queries, keys = shape_of(probabilities)
        rows = self.emit.reshaped(probabilities, (batch, heads // self.group, self.group * queries, keys))
        return self.emit.reshaped(self.emit.one(MatMul(), rows, v), (batch, heads, queries, shape_of(v)[3]))


@rule("attention")
def attention(emit: Emit, node: Node) -> None:
    """Products, masks and a softmax."""
    op = node.op
    assert isinstance(op, Attention)
    q = by_head(emit, operand(node, 0), op.q_num_heads)
    k, v = (by_head(emit, operand(node, number), op.kv_num_heads) for number in (1, 2))
    past = optional(node, 4)
    if past is not None:
        k, v = emit.one(Concat(axis=2), past, k), emit.one(Concat(axis=2), operand(node, 5), v)
    before = 0 if past is None else shape_of(past)[2]
    one = _Attention(emit, node, op, dtype_of(q), shape_of(q)[1] // shape_of(k)[1], before)
    stages = [one.scores(q, k)]
    stages.append(one.capped(stages[0]))
    stages.append(one.masked(stages[1]))
    stages.append(one.probabilities(stages[2]))
    side_by_side(emit, one.weighted(stages[3], v), node.outputs[0])
    for made, value in zip(node.outputs[1:], (k, v, stages[op.qk_matmul_output_mode]), strict=False):
        emit.call("odla_Reshape", (value, dims(made)), made)


@rule("rotary_embedding")
def rotary(emit: Emit, node: Node) -> None:
    """Pairs of each head's vector turned by an angle."""
    op, made = node.op, node.outputs[0]
    assert isinstance(op, RotaryEmbedding)
    x = by_head(emit, operand(node, 0), op.num_heads)
    full = shape_of(x)[3]
    size = op.rotary_embedding_dim or full
    ids = optional(node, 3)
    turns: list[Value] = []
    for number in (1, 2):
        table = operand(node, number)
        rows = table if ids is None else emit.one(Gather(axis=0), table, ids)
        turns.append(emit.reshaped(rows, (shape_of(rows)[0], 1, *shape_of(rows)[1:])))
    cos, sin = turns
    if op.interleaved:
        a, b = _part(emit, x, 0, size, 2), _part(emit, x, 1, size, 2)
    else:
        a, b = _part(emit, x, 0, size // 2), _part(emit, x, size // 2, size)
    first = emit.one(Sub(), emit.one(Mul(), cos, a), emit.one(Mul(), sin, b))
    second = emit.one(Add(), emit.one(Mul(), sin, a), emit.one(Mul(), cos, b))
    lead = shape_of(first)
    if op.interleaved:
        first, second = (emit.reshaped(value, (*lead, 1)) for value in (first, second))
        turned = emit.reshaped(emit.one(Concat(axis=4), first, second), (*lead[:3], size))
    else:
        turned = emit.one(Concat(axis=3), first, second)
    if size < full:
        turned = emit.one(Concat(axis=3), turned, _part(emit, x, size, full))
    side_by_side(emit, turned, made)


def _part(emit: Emit, x: Value, start: int, end: int, step: int = 1) -> Value:
    """Entries of the last dimension."""
    lead = shape_of(x)[:-1]
    shape = (*lead, len(range(start, end, step)))
    none, ones = (0,) * len(lead), (1,) * len(lead)
    made = emit.value(dtype_of(x), shape, f"{emit.node}.part")
    bounds = (Signed((*none, start)), Signed((*lead, end)), Signed((*ones, step)))
    return emit.call("odla_Slice", (x, *bounds, Dims(shape)), made)


@rule("tensor_scatter")
def tensor_scatter(emit: Emit, node: Node) -> None:
    """A choice between the cache and the update, which is gathered by the distance from its first position."""
    op, made = node.op, node.outputs[0]
    assert isinstance(op, TensorScatter)
    cache, update, first = operand(node, 0), operand(node, 1), optional(node, 2)
    shape = shape_of(cache)
    axis = normalize_axis(op.axis, len(shape))
    size, steps = shape[axis], shape_of(update)[axis]
    at = np.arange(size).reshape([-1 if number == axis else 1 for number in range(len(shape))])
    distance = emit.constant(at, "positions")
    if first is not None:
        each = (shape[0], *(1,) * (len(shape) - 1))
        distance = emit.one(Sub(), distance, emit.reshaped(emit.one(Cast(to=DType.INT64), first), each))
    if op.mode == "circular":
        distance = emit.one(Mod(), distance, emit.number(size, DType.INT64))
    inside = emit.one(GreaterOrEqual(), distance, emit.number(0, DType.INT64))
    inside = emit.one(And(), inside, emit.one(Less(), distance, emit.number(steps, DType.INT64)))
    source = emit.one(Where(), inside, distance, emit.number(0, DType.INT64))
    fresh = emit.one(GatherElements(axis=axis), update, emit.one(Expand(), source, emit.ints(shape)))
    emit.into(made, Where(), inside, fresh, cache)
