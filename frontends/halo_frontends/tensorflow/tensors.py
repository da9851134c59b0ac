"""TensorProto to NumPy arrays: contents in the file stay there, one number may stand for all."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_frontends.mapped import unpack
from halo_frontends.tensorflow.dtypes import find_dtype, read_dtype
from halo_py.errors import ModelError, Where
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_frontends.tensorflow.proto import TensorProto, TensorShapeProto

    Array = NDArray[np.generic]

_MOST_REPEATED_BYTES = 1 << 30
"""A constant that is one number repeated takes no memory, but may not claim more."""
_FREE_ELEMENTS, _MOST_REPEATS = 1 << 20, 64
"""A constant of several numbers may repeat the last one so often for each number that the file holds."""


def shape_of(proto: TensorShapeProto) -> tuple[int | None, ...] | None:
    """The dimensions of a shape; None where they (or the rank) are not known."""
    if proto.unknown_rank:
        return None
    return tuple(dim.size if dim.size >= 0 else None for dim in proto.dim)


class TensorReader:
    """Reads the constants of one file; knows the spans that were cut out of it."""

    def __init__(self, contents: NDArray[np.uint8], spans: Sequence[tuple[int, int]]) -> None:
        self._contents = contents
        self._spans = spans

    def read(self, tensor: TensorProto, where: Where) -> tuple[Array, DType]:
        """Contents with the declared shape. Raises ModelError, UnsupportedError."""
        dtype = find_dtype(tensor.dtype)
        if dtype is not DType.STRING:
            dtype = read_dtype(tensor.dtype, where)
        dims = shape_of(tensor.tensor_shape)
        shape = tuple(dim for dim in dims or () if dim is not None)
        if dims is None or len(shape) != len(dims) or len(shape) > 64:
            raise ModelError("a constant has no definite shape", where)
        count = prod(shape)
        packed = self._packed(tensor)
        if packed is not None:
            needed = dtype.bytes_for(count)
            if dtype.bits < 8:  # stored one per byte
                needed = count
            if len(packed) != needed:
                raise ModelError(f"a constant claims {needed} bytes, the file holds {len(packed)}", where)
            flat = packed.view(np.int8).astype(dtype.numpy) if dtype.bits < 8 else unpack(packed, dtype, count)
            return flat.reshape(shape), dtype
        return self._typed(tensor, dtype, shape, where), dtype

    def _packed(self, tensor: TensorProto) -> NDArray[np.uint8] | None:
        if tensor.halo_span:
            number = tensor.halo_span - 1
            if number >= len(self._spans):
                return np.zeros(0, np.uint8)
            offset, length = self._spans[number]
            return self._contents[offset : offset + length]
        return np.frombuffer(tensor.tensor_content, np.uint8) if tensor.tensor_content else None

    def _typed(self, tensor: TensorProto, dtype: DType, shape: tuple[int, ...], where: Where) -> Array:
        """Contents of the typed fields: as many numbers as there are, the last of which fills the rest."""
        numbers, count = _numbers(tensor, dtype), prod(shape)
        if len(numbers) > count:
            raise ModelError(f"a constant of {count} elements holds {len(numbers)}", where)
        if len(numbers) == count:
            return numbers.reshape(shape)
        if dtype.bytes_for(count) > _MOST_REPEATED_BYTES:
            raise ModelError(f"a constant claims {count} elements and holds {len(numbers)}", where)
        if len(numbers) <= 1:
            return np.broadcast_to(numbers[0] if len(numbers) else _nothing(dtype), shape)
        if count > max(_FREE_ELEMENTS, _MOST_REPEATS * len(numbers)):
            raise ModelError(f"a constant claims {count} elements and holds {len(numbers)}", where)
        filled = np.full(count, numbers[-1], dtype.numpy)
        filled[: len(numbers)] = numbers
        return filled.reshape(shape)


def _nothing(dtype: DType) -> Any:
    return np.asarray("" if dtype is DType.STRING else 0).astype(dtype.numpy)


_WIDE_FIELDS = {
    DType.FLOAT32: "float_val",
    DType.FLOAT64: "double_val",
    DType.INT64: "int64_val",
    DType.BOOL: "bool_val",
    DType.UINT32: "uint32_val",
    DType.UINT64: "uint64_val",
}


def _numbers(tensor: TensorProto, dtype: DType) -> Array:
    """The typed fields as a vector of their type."""
    if dtype is DType.STRING:
        return np.asarray([text.decode("utf-8", "surrogateescape") for text in tensor.string_val], object)
    if dtype is DType.COMPLEX64:
        return np.asarray(tensor.scomplex_val, np.float32).view(np.complex64)
    if dtype is DType.COMPLEX128:
        return np.asarray(tensor.dcomplex_val, np.float64).view(np.complex128)
    if dtype in (DType.FLOAT16, DType.BFLOAT16):
        return np.asarray(tensor.half_val, np.int64).astype(np.uint16).view(dtype.numpy)
    field: Sequence[Any] = getattr(tensor, _WIDE_FIELDS.get(dtype, "int_val"))
    return np.asarray(field, None if dtype in _WIDE_FIELDS else np.int64).astype(dtype.numpy)
