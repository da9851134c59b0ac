"""Attributes, tensors and types as ONNX's protobuf messages."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from onnx import AttributeProto, TensorProto, TypeProto, ValueInfoProto

from halo_py.ir.op import Op
from halo_py.ops.literal import TensorLiteral
from halo_py.types import DType, OptionalType, SequenceType, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

_NOT_ONNX = {"epilogue", "program", "captured"}


def attributes(op: Op) -> list[AttributeProto]:
    """The op's attributes that differ from their defaults."""
    result: list[AttributeProto] = []
    for entry in fields(op):
        value = getattr(op, entry.name)
        if value is None or entry.name in _NOT_ONNX or (entry.default is not MISSING and value == entry.default):
            continue
        result.append(_attribute(entry.name, value, "float" in str(entry.type)))
    return result


def _attribute(name: str, value: object, is_float: bool) -> AttributeProto:
    match value:
        case DType():
            return AttributeProto(name=name, type=AttributeProto.INT, i=value.onnx_number)
        case str():
            return AttributeProto(name=name, type=AttributeProto.STRING, s=value.encode("utf-8", "surrogateescape"))
        case int() if not is_float:
            return AttributeProto(name=name, type=AttributeProto.INT, i=int(value))
        case int() | float():
            return AttributeProto(name=name, type=AttributeProto.FLOAT, f=value)
        case TensorLiteral():
            return AttributeProto(name=name, type=AttributeProto.TENSOR, t=tensor_proto("", value.array(), value.dtype))
        case TensorType() | SequenceType() | OptionalType():
            return AttributeProto(name=name, type=AttributeProto.TYPE_PROTO, tp=type_proto(value))
        case tuple():
            return _list_attribute(name, list(cast("tuple[Any, ...]", value)), is_float)
        case _:
            raise TypeError(f"attribute {name!r} has a value of type {type(value).__name__}")


def _list_attribute(name: str, values: list[Any], is_float: bool) -> AttributeProto:
    if is_float or any(issubclass(kind, float) for kind in set(map(type, values))):
        return AttributeProto(name=name, type=AttributeProto.FLOATS, floats=values)
    if values and isinstance(values[0], str):
        texts = [value.encode("utf-8", "surrogateescape") for value in values]
        return AttributeProto(name=name, type=AttributeProto.STRINGS, strings=texts)
    return AttributeProto(name=name, type=AttributeProto.INTS, ints=values)


def packed_bytes(contents: Array) -> bytes:
    """Little-endian bytes as ONNX stores them: types under 8 bits share bytes, low bits first."""
    dtype = DType.from_numpy(contents.dtype)
    if dtype.bits >= 8:
        return np.ascontiguousarray(contents).tobytes()
    per_byte = 8 // dtype.bits
    codes = np.ascontiguousarray(contents).reshape(-1).view(np.uint8) & np.uint8((1 << dtype.bits) - 1)
    padded = np.zeros(-(-len(codes) // per_byte) * per_byte, np.uint8)
    padded[: len(codes)] = codes
    shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(dtype.bits)
    return np.bitwise_or.reduce(padded.reshape(-1, per_byte) << shifts, axis=1).astype(np.uint8).tobytes()


def tensor_proto(name: str, contents: Array, dtype: DType) -> TensorProto:
    """A constant as ONNX holds it."""
    tensor = TensorProto(name=name, dims=contents.shape, data_type=dtype.onnx_number)
    if dtype is DType.STRING:
        tensor.string_data.extend(str(item).encode("utf-8", "surrogateescape") for item in contents.reshape(-1))
    else:
        tensor.raw_data = packed_bytes(contents)
    return tensor


def value_info(name: str, type: Type) -> ValueInfoProto:
    """A named, typed value."""
    return ValueInfoProto(name=name, type=type_proto(type))


def type_proto(type: Type) -> TypeProto:
    """A type as ONNX writes it; symbolic dimensions by name."""
    proto = TypeProto()
    match type:
        case TensorType():
            proto.tensor_type.elem_type = type.dtype.onnx_number
            if type.shape is not None:
                proto.tensor_type.shape.SetInParent()
                for dim in type.shape:
                    entry = proto.tensor_type.shape.dim.add()
                    if isinstance(dim, int):
                        entry.dim_value = dim
                    else:
                        entry.dim_param = str(dim)
        case SequenceType():
            proto.sequence_type.elem_type.CopyFrom(type_proto(type.element))
        case OptionalType():
            proto.optional_type.elem_type.CopyFrom(type_proto(type.element))
    return proto


def place_outside(tensor: TensorProto, location: str, offset: int, length: int) -> None:
    """Make an initialiser refer to bytes of an external file."""
    del tensor.external_data[:]
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
