"""Files as bytes in memory without reading them, and packed elements as arrays."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[np.generic]


def map_file(path: Path) -> NDArray[np.uint8]:
    """The file's bytes, mapped read-only. Raises OSError."""
    with path.open("rb") as stream:
        if stream.seek(0, 2) == 0:
            return np.zeros(0, np.uint8)
        return np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def unpack(packed: NDArray[np.uint8], dtype: DType, count: int) -> Array:
    """Elements of packed little-endian bytes; types under 8 bits stand low bits first, one per byte afterwards."""
    if dtype.bits >= 8:
        return packed.view(dtype.numpy.newbyteorder("<") if dtype.numpy.isbuiltin == 1 else dtype.numpy)
    per_byte = 8 // dtype.bits
    shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(dtype.bits)
    fields = (packed[:, None] >> shifts) & np.uint8((1 << dtype.bits) - 1)
    flat = fields.reshape(-1)[:count]
    if dtype is DType.FLOAT4E2M1:
        return flat.view(ml_dtypes.float4_e2m1fn)
    if dtype in (DType.INT4, DType.INT2):
        sign = np.uint8(1 << (dtype.bits - 1))
        signed = (flat ^ sign).view(np.int8) - np.int8(sign)
        return signed.astype(dtype.numpy)
    return flat.astype(dtype.numpy)
