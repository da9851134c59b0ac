"""Vertices that read a field at positions known at run time; they hold the field of their channels whole."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import WHOLE, Access, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import Count, MapWork, Work
from halo_py.ops.kernels.copy import parallel_axes, same, volume
from halo_py.ops.point_sampling import PaddingMode, SamplingMode, denormalize, roi_align, sample_points
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


def _wide(array: Array) -> Array:
    return array if array.dtype == np.float64 else array.astype(np.float32)


@dataclass(frozen=True, slots=True)
class GridSampleCodelet:
    """Axes (n, c, output field..., coordinate); reads the field and the grid."""

    mode: SamplingMode
    padding: PaddingMode
    align_corners: bool

    @property
    def name(self) -> str:
        return f"grid_sample:{self.mode}"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        taps = {"nearest": 1, "linear": 2, "cubic": 4}[self.mode] ** (len(extents) - 3)
        return MapWork(volume(extents[:-1]), ("mul", "add") * taps, kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        field, grid = _wide(args.reads[0]), _wide(args.reads[1])
        points = denormalize(grid, field.shape[2:], self.align_corners)
        points = points.reshape(grid.shape[0], -1, grid.shape[-1])
        made = sample_points(field, points, self.mode, self.padding, self.align_corners)
        return (made.reshape(args.write_shape[0]).astype(kernel.write_types[0].numpy),)


def grid_sample_kernel(
    field: tuple[int, ...], grid: tuple[int, ...], types: tuple[DType, DType], codelet: GridSampleCodelet
) -> Kernel:
    """The kernel of GridSample; its operands are the field and the grid."""
    rank = len(field) - 2
    out = (*field[:2], *grid[1:-1])
    n, c, coordinate = (Affine(((axis, 1),)) for axis in (0, 1, 2 + rank))
    over_grid = (n, *(Affine(((2 + number, 1),)) for number in range(rank)), coordinate)
    axes = (*parallel_axes(out), Axis("coordinate", rank, "whole"))
    reads = (Access(field, (n, c, *(WHOLE,) * rank)), Access(grid, over_grid))
    return Kernel(axes, reads, (Access(out, same(len(out))),), types, types[:1], codelet)


@dataclass(frozen=True, slots=True)
class AffineGridCodelet:
    """Axes (n, field..., coordinate); reads the affine matrices [n, r, r + 1]."""

    align_corners: bool

    @property
    def name(self) -> str:
        return "affine_grid"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        rank = len(extents) - 2
        return MapWork(volume(extents), ("mul", "add") * rank, kernel.write_types[0].text, fused=True)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        theta = _wide(args.reads[0])
        rank = len(args.low) - 2
        made: Array = np.zeros(args.extents, theta.dtype)
        spread = (theta.shape[0], *(1,) * rank, theta.shape[1])
        for number in range(rank):
            line = grid_line(kernel.axes[1 + number].extent, self.align_corners)
            line = line[args.low[1 + number] : args.high[1 + number]].astype(theta.dtype)
            shape = [-1 if dim == 1 + number else 1 for dim in range(rank + 2)]
            made += line.reshape(shape) * theta[:, :, rank - 1 - number].reshape(spread)
        made += theta[:, :, rank].reshape(spread)
        return (made.astype(kernel.write_types[0].numpy),)


def grid_line(size: int, align_corners: bool) -> Array:
    """Evenly spaced positions in [-1, 1] along one dimension: pixel centres, or from corner to corner."""
    if align_corners:
        return np.linspace(-1, 1, size) if size > 1 else np.full(1, -1.0)
    return (2 * np.arange(size) + 1) / size - 1


def affine_grid_kernel(out: tuple[int, ...], dtype: DType, codelet: AffineGridCodelet) -> Kernel:
    """The kernel of AffineGrid; its operand is the matrices."""
    rank = out[-1]
    n, coordinate = Affine(((0, 1),)), Affine(((1 + rank, 1),))
    read = Access((out[0], rank, rank + 1), (n, coordinate, WHOLE))
    return Kernel(parallel_axes(out), (read,), (Access(out, same(len(out))),), (dtype,), (dtype,), codelet)


@dataclass(frozen=True, slots=True)
class RoiAlignCodelet:
    """Axes (region, channel, row, column); reads the images, the regions and the image of each region."""

    out: tuple[int, int]
    ratio: int
    scale: float
    half_pixel: bool
    average: bool

    @property
    def name(self) -> str:
        return "roi_align"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        samples = max(self.ratio, 2) ** 2
        return MapWork(volume(extents), ("mul", "add") * (4 * samples), kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        images, regions, numbers = _wide(args.reads[0]), _wide(args.reads[1]), args.reads[2].astype(np.int64)
        made = [
            roi_align(images[number], roi, self.out, self.ratio, self.scale, self.half_pixel, self.average)
            for roi, number in zip(regions, numbers, strict=True)
        ]
        return (np.stack(made).astype(kernel.write_types[0].numpy),)


def roi_align_kernel(
    images: tuple[int, ...], regions: int, types: tuple[DType, DType], codelet: RoiAlignCodelet
) -> Kernel:
    """The kernel of RoiAlign; `types` are those of the images and of the image numbers."""
    out = (regions, images[1], *codelet.out)
    axes = tuple(Axis(f"d{dim}", size, "parallel" if dim < 2 else "whole") for dim, size in enumerate(out))
    region, channel = Affine(((0, 1),)), Affine(((1, 1),))
    reads = (
        Access(images, (WHOLE, channel, WHOLE, WHOLE)),
        Access((regions, 4), (region, WHOLE)),
        Access((regions,), (region,)),
    )
    read_types = (types[0], types[0], types[1])
    return Kernel(axes, reads, (Access(out, same(4)),), read_types, types[:1], codelet)


@dataclass(frozen=True, slots=True)
class FoldCodelet:
    """Overlapping blocks added up to an image; reads [n, c, block..., count...], writes [n, c, field...]."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]

    @property
    def name(self) -> str:
        return "fold"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        rows = extents[0] * extents[1]
        return MapWork(rows * prod(kernel.reads[0].shape[2:]), ("add",), kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        blocks = args.reads[0]
        narrow = kernel.read_types[0].is_float and kernel.read_types[0].bits < 32
        rank = len(self.strides)
        made = fold(
            blocks.astype(np.float32) if narrow else blocks,
            args.write_shape[0][2:],
            self.strides,
            self.dilations,
            self.pads,
        )
        assert made.ndim == 2 + rank
        return (made.astype(kernel.write_types[0].numpy, copy=False),)


def fold(
    blocks: Array, field: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...], pads: tuple[int, ...]
) -> Array:
    """Blocks [n, c, block..., count...] added up: entry k of block l lies at stride*l + dilation*k - pad."""
    rank = len(field)
    block, count = blocks.shape[2 : 2 + rank], blocks.shape[2 + rank :]
    sizes = [s * (n - 1) + d * (k - 1) + 1 for s, n, d, k in zip(strides, count, dilations, block, strict=True)]
    made = np.zeros((*blocks.shape[:2], *sizes), blocks.dtype)
    for position in np.ndindex(*block):
        geometry = zip(position, dilations, strides, count, strict=True)
        region = tuple(slice(k * d, k * d + s * (n - 1) + 1, s) for k, d, s, n in geometry)
        made[(..., *region)] += blocks[(slice(None), slice(None), *position)]
    grown = np.pad(
        made, [(0, 0), (0, 0), *((0, max(0, f + p - s)) for f, p, s in zip(field, pads, sizes, strict=True))]
    )
    return grown[(..., *(slice(pad, pad + size) for pad, size in zip(pads, field, strict=True)))]


def fold_kernel(blocks: tuple[int, ...], field: tuple[int, ...], dtype: DType, codelet: FoldCodelet) -> Kernel:
    """The kernel of Col2Im over blocks viewed as [n, c, block..., count...]."""
    out = (*blocks[:2], *field)
    axes = tuple(Axis(f"d{dim}", size, "parallel" if dim < 2 else "whole") for dim, size in enumerate(out))
    read = Access(blocks, (*same(2), *(WHOLE,) * (len(blocks) - 2)))
    return Kernel(axes, (read,), (Access(out, same(len(out))),), (dtype,), (dtype,), codelet)
