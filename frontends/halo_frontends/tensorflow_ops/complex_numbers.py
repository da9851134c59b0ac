"""Complex tensors as pairs of real ones, and Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow_ops import arithmetic
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType


@dataclass(frozen=True, slots=True, eq=False)
class Complex:
    """A complex tensor: its real and its imaginary parts, of one shape."""

    real: Value
    imaginary: Value


def part_type(dtype: DType) -> DType:
    """The type of the parts of a complex type."""
    return DType.FLOAT64 if dtype is DType.COMPLEX128 else DType.FLOAT32


def pair_of(value: Value | Complex, emit: Emitter) -> Complex:
    """A complex tensor, a complex constant, or a real tensor as a pair. Raises UnsupportedError for anything else."""
    if isinstance(value, Complex):
        return value
    contents = emit.known(value)
    if contents is not None and contents.dtype.kind == "c":
        parts = (np.ascontiguousarray(part) for part in (contents.real, contents.imag))
        return Complex(*(emit.constant(part, name) for part, name in zip(parts, ("real", "imaginary"), strict=True)))
    if emit.dtype(value).is_complex:
        raise UnsupportedError(f"{value.name!r} is complex: only what the model computes itself can be", emit.where)
    return Complex(value, zeros_like(value, emit))


def zeros_like(value: Value, emit: Emitter) -> Value:
    """Zeros of a tensor's shape and type."""
    return emit.op("Expand", emit.scalar(0, value), emit.op("Shape", value))


def product(x: Complex, y: Complex, emit: Emitter) -> Complex:
    """The element-wise product."""

    def times(a: Value, b: Value) -> Value:
        return emit.op("Mul", a, b)

    real = emit.op("Sub", times(x.real, y.real), times(x.imaginary, y.imaginary))
    return Complex(real, emit.op("Add", times(x.real, y.imaginary), times(x.imaginary, y.real)))


def conjugate(x: Complex, emit: Emitter) -> Complex:
    """The same with the imaginary parts turned round."""
    return Complex(x.real, emit.op("Neg", x.imaginary))


def quotient(x: Complex, y: Complex, emit: Emitter) -> Complex:
    """X / y: x times the conjugate of y, over the square of the size of y."""
    above, below = product(x, conjugate(y, emit), emit), _square(y, emit)
    return Complex(emit.op("Div", above.real, below), emit.op("Div", above.imaginary, below))


def combined(kind: str, x: Complex, y: Complex, emit: Emitter) -> Complex:
    """Add, Sub, Mul or Div of two complex tensors."""
    if kind == "Mul":
        return product(x, y, emit)
    if kind == "Div":
        return quotient(x, y, emit)
    return Complex(emit.op(kind, x.real, y.real), emit.op(kind, x.imaginary, y.imaginary))


def size(x: Complex, emit: Emitter) -> Value:
    """The absolute value."""
    return emit.op("Sqrt", _square(x, emit))


def _square(x: Complex, emit: Emitter) -> Value:
    return emit.op("Add", emit.op("Mul", x.real, x.real), emit.op("Mul", x.imaginary, x.imaginary))


def angle(x: Complex, emit: Emitter) -> Value:
    """The argument, between -pi and pi."""
    return arithmetic.atan2(x.imaginary, x.real, emit)


# -- Fourier transforms -------------------------------------------------------------------------------------------


def fourier(x: Complex, inverse: bool, emit: Emitter, axis: int = -1, length: int | None = None) -> Complex:
    """The transform along one axis, cut or filled up with zeros to `length`."""
    stacked = emit.concat([emit.unsqueeze(part, -1) for part in (x.real, x.imaginary)], -1)
    return _parts(_transform(stacked, emit.axis(axis, emit.rank(x.real)), length, emit, inverse=int(inverse)), emit)


def real_fourier(x: Value, lengths: Sequence[int], emit: Emitter) -> Complex:
    """The first half of the transform of real numbers along the last axes, one per length."""
    rank = _check_lengths(x, lengths, emit)
    found = _parts(_transform(emit.unsqueeze(x, -1), rank - 1, lengths[-1], emit, onesided=1), emit)
    for place, length in list(enumerate(reversed(lengths)))[1:]:
        found = fourier(found, False, emit, rank - 1 - place, length)
    return found


def inverse_real_fourier(x: Complex, lengths: Sequence[int], emit: Emitter) -> Value:
    """Real numbers from the first half of their transform along the last axes."""
    rank = _check_lengths(x.real, lengths, emit)
    for place, length in list(enumerate(reversed(lengths)))[:0:-1]:
        x = fourier(x, True, emit, rank - 1 - place, length)
    stacked = emit.concat([emit.unsqueeze(part, -1) for part in (x.real, x.imaginary)], -1)
    return emit.squeeze(_transform(stacked, rank - 1, lengths[-1], emit, inverse=1, onesided=1), -1)


def _check_lengths(x: Value, lengths: Sequence[int], emit: Emitter) -> int:
    rank = emit.rank(x)
    if not 0 < len(lengths) <= rank or min(lengths) < 1:
        raise ModelError(f"cannot transform rank {rank} along axes of {list(lengths)}", emit.where)
    return rank


def _transform(stacked: Value, axis: int, length: int | None, emit: Emitter, **attributes: int) -> Value:
    points = None if length is None else emit.constant(np.asarray(length, np.int64), "points")
    return emit.op("DFT", stacked, points, emit.constant(np.asarray(axis, np.int64), "axis"), **attributes)


def _parts(stacked: Value, emit: Emitter) -> Complex:
    """Real and imaginary parts out of a last axis of two."""
    parts = (emit.op("Gather", stacked, emit.constant(np.asarray(n, np.int64), "part"), axis=-1) for n in (0, 1))
    return Complex(*parts)
