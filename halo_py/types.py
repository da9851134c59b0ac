"""Element types, dimensions and value types of the IR, with the meaning ONNX gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class DType(Enum):
    """An ONNX element type: its text name, its ONNX number and its width in bits."""

    FLOAT32 = ("float32", 1, 32)
    UINT8 = ("uint8", 2, 8)
    INT8 = ("int8", 3, 8)
    UINT16 = ("uint16", 4, 16)
    INT16 = ("int16", 5, 16)
    INT32 = ("int32", 6, 32)
    INT64 = ("int64", 7, 64)
    STRING = ("string", 8, 128)
    BOOL = ("bool", 9, 8)
    FLOAT16 = ("float16", 10, 16)
    FLOAT64 = ("float64", 11, 64)
    UINT32 = ("uint32", 12, 32)
    UINT64 = ("uint64", 13, 64)
    COMPLEX64 = ("complex64", 14, 64)
    COMPLEX128 = ("complex128", 15, 128)
    BFLOAT16 = ("bfloat16", 16, 16)
    FLOAT8E4M3FN = ("float8e4m3fn", 17, 8)
    FLOAT8E4M3FNUZ = ("float8e4m3fnuz", 18, 8)
    FLOAT8E5M2 = ("float8e5m2", 19, 8)
    FLOAT8E5M2FNUZ = ("float8e5m2fnuz", 20, 8)
    UINT4 = ("uint4", 21, 4)
    INT4 = ("int4", 22, 4)
    FLOAT4E2M1 = ("float4e2m1", 23, 4)
    FLOAT8E8M0 = ("float8e8m0", 24, 8)
    UINT2 = ("uint2", 25, 2)
    INT2 = ("int2", 26, 2)

    def __init__(self, text: str, onnx_number: int, bits: int) -> None:
        self.text = text
        self.onnx_number = onnx_number
        self.bits = bits
        self._numpy: np.dtype[np.generic] | None = None

    def __repr__(self) -> str:
        return f"DType.{self.name}"

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The NumPy dtype that holds it (ml_dtypes for the narrow ones, object for strings)."""
        if self._numpy is None:
            self._numpy = _numpy_dtype(self)
        return self._numpy

    @property
    def is_float(self) -> bool:
        """Whether it is a real floating-point type of any width."""
        return self.text.startswith(("float", "bfloat"))

    @property
    def is_integer(self) -> bool:
        """Whether it is a signed or unsigned integer type (not bool)."""
        return self.text.startswith(("int", "uint"))

    @property
    def is_signed(self) -> bool:
        """Whether negative values exist."""
        return not (self.text.startswith("uint") or self in (DType.BOOL, DType.STRING))

    @property
    def is_complex(self) -> bool:
        """Whether it is a complex type."""
        return self.text.startswith("complex")

    def bytes_for(self, elements: int) -> int:
        """Bytes that `elements` take when packed (4-bit and 2-bit types pack; a string counts 16 bytes)."""
        return (elements * self.bits + 7) // 8

    @staticmethod
    def from_onnx(number: int) -> DType:
        """The type with this ONNX number. Raises KeyError if there is none."""
        return _BY_NUMBER[number]

    @staticmethod
    def from_text(text: str) -> DType:
        """The type with this text name. Raises KeyError if there is none."""
        return _BY_TEXT[text]

    @staticmethod
    def from_numpy(dtype: np.dtype[np.generic]) -> DType:
        """The type that this NumPy dtype holds. Raises KeyError if there is none."""
        found = _by_numpy_dtype.get(dtype)
        if found is None:
            found = DType.STRING if dtype.kind in "OSUT" else _BY_NUMPY_NAME[dtype.name]
            _by_numpy_dtype[dtype] = found
        return found


_BY_NUMBER = {dtype.onnx_number: dtype for dtype in DType}
_BY_TEXT = {dtype.text: dtype for dtype in DType}
_ML_NAMES = {
    DType.BFLOAT16: "bfloat16",
    DType.FLOAT8E4M3FN: "float8_e4m3fn",
    DType.FLOAT8E4M3FNUZ: "float8_e4m3fnuz",
    DType.FLOAT8E5M2: "float8_e5m2",
    DType.FLOAT8E5M2FNUZ: "float8_e5m2fnuz",
    DType.UINT4: "uint4",
    DType.INT4: "int4",
    DType.FLOAT4E2M1: "float4_e2m1fn",
    DType.FLOAT8E8M0: "float8_e8m0fnu",
    DType.UINT2: "uint2",
    DType.INT2: "int2",
}
_BY_NUMPY_NAME = {_ML_NAMES.get(dtype, dtype.text): dtype for dtype in DType if dtype is not DType.STRING}
_by_numpy_dtype: dict[np.dtype[np.generic], DType] = {}
"""What `from_numpy` has answered: NumPy computes the name of a dtype anew each time."""


def _numpy_dtype(dtype: DType) -> np.dtype[np.generic]:
    import ml_dtypes
    import numpy as np

    if dtype is DType.STRING:
        return np.dtype(object)
    return np.dtype(getattr(ml_dtypes, _ML_NAMES[dtype]) if dtype in _ML_NAMES else dtype.text)


