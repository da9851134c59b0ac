"""Rearranging, joining, padding and repeating: operators that compute nothing."""

from __future__ import annotations

import numpy as np

from halo_frontends.tensorflow_ops import arithmetic, arranging
from halo_frontends.tensorflow_ops.complex_numbers import Complex
from halo_frontends.tflite.activation import activated
from halo_frontends.tflite.model import TensorInfo
from halo_frontends.tflite.operation import Operation, maps
from halo_frontends.tflite.quantised import dequantised, is_quantised, limited, quantised
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType


@maps("RESHAPE", integers="stored")
def _reshape(op: Operation) -> Value:
    """The shape is an operand, or an option in old files."""
    shape = op.optional(1)
    if shape is None:
        sizes = op.info.options.vector("new_shape")
        shape = op.emit.ints(*(int(size) for size in (sizes or op.output_tensors[0].dims)))
    return arranging.reshape_to(op.value(0), shape, op.emit)


@maps("EXPAND_DIMS", integers="stored")
def _expand_dims(op: Operation) -> Value:
    (axis,) = op.ints(1, "the axis")
    return arranging.expand_dims(op.value(0), axis, op.emit)


@maps("SQUEEZE", integers="stored")
def _squeeze(op: Operation) -> Value:
    axes = tuple(int(axis) for axis in op.info.options.vector("squeeze_dims") or ())
    return arranging.squeeze(op.value(0), axes, op.emit)


@maps("TRANSPOSE", integers="stored")
def _transpose(op: Operation) -> Value:
    order = op.ints(1, "the order of the axes")
    rank = op.emit.rank(op.value(0))
    return op.emit.transpose(op.value(0), tuple(op.emit.axis(axis, rank) for axis in order))


@maps("PACK", integers="stored")
def _pack(op: Operation) -> Value:
    return arranging.pack(op.values(), op.integer("axis"), op.emit)


@maps("UNPACK", integers="stored")
def _unpack(op: Operation) -> tuple[Value, ...]:
    return arranging.unpack(op.value(0), op.integer("axis"), op.emit)


@maps("CONCATENATION", integers="own")
def _concatenation(op: Operation) -> Value:
    """Quantised operands whose scales differ from the result's are converted first."""
    emit, result = op.emit, op.output_tensors[0]
    parts = [
        _converted(value, tensor, result, op)
        for value, tensor in zip(op.values(), op.input_tensors, strict=True)
        if tensor is not None
    ]
    made = emit.concat(parts, emit.axis(op.integer("axis"), emit.rank(parts[0])))
    return limited(made, op) if is_quantised(result) else activated(made, op.integer("activation"), emit)


def _converted(value: Value, tensor: TensorInfo, result: TensorInfo, op: Operation) -> Value:
    """Stored integers in the steps of another tensor."""
    old, new = tensor.quantization, result.quantization
    if old is None or new is None or not is_quantised(result):
        return value
    if np.array_equal(old.scales, new.scales) and np.array_equal(old.zero_points, new.zero_points):
        return value
    return quantised(dequantised(value, tensor, op.emit), result, op.emit)


@maps("PAD", "PADV2", integers="own")
def _pad(op: Operation) -> Value:
    """Quantised data is padded with what stands for 0."""
    number, found = op.optional(2), op.input_tensors[0]
    if number is None and found is not None and found.quantization is not None and is_quantised(found):
        number = op.emit.scalar(int(found.quantization.zero_points[0]), op.value(0))
    if number is not None:
        number = op.emit.reshape(number, ())
    return arranging.pad(op.value(0), op.value(1), number, op.emit)


@maps("MIRROR_PAD", integers="stored")
def _mirror_pad(op: Operation) -> Value:
    return arranging.mirror_pad(op.value(0), op.value(1), op.integer("mode") == 1, op.emit)


@maps("SPLIT", integers="stored")
def _split(op: Operation) -> tuple[Value, ...]:
    (axis,) = op.ints(0, "the axis")
    return arranging.split_evenly(op.value(1), axis, op.integer("num_splits"), op.emit)


@maps("SPLIT_V", integers="stored")
def _split_v(op: Operation) -> tuple[Value, ...]:
    sizes, (axis,) = op.ints(1, "the sizes"), op.ints(2, "the axis")
    return arranging.split(op.value(0), axis, sizes, op.emit)


@maps("TILE", integers="stored")
def _tile(op: Operation) -> Value:
    return arranging.tile(op.value(0), op.value(1), op.emit)


@maps("BROADCAST_TO", integers="stored")
def _broadcast_to(op: Operation) -> Value:
    return arranging.broadcast_to(op.value(0), op.value(1), op.emit)


@maps("BROADCAST_ARGS")
def _broadcast_args(op: Operation) -> Value:
    return arranging.broadcast_shapes(op.value(0), op.value(1), op.emit)


