"""Products of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.pointwise import add, mul
from halo_frontends.torchscript.table import aten
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Ints, Item, Number, Value, Values


@aten("linear")
def linear(m: Maker, input: Value, weight: Value, bias: Value | None = None) -> Value:
    if m.rank(weight) == 1:
        found = m.op("MatMul", input, weight)
    elif m.rank(input) == 2 and bias is not None and m.rank(bias) == 1:
        return m.op("Gemm", input, weight, bias, transB=1)
    else:
        found = m.op("MatMul", input, m.transpose(weight, [1, 0]))
    return found if bias is None else m.op("Add", found, bias)


@aten("matmul", "mm", "bmm", "mv", "dot", "inner", "__matmul__", "linalg_matmul", "vdot")
def matmul(m: Maker, input: Value, other: Value) -> Value:
    if not (m.rank(input) and m.rank(other)):
        return mul(m, input, other)
    if m.dtype(input) is DType.BOOL:
        raise m.unsupported("products of boolean matrices are not supported")
    return m.op("MatMul", input, other)


def _added(m: Maker, input: Value, product: Value, beta: Number, alpha: Number) -> Value:
    """Beta x input + alpha x product; a beta of 0 drops the input, NaN included."""
    dtype = m.dtype(product)
    scaled = product if alpha == 1 else m.op("Mul", product, m.number(alpha, dtype))
    if beta == 0:
        return scaled
    return add(m, scaled, input if beta == 1 else m.op("Mul", input, m.number(beta, m.dtype(input))))


@aten("addmm")
def addmm(m: Maker, input: Value, mat1: Value, mat2: Value, beta: Number = 1, alpha: Number = 1) -> Value:
    if isinstance(beta, (int, float)) and isinstance(alpha, (int, float)) and beta and m.dtype(input).is_float:
        return m.op("Gemm", mat1, mat2, input, alpha=float(alpha), beta=float(beta))
    return _added(m, input, m.op("MatMul", mat1, mat2), beta, alpha)


@aten("addmv")
def addmv(m: Maker, input: Value, mat: Value, vec: Value, beta: Number = 1, alpha: Number = 1) -> Value:
    return _added(m, input, m.op("MatMul", mat, vec), beta, alpha)


@aten("addr")
def addr(m: Maker, input: Value, vec1: Value, vec2: Value, beta: Number = 1, alpha: Number = 1) -> Value:
    return _added(m, input, outer(m, vec1, vec2), beta, alpha)


@aten("baddbmm")
def baddbmm(m: Maker, input: Value, batch1: Value, batch2: Value, beta: Number = 1, alpha: Number = 1) -> Value:
    return _added(m, input, m.op("MatMul", batch1, batch2), beta, alpha)


@aten("addbmm")
def addbmm(m: Maker, input: Value, batch1: Value, batch2: Value, beta: Number = 1, alpha: Number = 1) -> Value:
    product = m.op("ReduceSum", m.op("MatMul", batch1, batch2), m.ints([0]), keepdims=0)
    return _added(m, input, product, beta, alpha)


@aten("outer", "ger")
def outer(m: Maker, input: Value, vec2: Value) -> Value:
    return mul(m, m.unsqueeze(input, 1), m.unsqueeze(vec2, 0))


@aten("kron")
def kron(m: Maker, input: Value, other: Value) -> Value:
    rank = max(m.rank(input), m.rank(other))
    left = [1] * (rank - m.rank(input)) + list(m.shape(input))
    right = [1] * (rank - m.rank(other)) + list(m.shape(other))
    spread = m.reshape(input, [size for pair in zip(left, [1] * rank, strict=True) for size in pair])
    tiled = m.reshape(other, [size for pair in zip([1] * rank, right, strict=True) for size in pair])
    return m.reshape(mul(m, spread, tiled), [a * b for a, b in zip(left, right, strict=True)])


@aten("einsum")
def einsum(m: Maker, equation: str, tensors: Values, path: Item | None = None) -> Value:
    return m.op("Einsum", *tensors, equation=equation.replace(" ", ""))


@aten("bilinear")
def bilinear(m: Maker, input1: Value, input2: Value, weight: Value, bias: Value | None = None) -> Value:
    found = m.op("Einsum", input1, weight, input2, equation="...i,oij,...j->...o")
    return found if bias is None else m.op("Add", found, bias)


@aten("_trilinear")
def trilinear(
    m: Maker,
    i1: Value,
    i2: Value,
    i3: Value,
    expand1: Ints,
    expand2: Ints,
    expand3: Ints,
    sumdim: Ints,
    unroll_dim: int = 1,
) -> Value:
    """The product of three tensors with new axes, summed."""
    first, second, third = i1, i2, i3
    for axis in sorted(expand1):
        first = m.unsqueeze(first, axis)
    for axis in sorted(expand2):
        second = m.unsqueeze(second, axis)
    for axis in sorted(expand3):
        third = m.unsqueeze(third, axis)
    return m.op("ReduceSum", m.op("Mul", m.op("Mul", first, second), third), m.ints(sumdim), keepdims=0)


@aten("tensordot")
def tensordot(m: Maker, input: Value, other: Value, dims_self: Ints, dims_other: Ints) -> Value:
    letters = "abcdefghijklmnopqrstuvwxyz"
    left = list(letters[: m.rank(input)])
    right = list(letters[m.rank(input) : m.rank(input) + m.rank(other)])
    for a, b in zip(dims_self, dims_other, strict=True):
        right[m.axis(b, m.rank(other))] = left[m.axis(a, m.rank(input))]
    kept = [letter for letter in (*left, *right) if (letter in left) != (letter in right)]
    return m.op("Einsum", input, other, equation=f"{''.join(left)},{''.join(right)}->{''.join(kept)}")


@aten("chain_matmul", "linalg_multi_dot")
def chain_matmul(m: Maker, matrices: Values) -> Value:
    found = matrices[0]
    for matrix in matrices[1:]:
        found = m.op("MatMul", found, matrix)
    return found


@aten("cross", "linalg_cross")
def cross(m: Maker, input: Value, other: Value, dim: int | None = None) -> Value:
    rank = m.rank(input)
    axis = next(a for a, size in enumerate(m.shape(input)) if size == 3) if dim is None else m.axis(dim, rank)
    ahead, behind = m.ints([1, 2, 0]), m.ints([2, 0, 1])

    def turned(value: Value, order: Value) -> Value:
        return m.op("Gather", value, order, axis=axis)

    left = mul(m, turned(input, ahead), turned(other, behind))
    return m.op("Sub", left, mul(m, turned(input, behind), turned(other, ahead)))


@aten("linalg_vecdot")
def vecdot(m: Maker, x: Value, y: Value, dim: int = -1) -> Value:
    return m.op("ReduceSum", mul(m, x, y), m.ints([dim]), keepdims=0)


@aten("det", "linalg_det")
def det(m: Maker, input: Value) -> Value:
    return m.op("Det", input)


@aten("matrix_power", "linalg_matrix_power")
def matrix_power(m: Maker, input: Value, n: int) -> Value:
    if n < 1:
        raise m.unsupported(f"a matrix to the power of {n} is not supported")
    found: Value | None = None
    square = input
    while n:
        if n & 1:
            found = square if found is None else m.op("MatMul", found, square)
        n >>= 1
        if n:
            square = m.op("MatMul", square, square)
    assert found is not None
    return found


@aten("_grouped_mm", "transformers::grouped_mm_fallback")
def grouped_mm(
    m: Maker,
    input: Value,
    mat2: Value,
    offs: Value | None = None,
    bias: Value | None = None,
    out_dtype: DType | None = None,
) -> Value:
    """Rows of a matrix, group after group, times one matrix per group; `offs` says where each group ends."""
    if m.rank(input) == 3 and m.rank(mat2) == 3:
        return m.op("MatMul", input, mat2)
    if offs is None or bias is not None or m.rank(input) != 2 or m.rank(mat2) != 3:
        raise m.unsupported("grouped products of this form are not supported")
    rows = m.const(np.arange(m.length(input, 0), dtype=np.int64)[:, None])
    ends = m.cast(offs, DType.INT64)
    found: Value | None = None
    before = m.const(np.zeros(1, np.int64))
    for group in range(m.length(mat2, 0)):
        end = m.slice(ends, 0, group, group + 1)
        inside = m.op("And", m.op("GreaterOrEqual", rows, before), m.op("Less", rows, end))
        part = m.op("MatMul", input, m.squeeze(m.slice(mat2, 0, group, group + 1), 0))
        kept = m.op("Where", inside, part, m.number(0, m.dtype(part)))
        found, before = kept if found is None else m.op("Add", found, kept), end
    assert found is not None
    return found if out_dtype is None else m.cast(found, out_dtype)
