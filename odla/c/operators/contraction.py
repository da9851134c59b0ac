"""Matrix products (ODLA/ops/odla_ops_math.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_py.errors import UsageError
from halo_py.ops import elementwise as ew
from halo_py.ops.contraction import Gemm, MatMul
from halo_py.ops.einsum import Einsum
from odla.c.operators.emit import Emit, Node, operator, rank_of

if TYPE_CHECKING:
    from odla.c.operators.emit import Dims


def _oriented(emit: Emit, x: Node, transpose: bool) -> Node:
    """The value with its last two dimensions swapped, if asked for."""
    rank = rank_of(x)
    if not transpose:
        return x
    if rank < 2:
        raise UsageError("a vector cannot be transposed")
    return emit.transpose(x, (*range(rank - 2), rank - 1, rank - 2))


@operator("odla_BatchMatMul")
def batch_matmul(emit: Emit, a: Node, a_transpose: bool, b: Node, b_transpose: bool, output_dims: Dims | None) -> Node:
    """Products of the matrices in the last two dimensions; leading dimensions broadcast."""
    return emit.add(MatMul(), _oriented(emit, a, a_transpose), _oriented(emit, b, b_transpose))


@operator("odla_Gemm")
def gemm(
    emit: Emit,
    a: Node,
    a_transpose: bool,
    b: Node,
    b_transpose: bool,
    alpha: float,
    beta: float,
    c: Node | None,
    output_dims: Dims | None,
) -> Node:
    """Alpha a b + beta c; operands of other ranks than 2 multiply like batches of matrices."""
    if rank_of(a) == rank_of(b) == 2 and (c is None or rank_of(c) <= 2):
        op = Gemm(alpha=alpha, beta=beta, transA=int(a_transpose), transB=int(b_transpose))
        return emit.add(op, a, b) if c is None else emit.add(op, a, b, c)
    product = emit.add(MatMul(), _oriented(emit, a, a_transpose), _oriented(emit, b, b_transpose))
    if alpha != 1.0:
        product = emit.add(ew.Mul(), product, emit.like(alpha, product))
    if c is None:
        return product
    added = c if beta == 1.0 else emit.add(ew.Mul(), c, emit.like(beta, c))
    return emit.add(ew.Add(), product, added)


@operator("odla_Einsum")
def einsum(emit: Emit, inputs: tuple[Node, ...], equation: str, output_dims: Dims | None) -> Node:
    """A sum of products, as the equation says."""
    if not inputs:
        raise UsageError("inputs is empty")
    return emit.add(Einsum(equation), *inputs)
