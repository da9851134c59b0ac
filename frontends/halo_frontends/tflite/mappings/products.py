"""Matrix products and table look-ups."""

from __future__ import annotations

from halo_frontends.tensorflow_ops.windows import Window
from halo_frontends.tflite.activation import activated
from halo_frontends.tflite.operation import Operation, maps
from halo_frontends.tflite.quantised import is_quantised, quantised_conv
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import Dim, divide_dim, multiply_dims


@maps("FULLY_CONNECTED", integers="own")
def _fully_connected(op: Operation) -> Value:
    """Operands are the data [..., I], weights [O, I] and perhaps a bias."""
    emit, x, weights = op.emit, op.value(0), op.value(1)
    if op.integer("weights_format"):
        raise UnsupportedError("shuffled weights are not supported", emit.where)
    out, depth = emit.static_shape(weights)
    leading = emit.shape(x)[:-1] if op.flag("keep_num_dims") else (_rows(op, x, depth),)
    if any(is_quantised(tensor) for tensor in op.input_tensors[:2]):
        # As a convolution over fields of one element: the one quantised product that has a bias.
        rows = emit.reshape(x, (_rows(op, x, depth), depth, 1))
        made = quantised_conv(
            op.reading(rows), emit.unsqueeze(weights, 2), Window((1,), (1,), "VALID", channels_last=False)
        )
        return emit.reshape(made, (*leading, out))
    if len(leading) == 1:
        flat = emit.reshape(x, (leading[0], depth))
        made = emit.op("Gemm", flat, weights, op.optional(2), transB=1)
    else:
        made = emit.op("MatMul", x, emit.transpose(weights, (1, 0)))
        bias = op.optional(2)
        made = made if bias is None else emit.op("Add", made, bias)
    return activated(made, op.integer("activation"), emit)


def _rows(op: Operation, x: Value, depth: int) -> Dim:
    """How many rows of `depth` elements the data has."""
    total = multiply_dims(op.emit.shape(x))
    rows = None if total is None or depth == 0 else divide_dim(total, depth)
    if rows is None:
        raise ModelError(f"data of shape {op.emit.shape(x)} has no rows of {depth}", op.emit.where)
    return rows


@maps("BATCH_MATMUL")
def _batch_matmul(op: Operation) -> Value:
    operands = [op.value(0), op.value(1)]
    for index, name in enumerate(("adj_x", "adj_y")):
        if op.flag(name):
            rank = op.emit.rank(operands[index])
            operands[index] = op.emit.transpose(operands[index], (*range(rank - 2), rank - 1, rank - 2))
    return op.emit.direct("MatMul", *operands)


@maps("EMBEDDING_LOOKUP", integers="stored")
def _embedding_lookup(op: Operation) -> Value:
    return op.emit.direct("Gather", op.value(1), op.value(0), axis=0)
