"""Cycles of copies and reordering inside a tile, and of filling memory.

Source: bytes per cycle of a copy and the planner's charge for rearrangement in graphcore/poplibs 7eac0f26
(ConvPlan.cpp); the fixed cost of a copy and the slow scenario of reordering are measurements of osmarks/ipu-stack on
a C600.
"""

from __future__ import annotations

import numpy as np

from halo_py.ir.work import CopyWork, FillWork
from halo_py.targets import Chip
from halo_py.tiling.vertex_cost.arithmetic import Cycles, in_scenarios, vertex_cycles
from halo_py.tiling.vertex_cost.cast import fill_1d
from halo_py.tiling.vertex_cost.counts import counts, element_bytes


def copy_cycles(work: CopyWork, chip: Chip) -> Cycles:
    """Long runs move at the memory's rate, short ones a run per cycle; reordered elements one by one."""
    elements, run = counts(work.elements), np.maximum(counts(work.run), 1)
    size = element_bytes(work.element_type)
    if work.transposes:
        wide = max(1.0, size / chip.vector_bytes)
        moving = in_scenarios(elements, chip.scenarios("transpose_cycles_per_element") * wide)
    else:
        rate = np.minimum(chip.scenarios("memcpy_bytes_per_cycle"), (run * size)[..., None])
        moving = (elements * size)[..., None] / rate
    cycles = np.ceil(moving) + chip.scenarios("memcpy_call_cycles")
    return np.where(elements[..., None] > 0, cycles, 0.0)


def fill_cycles(work: FillWork, chip: Chip) -> Cycles:
    """Writing a constant."""
    elements = counts(work.elements)
    cycles = vertex_cycles(chip, fill_1d(elements, work.element_type, chip.workers))
    return np.where(elements[..., None] > 0, cycles, 0.0)
