"""Parts of tensors."""

from __future__ import annotations

from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow_ops import slicing
from halo_py.ir.graph import Value


@maps("StridedSlice")
def _strided_slice(op: Operation) -> Value:
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    masks = slicing.Masks(*(op.attributes.integer(name) for name in names))
    return slicing.strided_slice(op.value(0), op.value(1), op.value(2), op.value(3), masks, op.emit)


@maps("Slice")
def _slice(op: Operation) -> Value:
    return slicing.slice_by_size(op.value(0), op.value(1), op.value(2), op.emit)


@maps("GatherV2")
def _gather(op: Operation) -> Value:
    axis, batch = op.integer(2, "the axis"), op.attributes.integer("batch_dims")
    return slicing.gather(op.value(0), op.value(1), axis, batch, op.emit)


@maps("Gather")
def _old_gather(op: Operation) -> Value:
    return slicing.gather(op.value(0), op.value(1), 0, 0, op.emit)


@maps("GatherNd")
def _gather_nd(op: Operation) -> Value:
    return slicing.gather_nd(op.value(0), op.value(1), op.emit)


@maps("ScatterNd")
def _scatter_nd(op: Operation) -> Value:
    return slicing.scatter_nd(op.value(0), op.value(1), op.value(2), op.emit)


_UPDATES = {
    "TensorScatterUpdate": "none",
    "TensorScatterAdd": "add",
    "TensorScatterMax": "max",
    "TensorScatterMin": "min",
}


@maps(*_UPDATES)
def _tensor_scatter(op: Operation) -> Value:
    indices = op.emit.int64(op.value(1))
    return op.emit.direct("ScatterND", op.value(0), indices, op.value(2), reduction=_UPDATES[op.node.op])


@maps("TensorScatterSub")
def _tensor_scatter_sub(op: Operation) -> Value:
    less = op.emit.op("Neg", op.value(2))
    return op.emit.direct("ScatterND", op.value(0), op.emit.int64(op.value(1)), less, reduction="add")


@maps("XlaDynamicUpdateSlice")
def _dynamic_update_slice(op: Operation) -> Value:
    return slicing.update_slice(op.value(0), op.value(1), op.value(2), op.emit)
