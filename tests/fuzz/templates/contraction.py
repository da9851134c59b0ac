"""Templates that contract: products of matrices of every rank, Gemm, Einsum, attention."""

from __future__ import annotations

from halo_py.ir.graph import Value
from halo_py.ops.attention import Attention
from halo_py.ops.contraction import Gemm, MatMul
from halo_py.ops.einsum import Einsum
from halo_py.ops.elementwise import Add, Mul
from halo_py.ops.movement import Transpose
from halo_py.ops.recurrent import GRU, LSTM, RNN
from halo_py.ops.reshaping import Reshape
from halo_py.ops.softmax import Softmax
from halo_py.types import DType
from tests.fuzz.draft import Draft, dtype_of, tensor_dtype
from tests.fuzz.templates.base import fit_shape, template


def _matrix(draft: Draft, shape: list[int], dtype: DType, scale: float) -> Value:
    def accept(value: Value) -> bool:
        return tensor_dtype(value) is dtype and draft.shape(value) == tuple(shape)

    fitting = [value for value in draft.pool if accept(value)]
    if fitting and draft.chance(0.6):
        return draft.choose(fitting)
    return draft.given(draft.floats(shape, dtype, scale))


@template("contraction", 3)
def product(draft: Draft) -> None:
    """MatMul with vectors, matrices and broadcast batches."""
    value = draft.pick_float(1)
    shape, dtype = draft.shape(value), dtype_of(value)
    inner = shape[-1]
    if draft.chance(0.2):
        draft.one(MatMul(), value, _matrix(draft, [inner], dtype, inner**-0.5))
        return
    batch = list(shape[:-2]) if draft.chance(0.5) else []
    batch = [1 if draft.chance(0.3) else size for size in batch]
    if draft.chance(0.5):
        draft.one(MatMul(), value, _matrix(draft, [*batch, inner, draft.between(1, 7)], dtype, inner**-0.5))
    elif len(shape) >= 2:
        rows = _matrix(draft, [*batch, draft.between(1, 7), shape[-2]], dtype, shape[-2] ** -0.5)
        draft.one(MatMul(), rows, value)
    else:
        draft.one(MatMul(), _matrix(draft, [draft.between(1, 7), inner], dtype, inner**-0.5), value)


@template("contraction", 2)
def affine(draft: Draft) -> None:
    """Gemm with transposed operands, factors and broadcast C."""
    value = draft.pick_float(1)
    if len(draft.shape(value)) != 2:
        value = draft.one(Reshape(), value, draft.ints(draft.shape(value)[0], -1))
    dtype = dtype_of(value)
    turned = draft.below(2)
    rows, inner = draft.shape(value)[:: -1 if turned else 1]
    made, other_turned = draft.between(1, 7), draft.below(2)
    weights = _matrix(draft, [made, inner] if other_turned else [inner, made], dtype, inner**-0.5)
    extra: list[int] | None = draft.choose((None, [made], [1, made], [rows, 1], [rows, made], [], [1]))
    addend = None if extra is None else draft.given(draft.floats(extra, dtype))
    op = Gemm(draft.choose((1.0, 0.5)), draft.choose((1.0, 0.25)), turned, other_turned)
    draft.one(op, value, weights, addend)


EQUATIONS = ("ij,jk->ik", "ij,kj->ik", "ij->ji", "ij,ij->i", "ij,jk", "i,j->ij", "ijk,ikl->ijl", "ijk,jl->ikl", "ij->j")
MORE_EQUATIONS = (
    "ijk->kij",
    "ij,ij->",
    "...j,jk->...k",
    "ijk,kj->i",
    "ij,jk,kl->il",
    "iji->j",
    "ii->i",
    "ijkl,jm->ikml",
)


@template("contraction")
def einsum(draft: Draft) -> None:
    """A sum over named dimensions."""
    equation = draft.choose((*EQUATIONS, *MORE_EQUATIONS))
    sizes = {letter: draft.between(2, 4) for letter in "ijklm"}
    operands: list[Value] = []
    for number, term in enumerate(equation.split("->", maxsplit=1)[0].split(",")):
        shape = [draft.between(1, 2)] if term.startswith("...") else []
        shape += [sizes[letter] for letter in term.replace(".", "")]
        source = draft.pick_float(dtype=DType.FLOAT32)
        fitted = fit_shape(draft, source, tuple(shape)) if number == 0 else _matrix(draft, shape, DType.FLOAT32, 0.6)
        operands.append(fitted)
    draft.one(Einsum(equation), *operands)


