"""Mixture of experts: every token goes through the few feed-forward networks that its router scores highest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Axis, Refusal, TileForm
from halo_py.ops.contraction import widened
from halo_py.ops.forms import EMPTY, has_no_elements
from halo_py.ops.kernels.contract import ContractOperand, contract_kernel
from halo_py.ops.kernels.copy import slice_kernel
from halo_py.ops.kernels.generate import fill_kernel, range_kernel
from halo_py.ops.kernels.sort import first_of_order, top_k_kernel
from halo_py.ops.literal import TensorLiteral
from halo_py.ops.phases import Phases, check_float
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import ProgramBuilder, ScalarProgram, run_program
from halo_py.ops.softmax import Softmax, softmax
from halo_py.types import DType, Type

Numbers = NDArray[Any]

_GATED = ("swiglu", "geglu")
"""Activations of two operands, a gate and a value."""


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Extents of one application; `wide` is how many numbers the first product of an expert has."""

    tokens: int
    hidden: int
    experts: int
    inner: int
    wide: int


@op("moe", onnx="MoE", domain="com.microsoft")
class MoE(Op):
    """Sum over the `k` most probable experts of probability x FC2(activation(FC1(x))).

    Operands: tokens [..., hidden], router scores [tokens, experts], FC1's weights [experts, inner (x 2), hidden] and
    bias [experts, inner (x 2)], FC2's [experts, hidden, inner] and [experts, hidden], FC3's like FC1's. FC3 makes the
    value that a gated activation multiplies its gate with; without FC3 both come from FC1, by turns (`swiglu_fusion` 1)
    or one after the other (2). GELU is its tanh approximation, as in ONNX Runtime. On tiles all experts run, and those
    that are not chosen count nothing.
    """

    activation_alpha: float = 1.0
    activation_beta: float = 0.0
    activation_type: str = "relu"
    k: int = 1
    normalize_routing_weights: int = 0
    swiglu_fusion: int = 0
    swiglu_limit: float | None = None
    swiglu_limit_after_activation: int = 0
    use_sparse_mixer: int = 0
    """ONNX Runtime's CPU kernel does not look at it."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type = check_float(args, 2)
        router, first = args.shape(1), args.shape(2)
        if self.activation_type not in ("relu", "relu2", "gelu", "silu", "identity", *_GATED):
            raise args.error(f"the activation {self.activation_type!r} is not known")
        if router is not None and len(router) != 2:
            raise args.error(f"router scores must be a matrix, found {args.tensor(1)}")
        if router is not None and isinstance(router[1], int) and not 1 <= self.k <= router[1]:
            raise args.error(f"{self.k} of {router[1]} experts cannot be chosen")
        if first is not None and len(first) != 3:
            raise args.error(f"weights must have 3 dimensions, found {args.tensor(2)}")
        if self.activation_type in _GATED and not args.has(6) and self.swiglu_fusion not in (1, 2):
            raise args.error(f"{self.activation_type} needs a third layer, or swiglu_fusion 1 or 2")
        return (type,)

    def _program(self, gated: bool, dtype: DType) -> ScalarProgram:
        """The activation: of FC1's result, or of a gate and a value."""
        build = ProgramBuilder(2 if gated else 1, dtype)
        limit = self.swiglu_limit if self.activation_type == "swiglu" else None
        gate, value = 0, 1
        if limit is not None:
            value = build.call("clip", 1, -limit, limit)
            gate = gate if self.swiglu_limit_after_activation else build.call("min", 0, limit)
        match self.activation_type:
            case "relu":
                made = build.call("relu", gate)
            case "relu2":
                made = build.call("square", build.call("relu", gate))
            case "gelu" | "geglu":
                made = build.call("gelu", gate, approximate="tanh")
            case "silu":
                made = build.call("swish", gate, alpha=1.0)
            case "swiglu":
                made = build.call("swish", gate, alpha=self.activation_alpha)
            case _:
                made = build.call("identity", gate)
        if limit is not None and self.swiglu_limit_after_activation:
            made = build.call("min", made, limit)
        if gated:
            if self.activation_type == "swiglu":
                value = build.call("add", value, self.activation_beta)
            build.call("mul", made, value)
        return build.finish(dtype)

    # -- reference --------------------------------------------------------------------------------------------

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x = args.array(0)
        tokens = widened(x).reshape(-1, x.shape[-1])
        scores = softmax(widened(args.array(1)), -1, DType.FLOAT32)
        chosen = first_of_order(scores, self.k, 1, largest=True)
        weights = np.take_along_axis(scores, chosen, axis=1)
        if self.normalize_routing_weights:
            weights = weights / weights.sum(axis=1, keepdims=True)
        made: Numbers = np.zeros_like(tokens)
        for expert in range(scores.shape[1]):
            rows, places = np.nonzero(chosen == expert)
            if len(rows):
                made[rows] += weights[rows, places][:, None] * self._expert(args, expert, tokens[rows])
        return (made.reshape(x.shape).astype(x.dtype),)

    def _expert(self, args: EvaluateArgs, expert: int, tokens: Numbers) -> Numbers:
        def layer(index: int, source: Numbers) -> Numbers:
            made = source @ widened(args.array(index))[expert].T
            bias = args.optional(index + 1)
            return made if bias is None else made + widened(bias)[expert]

        first = layer(2, tokens)
        parts = self._halves(first, layer(6, tokens) if args.has(6) else None)
        dtype = DType.from_numpy(first.dtype)
        inner = run_program(self._program(len(parts) > 1, dtype), parts)
        return layer(4, np.asarray(inner))

    def _halves(self, first: Numbers, third: Numbers | None) -> tuple[Numbers, ...]:
        """What the activation works on."""
        if third is not None:
            return first, third
        if self.activation_type not in _GATED:
            return (first,)
        if self.swiglu_fusion == 1:
            return first[:, 0::2], first[:, 1::2]
        half = first.shape[1] // 2
        return first[:, :half], first[:, half:]

    # -- tiles ------------------------------------------------------------------------------------------------

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        phases = Phases()
        found = [*phases.inputs(args), *(-1,) * 8]
        experts, inner = args.tensor(4).static_shape[0], args.tensor(4).static_shape[2]
        hidden, wide = args.tensor(2).static_shape[2], args.tensor(2).static_shape[1]
        sizes = _Sizes(args.tensor(0).elements // hidden, hidden, experts, inner, wide)
        tokens = phases.view(found[0], (sizes.tokens, hidden))
        gates = self._gates(phases, found[1], sizes, args.tensor(0).dtype)
        first = _layer(phases, args, tokens, found[2], found[3], sizes, wide)
        parts = [first]
        if args.has(6):
            parts.append(_layer(phases, args, tokens, found[6], found[7], sizes, inner))
        elif self.activation_type in _GATED:
            parts = self._split(phases, first, sizes)
        shape = (sizes.experts, sizes.tokens, sizes.inner)
        active = phases.map(self._program(len(parts) > 1, args.tensor(0).dtype), parts, shape)
        by_expert = phases.view(gates, (sizes.experts, sizes.tokens, 1))
        weighted = phases.apply("mul", [active, by_expert], args.tensor(0).dtype)
        made = _summed(phases, args, weighted, found[4], sizes)
        if args.has(5):
            shift = _shift(phases, args, gates, found[5], sizes)
            made = phases.apply("add", [made, shift], args.tensor(0).dtype)
        return phases.finish(args, made)

    def _gates(self, phases: Phases, scores: int, sizes: _Sizes, dtype: DType) -> int:
        """How much each expert counts for each token, [experts, tokens]: 0 where it is not chosen."""
        form, tokens = phases.form, sizes.tokens
        wide = scores if form.type(scores).dtype is DType.FLOAT32 else phases.apply("identity", [scores], DType.FLOAT32)
        probable = Softmax().phases(phases, wide, 1, DType.FLOAT32)
        kernel = top_k_kernel((tokens, sizes.experts), 1, self.k, DType.FLOAT32, largest=True)
        weights = form.value(DType.FLOAT32, (tokens, self.k))
        places = form.value(DType.INT64, (tokens, self.k))
        form.call(kernel, (probable,), (weights, places))
        if self.normalize_routing_weights:
            weights = phases.apply("div", [weights, phases.reduce("add", weights, (1,))], DType.FLOAT32)
        by_choice = (1, tokens, self.k)
        operands = [_numbers(phases, sizes.experts), phases.apply("identity", [places], DType.FLOAT32), weights]
        reads = [
            phases.view(operands[0], (sizes.experts, 1, 1)),
            *(phases.view(part, by_choice) for part in operands[1:]),
        ]
        build = ProgramBuilder(3, DType.FLOAT32)
        build.call("where", build.call("equal", 0, 1), 2, 0.0)
        spread = phases.map(build.finish(DType.FLOAT32), reads, (sizes.experts, tokens, self.k))
        return phases.view(phases.reduce("add", spread, (2,), dtype), (sizes.experts, tokens))

    def _split(self, phases: Phases, first: int, sizes: _Sizes) -> list[int]:
        """Gate and value out of FC1's results [experts, tokens, 2 x inner]."""
        dtype = phases.form.type(first).dtype
        out = (sizes.experts, sizes.tokens, sizes.inner)
        by_turns = self.swiglu_fusion == 1
        found: list[int] = []
        for start in (0, 1) if by_turns else (0, sizes.inner):
            made = phases.form.value(dtype, out)
            steps = (1, 1, 2 if by_turns else 1)
            kernel = slice_kernel((*out[:2], sizes.wide), (0, 0, start), steps, out, dtype)
            phases.form.call(kernel, (first,), (made,))
            found.append(made)
        return found

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        def operands(seed: int, wide: int, *shape: int) -> tuple[RuntimeValue, ...]:
            layers = (floats(seed + 2, 4, wide, 8), floats(seed + 3, 4, wide), floats(seed + 4, 4, 8, 6))
            return (floats(seed, *shape, 8), floats(seed + 1, 5, 4), *layers, floats(seed + 5, 4, 8))

        yield Sample(cls(), operands(0, 6, 5))
        yield Sample(cls(k=2, activation_type="gelu", normalize_routing_weights=1), operands(10, 6, 1, 5))
        without = operands(20, 6, 5)
        yield Sample(cls(k=3, activation_type="silu"), (*without[:3], None, without[4]))
        yield Sample(cls(k=4, activation_type="identity"), operands(30, 6, 5), tolerance=2)
        gated = cls(k=2, activation_type="swiglu", swiglu_fusion=1)
        yield Sample(gated, operands(40, 12, 5), tolerance=2)
        limited = replace(gated, k=1, activation_alpha=1.3, activation_beta=0.5, swiglu_limit=0.8)
        yield Sample(limited, operands(50, 12, 5))


def _numbers(phases: Phases, count: int) -> int:
    """0, 1, ... up to `count`, in float32."""
    ends: list[int] = []
    for value in (0.0, 1.0):
        ends.append(phases.form.value(DType.FLOAT32, ()))
        literal = TensorLiteral.of(np.asarray(value, np.float32))
        phases.form.call(fill_kernel((), literal), (), (ends[-1],))
    made = phases.form.value(DType.FLOAT32, (count,))
    phases.form.call(range_kernel(count, DType.FLOAT32), (ends[0], ends[1]), (made,))
    return made


def _layer(phases: Phases, args: TileArgs, tokens: int, weights: int, bias: int, sizes: _Sizes, width: int) -> int:
    """Every token through one layer of every expert: [experts, tokens, width]."""
    form, dtype = phases.form, phases.form.type(tokens).dtype
    e, t, i, h = range(4)
    axes = (Axis("e", sizes.experts), Axis("t", sizes.tokens), Axis("i", width), Axis("h", sizes.hidden, "reduce"))
    shape = (sizes.experts, sizes.tokens, width)
    made = form.value(dtype, shape)
    kernel = contract_kernel(
        axes,
        ContractOperand((sizes.tokens, sizes.hidden), (t, h), dtype),
        ContractOperand((sizes.experts, width, sizes.hidden), (e, i, h), form.type(weights).dtype),
        ContractOperand(shape, (e, t, i), dtype),
        partials_type=args.partials_type,
    )
    form.call(kernel, (tokens, weights), (made,))
    if bias < 0:
        return made
    return phases.apply("add", [made, phases.view(bias, (sizes.experts, 1, width))], dtype)


def _summed(phases: Phases, args: TileArgs, weighted: int, weights: int, sizes: _Sizes) -> int:
    """FC2 of all experts, summed up: [tokens, hidden]."""
    form, dtype = phases.form, phases.form.type(weighted).dtype
    t, h, e, i = range(4)
    depth = (Axis("e", sizes.experts, "reduce"), Axis("i", sizes.inner, "reduce"))
    axes = (Axis("t", sizes.tokens), Axis("h", sizes.hidden), *depth)
    made = form.value(dtype, (sizes.tokens, sizes.hidden))
    kernel = contract_kernel(
        axes,
        ContractOperand((sizes.experts, sizes.tokens, sizes.inner), (e, t, i), dtype),
        ContractOperand((sizes.experts, sizes.hidden, sizes.inner), (e, h, i), form.type(weights).dtype),
        ContractOperand((sizes.tokens, sizes.hidden), (t, h), dtype),
        partials_type=args.partials_type,
    )
    form.call(kernel, (weighted, weights), (made,))
    return made


def _shift(phases: Phases, args: TileArgs, gates: int, bias: int, sizes: _Sizes) -> int:
    """FC2's biases, weighted and summed up: [tokens, hidden]."""
    form, dtype = phases.form, phases.form.type(gates).dtype
    t, h, e = range(3)
    axes = (Axis("t", sizes.tokens), Axis("h", sizes.hidden), Axis("e", sizes.experts, "reduce"))
    made = form.value(dtype, (sizes.tokens, sizes.hidden))
    kernel = contract_kernel(
        axes,
        ContractOperand((sizes.experts, sizes.tokens), (e, t), dtype),
        ContractOperand((sizes.experts, sizes.hidden), (e, h), form.type(bias).dtype),
        ContractOperand((sizes.tokens, sizes.hidden), (t, h), dtype),
        partials_type=args.partials_type,
    )
    form.call(kernel, (gates, bias), (made,))
    return made
