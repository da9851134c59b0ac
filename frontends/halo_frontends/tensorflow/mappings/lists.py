"""Lists of tensors as tensors [length, *element], and the older arrays of tensors, whose `flow` is such a list."""

from __future__ import annotations

import numpy as np

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow.things import Element, Opaque, TensorList, Thing
from halo_frontends.tensorflow_ops.arranging import filled
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import Dim, DType


def _length(op: Operation, index: int) -> int | Value:
    known = op.emit.known(op.value(index))
    return op.value(index) if known is None else int(known.reshape(-1)[0].item())


def _element(op: Operation, index: int) -> Element:
    """The shape in an operand; a scalar of -1 says nothing."""
    known = op.emit.known(op.value(index))
    if known is None or (known.ndim == 0 and int(known) < 0):
        return None
    return tuple(size if size >= 0 else None for size in (int(entry) for entry in known.reshape(-1).tolist()))


def materialised(found: TensorList, element: tuple[Dim, ...] | None, emit: Emitter) -> Value:
    """The contents of a list; of one that was only reserved, zeros with elements of this shape.

    Raises UnsupportedError if their shape is not known.
    """
    if found.items is not None:
        return found.items
    shape = element if element is not None else found.element
    if shape is None or any(size is None for size in shape) or found.length is None:
        raise UnsupportedError("the shape of the entries of a list must be known", emit.where)
    sizes = emit.numbers([size for size in shape if size is not None], "the shape of the entries of a list")
    count = emit.ints(found.length) if isinstance(found.length, int) else emit.reshape(emit.int64(found.length), (1,))
    zero = emit.constant(np.zeros((), found.dtype.numpy), "zero")
    return filled(emit.concat([count, emit.ints(*sizes)], 0) if sizes else count, zero, emit)


@maps("TensorListReserve", "EmptyTensorList")
def _reserve(op: Operation) -> TensorList:
    """Operands are the shape of an element and the number of elements (or the most there may be)."""
    dtype = op.attributes.dtype("element_dtype")
    length = _length(op, 1) if op.node.op == "TensorListReserve" else 0
    return TensorList(None, length, dtype, _element(op, 0))


@maps("TensorListFromTensor")
def _from_tensor(op: Operation) -> TensorList:
    items = op.value(0)
    shape = op.emit.shape(items)
    if not shape:
        raise ModelError("makes a list of a scalar", op.emit.where)
    length = shape[0] if isinstance(shape[0], int) else None
    return TensorList(items, length, op.emit.dtype(items))


@maps("TensorListStack")
def _stack(op: Operation) -> Value:
    return materialised(op.tensor_list(0), _wanted(op, 1), op.emit)


def _wanted(op: Operation, index: int) -> tuple[Dim, ...] | None:
    """The shape of an element in an operand, if it is complete."""
    if not op.has(index):
        return None
    sizes = [size for size in _element(op, index) or (None,) if size is not None]
    return tuple(sizes) if len(sizes) == len(_element(op, index) or (None,)) else None


@maps("TensorListGetItem")
def _get_item(op: Operation) -> Value:
    found = op.tensor_list(0)
    items = materialised(found, _wanted(op, 2), op.emit)
    return op.emit.op("Gather", items, op.value(1), axis=0)


@maps("TensorListSetItem")
def _set_item(op: Operation) -> Thing:
    return with_item(op.tensor_list(0), op.value(1), op.value(2), op.emit)


def with_item(found: TensorList, index: Value, item: Value, emit: Emitter) -> TensorList:
    """The list with another entry at one place."""
    items = materialised(found, emit.shape(item), emit)
    place = emit.reshape(emit.int64(index), (1, 1))
    made = emit.op("ScatterND", items, place, emit.unsqueeze(item, 0))
    return TensorList(made, found.length, found.dtype, found.element)


@maps("TensorListPushBack")
def _push_back(op: Operation) -> TensorList:
    found, item = op.tensor_list(0), op.emit.unsqueeze(op.value(1), 0)
    grown = item if found.items is None and found.length == 0 else None
    if grown is None:
        grown = op.emit.concat([materialised(found, None, op.emit), item], 0)
    length = found.length + 1 if isinstance(found.length, int) else None
    return TensorList(grown, length, found.dtype, found.element)


@maps("TensorListPopBack", results="output_handle tensor")
def _pop_back(op: Operation) -> tuple[Thing, ...]:
    found = op.tensor_list(0)
    items = materialised(found, _wanted(op, 1), op.emit)
    length = found.length - 1 if isinstance(found.length, int) else None
    rest = TensorList(op.emit.slice(items, 0, 0, -1), length, found.dtype, found.element)
    last = op.emit.op("Gather", items, op.emit.constant(np.asarray(-1, np.int64), "last"), axis=0)
    return rest, last


