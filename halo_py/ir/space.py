"""Iteration spaces: what a tile kernel loops over, and which box of each operand a box of the space touches.

A kernel has axes. Each dimension of each operand is an affine function of axes (an axis, a window such as
`stride*oh + dilation*kh - pad`, an offset such as concat's) or is needed whole. A box [low, high) per axis then reads
and writes one box per operand, clipped to the operand: what clipping removes is padding or another operand's part.
Everything the partitioner knows about an op follows from this; it never names an op.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.work import Count, Work
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    Array = NDArray[np.generic]

Bounds = NDArray[np.int64]
"""Integer array [boxes, dimensions]: the low (inclusive) or high (exclusive) corner of many boxes."""

Combine = Literal["add", "max", "min", "mul"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an iteration space.

    role: 'parallel' (in the output, may be split), 'reduce' (absent from the output; splitting it leaves partials to
    combine), 'whole' (never split: every vertex runs it entirely), 'loop' (the counter of the `Repeat` the kernel
    stands in; the box of iteration i is [i, i+1)).
    grain: pieces are multiples of this many points (the last one may be ragged).
    """

    name: str
    extent: int
    role: Literal["parallel", "reduce", "whole", "loop"] = "parallel"
    grain: int = 1


@dataclass(frozen=True, slots=True)
class Affine:
    """index = offset + sum(coefficient * axis): terms are (axis number, coefficient). No terms: a constant index."""

    terms: tuple[tuple[int, int], ...]
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Whole:
    """The whole dimension, whatever the box is."""


AccessDim = Affine | Whole
WHOLE = Whole()


@dataclass(frozen=True, slots=True)
class Access:
    """How a kernel touches one operand.

    `shape` is the operand's shape as the kernel sees it: a row-major view of the value's own shape (same element
    count); `dims` has one entry per dimension of that view.
    """

    shape: tuple[int, ...]
    dims: tuple[AccessDim, ...]

    def boxes(self, low: Bounds, high: Bounds) -> tuple[Bounds, Bounds]:
        """The operand boxes that iteration boxes [low, high) touch, clipped; empty ones have high == low."""
        count = low.shape[0]
        lows = np.zeros((count, len(self.dims)), np.int64)
        highs = np.empty_like(lows)
        for number, (dim, extent) in enumerate(zip(self.dims, self.shape, strict=True)):
            if isinstance(dim, Whole):
                highs[:, number] = extent
                continue
            first = np.full(count, dim.offset, np.int64)
            last = first.copy()
            for axis, coefficient in dim.terms:
                start, end = coefficient * low[:, axis], coefficient * (high[:, axis] - 1)
                first += np.minimum(start, end)
                last += np.maximum(start, end)
            lows[:, number] = np.clip(first, 0, extent)
            highs[:, number] = np.maximum(np.clip(last + 1, 0, extent), lows[:, number])
        empty = (high <= low).any(axis=1) | (highs <= lows).any(axis=1)
        highs[empty] = lows[empty]
        return lows, highs

    def extents(self, extents: tuple[Count, ...]) -> tuple[Count, ...]:
        """Upper bound of the operand box per dimension when the box has these extents per axis."""
        sizes: list[Count] = []
        for dim, extent in zip(self.dims, self.shape, strict=True):
            if isinstance(dim, Whole):
                sizes.append(extent)
                continue
            size: Count = 1
            for axis, coefficient in dim.terms:
                size = size + abs(coefficient) * (extents[axis] - 1)
            sizes.append(np.minimum(size, extent) if isinstance(size, np.ndarray) else min(size, extent))
        return tuple(sizes)


