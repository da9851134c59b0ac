"""Selection of the largest or smallest of each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import WHOLE, Access, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import Count, SortWork, Work
from halo_py.ops.kernels.contract import product
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


def first_of_order(array: Array, count: int, axis: int, *, largest: bool) -> Array:
    """Positions of the `count` largest (or smallest) along `axis`, best first; of equals the lower position first."""
    if not largest:
        order: Array = np.argsort(array, axis=axis, kind="stable")
        return np.take(order, np.arange(count), axis=axis)
    backwards = np.argsort(np.flip(array, axis), axis=axis, kind="stable")
    chosen = np.take(np.flip(backwards, axis), np.arange(count), axis=axis)
    return array.shape[axis] - 1 - chosen


@dataclass(frozen=True, slots=True)
class TopKCodelet:
    """The best values along `axis` and their positions; rows are whole."""

    axis: int
    largest: bool

    @property
    def name(self) -> str:
        return "top_k"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        rows = product(extents, tuple(axis for axis in range(len(extents)) if axis != self.axis))
        length = kernel.reads[0].shape[self.axis]
        return SortWork(rows, length, extents[self.axis], True, kernel.read_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        data = args.reads[0]
        narrow = kernel.read_types[0].is_float and kernel.read_types[0].bits < 32
        keys = data.astype(np.float32) if narrow else data
        order = first_of_order(keys, args.extents[self.axis], self.axis, largest=self.largest)
        return np.take_along_axis(data, order, axis=self.axis), order.astype(np.int64)


def top_k_kernel(shape: tuple[int, ...], axis: int, count: int, dtype: DType, *, largest: bool) -> Kernel:
    """The kernel that selects `count` along `axis`; its results are values and positions (int64)."""
    rank = len(shape)
    out = (*shape[:axis], count, *shape[axis + 1 :])
    axes = tuple(Axis(f"d{dim}", size, "whole" if dim == axis else "parallel") for dim, size in enumerate(out))
    dims = tuple(WHOLE if dim == axis else Affine(((dim, 1),)) for dim in range(rank))
    write = Access(out, tuple(Affine(((dim, 1),)) for dim in range(rank)))
    codelet = TopKCodelet(axis, largest)
    return Kernel(axes, (Access(shape, dims),), (write, write), (dtype,), (dtype, DType.INT64), codelet)
