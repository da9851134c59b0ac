"""TensorProto and SparseTensorProto to NumPy arrays: every element type, zero-copy where the bytes allow it."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from halo_frontends.mapped import unpack
from halo_frontends.onnx.external import ExternalFiles
from halo_frontends.onnx.wire import SPAN_KEY, ParsedModel
from halo_py.errors import ModelError, Where
from halo_py.types import DType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from halo_frontends.onnx.proto import SparseTensorProto, TensorProto

    Array = NDArray[np.generic]

_EXTERNAL = 1
_LARGEST_RANK = 64
_DENSE_LIMIT_BYTES = 1 << 30
"""A sparse initialiser may not unfold into more than this (a few bytes could otherwise claim any size)."""

_INT32_DATA = {
    DType.INT32,
    DType.INT16,
    DType.INT8,
    DType.UINT16,
    DType.UINT8,
    DType.BOOL,
    DType.FLOAT16,
    DType.BFLOAT16,
    DType.FLOAT8E4M3FN,
    DType.FLOAT8E4M3FNUZ,
    DType.FLOAT8E5M2,
    DType.FLOAT8E5M2FNUZ,
    DType.FLOAT8E8M0,
    DType.UINT4,
    DType.INT4,
    DType.FLOAT4E2M1,
    DType.UINT2,
    DType.INT2,
}


class TensorReader:
    """Reads the tensors of one model; knows the spans of its file and its external data files."""

    def __init__(self, model: ParsedModel) -> None:
        self._model = model
        self._external = ExternalFiles(model.path)
        self._place = Where(str(model.path))

    def dtype(self, tensor: TensorProto) -> DType:
        """Element type. Raises ModelError for a number that ONNX does not define."""
        try:
            return DType.from_onnx(tensor.data_type)
        except KeyError:
            raise self._error(tensor, f"has the unknown element type {tensor.data_type}") from None

    def read(self, tensor: TensorProto) -> Array:
        """Contents with the declared shape. Raises ModelError if size and declaration do not fit together."""
        dtype, shape = self.dtype(tensor), tuple(tensor.dims)
        if len(shape) > _LARGEST_RANK or any(size < 0 for size in shape):
            raise self._error(tensor, f"has an impossible shape {list(shape)}")
        count = prod(shape)
        if dtype is DType.STRING:
            return self._strings(tensor, count).reshape(shape)
        packed = self._packed_bytes(tensor, dtype, count)
        flat = self._typed(tensor, dtype, count) if packed is None else unpack(packed, dtype, count)
        return flat.reshape(shape)

    def read_sparse(self, sparse: SparseTensorProto) -> Array:
        """A sparse tensor as a dense array. Raises ModelError."""
        values, indices = self.read(sparse.values), self.read(sparse.indices)
        shape, dtype = tuple(sparse.dims), self.dtype(sparse.values)
        if any(size < 0 for size in shape) or dtype.bytes_for(prod(shape)) > _DENSE_LIMIT_BYTES:
            raise self._error(sparse.values, f"is a sparse tensor too large to unfold: {list(shape)}")
        if indices.dtype != np.int64 or values.ndim != 1:
            raise self._error(sparse.values, "is a malformed sparse tensor")
        dense = np.zeros(shape, dtype.numpy)
        if dtype is DType.STRING:
            dense[...] = ""
        positions = cast("NDArray[np.int64]", indices)
        try:
            if positions.ndim == 2:
                dense[tuple(positions.T)] = values
            else:
                dense.reshape(-1)[positions] = values
        except (IndexError, ValueError) as error:
            raise self._error(sparse.values, f"is a malformed sparse tensor: {error}") from error
        return dense

    def _packed_bytes(self, tensor: TensorProto, dtype: DType, count: int) -> NDArray[np.uint8] | None:
        """The contents as packed little-endian bytes, or None if they stand in a typed field."""
        expected = dtype.bytes_for(count)
        entries = {entry.key: entry.value for entry in tensor.external_data}
        if SPAN_KEY in entries:
            try:
                found = self._model.span(entries[SPAN_KEY])
            except ValueError as error:
                raise self._error(tensor, "names a reserved external data key") from error
        elif tensor.data_location == _EXTERNAL:
            return self._external.read(entries, tensor.name, expected)
        elif tensor.HasField("raw_data"):
            found = np.frombuffer(tensor.raw_data, np.uint8)
        else:
            return None
        if len(found) != expected:
            raise self._error(tensor, f"claims {expected} bytes but the file holds {len(found)} for it")
        return found

    def _typed(self, tensor: TensorProto, dtype: DType, count: int) -> Array:
        """Contents of the typed repeated fields (`float_data`, `int32_data`, ...)."""
        per_entry = 1 if dtype.bits >= 8 or dtype is DType.BOOL else 8 // dtype.bits
        field, numbers = self._typed_field(tensor, dtype)
        expected = -(-count // per_entry) * (2 if dtype.is_complex else 1)
        if len(numbers) != expected:
            raise self._error(tensor, f"claims {expected} numbers but its {field} holds {len(numbers)}")
        try:
            return _from_numbers(numbers, dtype, count)
        except (OverflowError, ValueError) as error:
            raise self._error(tensor, f"holds a number outside its type {dtype.text}") from error

    def _typed_field(self, tensor: TensorProto, dtype: DType) -> tuple[str, Sequence[float]]:
        if dtype in (DType.FLOAT32, DType.COMPLEX64):
            return "float_data", tensor.float_data
        if dtype in (DType.FLOAT64, DType.COMPLEX128):
            return "double_data", tensor.double_data
        if dtype in (DType.UINT32, DType.UINT64):
            return "uint64_data", tensor.uint64_data
        if dtype is DType.INT64:
            return "int64_data", tensor.int64_data
        assert dtype in _INT32_DATA
        return "int32_data", tensor.int32_data

    def _strings(self, tensor: TensorProto, count: int) -> Array:
        if len(tensor.string_data) != count:
            raise self._error(tensor, f"claims {count} strings but holds {len(tensor.string_data)}")
        flat = np.empty(count, object)
        for index, text in enumerate(tensor.string_data):
            flat[index] = text.decode("utf-8", "surrogateescape")
        return flat

    def _error(self, tensor: TensorProto, message: str) -> ModelError:
        return ModelError(f"tensor {tensor.name!r} {message}", self._place)


def _from_numbers(numbers: Sequence[float], dtype: DType, count: int) -> Array:
    """Typed-field entries to elements. Narrow floats are stored as their bit patterns, narrow integers packed."""
    if dtype is DType.COMPLEX64:
        return np.asarray(numbers, np.float32).view(np.complex64)
    if dtype is DType.COMPLEX128:
        return np.asarray(numbers, np.float64).view(np.complex128)
    if dtype in (DType.FLOAT32, DType.FLOAT64, DType.INT64, DType.UINT64, DType.UINT32):
        return np.asarray(numbers, dtype.numpy)
    entries = np.asarray(numbers, np.int64)
    if dtype.bits < 8:
        return unpack(entries.astype(np.uint8), dtype, count)
    if dtype is DType.BOOL:
        return entries != 0
    if dtype.is_float:
        return entries.astype(np.dtype(f"uint{dtype.bits}")).view(dtype.numpy)
    return entries.astype(dtype.numpy)
