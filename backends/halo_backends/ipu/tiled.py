"""`tiled` values: every vertex runs on just the slices its tile holds, and bytes move only by exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_backends.ipu.exchange import FlatMulticast, Multicast, multicasts
from halo_backends.ipu.store import TiledValue
from halo_py.bsp.program import CombineGroup, Compute, Exchange, Loop, Move, Rename, Template, VertexGroup
from halo_py.errors import SimulationError
from halo_py.ir.space import Access, Affine, Kernel, VertexArgs
from halo_py.tiling.mapping import TileMapping
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_backends.ipu.rounding import StochasticRounding
    from halo_py.ir.space import Bounds

    Array = NDArray[np.generic]

Concrete = list[Multicast] | list[FlatMulticast]
"""The concrete exchange of one move."""

Mutator = Callable[[Move, Concrete], Concrete]
"""A hook that may change the concrete exchange of a move (tests lose, shift and swap transfers through it)."""


@dataclass(slots=True)
class Counters:
    """What a tiled run actually did, counted as it happened."""

    bytes_exchanged: int = 0
    bytes_sent: int = 0
    vertices: int = 0
    multiply_accumulates: int = 0


@dataclass(slots=True)
class TemplateRun:
    """One run of a template: the local values on the tiles and the operands received."""

    template: Template
    values: dict[int, TiledValue]
    counters: Counters
    rounding: StochasticRounding | None = None
    mutate: Mutator | None = None
    concrete: dict[int, Concrete] = field(default_factory=dict[int, Concrete])
    """Concrete exchanges by identity of their Move; shared between runs of the same template."""
    _received: dict[tuple[int, int], TiledValue] = field(default_factory=dict[tuple[int, int], TiledValue])
    _partials: dict[int, TiledValue] = field(default_factory=dict[int, TiledValue])
    _partial_values: dict[int, TiledValue] = field(default_factory=dict[int, TiledValue])

    def run(self) -> None:
        """All steps of the template; results are left in `values`."""
        for step in self.template.steps:
            if isinstance(step, Loop):
                for iteration in range(step.count):
                    for inner in step.body:
                        self._phase(inner, iteration)
                    for following, current in step.carried:
                        self._carry(following, current)
            else:
                self._phase(step, 0)

    def _phase(self, step: Exchange | Compute | Rename, iteration: int) -> None:
        if isinstance(step, Rename):
            self._rename(step)
            return
        if isinstance(step, Exchange):
            for move in step.moves:
                self._move(move, iteration)
            return
        for group in step.groups:
            if isinstance(group, VertexGroup):
                self._vertices(group, iteration)
            else:
                self._combine(group)

    def _rename(self, step: Rename) -> None:
        source = self.values[step.source]
        shape = self.template.form.values[step.result].static_shape
        self.values[step.result] = source.viewed(shape) or source

    def _carry(self, following: int, current: int) -> None:
        source = self.values[following]
        self.values[current] = TiledValue.filled(source.mapping, [array.copy() for array in source.arrays])

    # exchange ---------------------------------------------------------------------------------------------------

    def _move(self, move: Move, iteration: int) -> None:
        held = self._partial_values[move.value] if move.depth > 1 else self.values[move.value]
        value = held.viewed(move.need.shape) or held
        shift = self._shift(move, iteration) if move.indexed else None
        received = self._receive(move, value, self._concrete(move, shift), shift)
        if move.depth > 1:
            self._partials[move.value] = received
        elif move.slot[0] < 0:
            self.values[move.value] = received
        else:
            self._received[move.slot] = received

    def _receive(self, move: Move, value: TiledValue, groups: Concrete, shift: tuple[int, ...] | None) -> TiledValue:
        """Every tile's operand memory after the exchange; what nobody sent stays poisoned."""
        need = move.need
        if shift is not None and any(shift):
            offset = np.asarray(shift, np.int64)
            need = TileMapping(need.shape, need.tiles, need.low + offset, need.high + offset)
        arrays: list[Array | None] = [None] * len(need.tiles)
        for group in groups:
            contents = group.assemble(value)
            for row in np.searchsorted(need.tiles, group.targets).tolist():
                arrays[row] = contents.copy()
            self._count(group, contents.dtype.itemsize)
        missing = [row for row, array in enumerate(arrays) if array is None]
        if missing:
            never = TiledValue.empty(need, value.dtype)
            arrays = [never.arrays[row] if array is None else array for row, array in enumerate(arrays)]
        return TiledValue.filled(need, [array for array in arrays if array is not None])

    def _concrete(self, move: Move, shift: tuple[int, ...] | None) -> Concrete:
        groups = None if move.indexed else self.concrete.get(id(move))
        if groups is None:
            groups = multicasts(move, shift)
            if not move.indexed:
                self.concrete[id(move)] = groups
        return self.mutate(move, groups) if self.mutate is not None else groups

    def _shift(self, move: Move, iteration: int) -> tuple[int, ...]:
        call, operand = move.slot
        kernel = self.template.calls[call]
        return loop_shift(kernel, kernel.reads[operand], iteration)

    def _count(self, group: Multicast | FlatMulticast, item_bytes: int) -> None:
        elements = group.elements()
        receivers = len(group.targets) - np.isin(group.sources, group.targets)
        self.counters.bytes_exchanged += int(elements @ receivers) * item_bytes
        self.counters.bytes_sent += int(elements[receivers > 0].sum()) * item_bytes

    # compute ----------------------------------------------------------------------------------------------------

    def _vertices(self, group: VertexGroup, iteration: int) -> None:
        kernel = group.placement.kernel
        tiles, low, high = group.placement.boxes
        low, high = _at_iteration(kernel, low, iteration), _at_iteration(kernel, high, iteration)
        boxes = [access.boxes(low, high) for access in kernel.reads]
        operands = [
            self._operand(group.call, number, value, access).parts(tiles, *box)
            for number, (value, access, box) in enumerate(zip(group.reads, kernel.reads, boxes, strict=True))
        ]
        written = [access.boxes(low, high) for access in kernel.writes]
        results = self._results(group, kernel)
        run_kernel = _unrounded(kernel) if self.rounding is not None else kernel
        read_low = [_tuples(box[0]) for box in boxes]
        write_low = [_tuples(box[0]) for box in written]
        write_shape = [_tuples(box[1] - box[0]) for box in written]
        lows, highs = _tuples(low), _tuples(high)
        types = [kernel.partials_type if group.partial else dtype for dtype in kernel.write_types]
        for row, tile in enumerate(tiles.tolist()):
            shapes = tuple(shape[row] for shape in write_shape)
            if not any(map(prod, shapes)):
                continue
            args = VertexArgs(
                lows[row],
                highs[row],
                tuple(operand[row] for operand in operands),
                tuple(corner[row] for corner in read_low),
                tuple(corner[row] for corner in write_low),
                shapes,
                group.partial,
            )
            outputs = kernel.codelet.compute(args, run_kernel)
            for number, (result, contents) in enumerate(zip(results, outputs, strict=True)):
                if contents.size:
                    result.write(tile, write_low[number][row], self._rounded(contents, types[number]))
        self.counters.vertices += len(tiles)
        self.counters.multiply_accumulates += kernel.multiply_accumulates()

    def _results(self, group: VertexGroup, kernel: Kernel) -> list[TiledValue]:
        results: list[TiledValue] = []
        for number, value in enumerate(group.writes):
            looped = any(
                kernel.axes[axis].role == "loop"
                for dim in kernel.writes[number].dims
                if isinstance(dim, Affine)
                for axis, _coefficient in dim.terms
            )
            if group.partial:
                mapping = group.placement.writes[number]
                made = TiledValue.empty(mapping, kernel.partials_type.numpy)
                self._partial_values[value] = made
            elif looped:
                made = self._looped(value, kernel.writes[number].shape, kernel.write_types[number])
            else:
                made = TiledValue.empty(group.placement.writes[number], kernel.write_types[number].numpy)
                self.values[value] = made
            results.append(made)
        return results

    def _looped(self, value: int, view: tuple[int, ...], dtype: DType) -> TiledValue:
        found = self.values.get(value)
        if found is None:
            home = self.template.homes[value]
            if home is None:
                raise SimulationError(f"local value {value} is written in a loop and has no home")
            found = TiledValue.empty(home, dtype.numpy)
            self.values[value] = found
        viewed = found.viewed(view)
        if viewed is None:
            raise SimulationError(f"local value {value} cannot be written through view {view}")
        return viewed

    def _operand(self, call: int, number: int, value: int, access: Access) -> TiledValue:
        """The memories that an operand is read from: what exchange brought, or where the value lies."""
        found = self._received.get((call, number)) or self.values[value]
        viewed = found.viewed(access.shape)
        if viewed is None:
            raise SimulationError(f"an operand lies as {found.mapping.shape}, its kernel wants {access.shape}")
        return viewed

    def _combine(self, group: CombineGroup) -> None:
        received: TiledValue = self._partials.pop(group.value)
        dtype = self.template.form.values[group.value].dtype
        arrays = [
            self._rounded(combine_partials(received.arrays[row], group.function), dtype)
            for row in map(int, received.rows_of(group.result.tiles))
        ]
        self._partial_values.pop(group.value, None)
        self.values[group.value] = TiledValue.filled(group.result, arrays)

    def _rounded(self, contents: Array, dtype: DType) -> Array:
        if contents.dtype == dtype.numpy:
            return contents
        if self.rounding is not None and dtype is DType.FLOAT16:
            return self.rounding.to_float16(contents.astype(np.float32))
        return contents.astype(dtype.numpy)


