"""The vertex of local response normalisation: sums of squares over a window of neighbouring channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import Count, MapWork, SumWork, WindowWork, Work
from halo_py.ops.kernels.map import Array, output_axes, pick
from halo_py.ops.scalar import arithmetic_dtype, widen
from halo_py.types import TensorType

CHANNEL = 1


def window_sums(squares: NDArray[Any], size: int) -> NDArray[Any]:
    """Sums over `size` neighbours along the channel dimension; the result is size - 1 shorter."""
    count = squares.shape[CHANNEL] - size + 1
    total: NDArray[Any] = np.zeros((squares.shape[0], count, *squares.shape[2:]), squares.dtype)
    for start in range(size):
        total += squares[:, start : start + count]
    return total


@dataclass(frozen=True, slots=True)
class ChannelWindowCodelet:
    """Sum of squares of the channels from c - below to c - below + size - 1 that exist."""

    size: int

    @property
    def name(self) -> str:
        return "lrn_window"

    @property
    def below(self) -> int:
        """Channels of the window below its centre (ONNX: floor((size - 1) / 2))."""
        return (self.size - 1) // 2

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        spatial: Count = extents[0]
        for extent in extents[2:-2]:
            spatial = spatial * extent
        element_type = kernel.read_types[0].text
        read = spatial * extents[-2] * kernel.reads[0].extents(extents)[CHANNEL]
        square = MapWork(read, ("square",), element_type, kernel.write_types[0].text)
        window = WindowWork(spatial, extents[-2], extents[CHANNEL], self.size, "sum", kernel.write_types[0].text)
        return SumWork((square, window))

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        box = widen(args.reads[0])
        extent = args.high[CHANNEL] - args.low[CHANNEL]
        shape = (box.shape[0], extent + self.size - 1, *box.shape[2:])
        padded = np.zeros(shape, box.dtype)
        first = args.read_low[0][CHANNEL] - (args.low[CHANNEL] - self.below)
        padded[:, first : first + box.shape[CHANNEL]] = np.square(box)
        return (window_sums(padded, self.size).astype(kernel.write_types[0].numpy, copy=False),)


def channel_window_kernel(read: TensorType, size: int) -> Kernel:
    """Window sums over dimension 1 of an operand [batch, channels, positions]."""
    shape = read.static_shape
    codelet = ChannelWindowCodelet(size)
    axes = (*output_axes(shape, read.dtype), Axis("window", size, "whole"))
    dims = list(pick(shape, range(len(shape))).dims)
    dims[CHANNEL] = Affine(((CHANNEL, 1), (len(shape), 1)), -codelet.below)
    return Kernel(
        axes=axes,
        reads=(Access(shape, tuple(dims)),),
        writes=(pick(shape, range(len(shape))),),
        read_types=(read.dtype,),
        write_types=(arithmetic_dtype(read.dtype),),
        codelet=codelet,
    )
