"""Fourier transforms and the mel scale."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Axis, FormBuilder, Refusal, TileForm
from halo_py.ops.dims import floor_divide, normalize_axis, unknown_dim
from halo_py.ops.forms import EMPTY, declare_operands, has_no_elements
from halo_py.ops.kernels.contract import ContractOperand, contract_kernel
from halo_py.ops.kernels.convolve import ConvGeometry, conv_kernel
from halo_py.ops.kernels.copy import permute_kernel, slice_kernel
from halo_py.ops.kernels.fourier import fourier_kernel
from halo_py.ops.phases import Phases
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import single
from halo_py.types import Dim, DType, TensorType, Type, add_dims, scale_dim

Numbers = NDArray[Any]

LARGEST_BASIS = 1 << 24
"""Elements of a transform's matrix; longer transforms are left to the host's FFT."""


def _scalar(contents: Numbers | None) -> int | None:
    return None if contents is None else int(contents.reshape(-1)[0])


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
        wide = signal.astype(np.float64)
        values: Numbers = wide[..., 0] + 1j * wide[..., 1] if signal.shape[-1] == 2 else wide[..., 0]
        length = _scalar(args.optional(1))
        if self.onesided and self.inverse:
            made: Numbers = np.fft.irfft(values, length, axis)[..., np.newaxis]
        else:
            if self.onesided:
                found = np.fft.rfft(values, length, axis)
            else:
                found = np.fft.ifft(values, length, axis) if self.inverse else np.fft.fft(values, length, axis)
            made = np.stack([found.real, found.imag], axis=-1)
        return (made.astype(signal.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        if any(args.has(number) and args.constant(number) is None for number in (1, 2)):
            return Refusal("the length and the axis must be constants")
        signal, out = args.tensor(0), args.output_types[0]
        shape = signal.static_shape
        axis = self._axis(args.constant(2), len(shape))
        inverse, onesided = bool(self.inverse), bool(self.onesided)
        have = shape[axis]
        length = _scalar(args.constant(1)) or (2 * (have - 1) if inverse and onesided else have)
        used = min(have, length // 2 + 1 if inverse and onesided else length)
        bins, parts = out.static_shape[axis], out.static_shape[-1]
        sizes = (used, shape[-1], bins, parts)
        if prod(sizes) > LARGEST_BASIS:
            return Refusal("the transform is long: the host's FFT needs less work")
        form = FormBuilder()
        source = declare_operands(form, args, skipped=(1, 2))[0]
        assert source is not None
        if used < have:
            kept = (*shape[:axis], used, *shape[axis + 1 :])
            cut = form.value(signal.dtype, kept)
            ones = (1,) * len(shape)
            form.call(slice_kernel(shape, (0,) * len(shape), ones, kept, signal.dtype), (source,), (cut,))
            source = cut
        basis = form.value(DType.FLOAT32, sizes)
        kernel = fourier_kernel(sizes, length, DType.FLOAT32, inverse=inverse, onesided=onesided, order=(0, 1, 2, 3))
        form.call(kernel, (), (basis,))
        made = form.value(out.dtype, out.static_shape)
        outer, inner = prod(shape[:axis]), prod(shape[axis + 1 : -1])
        extents = (("outer", outer), ("bin", bins), ("inner", inner), ("to", parts))
        axes = (
            *(Axis(name, size) for name, size in extents),
            Axis("n", used, "reduce"),
            Axis("part", shape[-1], "reduce"),
        )
        kernel = contract_kernel(
            axes,
            ContractOperand((outer, used, inner, shape[-1]), (0, 4, 2, 5), signal.dtype),
            ContractOperand(sizes, (4, 5, 1, 3), DType.FLOAT32),
            ContractOperand((outer, bins, inner, parts), (0, 1, 2, 3), out.dtype),
            partials_type=DType.FLOAT32,
        )
        form.call(kernel, (source, basis), (made,))
        return form.finish(made)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        real, pair = floats(1, 2, 9, 1), floats(2, 2, 5, 3, 2)
        one = np.asarray(1, np.int64)
        yield Sample(cls(), (real,), tolerance=2)
        yield Sample(cls(onesided=1), (real, np.asarray(8, np.int64)), constant=(1,), tolerance=2)
        yield Sample(cls(), (pair, np.asarray(7, np.int64), one), constant=(1, 2), tolerance=2)
        yield Sample(cls(inverse=1), (pair, None, one), constant=(2,), tolerance=2)


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
        wide = signal.astype(np.float64)
        values: Numbers = wide[..., 0] + 1j * wide[..., 1] if signal.shape[-1] == 2 else wide[..., 0]
        starts = range(0, signal.shape[1] - frame + 1, step)
        frames = np.stack([values[:, start : start + frame] for start in starts], axis=1)
        if window is not None:
            frames = frames * window.astype(np.float64)
        found = np.fft.rfft(frames, axis=-1) if self.onesided else np.fft.fft(frames, axis=-1)
        return (np.stack([found.real, found.imag], axis=-1).astype(signal.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        step = _scalar(args.constant(1))
        if step is None or (args.has(3) and args.constant(3) is None):
            return Refusal("the step and the frame length must be constants")
        signal, out = args.tensor(0), args.output_types[0].static_shape
        batch, length, parts = signal.static_shape
        window = args.tensor(2).static_shape if args.has(2) else None
        frame = self._frame(window, _scalar(args.constant(3)), length)
        sizes = (frame, parts, out[2], 2)
        if prod(sizes) > LARGEST_BASIS:
            return Refusal("the frames are long: the host's FFT needs less work")
        phases = Phases()
        locals_ = phases.inputs(args, skip=(1, 3))
        form, source = phases.form, locals_[0]
        if parts > 1:
            source = form.value(signal.dtype, (batch, parts, length))
            form.call(permute_kernel(signal.static_shape, (0, 2, 1), signal.dtype), (locals_[0],), (source,))
        weights = form.value(DType.FLOAT32, (out[2], 2, parts, frame))
        basis = fourier_kernel(sizes, frame, DType.FLOAT32, inverse=False, onesided=False, order=(2, 3, 1, 0))
        form.call(basis, (), (weights,))
        if args.has(2):
            weights = phases.map(single("mul", 2, DType.FLOAT32), [weights, locals_[2]], phases.shape(weights))
        geometry = ConvGeometry(batch, 1, parts, out[2] * 2, (length,), (out[1],), (frame,), (step,), (1,), (0,))
        columns = form.value(signal.dtype, (batch, out[2], 2, out[1]))
        form.call(conv_kernel(geometry, (signal.dtype, DType.FLOAT32, signal.dtype)), (source, weights), (columns,))
        made = form.value(signal.dtype, out)
        form.call(permute_kernel(phases.shape(columns), (0, 3, 1, 2), signal.dtype), (columns,), (made,))
        return form.finish(made)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        signal, step = floats(1, 2, 30, 1), np.asarray(5, np.int64)
        window = floats(2, 12, low=0.1, high=1.0)
        yield Sample(cls(), (signal, step, window), constant=(1,), tolerance=4)
        yield Sample(cls(onesided=0), (signal, step, None, np.asarray(8, np.int64)), constant=(1, 3), tolerance=4)
        yield Sample(cls(onesided=0), (floats(3, 1, 20, 2), step, window), constant=(1,), tolerance=4)


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
