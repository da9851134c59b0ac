"""Reversal of the first entries of every row, as many as an operand says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import WHOLE, Access, Affine, Kernel, VertexArgs
from halo_py.ir.work import CopyWork, Count, Work
from halo_py.ops.kernels.copy import parallel_axes, same, volume
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class ReverseCodelet:
    """Along `time`, which the vertex reads whole, the first lengths[b] entries of batch entry b in reverse order."""

    batch: int
    time: int

    @property
    def name(self) -> str:
        return "reverse"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        run: Count = 1 if self.time == len(extents) - 1 else extents[-1]
        return CopyWork(volume(extents), run, kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        data, lengths = args.reads
        rank = data.ndim
        steps: Array = np.arange(args.low[self.time], args.high[self.time])
        steps = steps.reshape([-1 if dim == self.time else 1 for dim in range(rank)])
        ends = lengths.astype(np.int64).reshape([-1 if dim == self.batch else 1 for dim in range(rank)])
        source = np.where(steps < ends, ends - 1 - steps, steps)
        return (np.take_along_axis(data, np.broadcast_to(source, args.write_shape[0]), axis=self.time),)


def reverse_kernel(shape: tuple[int, ...], batch: int, time: int, dtype: DType, length_type: DType) -> Kernel:
    """The kernel of ReverseSequence; its operands are the data and the lengths."""
    rank = len(shape)
    dims = tuple(WHOLE if dim == time else Affine(((dim, 1),)) for dim in range(rank))
    reads = (Access(shape, dims), Access((shape[batch],), (Affine(((batch, 1),)),)))
    write = Access(shape, same(rank))
    return Kernel(parallel_axes(shape), reads, (write,), (dtype, length_type), (dtype,), ReverseCodelet(batch, time))
