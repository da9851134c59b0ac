"""A cache with new entries written along one dimension, from a position that each batch entry has of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import WHOLE, Access, Affine, Kernel, VertexArgs
from halo_py.ir.work import CopyWork, Count, Work
from halo_py.ops.kernels.copy import parallel_axes, same, volume
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class CacheCodelet:
    """Reads the cache, the update (whole along `axis`) and, if given, the first position of each batch entry."""

    axis: int
    circular: bool

    @property
    def name(self) -> str:
        return "cache"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return CopyWork(volume(extents), extents[-1], kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        cache, update = args.reads[0], args.reads[1]
        count = args.extents[0]
        first = args.reads[2].astype(np.int64) if len(args.reads) > 2 else np.zeros(count, np.int64)
        at = np.arange(args.low[self.axis], args.high[self.axis]) - first[:, None]
        if self.circular:
            at = at % kernel.axes[self.axis].extent
        steps = update.shape[self.axis]
        shape = [-1 if dim in (0, self.axis) else 1 for dim in range(cache.ndim)]
        shape[0], shape[self.axis] = at.shape
        inside = ((at >= 0) & (at < steps)).reshape(shape)
        source = np.clip(at, 0, steps - 1).reshape(shape)
        found = np.take_along_axis(update, np.broadcast_to(source, cache.shape), axis=self.axis)
        return (np.where(inside, found, cache),)


def cache_kernel(
    cache: tuple[int, ...],
    steps: int,
    axis: int,
    types: tuple[DType, DType | None],
    mode: Literal["linear", "circular"],
) -> Kernel:
    """The kernel of TensorScatter; `types` are those of the cache and of the positions, if there are any."""
    rank = len(cache)
    whole = Access(cache, same(rank))
    update = (*cache[:axis], steps, *cache[axis + 1 :])
    dims = tuple(WHOLE if dim == axis else Affine(((dim, 1),)) for dim in range(rank))
    reads = [whole, Access(update, dims)]
    read_types = [types[0], types[0]]
    if types[1] is not None:
        reads.append(Access(cache[:1], (Affine(((0, 1),)),)))
        read_types.append(types[1])
    codelet = CacheCodelet(axis, mode == "circular")
    return Kernel(parallel_axes(cache), tuple(reads), (whole,), tuple(read_types), (types[0],), codelet)
