"""Cycles of what does not spread over a tile: sorting, dependent loops, random numbers.

Source: graphcore/poplibs 7eac0f26, lib/popops (heap sort, CompareAndSwap, top-k) and lib/poprand, restated. The loop of
dependent steps has no open estimate and is assumed.
"""

from __future__ import annotations

import numpy as np

from halo_py.ir.work import RandomWork, SerialWork, SortWork
from halo_py.targets import Chip
from halo_py.tiling.vertex_cost.arithmetic import Cycles, arithmetic, vertex_cycles
from halo_py.tiling.vertex_cost.counts import Counts, ceil_div, counts, floor_rule
from halo_py.tiling.vertex_cost.functions import FUNCTIONS, parts

_STEP_CYCLES = 6
_TRUNCATED_NORMAL_ITERATIONS = 4
_UNDERSTATED = np.array((1.0, 1.0, 2.0))


def heap_sort(length: Counts, key_value: bool) -> Counts:
    """Worst-case tile cycles of sorting `length` keys with one vertex."""
    log = np.floor(np.log2(np.maximum(length, 1))).astype(np.int64)
    cycles = 8 * (19 * length * log + 6 * length + 2)
    return 2 * cycles if key_value else cycles


def bitonic_sort(length: Counts, key_value: bool, workers: int = 6) -> Counts:
    """Cycles of sorting `length` keys by compare-and-swap steps that all workers share."""
    padded_log = np.ceil(np.log2(np.maximum(length, 1))).astype(np.int64)
    steps = padded_log * (padded_log + 1) // 2
    pairs = ceil_div((1 << padded_log) // 2, workers)
    return steps * (19 + workers * (23 + 4 + (11 if key_value else 13) * pairs))


def top_by_heap(length: Counts, kept: Counts, workers: int = 6) -> Counts:
    """Worst-case cycles of keeping the largest `kept` of `length` in a heap of one worker."""
    per_element = 13 + np.ceil(20 * np.log(np.maximum(kept, 1))).astype(np.int64)
    return workers * length * per_element


def sort_cycles(work: SortWork, chip: Chip) -> Cycles:
    """Cycles of sorting rows or keeping their largest: the cheapest of two sorts and a heap of the kept."""
    rows, length, kept = counts(work.rows), counts(work.length), counts(work.kept)
    how = arithmetic(chip, work.element_type)
    workers = chip.workers
    heap = ceil_div(rows, workers) * (heap_sort(length, work.key_value) + top_by_heap(kept * 0, kept, workers))
    best = np.minimum(heap, rows * bitonic_sort(length, work.key_value, workers))
    few = ceil_div(rows, workers) * (top_by_heap(length, kept, workers) + heap_sort(kept, work.key_value))
    best = np.where(kept < length, np.minimum(best, few), best)
    return np.where((rows * length > 0)[..., None], vertex_cycles(chip, best, how.factor), 0.0)


def serial_cycles(work: SerialWork, chip: Chip) -> Cycles:
    """Cycles of dependent steps: rows are split over the workers, each step costs its functions on a single value."""
    rows, steps = counts(work.rows), counts(work.steps)
    how = arithmetic(chip, work.element_type)
    names = (part for function in work.functions for part in parts(function))
    step = _STEP_CYCLES + sum(FUNCTIONS[name].loop(how.kind).cycles for name in names)
    total = 11 + chip.workers * (20 + ceil_div(rows, chip.workers) * (8 + steps * step))
    return np.where((rows * steps > 0)[..., None], vertex_cycles(chip, total, how.factor), 0.0)


def random_cycles(work: RandomWork, chip: Chip) -> Cycles:
    """Cycles of drawing random numbers; the source understates some of them, so the slow scenario doubles."""
    elements = counts(work.elements)
    how = arithmetic(chip, work.element_type)
    half, workers = how.kind == "float16", chip.workers
    per_worker = ceil_div(elements, workers)
    match work.distribution:
        case "dropout":
            total = 6 + 24 * workers + workers * floor_rule(2, per_worker, how.vector)
        case "bernoulli":
            total = workers * (24 + floor_rule(1, per_worker, how.vector))
        case "truncated_normal":
            cycles = (12 if half else 11) * _TRUNCATED_NORMAL_ITERATIONS + 5
            total = workers * (24 + floor_rule(cycles, per_worker, how.vector))
        case _:
            total = workers * (24 + floor_rule(4, per_worker, how.vector))
    cycles = vertex_cycles(chip, total, how.factor * _UNDERSTATED)
    return np.where(elements[..., None] > 0, cycles, 0.0)
