"""The matrix of a discrete Fourier transform, made where it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import Count, MapWork, Work
from halo_py.ops.kernels.copy import volume
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class FourierCodelet:
    """Basis [input, part, output, part]: what a real or imaginary input adds to a real or imaginary output.

    `onesided` inverse transforms count the inputs that stand for two conjugate ones twice.
    """

    length: int
    inverse: bool
    onesided: bool
    order: tuple[int, int, int, int]

    @property
    def name(self) -> str:
        return "fourier"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return MapWork(volume(extents), ("mod", "mul", "sin"), kernel.write_types[0].text, fused=True)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        source, part, target, to = (np.arange(low, high) for low, high in zip(args.low, args.high, strict=True))
        turns = np.multiply.outer(source, target) % self.length / self.length
        angle = (2 if self.inverse else -2) * np.pi * turns
        imaginary = part[:, None] != to
        sign = np.where(imaginary & (to == 0), -1.0, 1.0)
        wave = np.where(imaginary[None, :, None, :], np.sin(angle)[:, None, :, None], np.cos(angle)[:, None, :, None])
        made = wave * sign[None, :, None, :]
        if self.inverse:
            weight = np.ones(len(source))
            if self.onesided:
                weight = np.where((source == 0) | (2 * source == self.length), 1.0, 2.0)
            made = made * (weight / self.length)[:, None, None, None]
        return (made.transpose(self.order).astype(kernel.write_types[0].numpy),)


def fourier_kernel(
    sizes: tuple[int, int, int, int],
    length: int,
    dtype: DType,
    *,
    inverse: bool,
    onesided: bool,
    order: Sequence[int],
) -> Kernel:
    """The kernel that makes the basis of a transform of this length: sizes (input, part, output, part), in `order`."""
    names = ("input", "part", "output", "to")
    axes = tuple(Axis(name, size) for name, size in zip(names, sizes, strict=True))
    a, b, c, d = order
    write = Access(tuple(sizes[axis] for axis in order), tuple(Affine(((axis, 1),)) for axis in order))
    codelet = FourierCodelet(length, inverse, onesided, (a, b, c, d))
    return Kernel(axes, (), (write,), (), (dtype,), codelet)
