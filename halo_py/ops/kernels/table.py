"""One dimension resampled by a table: every output position takes a few input positions, weighted or as they are.

Interpolation, reflecting and wrapping paddings are of this kind. The access stays affine as far as the table allows:
output position o = phases*block + phase reads input positions near step*block, inside a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, AccessDim, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import CopyWork, Count, MapWork, Work
from halo_py.ops.kernels.copy import volume
from halo_py.ops.limits import integer_limits
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """Input positions [outputs, taps] and, unless values are taken as they are, float64 weights of the same shape.

    A position below zero stands for the fill value.
    """

    positions: NDArray[np.int64]
    weights: NDArray[np.float64] | None = None


class Table(Protocol):
    """Hashable parameters from which the taps are computed."""

    def taps(self) -> Taps:
        """The taps of every output position."""
        ...


@lru_cache(maxsize=512)
def _taps(table: Table) -> Taps:
    return table.taps()


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Output o = phases*block + phase reads input positions step*block + low ... + low + window - 1."""

    count: int
    phases: int
    step: int
    low: int
    window: int


def _blocks(positions: NDArray[np.int64], extent: int) -> _Blocks:
    """The decomposition with the smallest window."""
    outputs = len(positions)
    common = gcd(outputs, extent)
    found: list[_Blocks] = []
    for phases, step in {(outputs // common, extent // common), (1, 1), (outputs, 0)}:
        base = np.arange(outputs)[:, None] // phases * step
        near = np.where(positions < 0, base, positions) - base
        low = int(near.min())
        found.append(_Blocks(outputs // phases, phases, step, low, int(near.max()) - low + 1))
    return min(found, key=lambda blocks: (blocks.window, blocks.phases))


@dataclass(frozen=True, slots=True)
class TableCodelet:
    """Dimension `axis` resampled by a table; positions below zero take `fill`."""

    axis: int
    table: Table
    fill: float = 0.0
    blend: bool = False
    """Whether values are weighted (and so computed in float32) rather than copied."""

    @property
    def name(self) -> str:
        return "resample" if self.blend else "take"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        dtype = kernel.write_types[0].text
        outputs = volume(extents[:-1])
        taps = _taps(self.table).positions.shape[1]
        if not self.blend:
            last = self.axis == len(kernel.reads[0].dims) - 1
            return CopyWork(outputs, 1 if last else extents[-3], dtype)
        return MapWork(outputs, ("mul", "add") * taps, dtype, fused=True)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        rank = len(kernel.reads[0].dims)
        phases = kernel.axes[rank].extent
        taps = _taps(self.table)
        blocks = np.arange(args.low[self.axis], args.high[self.axis])
        outputs = (blocks[:, None] * phases + np.arange(args.low[rank], args.high[rank])).reshape(-1)
        chosen = taps.positions[outputs]
        data = args.reads[0]
        local = np.clip(chosen - args.read_low[0][self.axis], 0, max(data.shape[self.axis] - 1, 0))
        if not self.blend:
            made = np.take(data, local[:, 0], axis=self.axis)
            return (self._filled(made, chosen[:, 0]).reshape(args.write_shape[0]),)
        return (self._weighted(data, local, chosen, taps, outputs, kernel).reshape(args.write_shape[0]),)

    def _weighted(self, data: Array, local: Array, chosen: Array, taps: Taps, outputs: Array, kernel: Kernel) -> Array:
        dtype = np.float64 if kernel.read_types[0] is DType.FLOAT64 else np.float32
        assert taps.weights is not None
        weights = taps.weights[outputs].astype(dtype)
        wide = data.astype(dtype, copy=False)
        shape = [-1 if dim == self.axis else 1 for dim in range(data.ndim)]
        made: Array | None = None
        for tap in range(local.shape[1]):
            term = np.take(wide, local[:, tap], axis=self.axis) * weights[:, tap].reshape(shape)
            made = term if made is None else made + term
        assert made is not None
        made = self._filled(made, chosen[:, 0])
        target = kernel.write_types[0]
        return from_wide(made, target)

    def _filled(self, made: Array, positions: Array) -> Array:
        outside = positions < 0
        if outside.any():
            made = made.copy()
            made[(slice(None),) * self.axis + (outside,)] = np.asarray(self.fill).astype(made.dtype)
        return made


def from_wide(array: Array, dtype: DType) -> Array:
    """Interpolated values in their storage type; integers are truncated toward zero and clipped to their range."""
    if not dtype.is_integer:
        return array.astype(dtype.numpy)
    return np.clip(np.trunc(array), *integer_limits(dtype)).astype(dtype.numpy)


def table_kernel(
    shape: tuple[int, ...], axis: int, table: Table, types: tuple[DType, DType], *, fill: float = 0.0
) -> Kernel:
    """The kernel that resamples dimension `axis` of an operand of this shape; `types` are read and written."""
    taps = _taps(table)
    blocks = _blocks(taps.positions, shape[axis])
    rank = len(shape)
    sizes = (*shape[:axis], blocks.count, *shape[axis + 1 :])
    axes = (
        *(Axis(f"d{number}", size) for number, size in enumerate(sizes)),
        Axis("phase", blocks.phases),
        Axis("window", blocks.window, "whole"),
    )
    read: list[AccessDim] = [Affine(((number, 1),)) for number in range(rank)]
    read[axis] = Affine(((axis, blocks.step), (rank + 1, 1)), blocks.low)
    view = (*shape[:axis], blocks.count, blocks.phases, *shape[axis + 1 :])
    write = tuple(Affine(((number, 1),)) for number in (*range(axis + 1), rank, *range(axis + 1, rank)))
    codelet = TableCodelet(axis, table, fill, taps.weights is not None)
    return Kernel(axes, (Access(shape, tuple(read)),), (Access(view, write),), types[:1], types[1:], codelet)
