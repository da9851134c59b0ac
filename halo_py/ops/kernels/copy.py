"""Movement: vertices that copy boxes without changing a bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, AccessDim, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import CopyWork, Count, FillWork, SumWork, Work
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


def volume(extents: Sequence[Count]) -> Count:
    """Number of points of a box."""
    result: Count = 1
    for extent in extents:
        result = result * extent
    return result


def same(rank: int) -> tuple[AccessDim, ...]:
    """Dimension d follows axis d."""
    return tuple(Affine(((number, 1),)) for number in range(rank))


def parallel_axes(shape: Sequence[int]) -> tuple[Axis, ...]:
    """One parallel axis per dimension of an output (one of extent 1 for a scalar)."""
    return tuple(Axis(f"d{number}", extent) for number, extent in enumerate(shape)) or (Axis("d0", 1),)


@dataclass(frozen=True, slots=True)
class CopyCodelet:
    """Each point of the result is one point of the operand: permuted, strided, reversed or repeated.

    Every dimension of the operand follows at most one axis; the kernel's accesses say which and how.
    """

    @property
    def name(self) -> str:
        return "copy"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        run, transposes = _run(extents, kernel)
        return CopyWork(volume(extents), run, kernel.write_types[0].text, transposes)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        box = args.reads[0]
        order: list[int] = []
        pieces: list[slice | int] = []
        for dim in kernel.reads[0].dims:
            assert isinstance(dim, Affine)
            if not dim.terms:
                pieces.append(0)
                continue
            ((axis, step),) = dim.terms
            pieces.append(slice(None, None, step))
            order.append(axis)
        box = box[tuple(pieces)]
        written = [dim.terms[0][0] for dim in kernel.writes[0].dims if isinstance(dim, Affine) and dim.terms]
        position = {axis: number for number, axis in enumerate(order)}
        box = box.transpose([position[axis] for axis in written if axis in position])
        box = box.reshape([args.extents[axis] if axis in position else 1 for axis in written])
        full = np.broadcast_to(box, [args.extents[axis] for axis in written])
        return (np.ascontiguousarray(full).reshape(args.write_shape[0]),)


def _run(extents: Sequence[Count], kernel: Kernel) -> tuple[Count, bool]:
    """Length of contiguous runs, and whether the innermost dimension of operand and result differ."""
    read, write = kernel.reads[0].dims, kernel.writes[0].dims
    if not read or not write:
        return 1, False
    last, source = write[-1], read[-1]
    if not isinstance(last, Affine) or not last.terms:
        return 1, False
    if not isinstance(source, Affine) or source.terms != last.terms:
        return 1, True
    return extents[last.terms[0][0]], False


def copy_kernel(axes: tuple[Axis, ...], read: Access, write: Access, dtype: DType) -> Kernel:
    """The kernel of a copy."""
    return Kernel(axes, (read,), (write,), (dtype,), (dtype,), CopyCodelet())


def permute_kernel(shape: tuple[int, ...], order: Sequence[int], dtype: DType) -> Kernel:
    """The kernel whose result's dimension d is dimension order[d] of an operand of this shape."""
    out = tuple(shape[dim] for dim in order)
    dims: list[AccessDim] = [Affine(())] * len(shape)
    for axis, dim in enumerate(order):
        dims[dim] = Affine(((axis, 1),))
    return copy_kernel(parallel_axes(out), Access(shape, tuple(dims)), Access(out, same(len(out))), dtype)


def slice_kernel(
    shape: tuple[int, ...], starts: Sequence[int], steps: Sequence[int], out: tuple[int, ...], dtype: DType
) -> Kernel:
    """The kernel whose result [i, ...] is operand [start + step*i, ...]."""
    dims = tuple(Affine(((axis, step),), start) for axis, (start, step) in enumerate(zip(starts, steps, strict=True)))
    return copy_kernel(parallel_axes(out), Access(shape, dims), Access(out, same(len(out))), dtype)


