"""TensorFlow's element types by number (tensorflow/core/framework/types.proto)."""

from __future__ import annotations

from typing import Final

from halo_py.errors import UnsupportedError, Where
from halo_py.types import DType

STRING, RESOURCE, VARIANT = 7, 20, 21

DTYPES: Final[dict[int, DType]] = {
    1: DType.FLOAT32,
    2: DType.FLOAT64,
    3: DType.INT32,
    4: DType.UINT8,
    5: DType.INT16,
    6: DType.INT8,
    7: DType.STRING,
    8: DType.COMPLEX64,
    9: DType.INT64,
    10: DType.BOOL,
    11: DType.INT8,  # qint8
    12: DType.UINT8,  # quint8
    13: DType.INT32,  # qint32
    14: DType.BFLOAT16,
    15: DType.INT16,  # qint16
    16: DType.UINT16,  # quint16
    17: DType.UINT16,
    18: DType.COMPLEX128,
    19: DType.FLOAT16,
    22: DType.UINT32,
    23: DType.UINT64,
    24: DType.FLOAT8E5M2,
    25: DType.FLOAT8E4M3FN,
    29: DType.INT4,
    30: DType.UINT4,
}

_REFERENCE = 100
"""Types of variables by reference are those of their contents plus this."""


def find_dtype(number: int) -> DType | None:
    """The element type with this number; None for handles and unknown ones."""
    return DTYPES.get(number - _REFERENCE if number > _REFERENCE else number)


def read_dtype(number: int, where: Where) -> DType:
    """The same. Raises UnsupportedError for what is no number."""
    found = find_dtype(number)
    if found is None or found is DType.STRING:
        kind = {STRING: "strings", RESOURCE: "resources", VARIANT: "variants"}.get(number, f"element type {number}")
        raise UnsupportedError(f"{kind} are not supported", where)
    return found
