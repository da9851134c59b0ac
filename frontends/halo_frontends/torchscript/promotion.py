"""The element type of a result, as Torch decides it (c10/core/ScalarType.cpp, ATen/native/TypeProperties.cpp)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from halo_frontends.torchscript.values import Number, Scalar
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    from halo_py.ir.graph import Value

_SCALAR_DTYPES = {"int": DType.INT64, "float": DType.FLOAT32, "bool": DType.BOOL}
_NARROW_FLOATS = (
    DType.FLOAT8E4M3FN,
    DType.FLOAT8E5M2,
    DType.FLOAT8E4M3FNUZ,
    DType.FLOAT8E5M2FNUZ,
    DType.FLOAT16,
    DType.BFLOAT16,
)


def category(dtype: DType) -> int:
    """0 for bool, 1 for integers, 2 for floats, 3 for complex numbers."""
    if dtype.is_complex:
        return 3
    return 2 if dtype.is_float else 0 if dtype is DType.BOOL else 1


def number_dtype(number: Number) -> DType:
    """The element type of a tensor made from a number."""
    if isinstance(number, Scalar):
        return _SCALAR_DTYPES[number.kind]
    if isinstance(number, bool):
        return DType.BOOL
    if isinstance(number, int):
        return DType.INT64
    return DType.COMPLEX64 if isinstance(number, complex) else DType.FLOAT32


def promote(left: DType, right: DType) -> DType:
    """The narrowest type that holds both: floats win over integers, integers over bool."""
    if left is right:
        return left
    a, b = category(left), category(right)
    if a != b:
        if {a, b} == {2, 3}:
            wide = DType.FLOAT64 in (left, right) or DType.COMPLEX128 in (left, right)
            return DType.COMPLEX128 if wide else DType.COMPLEX64
        return left if a > b else right
    if a == 2 and left in _NARROW_FLOATS and right in _NARROW_FLOATS:
        return DType.FLOAT32
    if a == 1 and left.is_signed != right.is_signed:
        unsigned, signed = (right, left) if left.is_signed else (left, right)
        if signed.bits > unsigned.bits:
            return signed
        wider = {8: DType.INT16, 16: DType.INT32, 32: DType.INT64, 64: DType.INT64}
        return wider[unsigned.bits]
    return left if left.bits >= right.bits else right


def result_dtype(operands: Iterable[Value | Number]) -> DType:
    """The type of a pointwise result: tensors with axes, then those without, then plain numbers decide."""
    ranked: list[DType | None] = [None, None, None]
    for operand in operands:
        if isinstance(operand, (int, float, complex, Scalar)):
            level, dtype = 2, number_dtype(operand)
        else:
            type = operand.type
            assert isinstance(type, TensorType)
            level, dtype = (0 if type.shape is None or type.shape else 1), type.dtype
        found = ranked[level]
        ranked[level] = dtype if found is None else promote(found, dtype)
    found = _combine(ranked[0], _combine(ranked[1], ranked[2]))
    assert found is not None
    return found


def _combine(higher: DType | None, lower: DType | None) -> DType | None:
    """A type of lower standing counts only if it is of a higher category."""
    if higher is None or lower is None:
        return higher or lower
    if category(lower) > category(higher):
        if category(lower) == 3 and higher.is_float:
            return DType.COMPLEX128 if higher is DType.FLOAT64 else DType.COMPLEX64
        return lower
    return higher


def as_float(dtype: DType) -> DType:
    """The type of a result that is never an integer: float32 for integers and bool."""
    return dtype if category(dtype) >= 2 else DType.FLOAT32
