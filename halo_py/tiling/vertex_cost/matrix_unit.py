"""Cycles of the matrix unit's two general vertices: AMP 1x1 (dense products) and AMP nx1 (kernels of any shape).

Source: graphcore/poplibs 7eac0f26, lib/poplin/PerformanceEstimation.hpp, restated. The slow scenario's fit: T10
(SOSP'24) as coded in platformxlab/elk 8c6e814.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from halo_py.tiling.vertex_cost.counts import MANY, Counts, ceil_div, counts, distinct, slowest_and_fastest_worker

Operand = Literal["quarter", "half", "float"]
"""Type of the values multiplied: 8, 16 or 32 bits of floating point."""
Partials = Literal["half", "float"]

_UNIT_WEIGHT_BYTES = 32
_HEIGHT_CYCLES = {1: 15, 2: 46, 4: 60}


@dataclass(frozen=True, slots=True)
class Unit:
    """The matrix unit in one of its modes: types, units working in parallel, speed of loading weights, worker
    contexts.
    """

    operand: Operand = "half"
    partials: Partials = "half"
    conv_units: int = 16
    coefficient_bytes_per_cycle: float = 8
    workers: int = 6

    @property
    def load_cycles(self) -> int:
        """Cycles to load the weights of all units."""
        return int(np.ceil(self.conv_units * _UNIT_WEIGHT_BYTES / self.coefficient_bytes_per_cycle))

    @property
    def full_rate(self) -> bool:
        """Whether half-precision operands run at the mode's full width."""
        return self.operand == "half" and (self.partials == "float" or self.conv_units == 16)


def amp_1x1_worker(positions: Counts, zeroing: bool, unit: Unit) -> Counts:
    """Cycles of one worker for `positions` field elements; `zeroing` on the first pass over input channels."""
    if unit.operand == "quarter":
        table = _short_runs(positions, (4, 18, 23), 27, 4)
        return 17 + table - np.where(positions > 0, 5 * zeroing, 0)
    if unit.full_rate:
        extra = 1 if zeroing else 2
        cycles = _short_runs(positions, (20 + extra, 31 + extra, 40 + extra), 38 - zeroing, 4)
        return cycles - 7  # what is kept from one call to the next
    if unit.operand == "float":
        per_zero = 8 if unit.conv_units == 16 else 4
        cycles = _short_runs(positions, (24, 47, 46), 46, 8)
    else:
        per_zero = 2
        cycles = _short_runs(positions, (24, 39, 40), 41, 4)
    return cycles + np.where(positions > 0, zeroing * (2 + per_zero * positions), 0)


def _short_runs(positions: Counts, short: tuple[int, int, int], third: int, step: int) -> Counts:
    """Cycles given one by one for 0, 1 and 2 positions, and linear from 3 on."""
    return np.where(positions >= 3, third + step * (positions - 3), np.array(short)[np.minimum(positions, 2)])


def amp_1x1(
    field: Counts,
    groups: Counts,
    in_groups: Counts,
    out_groups: Counts,
    passes: int,
    unit: Unit,
    accumulates: bool = False,
) -> Counts:
    """Cycles of a 1x1 vertex.

    `field` positions on the tile; counts of groups on the tile: of convolution groups, of input channels (one unit's
    weights each), of output channels (`passes` x conv units each). With `accumulates` no pass overwrites its output.
    """
    inner_first = _amp_1x1_inner(field, not accumulates, unit)
    inner = _amp_1x1_inner(field, False, unit)
    workers, load = unit.workers, unit.load_cycles
    if unit.operand == "quarter":
        first = (14 * workers + 11 + 6 * workers) + load + inner_first
        further = (in_groups - 1) * ((11 * workers + 6 + 6 * workers) + load + inner)
        return 46 + groups * (2 * workers + 9 + out_groups * (6 * workers + 10 + first + further))
    s1, s2 = (7, 3) if unit.full_rate else (0, 0)
    kept = 1 if unit.full_rate or (unit.operand == "float" and unit.partials == "float") else 0
    further = (in_groups - 1) * (16 - kept + out_groups * (19 + passes * (6 + load + inner)))
    first = 11 + out_groups * (19 - kept + passes * (7 + load + inner_first))
    return 50 + workers * (s1 + s2 * (in_groups * groups - 1)) + groups * (12 + kept + further + first)


def _amp_1x1_inner(field: Counts, zeroing: bool, unit: Unit) -> Counts:
    if field.size > MANY:
        values, inverse = distinct(field)
        return _inner(values, zeroing, unit)[inverse]
    return _inner(field, zeroing, unit)


