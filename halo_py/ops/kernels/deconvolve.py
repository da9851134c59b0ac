"""Transposed convolution in one kernel: a vertex holds the whole input field of its channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import WHOLE, Access, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import ContractionWork, Count, Work
from halo_py.ops.kernels.contract import partials_for, product
from halo_py.ops.kernels.convolve import FIELD, ConvGeometry
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


def deconvolve(
    x: Array,
    w: Array,
    low: tuple[int, ...],
    high: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    pads: tuple[int, ...],
) -> Array:
    """Outputs [low, high) of x [n, g, c, field...] spread by w [g, c, o, window...] to [n, g, o, ...], in x's type."""
    sizes = tuple(b - a for a, b in zip(low, high, strict=True))
    made = np.zeros((x.shape[0], x.shape[1], w.shape[2], *sizes), x.dtype)
    for position in np.ndindex(*w.shape[3:]):
        sources: list[slice] = []
        targets: list[slice] = []
        geometry = zip(position, strides, dilations, pads, low, high, x.shape[3:], strict=True)
        for k, stride, dilation, pad, first, last, extent in geometry:
            base = dilation * k - pad
            start = max(0, -((base - first) // stride))
            end = min(extent, -((base - last) // stride))
            sources.append(slice(start, max(start, end)))
            at = stride * start + base - first
            targets.append(slice(at, at + stride * max(end - start, 0), stride))
        if all(part.stop > part.start for part in sources):
            piece = np.einsum("ngc...,gco->ngo...", x[(..., *sources)], w[(..., *position)], optimize=True)
            made[(..., *targets)] += piece
    return made


@dataclass(frozen=True, slots=True)
class DeconvolveCodelet:
    """result[n, g, o, f...] = sum of x[n, g, c, i...] * w[g, c, o, k...] over stride*i + dilation*k - pad = f."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]

    @property
    def name(self) -> str:
        return "deconv"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        rank = len(self.strides)
        field = tuple(range(FIELD, FIELD + rank))
        window = kernel.reads[1].shape[3:]
        taps = [max(1, size // stride) for size, stride in zip(window, self.strides, strict=True)]
        height = 1
        for tap in taps[:-1]:
            height *= tap
        return ContractionWork(
            groups=extents[1],
            rows=product(extents, (0, *field[:-1])),
            row_width=extents[field[-1]],
            in_channels=extents[FIELD + rank],
            out_channels=extents[2],
            kernel_height=height,
            kernel_width=taps[-1],
            input_type=kernel.read_types[0].text,
            partials_type=kernel.partials_type.text,
        )

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        rank = len(self.strides)
        dtype = np.float64 if kernel.read_types[0] is DType.FLOAT64 else np.float32
        made = deconvolve(
            args.reads[0].astype(dtype, copy=False),
            args.reads[1].astype(dtype, copy=False),
            args.low[FIELD : FIELD + rank],
            args.high[FIELD : FIELD + rank],
            self.strides,
            self.dilations,
            self.pads,
        )
        target = kernel.partials_type if args.partial else kernel.write_types[0]
        return (made.reshape(args.write_shape[0]).astype(target.numpy, copy=False),)


def deconvolve_kernel(
    geometry: ConvGeometry, types: tuple[DType, DType, DType], partials_type: DType = DType.FLOAT32
) -> Kernel:
    """The kernel of a transposed convolution; `types` are those of x, w and the result."""
    shape = geometry
    rank = len(shape.field_in)
    axes = (
        Axis("n", shape.images),
        Axis("g", shape.groups),
        Axis("oc", shape.out_channels),
        *(Axis(f"f{number}", size) for number, size in enumerate(shape.field_out)),
        Axis("ic", shape.in_channels, "reduce"),
    )
    n, g, oc, ic = (Affine(((axis, 1),)) for axis in (0, 1, 2, FIELD + rank))
    field = tuple(Affine(((FIELD + number, 1),)) for number in range(rank))
    x = Access((shape.images, shape.groups, shape.in_channels, *shape.field_in), (n, g, ic, *(WHOLE,) * rank))
    w = Access((shape.groups, shape.in_channels, shape.out_channels, *shape.window), (g, ic, oc, *(WHOLE,) * rank))
    out = Access((shape.images, shape.groups, shape.out_channels, *shape.field_out), (n, g, oc, *field))
    return Kernel(
        axes,
        (x, w),
        (out,),
        types[:2],
        types[2:],
        DeconvolveCodelet(shape.strides, shape.dilations, shape.pads),
        combine="add",
        partials_type=partials_for(types[0], partials_type),
    )
