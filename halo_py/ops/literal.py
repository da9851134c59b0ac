"""A small tensor as an attribute value: hashable, and exact for every element type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.types import DType


@dataclass(frozen=True, slots=True)
class TensorLiteral:
    """Element type, shape and the elements in row-major order (complex numbers as real, imaginary pairs)."""

    dtype: DType
    shape: tuple[int, ...]
    values: tuple[float | int | bool | str, ...]

    @staticmethod
    def of(array: NDArray[Any]) -> TensorLiteral:
        """The literal with the contents of an array."""
        dtype = DType.from_numpy(array.dtype)
        if dtype.is_complex:
            numbers = [part for number in array.reshape(-1).tolist() for part in (number.real, number.imag)]
            return TensorLiteral(dtype, tuple(array.shape), tuple(numbers))
        wide: NDArray[Any] = array.reshape(-1)
        if dtype.is_float:
            wide = wide.astype(np.float64)
        elif dtype.is_integer:
            wide = wide.astype(np.uint64 if dtype is DType.UINT64 else np.int64)
        return TensorLiteral(dtype, tuple(array.shape), tuple(wide.tolist()))

    def array(self) -> NDArray[Any]:
        """The contents as an array."""
        flat = np.asarray(self.values, object if self.dtype is DType.STRING else None)
        if self.dtype.is_complex:
            pairs = flat.reshape(-1, 2)
            flat = pairs[:, 0] + 1j * pairs[:, 1]
        return flat.astype(self.dtype.numpy).reshape(self.shape)