def _inner(field: Counts, zeroing: bool, unit: Unit) -> Counts:
    workers = unit.workers
    many = amp_1x1_worker(ceil_div(field, workers), zeroing, unit)
    few = amp_1x1_worker(field // workers, zeroing, unit)
    few = np.where(field >= workers, few, 0)  # an idle context costs nothing
    return np.maximum(workers * np.maximum(many, few), workers * np.minimum(many, few) + 14)


def amp_nx1_position(rows: Counts, row_width: Counts, unit: Unit) -> Counts:
    """Cycles of one pass of all workers for one kernel position over a field of rows x row_width."""
    if unit.operand == "quarter":
        start, short, third, step, per_row = 18, (4, 18, 23), 27, 4, 16
    elif unit.operand == "float":
        start, short, third, step, per_row = 17, (17, 33, 44), 45, 8, 3 - 9
    else:
        second = 34 if unit.full_rate else 33
        start, short, third, step, per_row = 17, (17, 29, second), 34, 4, 3 - 9
    if unit.operand != "quarter" and unit.partials == "half":
        start += 1
    slowest, fastest = slowest_and_fastest_worker(
        rows, row_width, unit.workers, lambda n: per_row + _short_runs(n, short, third, step)
    )
    fastest = np.where(rows * row_width >= unit.workers, fastest + start, 0)
    return np.maximum(unit.workers * (slowest + start), unit.workers * fastest + 9)


def amp_nx1(
    position_cycles: Counts,
    groups: Counts,
    in_groups: Counts,
    out_groups: Counts,
    kernel_height: Counts,
    kernel_width: Counts,
    unit: Unit,
    weight_height: int = 1,
    passes: int = 1,
) -> Counts:
    """Cycles of an nx1 vertex without the zeroing of its output.

    `position_cycles` is `amp_nx1_position` of the tile's field; `weight_height` rows of the kernel fill the unit's
    input channels when there are few of them.
    """
    outer = ceil_div(kernel_height, weight_height)
    workers, load = unit.workers, unit.load_cycles
    loops = outer * kernel_width * passes * position_cycles
    if unit.operand == "quarter":
        per_outer = (5 * workers + 3) + (15 * workers + 13) + load + (kernel_width - 1) * (13 * workers + 8) + load
        inner = 8 * workers + 13 + outer * per_outer + loops
        return 83 + groups * (5 * workers + 7 + out_groups * (8 * workers + 10 + in_groups * inner))
    height_cycles = _HEIGHT_CYCLES.get(weight_height, 20 * weight_height)
    inner = outer * (14 + kernel_width * (12 + passes * (load + height_cycles + 3))) + loops
    start = 109 + 9 * workers + workers * (9 if unit.partials == "float" else 10)
    per_group = 17 * out_groups + 6 * (out_groups - 1) + 1
    body = 16 + in_groups * (14 + out_groups * (14 + inner))
    return start + groups * per_group + 6 * (groups - 1) + 1 + groups * body


def output_zeroing(field: Counts, channels_per_group: int, groups: Counts, workers: int = 6) -> Counts:
    """Cycles to zero the partials of `groups` (all groups of output channels on the tile) before they are added
    into.
    """
    per_worker = ceil_div(field * channels_per_group, workers)
    return workers * groups * (ceil_div(per_worker, 2) + 5)


@dataclass(frozen=True, slots=True)
class BlockFit:
    """A measured fit: cycles per block of (workers x unit input channels x conv units), per block of weights, ..."""

    row_block: float
    weight_block: float
    column_block: float
    call: float

    def cycles(
        self, field: Counts, channels: Counts, outputs: Counts, in_block: int, unit: Unit, cycles_per_element: int
    ) -> Counts:
        """Cycles of one group: `field` positions, `channels` products per output, `outputs` channels.

        The fit was made for 16 x 16 blocks of half precision loaded in 64 cycles at 4 cycles per position; other modes
        change the inner rate and the time to load a block, and keep the rest.
        """
        column_blocks = ceil_div(outputs, unit.conv_units)
        weight_blocks = ceil_div(channels, in_block) * column_blocks
        rows = self.row_block * cycles_per_element / 4 * ceil_div(field, unit.workers)
        weight_cycles = self.weight_block + min(unit.load_cycles - 64, 0)
        return counts(np.ceil(weight_blocks * (rows + weight_cycles) + self.column_block * column_blocks + self.call))