@dataclass(frozen=True, slots=True)
class AssembleCodelet:
    """The result is pieced together from parts, each at an offset; what no part covers is filled.

    `offsets[i]` is where part i starts in the result. With `filled`, the last operand is the fill value (a scalar);
    otherwise the fill is zero, False or the empty string.
    """

    offsets: tuple[tuple[int, ...], ...]
    filled: bool = False

    @property
    def name(self) -> str:
        return "assemble"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        dtype = kernel.write_types[0].text
        copies = CopyWork(volume(extents), extents[-1], dtype)
        covered = sum(prod(access.shape) for access in kernel.reads[: len(self.offsets)])
        if covered >= prod(kernel.writes[0].shape):
            return copies
        return SumWork((FillWork(volume(extents), dtype), copies))

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        dtype = kernel.write_types[0].numpy
        fill: Any = args.reads[-1].reshape(()) if self.filled else np.zeros((), dtype)
        made = np.full(args.extents, fill, dtype)
        for offset, box, low in zip(self.offsets, args.reads, args.read_low, strict=False):
            if box.size:
                corner = [start + first - own for start, first, own in zip(offset, low, args.low, strict=True)]
                made[tuple(slice(at, at + size) for at, size in zip(corner, box.shape, strict=True))] = box
        return (made.reshape(args.write_shape[0]),)


def assemble_kernel(
    out: tuple[int, ...],
    parts: Sequence[tuple[tuple[int, ...], tuple[int, ...]]],
    dtype: DType,
    *,
    filled: bool = False,
) -> Kernel:
    """The kernel that pieces a result together from parts, given as (shape, offset in the result; may be negative)."""
    accesses = [
        Access(shape, tuple(Affine(((axis, 1),), -start) for axis, start in enumerate(offset)))
        for shape, offset in parts
    ]
    if filled:
        accesses.append(Access((), ()))
    codelet = AssembleCodelet(tuple(offset for _, offset in parts), filled)
    return Kernel(
        parallel_axes(out),
        tuple(accesses),
        (Access(out, same(len(out))),),
        (dtype,) * len(accesses),
        (dtype,),
        codelet,
    )


@dataclass(frozen=True, slots=True)
class InterleaveCodelet:
    """result[n, c, steps*q + phase, ...] = part of that phase [n, c, q, ...]; absent phases are zero.

    `phases` lists the phase (one number per field dimension) of each operand.
    """

    phases: tuple[tuple[int, ...], ...]

    @property
    def name(self) -> str:
        return "interleave"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return CopyWork(volume(extents), 1, kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        made = np.zeros(args.extents, kernel.write_types[0].numpy)
        for phase, box in zip(self.phases, args.reads, strict=True):
            made[(slice(None), slice(None), *(part for number in phase for part in (slice(None), number)))] = box
        return (made.reshape(args.write_shape[0]),)


def interleave_kernel(
    lead: tuple[int, int],
    field: tuple[int, ...],
    steps: tuple[int, ...],
    phases: Sequence[tuple[int, ...]],
    dtype: DType,
) -> Kernel:
    """The kernel that weaves parts [n, c, field...] into [n, c, field*steps...]."""
    axes = [Axis("n", lead[0]), Axis("c", lead[1])]
    view: list[int] = [*lead]
    dims: list[AccessDim] = [Affine(((0, 1),)), Affine(((1, 1),))]
    for number, (size, step) in enumerate(zip(field, steps, strict=True)):
        axes += [Axis(f"f{number}", size), Axis(f"phase{number}", step, "whole")]
        view += [size, step]
        dims.append(Affine(((2 + 2 * number, 1),)))
    read = Access((*lead, *field), tuple(dims))
    write = Access(tuple(view), same(len(view)))
    count = len(phases)
    return Kernel(tuple(axes), (read,) * count, (write,), (dtype,) * count, (dtype,), InterleaveCodelet(tuple(phases)))