@template("contraction")
def spelled_attention(draft: Draft) -> None:
    """Softmax(Q K^T) V with heads, as exporters write it."""
    batch, length, heads, size = draft.between(1, 2), draft.between(2, 5), draft.between(1, 2), draft.between(2, 4)
    width = heads * size
    value = fit_shape(draft, draft.pick_float(dtype=DType.FLOAT32), (batch, length, width))

    def head(perm: tuple[int, ...]) -> Value:
        weights = draft.constant(draft.floats((width, width), scale=width**-0.5))
        found = draft.one(MatMul(), value, weights)
        if draft.chance(0.5):
            found = draft.one(Add(), found, draft.constant(draft.floats((width,))))
        found = draft.one(Reshape(), found, draft.ints(0, -1 if draft.chance(0.5) else length, heads, size))
        return draft.one(Transpose(perm), found)

    query, key, content = head((0, 2, 1, 3)), head((0, 2, 3, 1)), head((0, 2, 1, 3))
    scores = draft.one(MatMul(), query, key)
    scores = draft.one(Mul(), scores, draft.scalar(size**-0.5, scores))
    if draft.chance(0.4):
        scores = draft.one(Add(), scores, draft.given(draft.floats((1, 1, length, length))))
    mixed = draft.one(MatMul(), draft.one(Softmax(axis=draft.choose((-1, 3))), scores), content)
    joined = draft.one(Reshape(), draft.one(Transpose((0, 2, 1, 3)), mixed), draft.ints(batch, length, width))
    draft.one(Add(), joined, value)


@template("contraction", 0.7)
def attention(draft: Draft) -> None:
    """The op Attention, with and without a mask, grouped heads."""
    batch, length, kept, size = draft.between(1, 2), draft.between(1, 4), draft.between(1, 5), draft.between(2, 4)
    heads, groups = draft.choose(((1, 1), (2, 2), (2, 1), (4, 2)))
    source = draft.pick_float(dtype=DType.FLOAT32)
    query = fit_shape(draft, source, (batch, heads, length, size))
    key = _matrix(draft, [batch, groups, kept, size], DType.FLOAT32, 1.0)
    content = _matrix(draft, [batch, groups, kept, draft.between(2, 4)], DType.FLOAT32, 1.0)
    mask = draft.given(draft.floats((length, kept))) if draft.chance(0.4) else None
    op = Attention(is_causal=draft.below(2), softcap=draft.choose((0.0, 0.0, 2.0)))
    draft.one(op, query, key, content, mask)


@template("recurrent", 0.6)
def recurrence(draft: Draft) -> None:
    """LSTM, GRU and RNN in every direction, with and without bias and initial states."""
    length, batch, size, hidden = draft.between(1, 4), draft.between(1, 2), draft.between(1, 4), draft.between(1, 4)
    direction = draft.choose(("forward", "reverse", "bidirectional"))
    ways = 2 if direction == "bidirectional" else 1
    kind, gates = draft.choose((("lstm", 4), ("gru", 3), ("rnn", 1)))
    value = fit_shape(draft, draft.pick_float(dtype=DType.FLOAT32), (length, batch, size))
    weights = draft.constant(draft.floats((ways, gates * hidden, size), scale=0.5))
    recurrent = draft.constant(draft.floats((ways, gates * hidden, hidden), scale=0.5))
    bias = draft.constant(draft.floats((ways, 2 * gates * hidden))) if draft.chance(0.6) else None
    lengths = draft.given(draft.integers((batch,), 1, length + 1, DType.INT32)) if draft.chance(0.3) else None
    initial = draft.given(draft.floats((ways, batch, hidden))) if draft.chance(0.5) else None
    operands = (value, weights, recurrent, bias, lengths, initial)
    match kind:
        case "lstm":
            draft.add(LSTM(direction=direction, hidden_size=hidden), operands, draft.between(1, 3))
        case "gru":
            op = GRU(direction=direction, hidden_size=hidden, linear_before_reset=draft.below(2))
            draft.add(op, operands, draft.between(1, 2))
        case _:
            names = ("Tanh", "Relu")[:ways] if draft.chance(0.5) else ("Tanh",) * ways
            op = RNN(activations=names, direction=direction, hidden_size=hidden)
            draft.add(op, operands, draft.between(1, 2))
