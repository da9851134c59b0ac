"""Pooling: a window reduced around every output position; the window lies inside the vertex."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import Count, MapWork, SumWork, WindowWork, Work
from halo_py.ops.kernels.contract import product
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]

PoolFunction = Literal["max", "average", "lp"]

FIELD = 2
"""Number of the first field axis: image and channel come before."""


def lowest(dtype: np.dtype[Any]) -> Any:
    """What padding holds under a maximum."""
    if dtype.kind == "b":
        return False
    return np.iinfo(dtype).min if dtype.kind in "iu" else dtype.type(-np.inf)


@dataclass(frozen=True, slots=True)
class PoolCodelet:
    """result[n, c, f...] reduces x[n, c, stride*f + dilation*k - pad...] over the window k.

    'average' divides by the positions inside the field, or inside the padded field when `pads_after` is given.
    'lp' is the root `p` of the sum of powers. A second result, if any, is the position of the first maximum in the
    flattened operand, whose last dimensions are counted column by column if `column_major`.
    """

    function: PoolFunction
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    pads_after: tuple[int, ...] | None = None
    p: int = 1
    column_major: bool = False

    @property
    def name(self) -> str:
        return f"pool:{self.function}"

    @property
    def rank(self) -> int:
        """Number of field dimensions."""
        return len(self.strides)

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        field = tuple(range(FIELD, FIELD + self.rank))
        window = tuple(range(FIELD + self.rank, FIELD + 2 * self.rank))
        dtype = kernel.read_types[0].text
        work = WindowWork(
            rows=product(extents, (0, *field[:-1])),
            row_width=extents[field[-1]],
            channels=extents[1],
            kernel_positions=product(extents, window),
            function="max" if self.function == "max" else "sum",
            element_type=dtype,
        )
        if self.function != "lp":
            return work
        outputs = product(extents, (0, 1, *field))
        powers = MapWork(outputs * product(extents, window), ("abs", "pow"), dtype, fused=True)
        return SumWork((powers, work, MapWork(outputs, ("pow",), dtype)))

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        x = args.reads[0]
        narrow = kernel.read_types[0].is_float and kernel.read_types[0].bits < 32
        x = x.astype(np.float32) if narrow else x
        fill = lowest(x.dtype) if self.function == "max" else 0
        if self.function == "lp":
            x = np.abs(x) ** self.p
        x, low = self._padded(x, args, fill)
        field = args.extents[FIELD : FIELD + self.rank]
        window = args.extents[FIELD + self.rank :]
        made: Array | None = None
        where = np.zeros((*x.shape[:2], *field), np.int64)
        for number, position in enumerate(np.ndindex(*window)):
            piece = x[(..., *self._region(position, field))]
            if made is None:
                made = piece.copy()
            elif self.function == "max":
                if len(kernel.writes) > 1:
                    where[piece > made] = number
                np.maximum(made, piece, out=made)
            else:
                made += piece
        assert made is not None
        if self.function == "average":
            made = made / self._counts(args, kernel).astype(made.dtype)
        elif self.function == "lp":
            made = made ** (1 / self.p)
        results: list[Array] = [made.reshape(args.write_shape[0]).astype(kernel.write_types[0].numpy, copy=False)]
        if len(kernel.writes) > 1:
            results.append(self._positions(where, args, low, kernel).reshape(args.write_shape[1]))
        return tuple(results)

    def _region(self, position: tuple[int, ...], field: tuple[int, ...]) -> list[slice]:
        geometry = zip(position, self.dilations, self.strides, field, strict=True)
        return [slice(k * d, k * d + (size - 1) * s + 1, s) for k, d, s, size in geometry]

    def _padded(self, x: Array, args: VertexArgs, fill: Any) -> tuple[Array, list[int]]:
        """The slice with its padding, and where it starts in the field (negative inside the padding)."""
        low: list[int] = []
        span: list[int] = []
        for number in range(self.rank):
            first, last = args.low[FIELD + number], args.high[FIELD + number]
            low.append(self.strides[number] * first - self.pads[number])
            reach = self.dilations[number] * (args.extents[FIELD + self.rank + number] - 1) + 1
            span.append(self.strides[number] * (last - first - 1) + reach)
        offset = [have - want for have, want in zip(args.read_low[0][2:], low, strict=True)]
        if not any(offset) and x.shape[2:] == tuple(span):
            return x, low
        made: Array = np.full((*args.extents[:2], *span), fill, x.dtype)
        if x.size:
            inside = tuple(slice(at, at + size) for at, size in zip(offset, x.shape[2:], strict=True))
            made[(..., *inside)] = x
        return made, low

    def _counts(self, args: VertexArgs, kernel: Kernel) -> Array:
        """How many window positions each output divides by."""
        total: Array = np.ones((1,) * self.rank, np.int64)
        for number in range(self.rank):
            size = kernel.reads[0].shape[2 + number]
            outputs = np.arange(args.low[FIELD + number], args.high[FIELD + number])
            window = np.arange(args.extents[FIELD + self.rank + number])
            at = (outputs * self.strides[number] - self.pads[number])[:, None] + window * self.dilations[number]
            before, after = (self.pads[number], self.pads_after[number]) if self.pads_after else (0, 0)
            inside = ((at >= -before) & (at < size + after)).sum(axis=1)
            total = total * inside.reshape([-1 if other == number else 1 for other in range(self.rank)])
        return np.maximum(total, 1)

    def _positions(self, where: Array, args: VertexArgs, low: list[int], kernel: Kernel) -> Array:
        shape = kernel.reads[0].shape
        window = args.extents[FIELD + self.rank :]
        chosen = np.unravel_index(where, window)
        order = range(self.rank - 1, -1, -1) if self.column_major else range(self.rank)
        flat: Array = np.zeros_like(where)
        for number in order:
            at = np.arange(where.shape[2 + number], dtype=np.int64) * self.strides[number] + low[number]
            grid: Array = at.reshape([-1 if dim == 2 + number else 1 for dim in range(where.ndim)])
            flat = flat * shape[2 + number] + grid + chosen[number] * self.dilations[number]
        images = np.arange(args.low[0], args.high[0])[:, None] * shape[1]
        planes = images + np.arange(args.low[1], args.high[1])
        return flat + (planes * prod(shape[2:])).reshape(*planes.shape, *(1,) * self.rank)


def pool_kernel(
    codelet: PoolCodelet,
    shape: tuple[int, ...],
    field: tuple[int, ...],
    window: tuple[int, ...],
    dtype: DType,
    results: int,
) -> Kernel:
    """The kernel that pools an operand [N, C, field...] of this shape; a second result is the positions (int64)."""
    rank = codelet.rank
    axes = (
        Axis("n", shape[0]),
        Axis("c", shape[1]),
        *(Axis(f"f{number}", size) for number, size in enumerate(field)),
        *(Axis(f"k{number}", size, "whole") for number, size in enumerate(window)),
    )
    geometry = zip(codelet.strides, codelet.dilations, codelet.pads, strict=True)
    over = tuple(
        Affine(((FIELD + number, s), (FIELD + rank + number, d)), -pad) for number, (s, d, pad) in enumerate(geometry)
    )
    lead = (Affine(((0, 1),)), Affine(((1, 1),)))
    out = Access((*shape[:2], *field), (*lead, *(Affine(((FIELD + number, 1),)) for number in range(rank))))
    types = (dtype, DType.INT64)[:results]
    return Kernel(axes, (Access(shape, (*lead, *over)),), (out,) * results, (dtype,), types, codelet)
