"""`tiled` values: every vertex runs on just the slices its tile holds, and bytes move only by exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from halo_backends.ipu.exchange import Multicast, multicasts
from halo_backends.ipu.store import TiledValue
from halo_py.bsp.program import CombineGroup, Compute, Exchange, Loop, Move, Rename, Template, VertexGroup
from halo_py.errors import SimulationError
from halo_py.ir.space import Access, Affine, Kernel, VertexArgs
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_backends.ipu.rounding import StochasticRounding

    Array = NDArray[np.generic]

Mutator = Callable[[Move, list[Multicast]], list[Multicast]]
"""A hook that may change the concrete exchange of a move (tests lose, shift and swap transfers through it)."""


@dataclass(slots=True)
class Counters:
    """What a tiled run actually did, counted as it happened."""

    bytes_exchanged: int = 0
    bytes_sent: int = 0
    vertices: int = 0
    multiply_accumulates: int = 0


@dataclass(slots=True)
class Received:
    """What an exchange brought for one operand: per tile the array and the corner of its box."""

    view: tuple[int, ...]
    arrays: dict[int, Array]
    low: dict[int, tuple[int, ...]]


@dataclass(slots=True)
class TemplateRun:
    """One run of a template: the local values on the tiles and the operands received."""

    template: Template
    values: dict[int, TiledValue]
    counters: Counters
    rounding: StochasticRounding | None = None
    mutate: Mutator | None = None
    concrete: dict[int, list[Multicast]] = field(default_factory=dict[int, list[Multicast]])
    """Concrete exchanges by identity of their Move; shared between runs of the same template."""
    _received: dict[tuple[int, int], Received] = field(default_factory=dict[tuple[int, int], Received])
    _partials: dict[int, Received] = field(default_factory=dict[int, Received])
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
        received = Received(move.need.shape, {}, {})
        for group in self._concrete(move, iteration):
            contents = group.assemble(value)
            for tile in group.targets:
                received.arrays[tile] = contents.copy()
                received.low[tile] = group.low
            self._count(group, contents)
        call, operand = move.slot
        if move.depth > 1:
            self._partials[move.value] = received
        elif call < 0:
            arrays = [received.arrays[tile] for tile in move.need.tiles.tolist()]
            self.values[move.value] = TiledValue.filled(move.need, arrays)
        else:
            self._received[call, operand] = received

    def _concrete(self, move: Move, iteration: int) -> list[Multicast]:
        if move.indexed:
            groups = multicasts(move, self._shift(move, iteration))
        else:
            groups = self.concrete.get(id(move))
            if groups is None:
                groups = self.concrete[id(move)] = multicasts(move)
        return self.mutate(move, groups) if self.mutate is not None else groups

    def _shift(self, move: Move, iteration: int) -> tuple[int, ...]:
        call, operand = move.slot
        kernel = self.template.calls[call]
        return loop_shift(kernel, kernel.reads[operand], iteration)

    def _count(self, group: Multicast, contents: Array) -> None:
        item = contents.dtype.itemsize
        for piece in group.pieces:
            others = sum(tile != piece.source for tile in group.targets)
            self.counters.bytes_exchanged += piece.elements * item * others
            self.counters.bytes_sent += piece.elements * item if others else 0

    # compute ----------------------------------------------------------------------------------------------------

    def _vertices(self, group: VertexGroup, iteration: int) -> None:
        kernel = group.placement.kernel
        tiles, low, high = group.placement.boxes
        low, high = _at_iteration(kernel, low, iteration), _at_iteration(kernel, high, iteration)
        reads = [access.boxes(low, high) for access in kernel.reads]
        writes = [access.boxes(low, high) for access in kernel.writes]
        results = self._results(group, kernel)
        sources = [
            self._source(group.call, number, value, kernel.reads[number].shape)
            for number, value in enumerate(group.reads)
        ]
        run_kernel = _unrounded(kernel) if self.rounding is not None else kernel
        listed = [(a.tolist(), b.tolist()) for a, b in (*reads, *writes)]
        lows, highs, numbers = low.tolist(), high.tolist(), tiles.tolist()
        for row, tile in enumerate(numbers):
            boxes = [(tuple(a[row]), tuple(b[row])) for a, b in listed]
            read_boxes, write_boxes = boxes[: len(reads)], boxes[len(reads) :]
            if all(_is_empty(*box) for box in write_boxes):
                continue
            args = VertexArgs(
                tuple(lows[row]),
                tuple(highs[row]),
                tuple(source(tile, *box) for source, box in zip(sources, read_boxes, strict=True)),
                tuple(box[0] for box in read_boxes),
                tuple(box[0] for box in write_boxes),
                tuple(tuple(b - a for a, b in zip(*box, strict=True)) for box in write_boxes),
                group.partial,
            )
            outputs = kernel.codelet.compute(args, run_kernel)
            for result, box, contents, dtype in zip(results, write_boxes, outputs, kernel.write_types, strict=True):
                if contents.size:
                    stored = kernel.partials_type if group.partial else dtype
                    result.write(tile, box[0], self._rounded(contents, stored))
        self.counters.vertices += len(numbers)
        if iteration == 0 or any(axis.role == "loop" for axis in kernel.axes):
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

    def _source(
        self, call: int, operand: int, value: int, view: tuple[int, ...]
    ) -> Callable[[int, tuple[int, ...], tuple[int, ...]], Array]:
        received = self._received.get((call, operand))
        dtype = self.template.form.values[value].dtype.numpy
        if received is not None:
            return lambda tile, low, high: _from_received(received, tile, low, high, dtype)
        held = self.values[value].viewed(view)
        if held is None:
            raise SimulationError(f"an operand lies as {self.values[value].mapping.shape}, its kernel wants {view}")
        return lambda tile, low, high: _from_held(held, tile, low, high, dtype)

    def _combine(self, group: CombineGroup) -> None:
        received = self._partials.pop(group.value)
        dtype = self.template.form.values[group.value].dtype
        arrays: list[Array] = []
        for tile in group.result.tiles.tolist():
            parts = received.arrays.get(tile)
            if parts is None:
                raise SimulationError(f"tile {tile} has no partials to add up")
            total = combine_partials(parts, group.function)
            arrays.append(self._rounded(total, dtype))
        self._partial_values.pop(group.value, None)
        self.values[group.value] = TiledValue.filled(group.result, arrays)

    def _rounded(self, contents: Array, dtype: DType) -> Array:
        if contents.dtype == dtype.numpy:
            return contents
        if self.rounding is not None and dtype is DType.FLOAT16:
            return self.rounding.to_float16(contents.astype(np.float32))
        return contents.astype(dtype.numpy)


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


def _is_empty(low: tuple[int, ...], high: tuple[int, ...]) -> bool:
    return any(end <= start for start, end in zip(low, high, strict=True))


def _from_received(
    received: Received, tile: int, low: tuple[int, ...], high: tuple[int, ...], dtype: np.dtype[np.generic]
) -> Array:
    if _is_empty(low, high):
        return np.empty(tuple(b - a for a, b in zip(low, high, strict=True)), dtype)
    array = received.arrays.get(tile)
    if array is None:
        raise SimulationError(f"tile {tile} reads an operand it never received")
    part = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, received.low[tile], strict=True))
    if any(cut.start < 0 or cut.stop > size for cut, size in zip(part, array.shape, strict=True)):
        raise SimulationError(f"tile {tile} reads outside what it received")
    return array[part]


def _from_held(
    held: TiledValue, tile: int, low: tuple[int, ...], high: tuple[int, ...], dtype: np.dtype[np.generic]
) -> Array:
    if _is_empty(low, high):
        return np.empty(tuple(b - a for a, b in zip(low, high, strict=True)), dtype)
    return held.block(tile, low, high)
