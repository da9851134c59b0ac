"""Fourier transforms, and what is read of complex tensors."""

from __future__ import annotations

from halo_frontends.tensorflow_ops import complex_numbers
from halo_frontends.tensorflow_ops.complex_numbers import Complex
from halo_frontends.tflite.operation import Operation, maps
from halo_py.ir.graph import Value


@maps("RFFT2D")
def _real_fourier(op: Operation) -> Complex:
    return complex_numbers.real_fourier(op.value(0), op.ints(1, "the lengths of the transform"), op.emit)


@maps("REAL")
def _real(op: Operation) -> Value:
    return op.pair(0).real


@maps("IMAG")
def _imaginary(op: Operation) -> Value:
    return op.pair(0).imaginary


@maps("COMPLEX_ABS")
def _size(op: Operation) -> Value:
    return complex_numbers.size(op.pair(0), op.emit)
