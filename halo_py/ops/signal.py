"""Fourier transforms and the mel scale."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import FormBuilder, Refusal, TileForm
from halo_py.ops.dims import floor_divide, normalize_axis, unknown_dim
from halo_py.ops.forms import EMPTY, declare_operands, given, has_no_elements
from halo_py.ops.kernels.fourier import Transform, frames_kernel, lines_kernel
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import widen
from halo_py.types import Dim, DType, TensorType, Type, add_dims, scale_dim

Numbers = NDArray[Any]
Complex = NDArray[np.complexfloating[Any, Any]]

LARGEST_POINTS = 1 << 14
"""Points of a transform on tiles: a tile holds a line and its transform."""
LONG = Refusal("the transform is long: a tile does not hold it")


def _scalar(contents: Numbers | None) -> int | None:
    return None if contents is None else int(contents.reshape(-1)[0])


def _complex(signal: Numbers) -> Numbers:
    """The last dimension, real parts or real and imaginary ones, as numbers."""
    return signal[..., 0] + 1j * signal[..., 1] if signal.shape[-1] == 2 else signal[..., 0]


def _half(bins: Complex, axis: int) -> Complex:
    """The first half of the bins (and one); the others are their conjugates."""
    return np.take(bins, range(bins.shape[axis] // 2 + 1), axis)


def _parts(bins: Complex) -> Numbers:
    """Real and imaginary parts in a new last dimension."""
    return np.stack([np.real(bins), np.imag(bins)], axis=-1)


@op("dft", onnx="DFT", since=20)
class DFT(Op):
    """Discrete Fourier transform along an axis; the last dimension holds real and imaginary parts.

    Operands: the signal, its length after padding or cutting, the axis (-2 if omitted).
    """

    inverse: int = 0
    onesided: int = 0

    def _axis(self, contents: Numbers | None, rank: int) -> int:
        return normalize_axis(-2 if contents is None else int(contents.reshape(-1)[0]), rank)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, dtype = args.shape(0), args.dtype(0)
        if shape is None:
            return (TensorType(dtype, None),)
        if args.has(2) and args.constant(2) is None:
            dims: list[Dim] = [unknown_dim(args, f"dim{number}") for number in range(len(shape) - 1)]
            return (TensorType(dtype, (*dims, 1 if self.inverse and self.onesided else 2)),)
        axis = self._axis(args.constant(2), len(shape))
        known = args.dims(1) if args.has(1) else None
        length: Dim | None = known[0] if known else None
        if length is None:
            length = unknown_dim(args, "length") if args.has(1) else shape[axis]
            if self.inverse and self.onesided and not args.has(1):
                length = scale_dim(add_dims(length, -1), 2)
        parts = 2
        if self.onesided and self.inverse:
            parts = 1
        elif self.onesided:
            half = floor_divide(length, 2)
            length = unknown_dim(args, "bins") if half is None else add_dims(half, 1)
        return (TensorType(dtype, (*shape[:axis], length, *shape[axis + 1 : -1], parts)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        signal = args.array(0)
        axis = self._axis(args.optional(2), signal.ndim)
        values = _complex(widen(signal))
        length = _scalar(args.optional(1))
        if self.onesided and self.inverse:
            return (np.fft.irfft(values, length, axis)[..., np.newaxis].astype(signal.dtype),)
        bins: Complex = np.fft.ifft(values, length, axis) if self.inverse else np.fft.fft(values, length, axis)
        return (_parts(_half(bins, axis) if self.onesided else bins).astype(signal.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        if any(args.has(number) and args.constant(number) is None for number in (1, 2)):
            return Refusal("the length and the axis must be constants")
        signal, out = args.tensor(0), args.output_types[0].static_shape
        shape = signal.static_shape
        axis = self._axis(args.constant(2), len(shape))
        transform = Transform(
            _scalar(args.constant(1)) or self._length(shape[axis]), bool(self.inverse), bool(self.onesided)
        )
        if transform.length > LARGEST_POINTS:
            return LONG
        read = transform.length // 2 + 1 if self.inverse and self.onesided else transform.length
        form = FormBuilder()
        source = declare_operands(form, args, skipped=(1, 2))[0]
        assert source is not None
        lines = (prod(shape[:axis]), shape[axis], prod(shape[axis + 1 : -1]), shape[-1])
        made = form.value(signal.dtype, out)
        kernel = lines_kernel(lines, min(shape[axis], read), (out[axis], out[-1]), transform, signal.dtype)
        form.call(kernel, (source,), (made,))
        return form.finish(made)

    def _length(self, given: int) -> int:
        """Points of the transform when no length is given."""
        return 2 * (given - 1) if self.inverse and self.onesided else given

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        real, pair = floats(1, 2, 9, 1), floats(2, 2, 5, 3, 2)
        one = np.asarray(1, np.int64)
        yield Sample(cls(), (real,))
        yield Sample(cls(onesided=1), (real, np.asarray(8, np.int64)), constant=(1,))
        yield Sample(cls(), (pair, np.asarray(7, np.int64), one), constant=(1, 2))
        yield Sample(cls(inverse=1), (pair, None, one), constant=(2,))
        yield Sample(cls(inverse=1, onesided=1), (pair, None, one), constant=(2,))
        yield Sample(cls(inverse=1), (pair, np.asarray(3, np.int64), one), constant=(1, 2))
        yield Sample(cls(), (floats(4, 2, 6, 1, dtype=DType.FLOAT64),))
        yield Sample(cls(), (floats(5, 2, 8, 1, dtype=DType.FLOAT16),))


@op("stft", onnx="STFT", since=17)
class STFT(Op):
    """Fourier transforms of windowed frames of a signal [batch, length, parts] to [batch, frames, bins, 2].

    Operands: the signal, the step between frames, the window, the frame length.
    """

    onesided: int = 1

    def _frame(self, window: tuple[int, ...] | None, length: int | None, signal: int) -> int:
        if length is not None:
            return length
        return signal if window is None else window[0]

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, dtype = args.shape(0), args.dtype(0)
        batch: Dim = unknown_dim(args, "batch") if shape is None else shape[0]
        step, known = args.dims(1), args.dims(3) if args.has(3) else None
        window = args.shape(2) if args.has(2) else None
        frame: Dim | None = known[0] if known else None
        if frame is None and not args.has(3):
            frame = window[0] if window is not None else (None if shape is None else shape[1])
        count: Dim | None = None
        if shape is not None and isinstance(frame, int) and step and isinstance(step[0], int):
            whole = floor_divide(add_dims(shape[1], -frame), step[0])
            count = None if whole is None else add_dims(whole, 1)
        bins = frame
        if self.onesided and frame is not None:
            half = floor_divide(frame, 2)
            bins = None if half is None else add_dims(half, 1)
        names = (("frames", count), ("bins", bins))
        dims = [unknown_dim(args, name) if dim is None else dim for name, dim in names]
        return (TensorType(dtype, (batch, *dims, 2)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        signal, step, window = args.array(0), _scalar(args.array(1)) or 1, args.optional(2)
        frame = self._frame(None if window is None else window.shape, _scalar(args.optional(3)), signal.shape[1])
        values = _complex(widen(signal))
        starts = range(0, signal.shape[1] - frame + 1, step)
        frames = np.stack([values[:, start : start + frame] for start in starts], axis=1)
        if window is not None:
            frames = frames * widen(window)
        bins: Complex = np.fft.fft(frames, axis=-1)
        return (_parts(_half(bins, 2) if self.onesided else bins).astype(signal.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        step = _scalar(args.constant(1))
        if step is None or (args.has(3) and args.constant(3) is None):
            return Refusal("the step and the frame length must be constants")
        signal, out = args.tensor(0), args.output_types[0].static_shape
        batch, points, parts = signal.static_shape
        window = args.tensor(2).static_shape if args.has(2) else None
        transform = Transform(self._frame(window, _scalar(args.constant(3)), points), False, bool(self.onesided))
        if transform.length > LARGEST_POINTS:
            return LONG
        form = FormBuilder()
        operands = given(declare_operands(form, args, skipped=(1, 3)))
        made = form.value(signal.dtype, out)
        kernel = frames_kernel(
            (batch, points, parts),
            (out[0], out[1], out[2], out[3]),
            step,
            transform,
            signal.dtype,
            has_window=window is not None,
        )
        form.call(kernel, operands, (made,))
        return form.finish(made)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        signal, step = floats(1, 2, 30, 1), np.asarray(5, np.int64)
        window = floats(2, 12, low=0.1, high=1.0)
        yield Sample(cls(), (signal, step, window), constant=(1,))
        yield Sample(cls(onesided=0), (signal, step, None, np.asarray(8, np.int64)), constant=(1, 3))
        yield Sample(cls(onesided=0), (floats(3, 1, 20, 2), step, window), constant=(1,))


@op("mel_weight_matrix", onnx="MelWeightMatrix", since=17, host_only="the matrix is made once, from five numbers")
class MelWeightMatrix(Op):
    """Triangles that are evenly spaced on the mel scale 2595 log10(1 + f/700), over the bins of a spectrum.

    Operands: number of triangles, transform length, sample rate, lowest and highest edge in hertz.
    """

    output_datatype: DType = DType.FLOAT32

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        bands, length = args.dims(0), args.dims(1)
        half = floor_divide(length[0], 2) if length else None
        rows = unknown_dim(args, "bins") if half is None else add_dims(half, 1)
        return (TensorType(self.output_datatype, (rows, bands[0] if bands else unknown_dim(args, "bands"))),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        bands, length, rate, low, high = (float(args.array(number).reshape(-1)[0]) for number in range(5))
        count, bins = int(bands), int(length) // 2 + 1
        edges = _mel(low) + np.arange(count + 2) * ((_mel(high) - _mel(low)) / (count + 2))
        hertz = 700 * (10 ** (edges / 2595) - 1)
        at = np.floor((length + 1) * hertz / rate).astype(np.int64)
        made: Numbers = np.zeros((bins, count))
        for band in range(count):
            first, middle, last = at[band : band + 3]
            rise, fall = middle - first, last - middle
            if rise == 0:
                made[middle, band] = 1
            else:
                made[first : middle + 1, band] = np.arange(rise + 1) / rise
            if fall > 0:
                made[middle:last, band] = np.arange(fall, 0, -1) / fall
        return (made.astype(self.output_datatype.numpy),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for bands, length, rate in ((8, 16, 8192), (5, 64, 16000), (12, 257, 22050)):
            numbers = tuple(np.asarray(number, np.int64) for number in (bands, length, rate))
            edges = (np.asarray(0.0, np.float32), np.asarray(rate / 2, np.float32))
            yield Sample(cls(), (*numbers, *edges), constant=(0, 1, 2, 3, 4))


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
