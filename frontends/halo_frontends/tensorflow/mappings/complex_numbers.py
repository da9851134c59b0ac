"""Complex tensors: how they are made, what is read of them, and operators that work on their parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from halo_frontends.tensorflow.operation import MAPPINGS, Operation, maps, maps_pairs
from halo_frontends.tensorflow.things import Thing, as_value
from halo_frontends.tensorflow_ops import complex_numbers
from halo_frontends.tensorflow_ops.complex_numbers import Complex, pair_of, part_type, zeros_like
from halo_py.ir.graph import Value


def _pair(op: Operation, index: int) -> Complex:
    """Operand `index`, a complex tensor."""
    thing = op.thing(index)
    return pair_of(thing if isinstance(thing, Complex) else op.value(index), op.emit)


@maps("Complex")
def _complex(op: Operation) -> Complex:
    real, imaginary = op.value(0), op.value(1)
    if op.emit.shape(real) == op.emit.shape(imaginary):
        return Complex(real, imaginary)
    wide_real = op.emit.op("Add", real, zeros_like(imaginary, op.emit))
    return Complex(wide_real, op.emit.op("Add", imaginary, zeros_like(real, op.emit)))


@maps("Real")
def _real(op: Operation) -> Value:
    return _pair(op, 0).real


@maps("Imag")
def _imaginary(op: Operation) -> Value:
    return _pair(op, 0).imaginary


@maps("ComplexAbs")
def _size(op: Operation) -> Value:
    return complex_numbers.size(_pair(op, 0), op.emit)


@maps("Angle")
def _angle(op: Operation) -> Value:
    return complex_numbers.angle(_pair(op, 0), op.emit)


@maps("Conj")
def _conjugate(op: Operation) -> Complex:
    return complex_numbers.conjugate(_pair(op, 0), op.emit)


@maps("FFT", "IFFT")
def _fourier(op: Operation) -> Complex:
    return complex_numbers.fourier(_pair(op, 0), op.node.op == "IFFT", op.emit)


@maps("FFT2D", "IFFT2D")
def _fourier_2d(op: Operation) -> Complex:
    inverse = op.node.op == "IFFT2D"
    rows = complex_numbers.fourier(_pair(op, 0), inverse, op.emit)
    return complex_numbers.fourier(rows, inverse, op.emit, -2)


@maps("RFFT", "RFFT2D")
def _real_fourier(op: Operation) -> Complex:
    return complex_numbers.real_fourier(op.value(0), op.ints(1, "the length of the transform"), op.emit)


@maps("IRFFT", "IRFFT2D")
def _inverse_real_fourier(op: Operation) -> Value:
    lengths = op.ints(1, "the length of the transform")
    return complex_numbers.inverse_real_fourier(_pair(op, 0), lengths, op.emit)


# -- operators of other families on complex operands --------------------------------------------------------------

_APART = (
    *("Identity", "StopGradient", "PreventGradient", "Snapshot", "EnsureShape", "Reshape", "Transpose", "ExpandDims"),
    *("Squeeze", "Slice", "StridedSlice", "Gather", "GatherV2", "GatherNd", "Concat", "ConcatV2", "Pack", "Unpack"),
    *("Split", "SplitV", "Tile", "BroadcastTo", "Pad", "PadV2", "MirrorPad", "ReverseV2", "Roll", "Add", "AddV2"),
    *("AddN", "Sub", "Neg", "Sum", "Mean", "Cumsum", "ZerosLike", "Select", "SelectV2"),
)
"""Operators that do the same to the real and to the imaginary parts."""


@maps_pairs(*_APART)
def _apart(op: Operation) -> Sequence[Thing]:
    function = MAPPINGS[op.node.op].function
    made: list[list[Value]] = []
    for pick in ("real", "imaginary"):
        inputs = tuple(_part(thing, pick, op) for thing in op.inputs)
        results = function(replace(op, inputs=inputs))
        things = results if isinstance(results, Sequence) else (results,)
        made.append([as_value(thing, "a result", op.emit.where) for thing in things])
    return tuple(Complex(real, imaginary) for real, imaginary in zip(*made, strict=True))


def _part(thing: Thing, pick: str, op: Operation) -> Thing:
    """The real or imaginary part of a complex operand; anything else as it is."""
    if isinstance(thing, Complex) or (isinstance(thing, Value) and op.emit.dtype(thing).is_complex):
        pair = pair_of(thing, op.emit)
        return pair.real if pick == "real" else pair.imaginary
    return thing


@maps_pairs("Shape", "ShapeN", "Size", "Rank")
def _of_real(op: Operation) -> Thing | Sequence[Thing]:
    inputs = tuple(thing.real if isinstance(thing, Complex) else thing for thing in op.inputs)
    return MAPPINGS[op.node.op].function(replace(op, inputs=inputs))


@maps_pairs("Mul")
def _product(op: Operation) -> Complex:
    return complex_numbers.product(_pair(op, 0), _pair(op, 1), op.emit)


@maps_pairs("Square")
def _square(op: Operation) -> Complex:
    return complex_numbers.product(_pair(op, 0), _pair(op, 0), op.emit)


@maps_pairs("Div", "RealDiv")
def _quotient(op: Operation) -> Complex:
    return complex_numbers.quotient(_pair(op, 0), _pair(op, 1), op.emit)


@maps_pairs("Cast")
def _cast(op: Operation) -> Thing:
    """To a real type the imaginary part is dropped."""
    x, to = _pair(op, 0), op.attributes.dtype("DstT")
    if to.is_complex:
        return Complex(op.emit.cast(x.real, part_type(to)), op.emit.cast(x.imaginary, part_type(to)))
    return op.emit.cast(x.real, to)
