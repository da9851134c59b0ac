"""Parts of tensors."""

from __future__ import annotations

from halo_frontends.tensorflow_ops import slicing
from halo_frontends.tflite.operation import Operation, maps
from halo_py.ir.graph import Value


@maps("STRIDED_SLICE", integers="stored")
def _strided_slice(op: Operation) -> Value:
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    masks = slicing.Masks(*(op.integer(name) for name in names))
    begin, end, strides = op.value(1), op.value(2), op.value(3)
    return slicing.strided_slice(op.value(0), begin, end, strides, masks, op.emit, offset=op.flag("offset"))


@maps("SLICE", integers="stored")
def _slice(op: Operation) -> Value:
    return slicing.slice_by_size(op.value(0), op.value(1), op.value(2), op.emit)


@maps("GATHER", integers="stored")
def _gather(op: Operation) -> Value:
    return slicing.gather(op.value(0), op.value(1), op.integer("axis"), op.integer("batch_dims"), op.emit)


@maps("GATHER_ND", integers="stored")
def _gather_nd(op: Operation) -> Value:
    return slicing.gather_nd(op.value(0), op.value(1), op.emit)


@maps("SCATTER_ND", integers="stored")
def _scatter_nd(op: Operation) -> Value:
    return slicing.scatter_nd(op.value(0), op.value(1), op.value(2), op.emit)


@maps("DYNAMIC_UPDATE_SLICE", integers="stored")
def _dynamic_update_slice(op: Operation) -> Value:
    return slicing.update_slice(op.value(0), op.value(1), op.value(2), op.emit)
