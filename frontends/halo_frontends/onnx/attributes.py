"""AttributeProto to Python values: numbers, text, tuples, arrays, types, nested graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halo_frontends.importer import DeclaredDim, symbol_name
from halo_frontends.onnx.proto import GraphProto
from halo_frontends.onnx.tensors import TensorReader
from halo_py.errors import ModelError, Where
from halo_py.types import DType, OptionalType, SequenceType, TensorType, Type, symbol

if TYPE_CHECKING:
    from halo_frontends.onnx.proto import AttributeProto, TypeProto

AttributeValue = float | int | str | tuple[float, ...] | tuple[int, ...] | tuple[str, ...] | NDArray[np.generic] | Type
_FLOAT, _INT, _STRING, _TENSOR, _GRAPH, _FLOATS, _INTS, _STRINGS = range(1, 9)
_SPARSE_TENSOR, _TYPE_PROTO = 11, 13


def referenced(attributes: Sequence[AttributeProto], given: Mapping[str, AttributeProto]) -> dict[str, AttributeProto]:
    """A node's attributes by name; one that refers to an attribute of the enclosing function takes the caller's value.

    A reference to an attribute that the caller does not give is as if the attribute were absent.
    """
    result: dict[str, AttributeProto] = {}
    for attribute in attributes:
        if not attribute.ref_attr_name:
            result[attribute.name] = attribute
        elif attribute.ref_attr_name in given:
            result[attribute.name] = given[attribute.ref_attr_name]
    return result


def attribute_value(attribute: AttributeProto, tensors: TensorReader, where: Where) -> AttributeValue | GraphProto:
    """The value of an attribute. Raises ModelError for kinds that no operator uses."""
    match attribute.type or _guess(attribute):
        case 1:
            return attribute.f
        case 2:
            return attribute.i
        case 3:
            return _text(attribute.s)
        case 4:
            return tensors.read(attribute.t)
        case 5:
            return attribute.g
        case 6:
            return tuple(attribute.floats)
        case 7:
            return tuple(attribute.ints)
        case 8:
            texts = list(attribute.strings)
            known = {item: _text(item) for item in set(texts)}
            return tuple(map(known.__getitem__, texts))
        case 11:
            return tensors.read_sparse(attribute.sparse_tensor)
        case 13:
            return read_type(attribute.tp, where)
        case other:
            raise ModelError(f"attribute {attribute.name!r} has the unknown kind {other}", where)


def _guess(attribute: AttributeProto) -> int:
    """Files of IR version 1 leave the kind out."""
    present = (
        (_INTS, attribute.ints),
        (_FLOATS, attribute.floats),
        (_STRINGS, attribute.strings),
        (_TENSOR, attribute.HasField("t")),
        (_GRAPH, attribute.HasField("g")),
        (_STRING, attribute.HasField("s")),
        (_FLOAT, attribute.HasField("f")),
        (_INT, attribute.HasField("i")),
    )
    return next((kind for kind, found in present if found), _INTS)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def declared_dims(proto: TypeProto.Tensor) -> tuple[DeclaredDim, ...] | None:
    """The dimensions that a tensor type states; None when it states no shape."""
    if not proto.HasField("shape"):
        return None
    dims: list[DeclaredDim] = []
    for dim in proto.shape.dim:
        if dim.HasField("dim_value"):
            dims.append(dim.dim_value if dim.dim_value >= 0 else None)
        else:
            dims.append(dim.dim_param or None)
    return tuple(dims)


def read_dtype(number: int, where: Where) -> DType:
    """The element type with this ONNX number. Raises ModelError."""
    try:
        return DType.from_onnx(number)
    except KeyError:
        raise ModelError(f"unknown element type {number}", where) from None


def read_type(proto: TypeProto, where: Where, name: str = "type") -> Type:
    """A declared type; unnamed dimensions become symbols made from `name`. Raises ModelError."""
    match proto.WhichOneof("value"):
        case "tensor_type":
            dims = declared_dims(proto.tensor_type)
            dtype = read_dtype(proto.tensor_type.elem_type, where)
            if dims is None:
                return TensorType(dtype, None)
            sizes = (
                dim if isinstance(dim, int) else symbol(symbol_name(dim or f"{name}_{position}"))
                for position, dim in enumerate(dims)
            )
            return TensorType(dtype, tuple(sizes))
        case "sequence_type":
            return SequenceType(read_type(proto.sequence_type.elem_type, where, name))
        case "optional_type":
            return OptionalType(read_type(proto.optional_type.elem_type, where, name))
        case other:
            raise ModelError(f"{name!r} has the unsupported kind of type {other or 'none'}", where)
