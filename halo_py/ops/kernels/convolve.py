"""Convolution kernels: axes (image, group, output channel, field..., input channel, window...)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from halo_py.ir.space import Access, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import ContractionWork, Count, Work
from halo_py.ops.kernels.contract import arithmetic_type, partials_for, product
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]

COLUMN_BYTES = 32 << 20
"""Patches are gathered for so many bytes at a time; a larger field is computed in bands of rows."""

FIELD = 3
"""Number of the first field axis: image, group and output channel come before."""


@dataclass(frozen=True, slots=True)
class ConvCodelet:
    """result[n, g, o, f...] = sum over c, k... of x[n, g, c, stride*f + dilation*k - pad...] x w[g, o, c, k...].

    Reads: x viewed as [N, G, C/G, field...], w as [G, O/G, C/G, window...] (its window read backwards or in steps
    when `window_steps` says so), then the zero points that are there: x's is a scalar, w's a scalar or [G, O/G].
    What clipping removes from x is padding with zeros.
    """

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    window_steps: tuple[int, ...]
    x_zero: bool = False
    w_zero: bool = False
    transposed: bool = False
    """Whether w lies as [G, C/G, O/G, window...]."""

    @property
    def name(self) -> str:
        return "conv"

    @property
    def rank(self) -> int:
        """Number of field dimensions."""
        return len(self.strides)

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        rank = self.rank
        field = tuple(range(FIELD, FIELD + rank))
        window = tuple(range(FIELD + rank + 1, FIELD + 2 * rank + 1))
        return ContractionWork(
            groups=extents[1],
            rows=product(extents, (0, *field[:-1])),
            row_width=extents[field[-1]],
            in_channels=extents[FIELD + rank],
            out_channels=extents[2],
            kernel_height=product(extents, window[:-1]),
            kernel_width=extents[window[-1]],
            stride_width=self.strides[-1],
            dilated=any(dilation > 1 for dilation in self.dilations),
            input_type=kernel.read_types[0].text,
            partials_type=kernel.partials_type.text,
        )

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        extents, rank = args.extents, self.rank
        window = extents[FIELD + rank + 1 :]
        depth = extents[FIELD + rank] * prod(window)
        dtype = arithmetic_type(kernel.read_types[0], kernel.read_types[1], depth)
        x, w = self._operands(args, dtype)
        field = extents[FIELD : FIELD + rank]
        starts = zip(
            self.strides, args.low[FIELD:], self.dilations, args.low[FIELD + rank + 1 :], self.pads, strict=False
        )
        low = [stride * start + dilation * first - pad for stride, start, dilation, first, pad in starts]
        spans = zip(self.strides, field, self.dilations, window, strict=True)
        span = [stride * (size - 1) + dilation * (count - 1) + 1 for stride, size, dilation, count in spans]
        shape = (*extents[:2], extents[FIELD + rank], *span)
        x = place(x, shape, [0, 0, 0, *(have - want for have, want in zip(args.read_low[0][3:], low, strict=True))])
        made = convolve(x, w, field, self.strides, self.dilations)
        target = kernel.partials_type if args.partial else kernel.write_types[0]
        return (made.reshape(args.write_shape[0]).astype(target.numpy, copy=False),)

    def _operands(self, args: VertexArgs, dtype: np.dtype[np.generic]) -> tuple[Array, Array]:
        x, w = args.reads[0].astype(dtype, copy=False), args.reads[1].astype(dtype, copy=False)
        if self.transposed:
            w = w.swapaxes(1, 2)
        if any(step != 1 for step in self.window_steps):
            w = w[(slice(None),) * 3 + tuple(slice(None, None, step) for step in self.window_steps)]
        if self.x_zero:
            x = np.subtract(x, args.reads[2].astype(dtype))
        if self.w_zero:
            zero = args.reads[3 if self.x_zero else 2].astype(dtype)
            w = np.subtract(w, zero.reshape(zero.shape + (1,) * (w.ndim - zero.ndim)))
        return x, w


def place(array: Array, shape: tuple[int, ...], offset: list[int]) -> Array:
    """`array` inside zeros of this shape, starting at `offset`; parts outside are cut off."""
    if array.shape == shape and not any(offset):
        return array
    made = np.zeros(shape, array.dtype)
    if array.size:
        first = [max(start, 0) for start in offset]
        last = [min(start + have, want) for start, have, want in zip(offset, array.shape, shape, strict=True)]
        inside = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        made[inside] = array[tuple(slice(a - o, b - o) for a, b, o in zip(first, last, offset, strict=True))]
    return made


def convolve(x: Array, w: Array, field: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]) -> Array:
    """Valid correlation of x [n, g, c, ...] with w [g, o, c, window...] to [n, g, o, field...], in x's type."""
    window = w.shape[3:]
    per_row = prod(x.shape[:3]) * prod(window) * prod(field[1:]) * x.itemsize
    rows = max(1, COLUMN_BYTES // max(per_row, 1))
    if prod(window) > 1 and field[0] > rows:
        made = np.empty((x.shape[0], *w.shape[:2], *field), x.dtype)
        reach = dilations[0] * (window[0] - 1) + 1
        for start in range(0, field[0], rows):
            count = min(rows, field[0] - start)
            first = start * strides[0]
            band = x[:, :, :, first : first + strides[0] * (count - 1) + reach]
            made[:, :, :, start : start + count] = convolve(band, w, (count, *field[1:]), strides, dilations)
        return made
    patches = _patches(x, window, field, strides, dilations)
    if x.shape[2] == 1 and w.shape[1] == 1 and x.shape[1] > 1:
        return _depthwise(patches, w, len(window))
    columns = patches.reshape(*x.shape[:2], x.shape[2] * prod(window), prod(field))
    made = np.matmul(w.reshape(*w.shape[:2], -1), columns)
    return made.reshape(x.shape[0], *w.shape[:2], *field)


def _patches(
    x: Array, window: tuple[int, ...], field: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> Array:
    """A view [n, g, c, window..., field...] of x."""
    steps = x.strides[3:]
    by_window = [step * dilation for step, dilation in zip(steps, dilations, strict=True)]
    by_field = [step * stride for step, stride in zip(steps, strides, strict=True)]
    return as_strided(x, (*x.shape[:3], *window, *field), (*x.strides[:3], *by_window, *by_field), writeable=False)


def _depthwise(patches: Array, w: Array, rank: int) -> Array:
    """One channel in and out per group: a sum over window positions, without gathering patches."""
    made = np.zeros((*patches.shape[:2], 1, *patches.shape[3 + rank :]), patches.dtype)
    term = np.empty_like(made)
    for position in np.ndindex(*w.shape[3:]):
        weight = w[(slice(None), slice(None), 0, *position)].reshape(-1, *(1,) * (rank + 1))
        np.multiply(patches[(slice(None), slice(None), slice(None), *position)], weight, out=term)
        made += term
    return made


@dataclass(frozen=True, slots=True)
class ConvGeometry:
    """Shapes of one convolution; `pads` are those before the field (those after follow from `field_out`)."""

    images: int
    groups: int
    in_channels: int
    out_channels: int
    """Channels per group, both."""
    field_in: tuple[int, ...]
    field_out: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WindowView:
    """How the kernel walks along the window of w: position k of an axis is `offset + step*k` of a size.

    `transposed`: input channels come before output channels.
    """

    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    offsets: tuple[int, ...]
    transposed: bool = False


def conv_kernel(
    geometry: ConvGeometry,
    types: tuple[DType, DType, DType],
    *,
    window_view: WindowView | None = None,
    zeros: tuple[tuple[DType, tuple[int, ...]] | None, tuple[DType, tuple[int, ...]] | None] = (None, None),
    partials_type: DType = DType.FLOAT32,
) -> Kernel:
    """The kernel of a convolution of x and w (then zero points of x and w, given as type and shape: () or [G, O/G]).

    `types` are those of x, w and the result.
    """
    shape = geometry
    rank = len(shape.field_in)
    view = window_view or WindowView(shape.window, (1,) * rank, (0,) * rank)
    channel = FIELD + rank
    window_axes = tuple(range(channel + 1, channel + 1 + rank))
    field_axes = tuple(range(FIELD, FIELD + rank))
    axes = (
        Axis("n", shape.images),
        Axis("g", shape.groups),
        Axis("oc", shape.out_channels),
        *(Axis(f"f{number}", size) for number, size in enumerate(shape.field_out)),
        Axis("ic", shape.in_channels, "reduce"),
        *(Axis(f"k{number}", size, "reduce") for number, size in enumerate(shape.window)),
    )
    n, g, oc, ic = (Affine(((axis, 1),)) for axis in (0, 1, 2, channel))
    field = zip(field_axes, shape.strides, window_axes, shape.dilations, shape.pads, strict=True)
    over_x = tuple(Affine(((f, stride), (k, dilation)), -pad) for f, stride, k, dilation, pad in field)
    over_w = tuple(Affine(((k, s),), o) for k, s, o in zip(window_axes, view.steps, view.offsets, strict=True))
    x = Access((shape.images, shape.groups, shape.in_channels, *shape.field_in), (n, g, ic, *over_x))
    if view.transposed:
        w = Access((shape.groups, shape.in_channels, shape.out_channels, *view.sizes), (g, ic, oc, *over_w))
    else:
        w = Access((shape.groups, shape.out_channels, shape.in_channels, *view.sizes), (g, oc, ic, *over_w))
    out = Access(
        (shape.images, shape.groups, shape.out_channels, *shape.field_out),
        (n, g, oc, *(Affine(((f, 1),)) for f in field_axes)),
    )
    given = [zero for zero in zeros if zero is not None]
    zero_reads = [Access(zero[1], () if not zero[1] else (g, oc)) for zero in given]
    codelet = ConvCodelet(
        shape.strides,
        shape.dilations,
        shape.pads,
        view.steps,
        zeros[0] is not None,
        zeros[1] is not None,
        view.transposed,
    )
    return Kernel(
        axes,
        (x, w, *zero_reads),
        (out,),
        (*types[:2], *(zero[0] for zero in given)),
        types[2:],
        codelet,
        combine="add",
        partials_type=partials_for(types[0], partials_type),
    )
