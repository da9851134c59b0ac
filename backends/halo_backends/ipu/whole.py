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
from halo_py.ir.space import Kernel, VertexArgs
from halo_py.tiling.mapping import cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


@dataclass(slots=True)
class WholeRun:
    """One run of a template on whole arrays; `values` maps local numbers to contents."""

    template: Template
    values: dict[int, Array]

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
        if not group.partial:
            self._store(group, kernel, low, high, self._vertex(group, kernel, low, high))
            return
        pieces = [
            self._vertex(group, kernel, piece_low, piece_high)
            for piece_low, piece_high in _reduction_pieces(kernel, group.placement.split.ways, low, high)
        ]
        partials = kernel.partials_type.numpy
        totals = tuple(
            combine_partials(np.stack([piece[number].astype(partials) for piece in pieces]), kernel.combine or "add")
            for number in range(len(kernel.writes))
        )
        self._store(group, kernel, low, high, totals)

    def _vertex(
        self, group: VertexGroup, kernel: Kernel, low: tuple[int, ...], high: tuple[int, ...]
    ) -> tuple[Array, ...]:
        corner_low, corner_high = np.array([low], np.int64), np.array([high], np.int64)
        reads: list[Array] = []
        read_low: list[tuple[int, ...]] = []
        for access, value in zip(kernel.reads, group.reads, strict=True):
            box_low, box_high = (corner[0].tolist() for corner in access.boxes(corner_low, corner_high))
            whole = self.values[value].reshape(access.shape)
            reads.append(whole[tuple(map(slice, box_low, box_high))])
            read_low.append(tuple(box_low))
        writes = [access.boxes(corner_low, corner_high) for access in kernel.writes]
        write_low = tuple(tuple(box[0][0].tolist()) for box in writes)
        write_shape = tuple(tuple((box[1][0] - box[0][0]).tolist()) for box in writes)
        args = VertexArgs(low, high, tuple(reads), tuple(read_low), write_low, write_shape, group.partial)
        return kernel.codelet.compute(args, kernel)

    def _store(
        self,
        group: VertexGroup,
        kernel: Kernel,
        low: tuple[int, ...],
        high: tuple[int, ...],
        results: tuple[Array, ...],
    ) -> None:
        corner_low, corner_high = np.array([low], np.int64), np.array([high], np.int64)
        for access, value, dtype, contents in zip(
            kernel.writes, group.writes, kernel.write_types, results, strict=True
        ):
            box_low, box_high = (corner[0].tolist() for corner in access.boxes(corner_low, corner_high))
            rounded = contents.astype(dtype.numpy, copy=False)
            shape = self.template.form.values[value].static_shape
            if all(a == 0 for a in box_low) and tuple(box_high) == access.shape:
                self.values[value] = rounded.reshape(shape)
                continue
            if value not in self.values:
                self.values[value] = np.zeros(shape, dtype.numpy)
            self.values[value].reshape(access.shape)[tuple(map(slice, box_low, box_high))] = rounded


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
