"""The sampling half of a deformable convolution: patches of the field at window positions moved by offsets."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import WHOLE, Access, AccessDim, Affine, Kernel, VertexArgs
from halo_py.ir.work import Count, GatherWork, MapWork, SumWork, Work
from halo_py.ops.kernels.copy import parallel_axes, same, volume
from halo_py.ops.point_sampling import sample_points
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]

FIELD = 4
"""Number of the first field axis: image, offset group, channel of the group and window position come before."""


@dataclass(frozen=True, slots=True)
class DeformCodelet:
    """Axes (n, g, c, position, output field...): x at stride*f + dilation*k - pad + offset, times the mask.

    Reads: x viewed as [N, G, C/G, field...] (the field of a channel whole), offsets [N, G, positions, r, out...], and
    the mask [N, G, positions, out...] if there is one. Outside of the field x is zero; between pixels it is linear.
    """

    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]

    @property
    def name(self) -> str:
        return "deform_sample"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        taps = 2 ** len(self.window)
        points = volume(extents)
        dtype = kernel.write_types[0].text
        lookups = GatherWork(points * taps, 1, points * taps, dtype)
        return SumWork((lookups, MapWork(points, ("mul", "add") * taps, dtype)))

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        rank = len(self.window)
        dtype = np.float64 if kernel.write_types[0] is DType.FLOAT64 else np.float32
        x, offsets = args.reads[0].astype(dtype, copy=False), args.reads[1].astype(dtype, copy=False)
        images, groups, channels, positions = args.extents[:FIELD]
        made = np.empty(args.extents, dtype)
        for image, group, position in np.ndindex(images, groups, positions):
            points = self._points(args, args.low[FIELD - 1] + position, dtype) + offsets[image, group, position]
            found = sample_points(
                x[image : image + 1, group], points.reshape(rank, -1).T[np.newaxis].astype(dtype), "linear", "zeros"
            )
            made[image, group, :, position] = found.reshape(channels, *args.extents[FIELD:])
        if len(args.reads) > 2:
            made *= args.reads[2].astype(dtype, copy=False)[:, :, np.newaxis]
        return (made.reshape(args.write_shape[0]).astype(kernel.write_types[0].numpy),)

    def _points(self, args: VertexArgs, position: int, dtype: type[np.floating[Any]]) -> Array:
        """Where a window position falls for every place of the box [r, field...], before it is moved."""
        steps = np.unravel_index(position, self.window)
        ranges = [np.arange(low, high) for low, high in zip(args.low[FIELD:], args.high[FIELD:], strict=True)]
        grids = np.meshgrid(*ranges, indexing="ij")
        shifts = [
            int(step) * dilation - pad for step, dilation, pad in zip(steps, self.dilations, self.pads, strict=True)
        ]
        parts = [grid * stride + shift for grid, stride, shift in zip(grids, self.strides, shifts, strict=True)]
        return np.stack(parts).astype(dtype)


def deform_kernel(
    x: tuple[int, ...], offset_groups: int, out: tuple[int, ...], dtype: DType, codelet: DeformCodelet, *, masked: bool
) -> Kernel:
    """The kernel that makes patches [N, G, C/G, positions, out...] of x [N, C, field...]."""
    rank, positions = len(out), prod(codelet.window)
    per_group = x[1] // offset_groups
    shape = (x[0], offset_groups, per_group, positions, *out)
    n, g, c, p = (Affine(((axis, 1),)) for axis in range(FIELD))
    field: tuple[AccessDim, ...] = tuple(Affine(((FIELD + number, 1),)) for number in range(rank))
    reads = [
        Access((x[0], offset_groups, per_group, *x[2:]), (n, g, c, *(WHOLE,) * rank)),
        Access((x[0], offset_groups, positions, rank, *out), (n, g, p, WHOLE, *field)),
    ]
    if masked:
        reads.append(Access((x[0], offset_groups, positions, *out), (n, g, p, *field)))
    writes = (Access(shape, same(len(shape))),)
    return Kernel(parallel_axes(shape), tuple(reads), writes, (dtype,) * len(reads), (dtype,), codelet)
