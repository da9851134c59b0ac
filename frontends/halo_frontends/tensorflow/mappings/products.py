"""Matrix products, sums of products, and operators that exporters fused around them."""

from __future__ import annotations

from collections.abc import Sequence

from halo_frontends.tensorflow.operation import Operation, maps
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value


def _turned(op: Operation, index: int, turn: bool) -> Value:
    value = op.value(index)
    rank = op.emit.rank(value)
    return op.emit.transpose(value, (*range(rank - 2), rank - 1, rank - 2)) if turn else value


@maps("MatMul")
def _matmul(op: Operation) -> Value:
    left = _turned(op, 0, op.attributes.flag("transpose_a"))
    return op.emit.direct("MatMul", left, _turned(op, 1, op.attributes.flag("transpose_b")))


@maps("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def _batch_matmul(op: Operation) -> Value:
    if op.emit.dtype(op.value(0)).is_complex:
        raise UnsupportedError("products of complex matrices are not supported", op.emit.where)
    left = _turned(op, 0, op.attributes.flag("adj_x"))
    return op.emit.direct("MatMul", left, _turned(op, 1, op.attributes.flag("adj_y")))


@maps("Einsum")
def _einsum(op: Operation) -> Value:
    return op.emit.direct("Einsum", *op.values(), equation=op.attributes.text("equation"))


@maps("_FusedMatMul")
def _fused_matmul(op: Operation) -> Value:
    left = _turned(op, 0, op.attributes.flag("transpose_a"))
    made = op.emit.op("MatMul", left, _turned(op, 1, op.attributes.flag("transpose_b")))
    return _fused(op, made, op.values(2))


def _fused(op: Operation, made: Value, extra: Sequence[Value]) -> Value:
    """What TensorFlow's own optimiser put behind a product."""
    value = op.attributes.found.get("fused_ops")
    names = [] if value is None else [name.decode("utf-8", "surrogateescape") for name in value.list.s]
    rest = list(extra)
    for name in names:
        if name == "BiasAdd" and rest:
            made = op.emit.op("Add", made, rest.pop(0))
        elif name in ("Relu", "Elu", "Tanh", "Sigmoid"):
            made = op.emit.op(name, made)
        else:
            raise UnsupportedError(f"{name} fused into a product is not supported", op.emit.where)
    return made
