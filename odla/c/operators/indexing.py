"""Operators that pick elements by index or mask (ODLA/ops/odla_ops_process.h, odla_ops_nn.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_py.errors import UsageError
from halo_py.ops.choosing import OneHot, TopK
from halo_py.ops.indexing import Gather, GatherElements, GatherND
from halo_py.ops.selection import Compress
from halo_py.types import DType
from odla.c.decode import ValueType
from odla.c.operators.emit import Emit, Node, checked_axis, dtype_of, operator, rank_of

if TYPE_CHECKING:
    from odla.c.operators.emit import Dims

_FLAT = (1 << 31) - 1
"""The axis that means all elements in order."""


def _indices(emit: Emit, node: Node) -> Node:
    return node if dtype_of(node) in (DType.INT32, DType.INT64) else emit.cast(node, DType.INT64)


@operator("odla_Compress")
def compress(emit: Emit, x: Node, condition: Node, axis: int, max_output_shape: Dims | None) -> Node:
    """The slices along an axis where a mask holds; axis INT32_MAX: the elements in order."""
    mask = emit.cast(condition, DType.BOOL)
    if axis == _FLAT:
        return emit.add(Compress(), x, mask)
    return emit.add(Compress(axis=checked_axis(axis, rank_of(x))), x, mask)


@operator("odla_Gather")
def gather(emit: Emit, x: Node, indices: Node, axis: int, output_dims: Dims | None) -> Node:
    """Slices along an axis, by index."""
    return emit.add(Gather(axis=checked_axis(axis, rank_of(x))), x, _indices(emit, indices))


@operator("odla_GatherND")
def gather_nd(emit: Emit, x: Node, indices: Node, num_batch_dims: int, output_dims: Dims | None) -> Node:
    """Slices by index vectors, which the last dimension of indices holds."""
    return emit.add(GatherND(batch_dims=num_batch_dims), x, emit.cast(indices, DType.INT64))


@operator("odla_GatherElements")
def gather_elements(emit: Emit, x: Node, indices: Node, axis: int, output_dims: Dims | None) -> Node:
    """Elements along an axis, one index for each."""
    return emit.add(GatherElements(axis=checked_axis(axis, rank_of(x))), x, _indices(emit, indices))


@operator("odla_OneHot")
def one_hot(emit: Emit, indices: Node, depth: int, values: Node, axis: int, output_dims: Dims | None) -> Node:
    """values[1] at each index along a new axis, values[0] elsewhere."""
    return emit.add(OneHot(axis=axis), indices, emit.constant(depth, DType.INT64), values)


@operator("odla_TopK")
def top_k(
    emit: Emit,
    x: Node,
    k: int,
    largest: bool,
    sorted: bool,
    axis: int,
    output_value_type: ValueType,
    output_value_index_type: ValueType,
) -> tuple[Node, ...]:
    """The K largest or smallest along an axis, and their indices."""
    if k < 1:
        raise UsageError("K is 0")
    op = TopK(axis=checked_axis(axis, rank_of(x)), largest=int(largest), sorted=int(sorted))
    values, places = emit.add_all(op, x, emit.ints((k,)), outputs=2)
    return values, emit.cast(places, output_value_index_type.type.dtype)
