"""Cycles of pooling. Source: graphcore/poplibs 7eac0f26, lib/popnn (pooling planner and vertex), restated."""

from __future__ import annotations

import numpy as np

from halo_py.ir.work import WindowWork
from halo_py.targets import Chip
from halo_py.tiling.vertex_cost.arithmetic import Cycles, arithmetic, vertex_cycles
from halo_py.tiling.vertex_cost.counts import Counts, ceil_div, counts, slowest_linear_worker

_GROUPINGS = (1, 2, 4)


def pooling(
    rows: Counts,
    row_width: Counts,
    kernel_positions: Counts,
    channel_groups: Counts,
    vectors_per_group: int,
    function: str = "max",
    backward: bool = False,
    workers: int = 6,
) -> Counts:
    """Cycles of one pooling vertex over an output field of rows x row_width.

    `channel_groups` groups of `vectors_per_group` vectors of channels (4 half or 2 single precision each).
    """
    base, per_output = (7, 5) if backward else (4, 3) if function == "max" else (5, 3)
    between = 6 if backward else 4
    vectors = vectors_per_group

    # a part row of n outputs costs fixed + n x each, for every kernel position
    each = kernel_positions * channel_groups * vectors * per_output
    per_item = 23 + channel_groups * (2 + vectors * (3 + base - per_output)) + (channel_groups - 1) * between
    fixed = 15 + kernel_positions * per_item
    start = (13 if function == "max" else 14) + (10 if backward else 0) + 1
    field = rows * row_width
    slowest = slowest_linear_worker(rows, row_width, workers, fixed, each)
    clearing = field // vectors * vectors // workers
    initial = field // vectors
    left = initial - clearing * workers
    # an unsigned comparison in the source: a negative remainder counts for every worker
    clearing = clearing + (left != 0)
    common = 19 + (4 + clearing) * channel_groups + 8
    return 13 + workers * (common + np.where(field > 0, start + slowest, 1))


def window_cycles(work: WindowWork, chip: Chip) -> Cycles:
    """Cycles of a pooling window, channels grouped in the cheapest way."""
    rows, width, channels, kernel = (
        counts(value) for value in (work.rows, work.row_width, work.channels, work.kernel_positions)
    )
    how = arithmetic(chip, work.element_type)
    vector = how.vector if how.kind in ("float16", "float32") else 1
    options = [
        pooling(rows, width, kernel, ceil_div(channels, vector * vectors), vectors, work.function, False, chip.workers)
        for vectors in _GROUPINGS
    ]
    cycles = vertex_cycles(chip, np.minimum.reduce(options), how.factor)
    return np.where((rows * width * channels * kernel > 0)[..., None], cycles, 0.0)
