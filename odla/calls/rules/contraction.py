"""Products of matrices as ODLA calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_py.ops.contraction import Gemm
from halo_py.ops.einsum import Einsum
from odla.calls.emit import (
    Emit,
    NotInOdlaError,
    dims,
    dtype_of,
    operand,
    optional,
    rule,
    shape_of,
)
from odla.calls.model import Dims, Text

if TYPE_CHECKING:
    from halo_py.ir.graph import Node, Value


@rule("matmul")
def matmul(emit: Emit, node: Node) -> None:
    """Matrices of one batch shape: operands that broadcast are repeated, vectors become matrices."""
    if node.op.attributes().get("epilogue") is not None:
        raise NotInOdlaError("a fused product")
    left, right, made = operand(node, 0), operand(node, 1), node.outputs[0]
    a, b = shape_of(left), shape_of(right)
    if len(a) == 1:
        left = emit.reshaped(left, (1, *a))
    if len(b) == 1:
        right = emit.reshaped(right, (*b, 1))
    batch = np.broadcast_shapes(shape_of(left)[:-2], shape_of(right)[:-2])
    left, right = (_batched(emit, value, batch) for value in (left, right))
    shape = (*batch, shape_of(left)[-2], shape_of(right)[-1])
    result = made if shape == shape_of(made) else emit.value(dtype_of(made), shape, made.name)
    emit.call("odla_BatchMatMul", (left, False, right, False, Dims(shape)), result)
    if result is not made:
        emit.call("odla_Reshape", (result, dims(made)), made)


def _batched(emit: Emit, value: Value, batch: tuple[int, ...]) -> Value:
    shape = shape_of(value)
    wanted = (*batch, *shape[-2:])
    if shape == wanted:
        return value
    full = emit.reshaped(value, (*(1,) * (len(wanted) - len(shape)), *shape))
    made = emit.value(dtype_of(value), wanted, value.name)
    return emit.call("odla_Broadcast", (full, Dims(wanted)), made)


@rule("gemm")
def gemm(emit: Emit, node: Node) -> None:
    """Alpha A B + beta C."""
    op = node.op
    assert isinstance(op, Gemm)
    if op.attributes().get("epilogue") is not None:
        raise NotInOdlaError("a fused product")
    a, b = operand(node, 0), operand(node, 1)
    arguments = (a, bool(op.transA), b, bool(op.transB), op.alpha, op.beta, optional(node, 2), dims(node.outputs[0]))
    emit.call("odla_Gemm", arguments, node.outputs[0])


@rule("einsum")
def einsum(emit: Emit, node: Node) -> None:
    """Any contraction."""
    assert isinstance(node.op, Einsum)
    if node.op.attributes().get("epilogue") is not None:
        raise NotInOdlaError("a fused product")
    operands = tuple(operand(node, number) for number in range(len(node.inputs)))
    emit.call("odla_Einsum", (operands, Text(node.op.equation), dims(node.outputs[0])), node.outputs[0])
