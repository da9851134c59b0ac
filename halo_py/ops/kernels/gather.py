"""Lookups and updates addressed by data.

A table that is split over tiles is looked up everywhere: each vertex answers the rows it holds and zeros for the
others, and the partial results add up (the way PopLibs splits embeddings).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import WHOLE, Access, AccessDim, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import CopyWork, Count, GatherWork, SumWork, Work
from halo_py.ops.kernels.contract import product
from halo_py.ops.kernels.copy import parallel_axes, same, volume
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]

Reduction = Literal["none", "add", "mul", "max", "min"]


def _in_range(lookups: Count, held: Count, rows: int) -> Count:
    """Lookups that hit the rows a vertex holds, if they are spread evenly."""
    hits = lookups * held // max(rows, 1)
    return np.maximum(hits, 1) if isinstance(hits, np.ndarray) else max(hits, 1)


def _masked(rows: Array, inside: Array, like: Array) -> Array:
    """`rows`, zero where the lookup is outside the vertex's part."""
    return np.where(inside, rows, np.zeros((), like.dtype))


def _combine(dtype: DType) -> Literal["add", "max"]:
    return "max" if dtype is DType.BOOL else "add"


@dataclass(frozen=True, slots=True)
class GatherCodelet:
    """Rows of a table along dimension `axis`, by `rank` dimensions of indices; the table's rows are the last axis."""

    axis: int
    rank: int

    @property
    def name(self) -> str:
        return "gather"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        index = range(self.axis, self.axis + self.rank)
        lookups = product(extents, tuple(index))
        row = product(extents, tuple(axis for axis in range(len(extents) - 1) if axis not in index))
        hits = _in_range(lookups, extents[-1], kernel.axes[-1].extent)
        return GatherWork(lookups, row, hits, kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        table, index = args.reads[0], args.reads[1].astype(np.int64)
        rows = kernel.axes[-1].extent
        local = np.where(index < 0, index + rows, index) - args.low[-1]
        held = args.extents[-1]
        inside = (local >= 0) & (local < held)
        found = np.asarray(np.take(table, np.clip(local, 0, held - 1), axis=self.axis))
        if not inside.all():
            spread = inside.reshape((*inside.shape, *(1,) * (found.ndim - self.axis - self.rank)))
            found = _masked(found, spread, table)
        return (found.reshape(args.write_shape[0]),)


def gather_kernel(table: tuple[int, ...], index: tuple[int, ...], axis: int, dtype: DType, index_type: DType) -> Kernel:
    """The kernel of a lookup along `axis`; its operands are the table and the indices."""
    out = (*table[:axis], *index, *table[axis + 1 :])
    rank = len(index)
    last = max(len(out), 1)
    dims: list[AccessDim] = [Affine(((dim if dim < axis else dim + rank - 1, 1),)) for dim in range(len(table))]
    dims[axis] = Affine(((last, 1),))
    over_index = tuple(Affine(((axis + dim, 1),)) for dim in range(rank))
    return Kernel(
        (*parallel_axes(out), Axis("table", table[axis], "reduce")),
        (Access(table, tuple(dims)), Access(index, over_index)),
        (Access(out, same(len(out))),),
        (dtype, index_type),
        (dtype,),
        GatherCodelet(axis, rank),
        combine=_combine(dtype),
        partials_type=dtype,
    )


@dataclass(frozen=True, slots=True)
class GatherElementsCodelet:
    """result[..., i, ...] = data[..., index[..., i, ...], ...] along `axis`, which the vertex holds whole."""

    axis: int

    @property
    def name(self) -> str:
        return "gather_elements"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        count = volume(extents)
        return GatherWork(count, 1, count, kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        data, index = args.reads[0], args.reads[1].astype(np.int64)
        index = np.where(index < 0, index + data.shape[self.axis], index)
        return (np.take_along_axis(data, index, axis=self.axis),)


def gather_elements_kernel(
    data: tuple[int, ...], index: tuple[int, ...], axis: int, dtype: DType, index_type: DType
) -> Kernel:
    """The kernel of an element-wise lookup; its operands are the data and the indices."""
    rank = len(index)
    dims = tuple(WHOLE if dim == axis else Affine(((dim, 1),)) for dim in range(rank))
    whole = Access(index, same(rank))
    codelet = GatherElementsCodelet(axis)
    reads = (Access(data, dims), whole)
    return Kernel(parallel_axes(index), reads, (whole,), (dtype, index_type), (dtype,), codelet)


def flat_index(index: Array, dims: Sequence[int]) -> Array:
    """Tuples of indices in the last dimension as row-major numbers; negative entries count from the end."""
    wide = index.astype(np.int64)
    flat: Array = np.zeros(wide.shape[:-1], np.int64)
    for number, size in enumerate(dims):
        entry: Array = wide[..., number]
        flat = flat * size + np.where(entry < 0, entry + size, entry)
    return flat


@dataclass(frozen=True, slots=True)
class GatherTuplesCodelet:
    """Rows of a table whose leading dimensions are `batch` shared ones and `dims` (flattened) that tuples address."""

    batch: int
    lookups: int
    dims: tuple[int, ...]

    @property
    def name(self) -> str:
        return "gather_nd"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        index = tuple(range(self.batch + self.lookups))
        lookups = product(extents, index)
        row = product(extents, tuple(range(len(index), len(extents) - 1)))
        hits = _in_range(lookups, extents[-1], kernel.axes[-1].extent)
        return GatherWork(lookups, row, hits, kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        table, index = args.reads
        held = args.extents[-1]
        batches = prod(args.extents[: self.batch])
        local = flat_index(index, self.dims).reshape(batches, -1) - args.low[-1]
        inside = (local >= 0) & (local < held)
        rows = table.reshape(batches, held, -1)
        found = rows[np.arange(batches)[:, None], np.clip(local, 0, held - 1)]
        if not inside.all():
            found = _masked(found, inside[..., None], table)
        return (found.reshape(args.write_shape[0]),)


def gather_tuples_kernel(
    data: tuple[int, ...], index: tuple[int, ...], batch: int, dtype: DType, index_type: DType
) -> Kernel:
    """The kernel of GatherND; its operands are the data and the index tuples."""
    depth, rank = index[-1], len(index) - 1
    dims, row = data[batch : batch + depth], data[batch + depth :]
    out = (*index[:-1], *row)
    lead = max(len(out), 1)
    table_dims = (
        *same(batch),
        Affine(((lead, 1),)),
        *(Affine(((rank + number, 1),)) for number in range(len(row))),
    )
    return Kernel(
        (*parallel_axes(out), Axis("table", prod(dims), "reduce")),
        (Access((*data[:batch], prod(dims), *row), table_dims), Access(index, (*same(rank), WHOLE))),
        (Access(out, same(len(out))),),
        (dtype, index_type),
        (dtype,),
        GatherTuplesCodelet(batch, rank - batch, dims),
        combine=_combine(dtype),
        partials_type=dtype,
    )


_UPDATES = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def update(target: Array, where: tuple[Array, ...], values: Array, reduction: Reduction) -> None:
    """Put or combine `values` into `target` at these coordinates, in order (the last one wins under 'none')."""
    if reduction == "none":
        target[where] = values
    else:
        _UPDATES[reduction].at(target, where, values)


def _wide(array: Array, reduction: Reduction) -> Array:
    """A copy to update, in float32 for narrower floats if updates add up."""
    dtype = DType.from_numpy(array.dtype)
    narrow = dtype.is_float and dtype.bits < 32 and reduction != "none"
    return array.astype(np.float32) if narrow else array.copy()


@dataclass(frozen=True, slots=True)
class ScatterTuplesCodelet:
    """The data with rows updated at index tuples over `dims` (flattened); a vertex sees all indices, its own rows."""

    dims: tuple[int, ...]
    reduction: Reduction

    @property
    def name(self) -> str:
        return "scatter_nd"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        dtype = kernel.write_types[0].text
        lookups = prod(kernel.reads[1].shape[:-1])
        row = product(extents, tuple(range(1, len(extents))))
        hits = _in_range(lookups, extents[0], kernel.axes[0].extent)
        return SumWork((CopyWork(volume(extents), row, dtype), GatherWork(lookups, row, hits, dtype, update=True)))

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        data, index, values = args.reads
        made = _wide(data, self.reduction)
        local = flat_index(index, self.dims) - args.low[0]
        inside = (local >= 0) & (local < args.extents[0])
        update(made, (local[inside],), values[inside].astype(made.dtype, copy=False), self.reduction)
        return (made.astype(data.dtype, copy=False),)


def scatter_tuples_kernel(
    data: tuple[int, ...], index: tuple[int, ...], reduction: Reduction, dtype: DType, index_type: DType
) -> Kernel:
    """The kernel of ScatterND; its operands are the data, the index tuples and the updates."""
    depth, count = index[-1], prod(index[:-1])
    rows, row = prod(data[:depth]), data[depth:]
    across = tuple(Affine(((1 + number, 1),)) for number in range(len(row)))
    table = Access((rows, *row), (Affine(((0, 1),)), *across))
    return Kernel(
        parallel_axes((rows, *row)),
        (table, Access((count, depth), (WHOLE, WHOLE)), Access((count, *row), (WHOLE, *across))),
        (table,),
        (dtype, index_type, dtype),
        (dtype,),
        ScatterTuplesCodelet(data[:depth], reduction),
    )


@dataclass(frozen=True, slots=True)
class ScatterElementsCodelet:
    """The data updated at index[..., i, ...] along `axis`; a vertex sees all indices along it, its own data."""

    axis: int
    reduction: Reduction

    @property
    def name(self) -> str:
        return "scatter_elements"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        dtype = kernel.write_types[0].text
        count = kernel.reads[1].shape[self.axis]
        others = product(extents, tuple(axis for axis in range(len(extents)) if axis != self.axis))
        lookups = others * count
        hits = _in_range(lookups, extents[self.axis], kernel.axes[self.axis].extent)
        return SumWork(
            (CopyWork(volume(extents), extents[-1], dtype), GatherWork(lookups, 1, hits, dtype, update=True))
        )

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        data, values = args.reads[0], args.reads[2]
        extent = kernel.axes[self.axis].extent
        index = args.reads[1].astype(np.int64)
        local = np.where(index < 0, index + extent, index) - args.low[self.axis]
        inside = (local >= 0) & (local < args.extents[self.axis])
        where = list(np.nonzero(inside))
        where[self.axis] = local[inside]
        made = _wide(data, self.reduction)
        update(made, tuple(where), values[inside].astype(made.dtype, copy=False), self.reduction)
        return (made.astype(data.dtype, copy=False),)


def scatter_elements_kernel(
    data: tuple[int, ...], index: tuple[int, ...], axis: int, reduction: Reduction, types: tuple[DType, DType]
) -> Kernel:
    """The kernel of ScatterElements; its operands are the data, the indices and the updates.

    `types` are those of the data and of the indices.
    """
    rank = len(data)
    dims = tuple(WHOLE if dim == axis else Affine(((dim, 1),)) for dim in range(rank))
    whole = Access(data, same(rank))
    return Kernel(
        parallel_axes(data),
        (whole, Access(index, dims), Access(index, dims)),
        (whole,),
        (types[0], types[1], types[0]),
        (types[0],),
        ScatterElementsCodelet(axis, reduction),
    )
