"""Cycles of the sliced-convolution vertex (1x4 kernel blocks): few channels, depthwise and grouped convolutions.

Source: graphcore/poplibs 7eac0f26, lib/poplin/PerformanceEstimation.hpp, restated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halo_py.tiling.vertex_cost.counts import Counts, slowest_and_fastest_worker
from halo_py.tiling.vertex_cost.matrix_unit import Operand, Partials

_QUARTER_FIRST = np.array((0, 3, 5, 9, 10))
_QUARTER_NEXT = np.array((0, 8, 10, 13, 13))


@dataclass(frozen=True, slots=True)
class Slic:
    """A form of the vertex: convolution groups handled together, chains in use, stride of the innermost dimension."""

    groups_per_group: int
    chains: int = 4
    operand: Operand = "half"
    partials: Partials = "half"
    stride: int = 1
    workers: int = 6

    @property
    def two_chain_half(self) -> bool:
        """The two-chain kernel with half partials, which is shaped differently."""
        return self.operand == "half" and self.partials == "half" and self.chains == 2

    @property
    def weight_load_cycles(self) -> int:
        """Cycles to load the weights of one 1x4 block."""
        if self.operand == "quarter":
            return 38
        workers, groups = self.workers, self.groups_per_group
        base = {1: 18, 2: 21 + 12 * workers, 4: 21 + 10 * workers}
        return base.get(groups, 21 + 11 * workers) + 16


def slic_row(positions: Counts, zeroing: bool, form: Slic) -> Counts:
    """Cycles of one pass over a part row of `positions` outputs."""
    n = positions
    if form.operand == "quarter":
        return _quarter_row(n, zeroing, form.stride)
    if form.stride == 2:
        cycles = np.where(n >= 3, 15 + 2 * (n - 3), np.where(n == 2, 15, 13))
    else:
        short = np.where(n <= 1, 13, (13 if zeroing else 17) + n)
        long = 15 + (n - 5) + (3 if form.two_chain_half and not zeroing else 0)
        cycles = np.where(n < (6 if form.two_chain_half else 5), short, long)
    return cycles - (1 if form.partials == "float" else 0)


def _quarter_row(n: Counts, zeroing: bool, stride: int) -> Counts:
    if stride == 2:
        return np.where(n >= 3, 13 + 2 * (n - 3), np.where(n == 2, 12, 9))
    if zeroing:
        return np.where(n < 5, 8 + _QUARTER_FIRST[np.minimum(n, 4)], 14 + (n - 5))
    return 18 + np.where(n < 5, 2 + _QUARTER_NEXT[np.minimum(n, 4)], 12 + (n - 5))


def slic(rows: Counts, row_width: Counts, groups: Counts, sub_kernels: Counts, form: Slic) -> Counts:
    """Cycles for a field of rows x row_width, `groups` groups of convolution groups, `sub_kernels` 1x4 blocks."""
    first = _inner(rows, row_width, True, form)
    inner = _inner(rows, row_width, False, form)
    workers, load = form.workers, form.weight_load_cycles
    if form.operand == "quarter":
        further = (sub_kernels - 1) * (6 * workers + 38 + 5 * workers + 8 + inner)
        return 43 + groups * (13 * workers + 15 + 6 * workers + 38 + 6 * workers + 12 + first + further)
    many = form.groups_per_group > 4
    quads = form.groups_per_group // 4 if many else 1
    short = 3 if form.two_chain_half else 0
    body = (23 if many else 15) - short
    few_sub = load + (16 if form.two_chain_half else 20)
    sub = quads * (load + 21) + 6 * (quads - 1) + 1 + 15 if many else few_sub
    outer = 28 - short + groups * body + 6 * (groups - 1) + 1
    return outer + sub_kernels * sub + 6 * (sub_kernels - 1) + 1 + groups * (first + (sub_kernels - 1) * quads * inner)


def _inner(rows: Counts, row_width: Counts, zeroing: bool, form: Slic) -> Counts:
    if form.operand == "quarter":
        start, per_row, passes = 20, 24, 2
    else:
        start = 17 + (4 if form.groups_per_group > 4 else 0) + (2 if form.two_chain_half else 0)
        per_row = (9 if form.two_chain_half else 10) + zeroing + (3 if form.partials == "float" else 0)
        passes = 1 if form.chains == 4 else 2
    slowest, _ = slowest_and_fastest_worker(
        rows, row_width, form.workers, lambda n: per_row + passes * slic_row(n, zeroing, form)
    )
    cycles = form.workers * (slowest + start)
    if form.two_chain_half and zeroing:
        cycles = cycles + 2 + 2 * rows * row_width
    return cycles