@dataclass(frozen=True, slots=True)
class LinearDim:
    """A dimension that is not known yet: constant + sum(coefficient x symbol), e.g. `12*N + 1`."""

    constant: int
    terms: tuple[tuple[str, int], ...]
    """(symbol, non-zero coefficient), sorted by symbol; never empty."""

    def __str__(self) -> str:
        parts = [symbol if factor == 1 else f"{factor}*{symbol}" for symbol, factor in self.terms]
        if self.constant or not parts:
            parts.append(str(self.constant))
        return "+".join(parts).replace("+-", "-")


Dim = int | LinearDim
"""A dimension: a number, or a linear expression of symbols."""

Shape = tuple[Dim, ...]


def symbol(name: str) -> LinearDim:
    """The dimension that is just this symbol."""
    return LinearDim(0, ((name, 1),))


def linear(constant: int, terms: Mapping[str, int]) -> Dim:
    """The dimension constant + sum(coefficient x symbol), an int when no symbol is left."""
    kept = tuple(sorted((name, factor) for name, factor in terms.items() if factor))
    return LinearDim(constant, kept) if kept else constant


def _parts(dim: Dim) -> tuple[int, dict[str, int]]:
    return (dim, {}) if isinstance(dim, int) else (dim.constant, dict(dim.terms))


def add_dims(left: Dim, right: Dim) -> Dim:
    """Left + right."""
    (a, s), (b, t) = _parts(left), _parts(right)
    for name, factor in t.items():
        s[name] = s.get(name, 0) + factor
    return linear(a + b, s)


def scale_dim(dim: Dim, factor: int) -> Dim:
    """Dim x factor."""
    constant, terms = _parts(dim)
    return linear(constant * factor, {name: value * factor for name, value in terms.items()})


def multiply_dims(dims: Iterable[Dim]) -> Dim | None:
    """The product, or None when it is not linear."""
    result: Dim = 1
    for dim in dims:
        if isinstance(dim, int):
            result = scale_dim(result, dim)
        elif isinstance(result, int):
            result = scale_dim(dim, result)
        else:
            return None
    return result


def divide_dim(dim: Dim, by: Dim) -> Dim | None:
    """Dim / by when it is exact, else None (`12*N / 4 = 3*N`, `12*N / N = 12`)."""
    if isinstance(by, int):
        constant, terms = _parts(dim)
        if by == 0 or constant % by or any(value % by for value in terms.values()):
            return None
        return linear(constant // by, {name: value // by for name, value in terms.items()})
    if isinstance(dim, int):
        return None
    (a, s), (b, t) = _parts(dim), _parts(by)
    name, value = next(iter(t.items()))
    quotient = s.get(name, 0) // value
    return quotient if quotient and scale_dim(by, quotient) == linear(a, s) and (b or not a) else None


def substitute(dim: Dim, values: Mapping[str, int]) -> Dim:
    """The dimension with these symbols replaced by numbers."""
    if isinstance(dim, int):
        return dim
    constant, rest = dim.constant, dict[str, int]()
    for name, factor in dim.terms:
        if name in values:
            constant += factor * values[name]
        else:
            rest[name] = factor
    return linear(constant, rest)


@dataclass(frozen=True, slots=True)
class TensorType:
    """A tensor: element type and shape; `shape` is None when even the rank is unknown."""

    dtype: DType
    shape: Shape | None = None

    @property
    def is_static(self) -> bool:
        """Whether every dimension is a number."""
        return self.shape is not None and all(isinstance(dim, int) for dim in self.shape)

    @property
    def static_shape(self) -> tuple[int, ...]:
        """The shape as numbers. Raises ValueError if it is not static."""
        if self.shape is None:
            raise ValueError("the rank is unknown")
        sizes: list[int] = []
        for dim in self.shape:
            if not isinstance(dim, int):
                raise ValueError(f"dimension {dim} is unknown")
            sizes.append(dim)
        return tuple(sizes)

    @property
    def elements(self) -> int:
        """How many elements (static shapes only)."""
        count = 1
        for size in self.static_shape:
            count *= size
        return count

    @property
    def bytes(self) -> int:
        """Packed size in bytes (static shapes only)."""
        return self.dtype.bytes_for(self.elements)

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.dtype.text}[...]"
        return f"{self.dtype.text}[{', '.join(str(dim) for dim in self.shape)}]"


@dataclass(frozen=True, slots=True)
class SequenceType:
    """A sequence of values of one type."""

    element: Type

    def __str__(self) -> str:
        return f"seq<{self.element}>"


@dataclass(frozen=True, slots=True)
class OptionalType:
    """A value that may be absent."""

    element: Type

    def __str__(self) -> str:
        return f"optional<{self.element}>"


Type = TensorType | SequenceType | OptionalType


def tensor(dtype: DType, *shape: Dim) -> TensorType:
    """Shorthand: `tensor(DType.FLOAT32, 1, 3, 224, 224)`."""
    return TensorType(dtype, tuple(shape))
