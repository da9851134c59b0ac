"""Gates, routers and branch-wise normalisations of ONNX Runtime, in terms of ONNX's operators.

Their documentation asks for arithmetic in float32 with one rounding at the end; so narrower operands are widened first.
"""

from __future__ import annotations

from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType

_EPSILON = 1e-5


def _epsilon(draft: Draft) -> float:
    given = draft.number("epsilon")
    return _EPSILON if given is None else float(given)


def _wide(write: NodeWriter, value: Value) -> Value:
    """The value in the type that arithmetic on it is done in."""
    return write.cast(value, DType.FLOAT32) if write.dtype(value).bits < DType.FLOAT32.bits else value


def _narrowed(write: NodeWriter, index: int, value: Value, dtype: DType) -> Value:
    """The draft's result `index` in its element type."""
    if write.dtype(value) is dtype:
        return value
    return write.result(index, "Cast", value, to=dtype.onnx_number)


# -- normalisations -----------------------------------------------------------------------------------------------


@expands("BranchwiseRMSNorm")
def _branchwise_rms_norm(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Every branch of [..., branches, size] (or [..., branches x size]) divided by its root mean square."""
    check_attributes(draft, "num_branches", "epsilon")
    write = NodeWriter(draft, maker)
    source = draft.value(0)
    grouped = _grouped(write, _wide(write, source))
    branches, size = write.size(grouped, -2), write.size(grouped, -1)
    scale = _branch_scale(write, branches, size)
    made = write("RMSNormalization", grouped, scale, axis=-1, epsilon=_epsilon(draft))
    if grouped is not source and write.rank(source) != write.rank(grouped):
        made = write("Reshape", made, write("Shape", source))
    return (_narrowed(write, 0, made, write.dtype(source)),)


def _grouped(write: NodeWriter, value: Value) -> Value:
    """[..., branches x size] as [..., branches, size]; what is grouped already stays."""
    branches = write.draft.integer("num_branches", 0)
    if not branches:
        return value
    rank = write.rank(value)
    return write.reshaped(value, *(0,) * (rank - 1), branches, write.size(value, -1) // branches)


def _branch_scale(write: NodeWriter, branches: int, size: int) -> Value:
    """The scale of every branch; ones if it is left out."""
    if not write.draft.has(1):
        return write("Expand", write.cast(write.integer(1), DType.FLOAT32), write.ints(size))
    scale = write.cast(write.draft.value(1), DType.FLOAT32)
    if write.rank(scale) == 1 and write.size(scale, 0) == branches * size and branches > 1:
        return write.reshaped(scale, branches, size)
    return scale


@expands("GatedRMSNorm")
def _gated_rms_norm(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Groups divided by their root mean square, times scale, times an activation of the gate."""
    check_attributes(draft, "activation", "epsilon")
    write = NodeWriter(draft, maker)
    source, scale = draft.value(0), _wide(write, draft.value(1))
    wide, gate = _wide(write, source), _wide(write, draft.value(2))
    size, rank = write.size(scale, 0), write.rank(source)
    groups = write.size(source, -1) // size
    grouped = write.reshaped(wide, *(0,) * (rank - 1), groups, size) if groups > 1 else wide
    normal = write("RMSNormalization", grouped, scale, axis=-1, epsilon=_epsilon(draft))
    if groups > 1:
        normal = write("Reshape", normal, write("Shape", source))
    match draft.text("activation", "silu"):
        case "silu" | "swish":
            opened = write("Swish", gate, alpha=1.0)
        case "sigmoid":
            opened = write("Sigmoid", gate)
        case other:
            raise UnsupportedError(f"the activation {other!r} is not known", draft.where)
    return (_narrowed(write, 0, write("Mul", normal, opened), write.dtype(source)),)


# -- gates --------------------------------------------------------------------------------------------------------


@expands("GatedAdd")
def _gated_add(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """The first operand plus the second times a gate per row; the product is rounded."""
    check_attributes(draft)
    if draft.has(3):
        raise UnsupportedError("a projected gate is not supported (ONNX Runtime has it for GPUs only)", draft.where)
    write = NodeWriter(draft, maker)
    return (write.result(0, "Add", draft.value(0), write("Mul", draft.value(1), draft.value(2))),)


@expands("ScaledSiLU")
def _scaled_silu(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """`z sigmoid(z)` for z = scale x, both factors rounded to the operand's type."""
    check_attributes(draft, "alpha")
    write = NodeWriter(draft, maker)
    source = draft.value(0)
    dtype = write.dtype(source)
    alpha = draft.number("alpha")
    wide = _wide(write, source)
    scale = write.number(1.0 if alpha is None else alpha, wide)
    if draft.has(1):
        scale = write.cast(write.reshaped(draft.value(1)), write.dtype(wide))
    scaled = write.cast(write("Mul", wide, scale), dtype)
    return (write.result(0, "Mul", scaled, write("Sigmoid", scaled)),)


@expands("LinearAttentionGate")
def _linear_attention_gate(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Decay scale x softplus(a + bias), and sigmoid(b)."""
    check_attributes(draft)
    write = NodeWriter(draft, maker)
    dtype = draft.dtype(0)
    opened = write("Softplus", write("Add", _wide(write, draft.value(0)), draft.value(1)))
    decay = _narrowed(write, 0, write("Mul", opened, draft.value(2)), dtype)
    if not write.wants(1):
        return (decay,)
    return decay, _narrowed(write, 1, write("Sigmoid", _wide(write, draft.value(3))), dtype)


@expands("EngramGate")
def _engram_gate(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """A value per token times a gate per branch, which grows with the product of normalised keys and queries.

    Operands: keys and queries [batch, step, branch, size], values [batch, step, size], scales [branch, size] of keys,
    queries and of the result's normalisation. Results: gated values, and the same normalised.
    """
    check_attributes(draft, "epsilon")
    write = NodeWriter(draft, maker)
    dtype, epsilon = draft.dtype(0), _epsilon(draft)
    key, query = (
        write("RMSNormalization", _wide(write, draft.value(part)), _wide(write, draft.value(scale)), epsilon=epsilon)
        for part, scale in ((0, 3), (1, 4))
    )
    size = write.size(key, -1)
    total = write("ReduceSum", write("Mul", key, query), write.ints(-1))
    dot = write("Mul", total, write.number(size**-0.5, total))
    root = write("Sqrt", write("Max", write("Abs", dot), write.number(1e-6, dot)))
    gate = write("Sigmoid", write("Mul", write("Sign", dot), root))
    gated = write("Mul", gate, write.unsqueezed(_wide(write, draft.value(2)), 2))
    output = _narrowed(write, 0, gated, dtype)
    if not write.wants(1):
        return (output,)
    normal = write("RMSNormalization", gated, _wide(write, draft.value(5)), epsilon=epsilon)
    return output, _narrowed(write, 1, normal, dtype)


# -- hyper-connections --------------------------------------------------------------------------------------------


@expands("HyperConnectionPreMix")
def _pre_mix(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Branches [..., branch, size] times their gates, summed up."""
    check_attributes(draft, "num_branches", "reduction_scale")
    write = NodeWriter(draft, maker)
    streams = _grouped(write, _wide(write, draft.value(0)))
    gates = _by_branch(write, _wide(write, draft.value(1)), streams)
    total = write("ReduceSum", write("Mul", streams, gates), write.ints(-2), keepdims=0)
    factor = draft.number("reduction_scale")
    made = total if factor in (None, 1.0) else write("Mul", total, write.number(factor or 0.0, total))
    return (_narrowed(write, 0, made, draft.dtype(0)),)


def _by_branch(write: NodeWriter, gates: Value, streams: Value) -> Value:
    """Gates per branch, or per branch and feature, as they broadcast over [..., branch, size]."""
    if write.rank(gates) == write.rank(streams):
        return gates
    if write.size(gates, -1) == write.size(streams, -2):
        return write.unsqueezed(gates, write.rank(gates))
    return write.reshaped(gates, *(0,) * (write.rank(gates) - 1), write.size(streams, -2), -1)


@expands("HyperConnectionPostMix")
def _post_mix(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Branches mixed by a matrix [..., from, to] (unchanged without it), plus one output times a gate per branch."""
    check_attributes(draft, "num_branches")
    write = NodeWriter(draft, maker)
    source = draft.value(0)
    streams = _grouped(write, _wide(write, source))
    gates = _by_branch(write, _wide(write, draft.value(2)), streams)
    added = write("Mul", gates, write.unsqueezed(_wide(write, draft.value(1)), write.rank(streams) - 2))
    if draft.has(3):
        mix = _wide(write, draft.value(3))
        rank = write.rank(mix)
        turned = write("Transpose", mix, perm=(*range(rank - 2), rank - 1, rank - 2))
        streams = write("MatMul", turned, streams)
    made = write("Add", streams, added)
    if write.rank(made) != write.rank(source):
        made = write("Reshape", made, write("Shape", source))
    return (_narrowed(write, 0, made, write.dtype(source)),)


# -- routing ------------------------------------------------------------------------------------------------------


@expands("MoEGroupRouter")
def _group_router(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Scores sigmoid(logits). Results: their logarithms at the experts chosen within the best groups and a sentinel
    elsewhere, or the biased and the plain scores.
    """
    check_attributes(draft, "top_k", "n_group", "topk_group", "group_topk", "router_sentinel")
    write = NodeWriter(draft, maker)
    logits = _wide(write, draft.value(0))
    if draft.has(2):
        logits = write("MatMul", logits, write("Transpose", _wide(write, draft.value(2)), perm=(1, 0)))
    experts = write.size(logits, -1)
    scores = write("Sigmoid", write.reshaped(logits, -1, experts))
    biased = write("Add", scores, draft.value(1))
    if not write.wants(0):
        return scores, biased, scores
    chosen = _best(write, _within_best_groups(write, biased, experts), draft.integer("top_k", 1))
    logarithm = write("Log", write("Max", scores, write.number(1e-20, scores)))
    given = draft.number("router_sentinel")
    made = write("Where", chosen, logarithm, write.number(-10000.0 if given is None else given, scores))
    return _narrowed(write, 0, made, draft.dtype(0)), biased, scores


def _best(write: NodeWriter, scores: Value, count: int) -> Value:
    """Whether a score is one of the `count` best of its row."""
    _, places = write.several(2, "TopK", scores, write.ints(count))
    zeros = write("Expand", write.number(0, scores), write("Shape", scores))
    ones = write("Expand", write.number(1, scores), write("Shape", places))
    marked = write("ScatterElements", zeros, places, ones, axis=-1)
    return write("Greater", marked, write.number(0, scores))


def _within_best_groups(write: NodeWriter, biased: Value, experts: int) -> Value:
    """Scores, minus infinity outside of the groups whose best scores have the largest sums."""
    draft = write.draft
    groups = draft.integer("n_group", 1)
    if groups < 1 or experts % groups:
        raise ModelError(f"{experts} experts do not divide into {groups} groups", draft.where)
    if groups == 1:
        return biased
    by_group = write.reshaped(biased, -1, groups, experts // groups)
    count = min(draft.integer("group_topk", 2), experts // groups)
    best, _ = write.several(2, "TopK", by_group, write.ints(count))
    sums = write("ReduceSum", best, write.ints(-1), keepdims=0)
    kept = write.unsqueezed(_best(write, sums, draft.integer("topk_group", 1)), 2)
    return write.reshaped(write("Where", kept, by_group, write.number(float("-inf"), by_group)), -1, experts)
