"""Vertices that make values from coordinates: fills, ranges, identities, triangles, one-hot rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import CopyWork, Count, FillWork, MapWork, Work
from halo_py.ops.kernels.copy import parallel_axes, same, volume
from halo_py.ops.literal import TensorLiteral
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class FillCodelet:
    """Every point is the same number."""

    value: TensorLiteral

    @property
    def name(self) -> str:
        return "fill"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return FillWork(volume(extents), kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        return (np.full(args.write_shape[0], self.value.array().reshape(()), kernel.write_types[0].numpy),)


def fill_kernel(shape: tuple[int, ...], value: TensorLiteral) -> Kernel:
    """The kernel that fills a tensor of this shape."""
    return Kernel(parallel_axes(shape), (), (Access(shape, same(len(shape))),), (), (value.dtype,), FillCodelet(value))


@dataclass(frozen=True, slots=True)
class RangeCodelet:
    """result[i] = start + i * delta; reads start and delta."""

    @property
    def name(self) -> str:
        return "range"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return MapWork(extents[0], ("mul", "add"), kernel.write_types[0].text, fused=True)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        dtype = kernel.write_types[0]
        exact = np.dtype(np.float32) if dtype.is_float and dtype.bits < 32 else dtype.numpy
        start, delta = (read.reshape(()).astype(exact) for read in args.reads)
        index: Array = np.arange(args.low[0], args.high[0]).astype(exact)
        return (np.add(start, np.multiply(index, delta)).astype(dtype.numpy),)


def range_kernel(count: int, dtype: DType) -> Kernel:
    """The kernel of a range of `count` numbers; its operands are start and delta."""
    scalar = Access((), ())
    write = Access((count,), same(1))
    return Kernel((Axis("i", count),), (scalar, scalar), (write,), (dtype, dtype), (dtype,), RangeCodelet())


@dataclass(frozen=True, slots=True)
class EyeCodelet:
    """1 where column - row = `offset`, 0 elsewhere."""

    offset: int

    @property
    def name(self) -> str:
        return "eye"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return FillWork(volume(extents), kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        rows = np.arange(args.low[0], args.high[0])[:, None]
        columns = np.arange(args.low[1], args.high[1])
        return ((columns - rows == self.offset).astype(kernel.write_types[0].numpy),)


def eye_kernel(shape: tuple[int, ...], offset: int, dtype: DType) -> Kernel:
    """The kernel of a matrix with ones on one diagonal."""
    return Kernel(parallel_axes(shape), (), (Access(shape, same(2)),), (), (dtype,), EyeCodelet(offset))


@dataclass(frozen=True, slots=True)
class TriangleCodelet:
    """Keeps an upper or lower triangle of every matrix; reads the matrices and, if given, the diagonal's number."""

    upper: bool

    @property
    def name(self) -> str:
        return "triangle"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return CopyWork(volume(extents), extents[-1], kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        data = args.reads[0]
        offset = int(args.reads[1].item()) if len(args.reads) > 1 else 0
        last = len(args.low) - 1
        rows: Array = np.arange(args.low[last - 1], args.high[last - 1])
        distance = np.arange(args.low[last], args.high[last]) - rows[:, None]
        keep = distance >= offset if self.upper else distance <= offset
        return (np.where(keep, data, np.zeros((), data.dtype)),)


def triangle_kernel(shape: tuple[int, ...], upper: bool, dtype: DType, *, has_offset: bool) -> Kernel:
    """The kernel that keeps a triangle; its operands are the matrices and, if `has_offset`, an int64 scalar."""
    whole = Access(shape, same(len(shape)))
    offsets = (Access((), ()),) if has_offset else ()
    types = (dtype, DType.INT64)[: 1 + has_offset]
    return Kernel(parallel_axes(shape), (whole, *offsets), (whole,), types, (dtype,), TriangleCodelet(upper))


@dataclass(frozen=True, slots=True)
class OneHotCodelet:
    """values[1] where an index names the point along `axis`, values[0] elsewhere; negative ones count from the end."""

    axis: int

    @property
    def name(self) -> str:
        return "one_hot"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return MapWork(volume(extents), ("compare", "select"), kernel.write_types[0].text, fused=True)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        depth = kernel.writes[0].shape[self.axis]
        index = np.expand_dims(args.reads[0].astype(np.int64), self.axis)
        index = np.where(index < 0, index + depth, index)
        points: Array = np.arange(args.low[self.axis], args.high[self.axis])
        points = points.reshape([-1 if dim == self.axis else 1 for dim in range(index.ndim)])
        pair = args.reads[1]
        return (np.where(np.equal(index, points), pair[1:], pair[:1]),)


def one_hot_kernel(shape: tuple[int, ...], axis: int, index: DType, value: DType) -> Kernel:
    """The kernel whose operands are the indices and the pair (off, on)."""
    others = [dim for dim in range(len(shape)) if dim != axis]
    reads = (
        Access(tuple(shape[dim] for dim in others), tuple(Affine(((dim, 1),)) for dim in others)),
        Access((2,), (Affine(((len(shape), 1),)),)),
    )
    axes = (*parallel_axes(shape), Axis("values", 2, "whole"))
    return Kernel(axes, reads, (Access(shape, same(len(shape))),), (index, value), (value,), OneHotCodelet(axis))