def _tuples(corners: Bounds) -> list[tuple[int, ...]]:
    rows: list[list[int]] = corners.tolist()
    return [tuple(row) for row in rows]


def combine_partials(parts: Array, function: str) -> Array:
    """Adds partials up in their order, rounding to float32 between additions as the chip's accumulators do."""
    wide = parts.astype(np.float32) if DType.from_numpy(parts.dtype).is_float and parts.dtype.itemsize < 4 else parts
    total: Array = wide[0].copy()
    operation = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}[function]
    for part in wide[1:]:
        total = operation(total, part)
    return total


def loop_shift(kernel: Kernel, access: Access, iteration: int) -> tuple[int, ...]:
    """How far iteration `iteration` displaces a box of this access, per dimension of its view."""
    shift: list[int] = []
    for dim in access.dims:
        terms = dim.terms if isinstance(dim, Affine) else ()
        shift.append(sum(factor * iteration for axis, factor in terms if kernel.axes[axis].role == "loop"))
    return tuple(shift)


def _at_iteration(kernel: Kernel, corner: NDArray[np.int64], iteration: int) -> NDArray[np.int64]:
    offset = np.array([iteration if axis.role == "loop" else 0 for axis in kernel.axes], np.int64)
    return corner + offset if iteration else corner


def _unrounded(kernel: Kernel) -> Kernel:
    """The kernel with float32 results, for the store to round stochastically."""
    wide = tuple(DType.FLOAT32 if dtype is DType.FLOAT16 else dtype for dtype in kernel.write_types)
    partials = DType.FLOAT32 if kernel.partials_type is DType.FLOAT16 else kernel.partials_type
    return replace(kernel, write_types=wide, partials_type=partials)