@maps("FILL", integers="stored")
def _fill(op: Operation) -> Value:
    return arranging.filled(op.value(0), op.value(1), op.emit)


@maps("RANGE")
def _range(op: Operation) -> Value:
    dtype = op.output_tensors[0].dtype or DType.INT32
    return arranging.range_of(op.value(0), op.value(1), op.value(2), op.emit, dtype)


@maps("SHAPE", integers="stored")
def _shape(op: Operation) -> Value:
    x = op.pair(0).real if isinstance(op.inputs[0], Complex) else op.value(0)
    return op.emit.cast(op.emit.op("Shape", x), op.output_tensors[0].dtype or DType.INT32)


@maps("RANK", integers="stored")
def _rank(op: Operation) -> Value:
    return op.emit.constant(np.asarray(op.emit.rank(op.value(0)), np.int32), "rank")


@maps("REVERSE_V2", integers="stored")
def _reverse(op: Operation) -> Value:
    return arranging.reverse(op.value(0), op.ints(1, "the axes"), op.emit)


@maps("REVERSE_SEQUENCE", integers="stored")
def _reverse_sequence(op: Operation) -> Value:
    return arranging.reverse_sequence(op.value(0), op.value(1), op.integer("seq_dim"), op.integer("batch_dim"), op.emit)


@maps("ONE_HOT", integers="stored")
def _one_hot(op: Operation) -> Value:
    (depth,) = op.ints(1, "the number of positions")
    return arranging.one_hot(op.value(0), depth, op.value(2), op.value(3), op.integer("axis"), op.emit)


@maps("SPACE_TO_DEPTH", integers="stored")
def _space_to_depth(op: Operation) -> Value:
    return arranging.space_to_depth(op.value(0), op.integer("block_size"), op.emit)


@maps("DEPTH_TO_SPACE", integers="stored")
def _depth_to_space(op: Operation) -> Value:
    return arranging.depth_to_space(op.value(0), op.integer("block_size"), op.emit)


@maps("SPACE_TO_BATCH_ND")
def _space_to_batch(op: Operation) -> Value:
    return arranging.space_to_batch(op.value(0), op.ints(1, "blocks"), arranging.pairs(op.value(2), op.emit), op.emit)


@maps("BATCH_TO_SPACE_ND", integers="stored")
def _batch_to_space(op: Operation) -> Value:
    return arranging.batch_to_space(op.value(0), op.ints(1, "blocks"), arranging.pairs(op.value(2), op.emit), op.emit)


@maps("MATRIX_DIAG")
def _matrix_diag(op: Operation) -> Value:
    return arranging.diagonal_matrix(op.value(0), op.emit)


@maps("MATRIX_SET_DIAG", integers="stored")
def _matrix_set_diag(op: Operation) -> Value:
    return arranging.with_diagonal(op.value(0), op.value(1), op.emit)


@maps("SPARSE_TO_DENSE", integers="stored")
def _sparse_to_dense(op: Operation) -> Value:
    """Positions (a number, a vector, or one per row), the shape, what stands there, and what stands elsewhere."""
    emit, positions, values = op.emit, op.value(0), op.value(2)
    if emit.rank(positions) < 2:
        positions = emit.reshape(positions, (-1, 1))
    (count, _) = emit.shape(positions)
    if not isinstance(count, int):
        raise UnsupportedError("the number of positions must be known", emit.where)
    if not emit.rank(values):
        values = emit.op("Expand", values, emit.ints(count))
    dense = arranging.filled(op.value(1), op.value(3), emit)
    return emit.op("ScatterND", dense, emit.int64(positions), values)


@maps("QUANTIZE", integers="own")
def _quantize(op: Operation) -> Value:
    tensor = op.input_tensors[0]
    x = op.value(0)
    if tensor is not None and is_quantised(tensor):
        x = dequantised(x, tensor, op.emit)
    return quantised(x, op.output_tensors[0], op.emit)


@maps("DEQUANTIZE", integers="own")
def _dequantize(op: Operation) -> Value:
    tensor = op.input_tensors[0]
    if tensor is not None and is_quantised(tensor):
        return dequantised(op.value(0), tensor, op.emit)
    return op.emit.cast(op.value(0), DType.FLOAT32)


@maps("DENSIFY", integers="stored")
def _densify(op: Operation) -> Value:
    """Sparse constants are read with all their entries."""
    return op.value(0)


@maps("UNIQUE")
def _unique(op: Operation) -> tuple[Value, ...]:
    """The distinct elements in the order they appear, and which of them each element is."""
    values, _, places = op.emit.several("Unique", (op.value(0),), 3, sorted=0)
    return values, op.emit.cast(places, op.output_tensors[1].dtype or DType.INT32)


@maps("WHERE")
def _where(op: Operation) -> Value:
    """Positions of the elements that are not zero, one per row."""
    return arithmetic.positions(op.value(0), op.emit)
