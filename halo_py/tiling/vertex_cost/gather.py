"""Cycles of look-ups, scattered updates and dynamic slices.

Source: graphcore/poplibs 7eac0f26, lib/popops (MultiSlice, MultiUpdateAdd, DynamicSlice), restated.
"""

from __future__ import annotations

import numpy as np

from halo_py.ir.work import GatherWork
from halo_py.targets import Chip
from halo_py.tiling.vertex_cost.arithmetic import Cycles, arithmetic, vertex_cycles
from halo_py.tiling.vertex_cost.counts import Counts, ceil_div, counts, element_bytes

_ATOM_BYTES = 8


def multi_slice(offsets: Counts, in_range: Counts, row_elements: Counts, size_bytes: float, workers: int = 6) -> Counts:
    """Cycles when every worker scans `offsets`, of which `in_range` rows are copied."""
    row = 3 * ceil_div(row_elements, 4) if size_bytes < 2 else 2 * ceil_div(row_elements, 2)
    row = row * max(1, int(size_bytes // 4))
    return workers * (30 + in_range * (19 + row) + (offsets - in_range) * 8)


def multi_update_add(
    offsets: Counts, in_range: Counts, row_elements: Counts, half: bool, scaled: bool = True, workers: int = 6
) -> Counts:
    """Cycles when every worker scans `offsets` and adds `in_range` rows into its part of the table."""
    base = (37 if half else 38) if scaled else (33 if half else 32)
    start = (13 if scaled else 12) if half else 11
    atom = _ATOM_BYTES // (2 if half else 4)
    row = start + (ceil_div(row_elements, atom) - 1) * 3
    return workers * (base + in_range * row + (offsets - in_range) * 5)


def dynamic_slice_1d(region: Counts, slices: Counts, vector: int = 4, workers: int = 6) -> Counts:
    """Cycles of copying `slices` slices of `region` elements."""
    return 25 + workers * (39 + (24 + 2 * (ceil_div(region, workers) // vector)) * slices)


def gather_cycles(work: GatherWork, chip: Chip) -> Cycles:
    """Cycles of looking rows up (or adding into them).

    A look-up splits the offsets over the workers. An update splits the table: every worker scans all offsets.
    """
    lookups, row, in_range = counts(work.lookups), counts(work.row_elements), counts(work.in_range)
    in_range = np.minimum(in_range, lookups)
    workers = chip.workers
    hits = ceil_div(in_range, workers)
    if work.update:
        how = arithmetic(chip, work.element_type)
        total = multi_update_add(lookups, hits, row, how.kind == "float16", True, workers)
        cycles = vertex_cycles(chip, total, how.factor)
    else:
        offsets = ceil_div(lookups, workers)
        total = multi_slice(offsets, np.minimum(hits, offsets), row, element_bytes(work.element_type), workers)
        cycles = vertex_cycles(chip, total)
    return np.where((lookups * row > 0)[..., None], cycles, 0.0)
