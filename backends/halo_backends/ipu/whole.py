"""`whole` values: every kernel once on whole arrays, in the device's number formats.

The same kernels, codelets and roundings as `tiled`, without tiles: partial sums are rounded where the plan has a
boundary between partials. It must equal `tiled` bit for bit for data movement and within rounding for sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from halo_backends.ipu.tiled import combine_partials
from halo_py.bsp.program import CombineGroup, Compute, Exchange, Loop, Rename, Template, VertexGroup
from halo_py.ir.space import Access, Kernel, VertexArgs
from halo_py.tiling.mapping import cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.space import Bounds

    Array = NDArray[np.generic]


ACCUMULATOR_BITS = 32
"""Partials at least this wide round no more than the accumulation itself: their boundary needs no rounding."""


@dataclass(slots=True)
class WholeRun:
    """One run of a template on whole arrays; `values` maps local numbers to contents."""

    template: Template
    values: dict[int, Array]
    regions: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Region]
    """What boxes touch, by identity of their kernel; shared between runs of the same program."""

    def run(self) -> None:
        """All steps of the template; results are left in `values`."""
        for step in self.template.steps:
            if isinstance(step, Loop):
                for iteration in range(step.count):
                    for inner in step.body:
                        self._phase(inner, iteration)
                    for following, current in step.carried:
                        self.values[current] = self.values[following]
            else:
                self._phase(step, 0)

    def _phase(self, step: Exchange | Compute | Rename, iteration: int) -> None:
        if isinstance(step, Rename):
            shape = self.template.form.values[step.result].static_shape
            self.values[step.result] = self.values[step.source].reshape(shape)
        elif isinstance(step, Compute):
            for group in step.groups:
                if not isinstance(group, CombineGroup):
                    self._kernel(group, iteration)

    def _kernel(self, group: VertexGroup, iteration: int) -> None:
        kernel = group.placement.kernel
        low = tuple(iteration if axis.role == "loop" else 0 for axis in kernel.axes)
        high = tuple(a + n for a, n in zip(low, kernel.extents, strict=True))
        if not group.partial or kernel.partials_type.bits >= ACCUMULATOR_BITS:
            self._store(group, kernel, low, high, self._vertex(group, kernel, low, high, partial=False))
            return
        pieces = [
            self._vertex(group, kernel, piece_low, piece_high, partial=True)
            for piece_low, piece_high in _reduction_pieces(kernel, group.placement.split.ways, low, high)
        ]
        partials = kernel.partials_type.numpy
        totals = tuple(
            combine_partials(np.stack([piece[number].astype(partials) for piece in pieces]), kernel.combine or "add")
            for number in range(len(kernel.writes))
        )
        self._store(group, kernel, low, high, totals)

    def _vertex(
        self, group: VertexGroup, kernel: Kernel, low: tuple[int, ...], high: tuple[int, ...], *, partial: bool
    ) -> tuple[Array, ...]:
        region = self._region(kernel, low, high)
        reads = tuple(
            self.values[value].reshape(access.shape)[part]
            for access, value, part in zip(kernel.reads, group.reads, region.reads, strict=True)
        )
        args = VertexArgs(low, high, reads, region.read_low, region.write_low, region.write_shape, partial)
        return kernel.codelet.compute(args, kernel)

    def _region(self, kernel: Kernel, low: tuple[int, ...], high: tuple[int, ...]) -> Region:
        key = (id(kernel), low, high)
        found = self.regions.get(key)
        if found is None:
            found = self.regions[key] = Region.of(kernel, low, high)
        return found

    def _store(
        self,
        group: VertexGroup,
        kernel: Kernel,
        low: tuple[int, ...],
        high: tuple[int, ...],
        results: tuple[Array, ...],
    ) -> None:
        region = self._region(kernel, low, high)
        for number, (access, value, dtype) in enumerate(
            zip(kernel.writes, group.writes, kernel.write_types, strict=True)
        ):
            rounded = results[number].astype(dtype.numpy, copy=False)
            shape = self.template.form.values[value].static_shape
            if region.write_shape[number] == access.shape:
                self.values[value] = rounded.reshape(shape)
                continue
            if value not in self.values:
                self.values[value] = np.zeros(shape, dtype.numpy)
            part = tuple(
                slice(start, start + size)
                for start, size in zip(region.write_low[number], region.write_shape[number], strict=True)
            )
            self.values[value].reshape(access.shape)[part] = rounded


@dataclass(frozen=True, slots=True)
class Region:
    """What a box of a kernel's space touches: slices of the operands read, corners and shapes of what is written."""

    reads: tuple[tuple[slice, ...], ...]
    read_low: tuple[tuple[int, ...], ...]
    write_low: tuple[tuple[int, ...], ...]
    write_shape: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(kernel: Kernel, low: tuple[int, ...], high: tuple[int, ...]) -> Region:
        """The region of the box [low, high)."""
        corner_low, corner_high = np.array([low], np.int64), np.array([high], np.int64)
        read = [_box(access, corner_low, corner_high) for access in kernel.reads]
        written = [_box(access, corner_low, corner_high) for access in kernel.writes]
        return Region(
            tuple(tuple(map(slice, *box)) for box in read),
            tuple(box[0] for box in read),
            tuple(box[0] for box in written),
            tuple(tuple(b - a for a, b in zip(*box, strict=True)) for box in written),
        )


def _box(access: Access, low: Bounds, high: Bounds) -> tuple[tuple[int, ...], tuple[int, ...]]:
    lows, highs = access.boxes(low, high)
    return tuple(lows[0].tolist()), tuple(highs[0].tolist())


def _reduction_pieces(
    kernel: Kernel, ways: tuple[int, ...], low: tuple[int, ...], high: tuple[int, ...]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The whole space cut along its reduce axes only, as the plan cuts them."""
    choices: list[list[tuple[int, int]]] = []
    for number, axis in enumerate(kernel.axes):
        if axis.role == "reduce" and ways[number] > 1:
            starts, ends = cut(axis.extent, ways[number], axis.grain)
            choices.append([(a, b) for a, b in zip(starts.tolist(), ends.tolist(), strict=True) if b > a])
        else:
            choices.append([(low[number], high[number])])
    return [(tuple(a for a, _ in piece), tuple(b for _, b in piece)) for piece in product(*choices)]
