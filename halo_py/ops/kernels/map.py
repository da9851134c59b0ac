"""The map vertex: a scalar program applied to every point of a box, with NumPy's broadcasting of its operands.

An operand that lacks an axis (or has extent 1 along it) is repeated along that axis. The functions that line operand
boxes up with the axes of an iteration space serve other codelets too (epilogues, gates of recurrent cells).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, AccessDim, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import Count, MapWork, Work
from halo_py.ops.scalar import Array, ScalarProgram, program_functions, run_program
from halo_py.types import DType, TensorType

Broadcast = Literal["none", "scalar", "inner", "outer"]


def pick(shape: Sequence[int], axes: Sequence[int | None]) -> Access:
    """An access whose dimension d follows axis `axes[d]`; None, or a dimension of one element, is index 0."""
    dims: list[AccessDim] = []
    for extent, axis in zip(shape, axes, strict=True):
        dims.append(Affine(()) if axis is None or extent == 1 else Affine(((axis, 1),)))
    return Access(tuple(shape), tuple(dims))


def broadcast_access(shape: Sequence[int], rank: int) -> Access:
    """An access of an operand that broadcasts, aligned on the right, over `rank` axes."""
    return pick(shape, range(rank - len(shape), rank))


def grain_of(dtype: DType) -> int:
    """Elements in the 8 bytes that a vertex loads or stores at once."""
    return max(1, 64 // dtype.bits)


def output_axes(shape: Sequence[int], dtype: DType) -> tuple[Axis, ...]:
    """One parallel axis per dimension of an output (one axis of extent 1 for a scalar), grained along the last."""
    if not shape:
        return (Axis("d0", 1),)
    last = len(shape) - 1
    return tuple(
        Axis(f"d{number}", extent, "parallel", grain_of(dtype) if number == last else 1)
        for number, extent in enumerate(shape)
    )


def access_axes(access: Access) -> tuple[int | None, ...]:
    """The axis each dimension of an operand follows, None for a dimension at a constant index.

    Raises ValueError for windows and whole dimensions. An axis may be followed backwards only if boxes have extent 1
    along it (a loop axis).
    """
    axes: list[int | None] = []
    for dim in access.dims:
        if not isinstance(dim, Affine) or len(dim.terms) > 1 or any(factor not in (1, -1) for _, factor in dim.terms):
            raise ValueError(f"{dim} is not one axis")
        axes.append(dim.terms[0][0] if dim.terms else None)
    return tuple(axes)


def align(box: Array, access: Access, rank: int) -> NDArray[Any]:
    """An operand box as an array of `rank` dimensions, one per axis; axes the operand lacks have extent 1."""
    axes = access_axes(access)
    shape = [1] * rank
    for axis, extent in zip(axes, box.shape, strict=True):
        if axis is not None:
            shape[axis] = extent
    followed = [axis for axis in axes if axis is not None]
    constant = tuple(number for number, axis in enumerate(axes) if axis is None)
    kept = box.squeeze(constant) if constant else box
    order = sorted(range(len(followed)), key=lambda number: followed[number])
    return np.transpose(kept, order).reshape(shape)


def arrange(result: Array, access: Access, shape: tuple[int, ...]) -> Array:
    """The reverse of `align`: an array with one dimension per axis as the box of shape `shape` that is written.

    Axes the written value lacks must have extent 1 (a loop axis, or a reduction that is done).
    """
    axes = [axis for axis in access_axes(access) if axis is not None]
    rest = [axis for axis in range(result.ndim) if axis not in axes]
    return np.transpose(result, (*axes, *rest)).reshape(shape)


@dataclass(frozen=True, slots=True)
class MapCodelet:
    """One pass over the box with `program`; read i is the program's input i, every write gets the result."""

    program: ScalarProgram

    @property
    def name(self) -> str:
        return "map:" + ",".join(step.function for step in self.program.steps)

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        functions = program_functions(self.program)
        elements: Count = 1
        for extent in extents:
            elements = elements * extent
        return MapWork(
            elements=elements,
            functions=functions,
            element_type=widest(kernel.read_types or kernel.write_types).text,
            output_type=kernel.write_types[0].text,
            broadcast=classify_broadcast(kernel),
            inner=extents[-1],
            fused=len(functions) > 1,
        )

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        rank = len(kernel.axes)
        operands = [align(box, access, rank) for box, access in zip(args.reads, kernel.reads, strict=True)]
        result = np.broadcast_to(run_program(self.program, operands), args.extents)
        return tuple(
            arrange(result, access, shape).astype(dtype.numpy, copy=False)
            for access, shape, dtype in zip(kernel.writes, args.write_shape, kernel.write_types, strict=True)
        )


def widest(types: Sequence[DType]) -> DType:
    """The type with the most bits, bool and conditions last."""
    return max(types, key=lambda dtype: (dtype is not DType.BOOL, dtype.bits))


def classify_broadcast(kernel: Kernel) -> Broadcast:
    """How the operand that is repeated most differs from the full space."""
    full = {number for number, axis in enumerate(kernel.axes) if axis.role != "loop" and axis.extent > 1}
    inner = max(full, default=0)
    found: Broadcast = "none"
    for access in kernel.reads:
        present = {term[0] for dim in access.dims if isinstance(dim, Affine) for term in dim.terms} & full
        if present == full:
            continue
        if not present:
            found = found if found != "none" else "scalar"
        elif inner in present:
            found = "inner" if found in ("none", "scalar") else found
        else:
            found = "outer"
    return found


def broadcast_kernel(program: ScalarProgram, reads: Sequence[TensorType], write: TensorType) -> Kernel:
    """The kernel that maps `program` over operands that broadcast to the shape of `write`."""
    shape = write.static_shape
    axes = output_axes(shape, write.dtype)
    rank = len(shape)
    return Kernel(
        axes=axes,
        reads=tuple(broadcast_access(read.static_shape, rank) for read in reads),
        writes=(pick(shape, range(rank)),),
        read_types=tuple(read.dtype for read in reads),
        write_types=(write.dtype,),
        codelet=MapCodelet(program),
    )
