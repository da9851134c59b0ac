"""Arrays in memory that the library's process shares: constants, and the buffers that a computation is bound to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_backends.native.process import SharedMemory
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Value

    Array = NDArray[Any]

_ALIGNMENT = 64
_GUARD_BYTES = 64
_MARK_BYTES = 64
_TELLING_BYTES = 8
"""Bytes that are not by chance those of a mark."""


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def _type(value: Value) -> TensorType:
    assert isinstance(value.type, TensorType)
    return value.type


def byte_count(value: Value) -> int:
    """Bytes of a value's contents."""
    type = _type(value)
    return int(np.prod(type.static_shape, dtype=np.int64)) * type.dtype.numpy.itemsize


class Constants:
    """The contents of constants, one after the other."""

    def __init__(self, contents: Mapping[Value, Array]) -> None:
        self.offsets: dict[Value, int] = {}
        end = 0
        for value, array in contents.items():
            self.offsets[value] = _aligned(end)
            end = self.offsets[value] + array.nbytes
        self.memory = SharedMemory(end)
        for value, array in contents.items():
            place = np.ndarray(array.shape, array.dtype, cast("Any", self.memory.memory), self.offsets[value])
            place[...] = array


class Buffers:
    """Memory of inputs and outputs. Behind each buffer stands a guard that nobody may write to."""

    def __init__(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.offsets: dict[Value, int] = {}
        end = 0
        for value in (*inputs, *outputs):
            self.offsets[value] = _aligned(end)
            end = self.offsets[value] + byte_count(value) + _GUARD_BYTES
        self.memory = SharedMemory(end)
        self._guard = os.urandom(_GUARD_BYTES)
        self._mark = os.urandom(_MARK_BYTES)
        for value in self.offsets:
            self._guard_of(value)[...] = np.frombuffer(self._guard, np.uint8)

    def fill(self, arrays: Iterable[Array]) -> None:
        """Put the inputs in place, and marks where outputs are to be written."""
        for value, array in zip(self.inputs, arrays, strict=True):
            self._view(value)[...] = array
        for value in self.outputs:
            self._head(value)[...] = np.frombuffer(self._mark, np.uint8)[: byte_count(value)]

    def results(self) -> list[Array]:
        """Copies of the outputs."""
        return [self._result(value) for value in self.outputs]

    def complaint(self) -> str | None:
        """What is wrong with how the buffers were written; None if nothing is."""
        for value in self.offsets:
            if self._guard_of(value).tobytes() != self._guard:
                return f"it wrote beyond the {byte_count(value)} bytes of {value.name!r}: {value.type}"
        for value in self.outputs:
            head = self._head(value).tobytes()
            if len(head) >= _TELLING_BYTES and head == self._mark[: len(head)]:
                return f"it did not write output {value.name!r}"
        return None

    def _result(self, value: Value) -> Array:
        found = self._view(value)
        if _type(value).dtype is DType.BOOL:
            return found.view(np.uint8) != 0
        return found.copy()

    def _view(self, value: Value) -> Array:
        type = _type(value)
        return np.ndarray(type.static_shape, type.dtype.numpy, cast("Any", self.memory.memory), self.offsets[value])

    def _bytes(self, offset: int, size: int) -> Array:
        return np.ndarray((size,), np.uint8, cast("Any", self.memory.memory), offset)

    def _head(self, value: Value) -> Array:
        return self._bytes(self.offsets[value], min(_MARK_BYTES, byte_count(value)))

    def _guard_of(self, value: Value) -> Array:
        return self._bytes(self.offsets[value] + byte_count(value), _GUARD_BYTES)
