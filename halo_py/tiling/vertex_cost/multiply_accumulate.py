"""Cycles of products outside the matrix unit: horizontal and vertical multiply-accumulate, outer product.

Source: graphcore/poplibs 7eac0f26, lib/poplin/PerformanceEstimation.hpp and poplinCycleEstimators.cpp, restated.
"""

from __future__ import annotations

import numpy as np

from halo_py.tiling.vertex_cost.counts import Counts, ceil_div, counts, slowest_linear_worker
from halo_py.tiling.vertex_cost.matrix_unit import Operand, Partials

_FAST_STRIDE_WORDS = 512


def dot_product(size: Counts, operand: Operand, partials: Partials, vector: int) -> Counts:
    """Cycles of a dot product of `size` input channels; `vector` elements are loaded at once."""
    half_half = operand == "half" and partials == "half"
    outputs = 2 if half_half else 1
    width = np.minimum(size & -size, vector)  # largest power of two that divides the size
    narrow = width < vector
    cycles = 3 * outputs + half_half + 4 + size // np.maximum(width, 1) * np.where(narrow, 2, 1)
    return cycles + np.where(narrow, outputs, 0) - (operand == "half")


def hmac(
    rows: Counts,
    row_width: Counts,
    groups: Counts,
    in_groups: Counts,
    out_groups: Counts,
    kernel_positions: Counts,
    in_channels: Counts,
    out_channels: int,
    operand: Operand,
    partials: Partials,
    one_by_one: bool = False,
    vector: int = 4,
    workers: int = 6,
) -> Counts:
    """Cycles of the horizontal vertex without zeroing of its output.

    `in_channels` and `out_channels` are those of one group (2 outputs with half partials, 1 otherwise). `one_by_one` is
    the vertex for 1x1 kernels (half operands, float partials).
    """
    saving = 15 if one_by_one else (6 if operand == "half" else 0)
    outputs = -(-out_channels // 2) if partials == "half" else out_channels
    dot = dot_product(in_channels, operand, partials, vector)

    if one_by_one and outputs == 1:
        per_row, per_position = 14, 2 + dot
    else:
        per_row, per_position = 13 if one_by_one else 19, 7 + outputs * dot
    slowest = slowest_linear_worker(rows, row_width, workers, per_row, per_position)
    inner = workers * (kernel_positions * (16 - saving + slowest) + 16)
    saved = 15 if one_by_one else (6 if partials == "half" else 0)
    start = (65 if operand == "half" else 58) - (10 if one_by_one else 0)
    start += workers * (10 if partials == "half" else 9) + workers * saved
    return start + groups * (23 + in_groups * (15 + out_groups * (10 + inner)))


def vmac_worker(
    whole_items: Counts, whole_taps: Counts, part_items: Counts, part_taps: Counts, group_size: int, partials: Partials
) -> Counts:
    """Cycles of one worker for items of `whole_taps` and items of `part_taps` kernel taps each."""
    if group_size == 4:
        per_item = 7 + (5 if partials == "float" else 3) + 3
        start, step = 19 if partials == "float" else 18, 2
    else:
        per_item, start, step = 22 + 3, 13, 3
    total = whole_items * (per_item + step * (whole_taps - 1)) + part_items * (per_item + step * (part_taps - 1))
    return 25 + 2 * total if group_size == 16 else start + total


def vmac(
    groups: Counts,
    in_groups: Counts,
    output_positions: Counts,
    slowest_worker: Counts,
    group_size: int,
    partials: Partials,
    workers: int = 6,
) -> Counts:
    """Cycles of the vertical (depthwise) vertex: zeroing, accumulation of each worker's own copy, their reduction."""
    wide = partials == "float"
    zero = 4 + ceil_div(output_positions, 2 if wide else 4)
    copies = 2 if wide else 1
    reduce = 10 - wide + (7 + 2 * wide + copies * (workers - 1)) * ceil_div(output_positions, workers) // group_size
    return 61 + 14 + 25 + wide + groups * (zero + 32 + in_groups * (24 + workers * slowest_worker) + reduce)


def vmac_items(field: Counts, kernel_width: Counts, workers: int = 6) -> tuple[Counts, Counts, Counts]:
    """Work items of the slowest worker per kernel row: whole ones, part ones, and the taps of a part one."""
    share = workers // np.gcd(workers, np.maximum(field, 1))
    most = ceil_div(field * share, workers)
    return most // share, most % share, ceil_div(kernel_width, share)


def outer_product(
    width: Counts, channel_groups: Counts, group_size: Counts, operand: Operand, workers: int = 6
) -> Counts:
    """Cycles of [width] x [channels] products with one input channel; channels in groups of `group_size`."""
    per_worker = ceil_div(width, workers)
    size = counts(group_size)
    if operand == "float":
        fast = (size % 2 == 0) & (size >= 6) & (size < 2 * _FAST_STRIDE_WORDS)
        group = np.where(fast, 11 + per_worker * (6 + (size - 6) // 2), 11 + per_worker * (10 + 2 * size))
    else:
        fast = (size % 4 == 0) & (size >= 12) & (size < 4 * _FAST_STRIDE_WORDS)
        group = np.where(fast, 10 + per_worker * (6 + (size - 12) // 4), 10 + per_worker * (10 + 5 * size // 2))
    return workers * (25 + channel_groups * group)
