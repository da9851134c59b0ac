"""Vertices that transform whole lines, or windowed frames of a signal, by a fast Fourier transform.

A transform runs in float32 (float64 for signals of float64): its errors grow with the logarithm of the length, where a
product with the transform's matrix would add up as many roundings as there are points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import WHOLE, Access, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import Count, FourierWork, MapWork, SumWork, Work
from halo_py.ops.kernels.contract import product
from halo_py.ops.scalar import arithmetic_dtype
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Transform:
    """Which transform of how many points; shorter lines are padded with zeros.

    `onesided`: only the first half of the points (and one) is made, or for an inverse given, the others being their
    conjugates.
    """

    length: int
    inverse: bool
    onesided: bool

    def lines(self, points: Array, axis: int) -> Array:
        """Lines along `axis`; the last dimension holds real parts, or real and imaginary ones."""
        real = points.shape[-1] == 1
        values = points[..., 0] if real else points[..., 0] + 1j * points[..., 1]
        if self.inverse and self.onesided:
            return np.fft.irfft(values, self.length, axis)[..., np.newaxis]
        if self.inverse:
            made = np.fft.ifft(values, self.length, axis)
        elif self.onesided and real:
            made = np.fft.rfft(values, self.length, axis)
        else:
            made = np.fft.fft(values, self.length, axis)
        if self.onesided:
            made = np.take(made, np.arange(self.length // 2 + 1), axis)
        return np.stack([made.real, made.imag], axis=-1)

    def work(self, lines: Count, parts: int, dtype: DType) -> FourierWork:
        """What `lines` of these transforms cost a vertex."""
        real = parts == 1 or (self.inverse and self.onesided)
        return FourierWork(lines, self.length, real, arithmetic_dtype(dtype).text)


def _wide(array: Array, dtype: DType) -> Array:
    return array.astype(arithmetic_dtype(dtype).numpy, copy=False)


@dataclass(frozen=True, slots=True)
class LinesCodelet:
    """Transforms along dimension 1 of [outer, points, inner, parts]."""

    transform: Transform

    @property
    def name(self) -> str:
        return "fourier"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return self.transform.work(product(extents, (0, 1)), kernel.reads[0].shape[3], kernel.read_types[0])

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        made = self.transform.lines(_wide(args.reads[0], kernel.read_types[0]), 1)
        return (made.astype(kernel.write_types[0].numpy, copy=False),)


def lines_kernel(
    shape: tuple[int, int, int, int], used: int, out: tuple[int, int], transform: Transform, dtype: DType
) -> Kernel:
    """The kernel that transforms the first `used` points of lines [outer, points, inner, parts]; `out`: bins, parts."""
    outer, _, inner, _ = shape
    axes = (Axis("outer", outer), Axis("inner", inner), Axis("n", used, "whole"))
    read = Access(shape, (Affine(((0, 1),)), Affine(((2, 1),)), Affine(((1, 1),)), WHOLE))
    write = Access((outer, out[0], inner, out[1]), (Affine(((0, 1),)), WHOLE, Affine(((1, 1),)), WHOLE))
    return Kernel(axes, (read,), (write,), (dtype,), (dtype,), LinesCodelet(transform))


@dataclass(frozen=True, slots=True)
class FramesCodelet:
    """Transforms of frames that start every `step` points of a signal [batch, points, parts], times a window if given.

    Its result is [batch, frame, bin, 2].
    """

    transform: Transform
    step: int

    @property
    def name(self) -> str:
        return "fourier:frames"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        dtype, parts = kernel.read_types[0], kernel.reads[0].shape[2]
        lines = product(extents, (0, 1))
        transforms = self.transform.work(lines, parts, dtype)
        if len(kernel.reads) == 1:
            return transforms
        return SumWork((MapWork(lines * self.transform.length * parts, ("mul",), dtype.text), transforms))

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        signal = _wide(args.reads[0], kernel.read_types[0])
        starts = np.arange(args.low[1], args.high[1]) * self.step - args.read_low[0][1]
        frames = signal[:, starts[:, np.newaxis] + np.arange(self.transform.length)]
        if len(args.reads) > 1:
            frames = frames * _wide(args.reads[1], kernel.read_types[1])[:, np.newaxis]
        made = self.transform.lines(frames, 2)
        return (made.astype(kernel.write_types[0].numpy, copy=False),)


def frames_kernel(
    shape: tuple[int, int, int],
    out: tuple[int, int, int, int],
    step: int,
    transform: Transform,
    dtype: DType,
    *,
    has_window: bool,
) -> Kernel:
    """The kernel of a short-time transform; its operands are the signal and, if `has_window`, the window."""
    axes = (Axis("batch", shape[0]), Axis("frame", out[1]), Axis("n", transform.length, "whole"))
    signal = Access(shape, (Affine(((0, 1),)), Affine(((1, step), (2, 1))), WHOLE))
    window = Access((transform.length,), (Affine(((2, 1),)),))
    reads = (signal, window)[: 1 + has_window]
    write = Access(out, (Affine(((0, 1),)), Affine(((1, 1),)), WHOLE, WHOLE))
    return Kernel(axes, reads, (write,), (dtype,) * len(reads), (dtype,), FramesCodelet(transform, step))
