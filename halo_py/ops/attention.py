"""Attention."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import frexp, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Axis, Refusal, TileForm
from halo_py.ops.contraction import widened
from halo_py.ops.dims import unknown_dim
from halo_py.ops.forms import EMPTY
from halo_py.ops.kernels.attend import band_kernel
from halo_py.ops.kernels.contract import ContractOperand, contract_kernel
from halo_py.ops.kernels.copy import assemble_kernel, permute_kernel
from halo_py.ops.phases import Phases
from halo_py.ops.sampling import booleans, floats
from halo_py.ops.scalar import ProgramBuilder, rounded
from halo_py.ops.softmax import softmax, total_type
from halo_py.types import Dim, DType, Shape, TensorType, Type, add_dims, divide_dim, scale_dim

Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Heads:
    """Sizes of one attention; queries per key-value head are `group`."""

    batch: int
    kv_heads: int
    group: int
    queries: int
    keys: int
    size: int
    value_size: int


@op("attention", onnx="Attention", since=25)
class Attention(Op):
    """softmax(scale Q K' + mask) V over heads, with grouped queries and a cache of past keys and values.

    Operands: Q, K, V (4-D by head, or 3-D with all heads side by side), mask, past key, past value, valid lengths.
    Results: Y, present key, present value, and the scores at the stage `qk_matmul_output_mode` names.
    """

    is_causal: int = 0
    kv_num_heads: int | None = None
    left_window_size: int = -1
    q_num_heads: int | None = None
    qk_matmul_output_mode: int = 0
    right_window_size: int = -1
    scale: float | None = None
    softcap: float = 0.0
    softmax_precision: DType | None = None

    def _by_head(self, args: InferArgs, shape: Shape, heads: int | None) -> tuple[Dim, Dim, Dim, Dim]:
        if len(shape) == 4:
            return shape[0], shape[1], shape[2], shape[3]
        if len(shape) != 3 or not heads:
            raise args.error(f"shape {shape} needs 4 dimensions, or 3 and the number of heads")
        size = divide_dim(shape[2], heads)
        return shape[0], heads, shape[1], unknown_dim(args, "head_size") if size is None else size

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        dtype, q, k, v = args.dtype(0), args.shape(0), args.shape(1), args.shape(2)
        count = max(args.outputs, 1)
        if q is None or k is None or v is None:
            return (TensorType(dtype, None),) * count
        batch, heads, queries, _ = self._by_head(args, q, self.q_num_heads)
        _, kv_heads, keys, size = self._by_head(args, k, self.kv_num_heads)
        value_size = self._by_head(args, v, self.kv_num_heads)[3]
        past = args.shape(4) if args.has(4) else None
        total = keys if past is None else add_dims(keys, past[2])
        if len(q) == 4:
            out: Shape = (batch, heads, queries, value_size)
        else:
            width = scale_dim(value_size, heads) if isinstance(heads, int) else unknown_dim(args, "hidden")
            out = (batch, queries, width)
        return (
            TensorType(dtype, out),
            TensorType(dtype, (batch, kv_heads, total, size)),
            TensorType(args.dtype(2), (batch, kv_heads, total, value_size)),
            TensorType(dtype, (batch, heads, queries, total)),
        )[:count]

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        q_in = args.array(0)
        q = split_heads(widened(q_in), self.q_num_heads)
        k = split_heads(args.array(1), self.kv_num_heads)
        v = split_heads(args.array(2), self.kv_num_heads)
        past = 0
        if args.has(4):
            past = args.array(4).shape[2]
            k, v = (np.concatenate([args.array(4 + n), new], axis=2) for n, new in enumerate((k, v)))
        dtype = DType.from_numpy(q_in.dtype)
        scale = self._root_scale(q.shape[3], dtype)
        group = q.shape[1] // k.shape[1]
        wide_k, wide_v = (np.repeat(widened(part), group, axis=1) for part in (k, v))
        keys = rounded(wide_k * scale, dtype).swapaxes(2, 3)
        stages = [rounded(np.matmul(rounded(q * scale, dtype), keys), dtype)]
        stages.append(self.softcap * np.tanh(stages[0] / self.softcap) if self.softcap else stages[0])
        stages.append(rounded(stages[1] + self._bias(args, stages[1], past), dtype))
        stages.append(self._probabilities(stages[2], dtype))
        y = np.matmul(stages[3], wide_v)
        if q_in.ndim == 3:
            y = y.swapaxes(1, 2).reshape(*q_in.shape[:2], -1)
        scores = stages[self.qk_matmul_output_mode].astype(q_in.dtype)
        return (y.astype(q_in.dtype), k, v, scores)[: max(args.outputs, 1)]

    def _root_scale(self, size: int, dtype: DType) -> float:
        """What ONNX multiplies both queries and keys by, in their type."""
        root = np.asarray(sqrt(self.scale or 1 / sqrt(size)))
        return float(rounded(root, dtype))

    def _probabilities(self, scores: Numbers, dtype: DType) -> Numbers:
        """Softmax of scores stored in `dtype`; a row without any finite score becomes zero."""
        precision = self.softmax_precision or dtype
        found = softmax(rounded(scores, precision), -1, precision)
        seen = np.not_equal(scores.max(axis=-1, keepdims=True), -np.inf)
        return rounded(rounded(np.where(seen, found, 0), precision), dtype)

    def _bias(self, args: EvaluateArgs, scores: Numbers, past: int) -> Numbers:
        """What is added to the scores: minus infinity where a key must not be seen, and a float mask."""
        batch, queries, keys = (int(scores.shape[dim]) for dim in (0, 2, 3))
        minus = np.asarray(-np.inf, scores.dtype)
        bias: Numbers = np.zeros((batch, 1, queries, keys), scores.dtype)
        offset: Numbers = np.full((batch, 1, 1, 1), past, np.int64)
        if args.has(6):
            valid = args.array(6).astype(np.int64).reshape(-1, 1, 1, 1)
            bias = np.where(np.less(np.arange(keys), valid), bias, minus)
            offset = valid - queries
        position: Numbers = np.add(np.arange(queries)[:, None], offset)
        distance: Numbers = np.subtract(np.arange(keys), position)
        lower, upper = self.band()
        if upper is not None:
            bias = np.where(np.less_equal(distance, upper), bias, minus)
        if lower is not None:
            bias = np.where(np.greater_equal(distance, lower), bias, minus)
        mask = args.optional(3)
        if mask is None:
            return bias
        added = np.where(mask, np.zeros((), scores.dtype), minus) if mask.dtype == np.bool_ else widened(mask)
        missing = keys - added.shape[-1]
        if missing > 0 and added.shape[-1] > 1:
            added = np.pad(added, [(0, 0)] * (added.ndim - 1) + [(0, missing)], constant_values=-np.inf)
        return bias + added

    def band(self) -> tuple[int | None, int | None]:
        """Bounds of key position less query position."""
        lower = -self.left_window_size if self.left_window_size >= 0 else None
        upper = self.right_window_size if self.right_window_size >= 0 else None
        return lower, (0 if upper is None else min(upper, 0)) if self.is_causal else upper

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if any(type is not None and type.elements == 0 for type in (*args.types, *args.output_types)):
            return EMPTY
        if args.has(6):
            return Refusal("valid lengths that are known at run time have no tile form")
        phases = Phases()
        locals_ = phases.inputs(args)
        q, k, v = args.tensor(0), args.tensor(1), args.tensor(2)
        past = args.tensor(4).static_shape[2] if args.has(4) else 0
        flat = len(q.static_shape) == 3
        keys, values = locals_[1], locals_[2]
        heads = self._sizes(q.static_shape, k.static_shape, v.static_shape, past)
        if len(k.static_shape) == 3 and (past or len(args.output_types) > 1):
            keys = _to_heads(phases, keys, heads.kv_heads, heads.size)
            values = _to_heads(phases, values, heads.kv_heads, heads.value_size)
        if past:
            keys = _join(phases, locals_[4], keys)
            values = _join(phases, locals_[5], values)
        scores = self._scores(phases, locals_[0], keys, heads, args.partials_type, flat)
        shape = (heads.batch, heads.kv_heads * heads.group, heads.queries, heads.keys)
        stages = [phases.view(scores, shape)]
        stages.append(self._capped(phases, stages[0], q.dtype))
        masked = self._masked(phases, stages[1], locals_[3] if len(locals_) > 3 else -1, past)
        if masked is None:
            return Refusal("a mask that is shorter than the keys has no tile form")
        stages.append(masked)
        stages.append(_softmax(phases, masked, self.softmax_precision or q.dtype, q.dtype))
        y = _weighted(phases, stages[3], values, heads, args.partials_type, flat)
        present = [phases.form.view(local, phases.shape(local)) for local in (keys, values)]
        return phases.finish(args, y, *present, stages[self.qk_matmul_output_mode])

    def _sizes(self, q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...], past: int) -> _Heads:
        q_heads = q[1] if len(q) == 4 else self.q_num_heads or 1
        kv_heads = k[1] if len(k) == 4 else self.kv_num_heads or 1
        size = k[3] if len(k) == 4 else k[2] // kv_heads
        value_size = v[3] if len(v) == 4 else v[2] // kv_heads
        return _Heads(q[0], kv_heads, q_heads // kv_heads, q[-2], k[-2] + past, size, value_size)

    def _scores(self, phases: Phases, q: int, k: int, heads: _Heads, partials_type: DType, flat: bool) -> int:
        """Scaled products [batch, head, group, query, key]."""
        form = phases.form
        b, h, g, s, t, d = range(6)
        kept = (heads.batch, heads.kv_heads, heads.group, heads.queries, heads.keys)
        axes = (*(Axis(name, size) for name, size in zip("bhgst", kept, strict=True)), Axis("d", heads.size, "reduce"))
        dtype = form.type(q).dtype
        if flat:
            q_view, q_axes = (heads.batch, heads.queries, heads.kv_heads, heads.group, heads.size), (b, s, h, g, d)
        else:
            q_view, q_axes = (heads.batch, heads.kv_heads, heads.group, heads.queries, heads.size), (b, h, g, s, d)
        made = form.value(dtype, kept)
        q, k = self._scaled(phases, q, k, self._root_scale(heads.size, dtype))
        kernel = contract_kernel(
            axes,
            ContractOperand(q_view, q_axes, dtype),
            _key_operand(phases, k, heads, heads.size, (b, h, t, d)),
            ContractOperand(kept, (b, h, g, s, t), dtype),
            partials_type=partials_type,
        )
        form.call(kernel, (q, k), (made,))
        return made

    def _scaled(self, phases: Phases, q: int, k: int, root: float) -> tuple[int, int]:
        """Queries and keys, both times `root`, as ONNX rounds them.

        Where scaling the keys, which may be many cached ones, rounds nothing that counts, queries are scaled twice.
        """
        dtype = phases.form.type(q).dtype
        if dtype.bits >= 32 or frexp(root)[0] == 0.5:
            return phases.apply("mul", [q], dtype, root**2), k
        return phases.apply("mul", [q], dtype, root), phases.apply("mul", [k], dtype, root)

    def _capped(self, phases: Phases, scores: int, dtype: DType) -> int:
        if not self.softcap:
            return scores
        build = ProgramBuilder(1, dtype)
        build.call("mul", build.call("tanh", build.call("div", 0, self.softcap)), self.softcap)
        return phases.map(build.finish(dtype), [scores], phases.shape(scores))

    def _masked(self, phases: Phases, scores: int, mask: int, past: int) -> int | None:
        shape = phases.shape(scores)
        dtype = phases.form.type(scores).dtype
        if mask >= 0:
            given = phases.shape(mask)
            if given and given[-1] not in (1, shape[-1]):
                return None
            build = ProgramBuilder(2, dtype)
            if phases.form.type(mask).dtype is DType.BOOL:
                build.call("where", 1, 0, float("-inf"))
            else:
                build.call("add", 0, 1)
            scores = phases.map(build.finish(dtype), [scores, mask], shape)
        lower, upper = self.band()
        if lower is None and upper is None:
            return scores
        banded = phases.form.value(dtype, shape)
        bounds = (None if lower is None else lower + past, None if upper is None else upper + past)
        phases.form.call(band_kernel(phases.form.type(scores), *bounds), (scores,), (banded,))
        return banded

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        q, k, v = floats(1, 2, 4, 3, 8), floats(2, 2, 4, 5, 8), floats(3, 2, 4, 5, 6)
        yield Sample(cls(), (q, k, v))
        yield Sample(cls(is_causal=1, scale=0.3), (q, k, v, floats(4, 3, 5)))
        mask = np.logical_or(booleans(5, 2, 1, 3, 5), np.eye(3, 5, dtype=np.bool_))
        yield Sample(cls(softcap=2.0), (q, k, v, mask))
        grouped = (floats(6, 2, 4, 3, 8), floats(7, 2, 2, 5, 8), floats(8, 2, 2, 5, 8))
        yield Sample(cls(), grouped)
        flat = (floats(9, 2, 3, 24), floats(10, 2, 5, 12), floats(11, 2, 5, 8))
        yield Sample(cls(q_num_heads=4, kv_num_heads=2), flat)
        past = (floats(12, 2, 2, 2, 8), floats(13, 2, 2, 2, 8))
        yield Sample(cls(is_causal=1), (*grouped, None, *past), outputs=3)
        yield Sample(cls(qk_matmul_output_mode=2), (q, k, v, floats(4, 3, 5)), outputs=4)
        yield Sample(cls(qk_matmul_output_mode=3, is_causal=1), (q, k, v), outputs=4)
        half = tuple(array.astype(np.float16) for array in (q, k, v))
        yield Sample(cls(softmax_precision=DType.FLOAT32), half)
        yield Sample(cls(softmax_precision=DType.FLOAT16), (q, k, v), tolerance=400)


def split_heads(x: Numbers, heads: int | None) -> Numbers:
    """[batch, step, heads x size] as [batch, head, step, size]; 4-D arrays have that shape already."""
    if x.ndim == 4:
        return x
    return x.reshape(*x.shape[:2], heads or 1, -1).swapaxes(1, 2)


def _key_operand(phases: Phases, local: int, heads: _Heads, size: int, axes: tuple[int, ...]) -> ContractOperand:
    """Keys or values as they lie: 4-D by head, or 3-D with the heads side by side."""
    type = phases.form.type(local)
    b, h, t, d = axes
    if len(type.static_shape) == 4:
        return ContractOperand(type.static_shape, axes, type.dtype)
    return ContractOperand((heads.batch, heads.keys, heads.kv_heads, size), (b, t, h, d), type.dtype)


def _weighted(phases: Phases, probabilities: int, v: int, heads: _Heads, partials_type: DType, flat: bool) -> int:
    """Values weighted by probabilities: [batch, query, head, group, size], or by head first."""
    form = phases.form
    b, h, g, s, d, t = range(6)
    kept = (heads.batch, heads.kv_heads, heads.group, heads.queries, heads.value_size)
    axes = (*(Axis(name, size) for name, size in zip("bhgsd", kept, strict=True)), Axis("t", heads.keys, "reduce"))
    order = (b, s, h, g, d) if flat else (b, h, g, s, d)
    view = tuple(kept[axis] for axis in order)
    type = form.type(probabilities)
    made = form.value(type.dtype, view)
    kernel = contract_kernel(
        axes,
        ContractOperand((*kept[:4], heads.keys), (b, h, g, s, t), type.dtype),
        _key_operand(phases, v, heads, heads.value_size, (b, h, t, d)),
        ContractOperand(view, order, type.dtype),
        partials_type=partials_type,
    )
    form.call(kernel, (probabilities, v), (made,))
    return made


def _softmax(phases: Phases, scores: int, precision: DType, dtype: DType) -> int:
    """Softmax in `precision` over the last dimension; a row without any finite score becomes zero."""
    shape = phases.shape(scores)
    last = (len(shape) - 1,)
    narrower = precision.bits < dtype.bits
    if narrower:
        scores = phases.apply("identity", [scores], precision)
    top = phases.reduce("max", scores, last)
    build = ProgramBuilder(2, precision)
    power = build.call("exp", build.call("sub", 0, 1))
    build.call("where", build.call("is_inf", 1, detect_negative=1, detect_positive=0), 0.0, power)
    powers = phases.map(build.finish(precision), [scores, top], shape)
    total = phases.reduce("add", powers, last, total_type(precision, shape[-1]))
    build = ProgramBuilder(2, precision)
    build.call("where", build.call("equal", 1, 0.0), 0.0, build.call("div", 0, 1))
    found = phases.map(build.finish(precision if narrower else dtype), [powers, total], shape)
    return phases.apply("identity", [found], dtype) if narrower else found


def _to_heads(phases: Phases, local: int, heads: int, size: int) -> int:
    """[batch, step, heads x size] as [batch, head, step, size]."""
    type = phases.form.type(local)
    batch, steps = type.static_shape[:2]
    made = phases.form.value(type.dtype, (batch, heads, steps, size))
    phases.form.call(permute_kernel((batch, steps, heads, size), (0, 2, 1, 3), type.dtype), (local,), (made,))
    return made


def _join(phases: Phases, past: int, new: int) -> int:
    """Past and new keys or values one after another."""
    before, after = phases.shape(past), phases.shape(new)
    shape = (*after[:2], before[2] + after[2], after[3])
    dtype = phases.form.type(new).dtype
    made = phases.form.value(dtype, shape)
    parts = ((before, (0, 0, 0, 0)), (after, (0, 0, before[2], 0)))
    phases.form.call(assemble_kernel(shape, parts, dtype), (past, new), (made,))
    return made