@dataclass(frozen=True, slots=True)
class VertexArgs:
    """What one vertex gets: its box of the iteration space and the operand boxes its tile holds.

    `reads[i]` has the shape of the clipped operand box, which starts at `read_low[i]` (in the coordinates of
    `Access.shape`). The codelet returns one array per write, of the shape of the write box (see `write_shape`).
    `partial` is true when a reduction axis is split, so that results are partials (in the partials type).
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    reads: tuple[Array, ...]
    read_low: tuple[tuple[int, ...], ...]
    write_low: tuple[tuple[int, ...], ...]
    write_shape: tuple[tuple[int, ...], ...]
    partial: bool = False

    @property
    def extents(self) -> tuple[int, ...]:
        """Points per axis of this box."""
        return tuple(high - low for low, high in zip(self.low, self.high, strict=True))


class Codelet(Protocol):
    """The code of a vertex: frozen, hashable parameters; what it costs and what it computes."""

    @property
    def name(self) -> str:
        """Codelet name for reports and code-size accounting, e.g. 'conv' or 'map:add,relu'."""
        ...

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        """What a vertex does for boxes with these extents per axis (vectorised over Count arrays)."""
        ...

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        """The values a vertex writes, from nothing but its own slices."""
        ...


@dataclass(frozen=True, slots=True)
class Kernel:
    """A tile kernel: iteration space, accesses, codelet. Hashable: equal kernels are planned once.

    `combine` says how partials add up when a 'reduce' axis is split (None: reduce axes may not be split).
    `partials_type` is the type partials are exchanged in.
    """

    axes: tuple[Axis, ...]
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]
    read_types: tuple[DType, ...]
    write_types: tuple[DType, ...]
    codelet: Codelet
    combine: Combine | None = None
    partials_type: DType = DType.FLOAT32

    @property
    def splittable(self) -> tuple[bool, ...]:
        """Which axes may be cut over tiles."""
        return tuple(
            axis.role == "parallel" or (axis.role == "reduce" and self.combine is not None) for axis in self.axes
        )

    @property
    def extents(self) -> tuple[int, ...]:
        """Extent of each axis (1 for the loop axis: one iteration)."""
        return tuple(1 if axis.role == "loop" else axis.extent for axis in self.axes)

    def multiply_accumulates(self) -> int:
        """Multiply-accumulates of the whole kernel if it is a contraction, else 0."""
        from halo_py.ir.work import ContractionWork

        work = self.codelet.work(self.extents, self)
        if not isinstance(work, ContractionWork):
            return 0
        product = 1
        for count in (work.groups, work.rows, work.row_width, work.in_channels, work.out_channels):
            product *= int(count)
        return product * int(work.kernel_height) * int(work.kernel_width)


@dataclass(frozen=True, slots=True)
class KernelCall:
    """One kernel applied to local values of a tile form (numbers into `TileForm.values`)."""

    kernel: Kernel
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    follows: int | None = None
    """Local value whose tile mapping this kernel should keep (an epilogue stays where its producer wrote)."""


@dataclass(frozen=True, slots=True)
class View:
    """`result` is a row-major reinterpretation of `source` (reshape, squeeze, identity): no data moves by itself."""

    source: int
    result: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """Run `body` `count` times. After each iteration every (next, current) of `carried` moves next into current.

    Kernels inside may have one 'loop' axis; reads and writes along it touch the iteration's slice. Before the first
    iteration `current` values hold what earlier steps (or inputs) wrote to them.
    """

    count: int
    body: tuple[KernelCall | View, ...]
    carried: tuple[tuple[int, int], ...] = ()


FormStep = KernelCall | View | Repeat


@dataclass(frozen=True, slots=True)
class TileForm:
    """An op as a small graph of tile kernels over local values.

    `values` are the types of all local values. `inputs` maps op operand -> local number (None if the operand is
    omitted or only its constant contents matter); `outputs` maps op result -> local number.
    """

    values: tuple[TensorType, ...]
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    steps: tuple[FormStep, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an op has no tile form for these operands."""

    reason: str


class FormBuilder:
    """Builds a TileForm: declare inputs, call kernels, name outputs."""

    def __init__(self) -> None:
        self._values: list[TensorType] = []
        self._inputs: list[int | None] = []
        self._steps: list[FormStep] = []

    def value(self, dtype: DType, shape: tuple[int, ...]) -> int:
        """A new local value."""
        self._values.append(TensorType(dtype, shape))
        return len(self._values) - 1

    def input(self, type: TensorType | None) -> int:
        """The next op operand as a local value."""
        if type is None:
            raise ValueError("an omitted operand has no local value; use skip()")
        number = self.value(type.dtype, type.static_shape)
        self._inputs.append(number)
        return number

    def skip(self) -> None:
        """The next op operand is omitted, or only its constant contents matter."""
        self._inputs.append(None)

    def type(self, number: int) -> TensorType:
        """Type of a local value."""
        return self._values[number]

    def call(
        self, kernel: Kernel, inputs: tuple[int, ...], outputs: tuple[int, ...], follows: int | None = None
    ) -> None:
        """Append a kernel call."""
        self._steps.append(KernelCall(kernel, inputs, outputs, follows))

    def view(self, source: int, shape: tuple[int, ...]) -> int:
        """A reshaped view of a local value."""
        result = self.value(self._values[source].dtype, shape)
        self._steps.append(View(source, result))
        return result

    def repeat(self, count: int, body: FormBuilder, carried: tuple[tuple[int, int], ...]) -> None:
        """Append a loop whose body was built with `self.body()`."""
        steps = tuple(step for step in body._steps if not isinstance(step, Repeat))
        self._steps.append(Repeat(count, steps, carried))

    def body(self) -> FormBuilder:
        """A builder for a loop body that shares this builder's local values."""
        inner = FormBuilder()
        inner._values = self._values
        return inner

    def finish(self, *outputs: int) -> TileForm:
        """The form, with these local values as op results."""
        return TileForm(tuple(self._values), tuple(self._inputs), outputs, tuple(self._steps))