@maps("TensorListLength")
def _list_length(op: Operation) -> Value:
    found = op.tensor_list(0)
    if isinstance(found.length, int):
        return op.emit.constant(np.asarray(found.length, np.int32), "length")
    if found.items is not None:
        size = op.emit.op("Shape", found.items, start=0, end=1)
        return op.emit.cast(op.emit.reshape(size, ()), DType.INT32)
    if found.length is None:
        raise UnsupportedError("the length of a list must be known", op.emit.where)
    return op.emit.cast(found.length, DType.INT32)


@maps("TensorListElementShape")
def _element_shape(op: Operation) -> Value:
    found = op.tensor_list(0)
    if found.items is None:
        raise UnsupportedError("the shape of the entries of a list must be known", op.emit.where)
    return op.emit.cast(op.emit.op("Shape", found.items, start=1), op.attributes.dtype("shape_type", DType.INT32))


@maps("TensorListGather")
def _list_gather(op: Operation) -> Value:
    return op.emit.op("Gather", materialised(op.tensor_list(0), _wanted(op, 2), op.emit), op.value(1), axis=0)


@maps("TensorListConcat", "TensorListConcatV2", results="tensor lengths")
def _list_concat(op: Operation) -> tuple[Value, ...]:
    """The entries one after another along their first axis."""
    items = materialised(op.tensor_list(0), None, op.emit)
    count, first, *rest = op.emit.static_shape(items)
    lengths = np.full(count, first, np.int64)
    return op.emit.reshape(items, (count * first, *rest)), op.emit.constant(lengths, "lengths")


@maps("TensorListScatterIntoExistingList", "TensorListScatter", "TensorListScatterV2")
def _list_scatter(op: Operation) -> TensorList:
    """The entries of a tensor at places of a list: an existing one, or one as long as the greatest place wants."""
    emit = op.emit
    if op.node.op == "TensorListScatterIntoExistingList":
        found, values, places = op.tensor_list(0), op.value(1), op.value(2)
    else:
        values, places = op.value(0), op.value(1)
        wanted = op.integer(3, "the length of a list") if op.has(3) else -1
        most = max(op.ints(1, "the places of a list"), default=-1) + 1
        found = TensorList(None, max(wanted, most), emit.dtype(values))
    items = materialised(found, emit.shape(values)[1:], emit)
    made = emit.op("ScatterND", items, emit.unsqueeze(emit.int64(places), -1), values)
    return TensorList(made, found.length, found.dtype, found.element)


# -- arrays of tensors of version 1 -------------------------------------------------------------------------------


@maps("TensorArrayV3", results="handle flow")
def _array(op: Operation) -> tuple[Thing, ...]:
    """The list travels as the `flow`, which every operation on the array takes and answers."""
    element = op.attributes.shape("element_shape")
    dtype = op.attributes.dtype("dtype")
    return Opaque("TensorArray"), TensorList(None, _length(op, 0), dtype, element)


@maps("TensorArrayWriteV3")
def _array_write(op: Operation) -> Thing:
    return with_item(op.tensor_list(3), op.value(1), op.value(2), op.emit)


@maps("TensorArrayReadV3")
def _array_read(op: Operation) -> Value:
    items = materialised(op.tensor_list(2), None, op.emit)
    return op.emit.op("Gather", items, op.value(1), axis=0)


@maps("TensorArrayGatherV3")
def _array_gather(op: Operation) -> Value:
    items = materialised(op.tensor_list(2), None, op.emit)
    return op.emit.op("Gather", items, op.value(1), axis=0)


@maps("TensorArrayScatterV3")
def _array_scatter(op: Operation) -> TensorList:
    found, values = op.tensor_list(3), op.value(2)
    items = materialised(found, op.emit.shape(values)[1:], op.emit)
    made = op.emit.op("ScatterND", items, op.emit.unsqueeze(op.emit.int64(op.value(1)), -1), values)
    return TensorList(made, found.length, found.dtype, found.element)


@maps("TensorArraySizeV3")
def _array_size(op: Operation) -> Value:
    found = op.tensor_list(1)
    if isinstance(found.length, Value):
        return op.emit.cast(found.length, DType.INT32)
    if found.length is None:
        raise UnsupportedError("the length of an array of tensors must be known", op.emit.where)
    return op.emit.constant(np.asarray(found.length, np.int32), "length")
