"""Element types: ODLA's numbers and the IR's types. The quantised types are the integers of their width."""

from __future__ import annotations

from enum import IntEnum

from halo_py.errors import UnsupportedError, UsageError
from halo_py.types import DType


class ElementType(IntEnum):
    """`odla_element_type`."""

    INT8 = 0
    INT16 = 1
    INT32 = 2
    INT64 = 3
    UINT8 = 4
    UINT16 = 5
    UINT32 = 6
    UINT64 = 7
    QINT8 = 8
    QINT16 = 9
    QINT32 = 10
    QINT64 = 11
    QUINT8 = 12
    QUINT16 = 13
    QUINT32 = 14
    QUINT64 = 15
    FLOAT16 = 16
    BFLOAT16 = 17
    FLOAT32 = 18
    FLOAT64 = 19
    BOOL = 20
    STRING = 21


_DTYPES = {element: DType.from_text(element.name.lower().removeprefix("q")) for element in ElementType}
_ELEMENTS = {dtype: element for element, dtype in reversed(_DTYPES.items()) if not element.name.startswith("Q")}


class ElementTypeError(UnsupportedError):
    """An element type that ODLA, or the device, does not have."""


def dtype_of(number: int, name: str = "element_type") -> DType:
    """The IR's type for an ODLA element type. Raises UsageError if the number is none."""
    try:
        return _DTYPES[ElementType(number)]
    except ValueError:
        raise UsageError(f"{name} is {number}, which is no odla_element_type") from None


def element_of(dtype: DType) -> ElementType:
    """The ODLA element type for a type of the IR. Raises ElementTypeError if ODLA has none."""
    found = _ELEMENTS.get(dtype)
    if found is None:
        raise ElementTypeError(f"ODLA has no element type for {dtype.text}")
    return found
