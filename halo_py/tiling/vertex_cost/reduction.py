"""Cycles of reductions on a tile, and of adding partials that came from other tiles.

Source: graphcore/poplibs 7eac0f26, lib/popops/reduction and lib/poplin (ReduceAdd), restated.
"""

from __future__ import annotations

import numpy as np

from halo_py.ir.work import PartialsWork, ReduceWork
from halo_py.targets import Chip
from halo_py.tiling.vertex_cost.arithmetic import Arithmetic, Cycles, arithmetic, vertex_cycles
from halo_py.tiling.vertex_cost.counts import Counts, bit_count, ceil_div, counts, element_bytes

_ACCUMULATED = frozenset({"add", "square_add", "mean"})
_SCALAR_LOOPS = frozenset({"and", "or", "xor"})
_ARGUMENTS = frozenset({"argmax", "argmin"})
_HALF_TAIL = {"add": (7, 9), "mean": (7, 9), "max": (7, 10), "min": (7, 10), "log_add": (7, 22)}
_HALF_TO_FLOAT_TAIL = {"add": (6, 11), "mean": (6, 11), "max": (7, 10), "min": (7, 10), "log_add": (7, 56)}
_SUPERVISOR = 11
_FAST_SHARE = 16
_SCATTERED_LOOP = 24


def operation_vector(function: str, half: bool) -> int:
    """Elements that one operation takes: 8 half or 4 single precision, half of that for log-add."""
    vector = 8 if half else 4
    return vector // 2 if function == "log_add" else vector


def strided_reduce_worker(
    outputs: Counts,
    partials: Counts,
    stride: Counts,
    function: str = "add",
    half_in: bool = True,
    half_out: bool = True,
    update: bool = False,
) -> Counts:
    """One worker that adds `partials` values to each of `outputs` that lie next to each other, `stride` elements
    apart.
    """
    loads = 4 if half_in else 2
    per_step = np.gcd(loads, np.maximum(stride, 1))
    operation = (13 if half_in else 23) if function == "log_add" else 1
    post = _post(function, half_in, half_out, update)
    steps = ceil_div(outputs, per_step)
    return 16 + steps * (3 + post + 3 + operation * (partials - 1))


def _post(function: str, half_in: bool, half_out: bool, update: bool) -> int:
    if half_in:
        return 1 + (_HALF_TAIL if half_out else _HALF_TO_FLOAT_TAIL).get(function, (0, 0))[update]
    if not half_out:
        return 27 if function == "log_add" else 5
    return (3 if function in ("add", "mean") else 2) + (13 if function == "log_add" else (2, 4)[update])


def reduce_to_scalar(elements: Counts, function: str = "add", half_in: bool = True, half_out: bool = False) -> Counts:
    """One worker that reduces a contiguous run to one value."""
    if function in _ACCUMULATED:
        vector, cycles = operation_vector(function, half_in), 2
    else:
        vector, cycles = (4 if half_in else 2), (20 if function == "log_add" else 1)
    return 9 + cycles * elements // vector + 5 + elements % vector + 3 + (5 if half_out else 0)


def continuous_reduce_worker(
    outputs: Counts, partials: Counts, function: str = "add", half_in: bool = False, update: bool = False
) -> Counts:
    """One worker whose outputs each reduce their own contiguous run."""
    operation = 20 if function == "log_add" else 1
    odd = np.where(partials % 2 == 1, 2, 0)
    return outputs * (operation * (partials // (4 if half_in else 2)) + 12) + 17 + odd + (1 if update else 0)


def scattered_reduce_worker(
    outputs: Counts,
    region_elements: Counts,
    regions: int,
    function: str = "add",
    half_in: bool = True,
    half_out: bool = True,
    update: bool = False,
) -> Counts:
    """One worker that makes one reduction of `outputs` values from `regions` of `region_elements` each."""
    accumulates = function in _ACCUMULATED
    loads = 4 if half_in else 2
    vector = operation_vector(function, half_in) if accumulates else loads
    out_vector = 4 if half_out else 2
    log = vector.bit_length() - 1

    def store(width: int) -> int:
        return (3 if update else 2) * min(width, out_vector) + accumulates

    wholes, rest = outputs // vector, outputs % vector
    repeats = region_elements // np.maximum(outputs, 1)
    step = 9 if accumulates else 6
    cycles = 24 + 2 * log + wholes * ((6 if accumulates else 4) + store(vector) + 10 * regions)
    cycles = cycles + regions * wholes * repeats * step
    for bit in range(log):
        width = 1 << bit
        present = (rest >> bit) & 1
        each = (4 if accumulates else 2) + store(width) + 10 * regions
        each = each + regions * repeats * (5 + width // min(width, loads))
        cycles = cycles + present * each
    return 33 + cycles


def scalar_reduce_worker(outputs: Counts, depth: Counts, function: str, converts: bool) -> Counts:
    """One worker of the vertices written in C++ (integers, logic): every element by itself."""
    operation = 12 if function == "log_add" else 1
    return 31 + outputs * (8 + 22 + (_SCATTERED_LOOP + operation + converts) * depth)


def argument_reduce(elements: Counts, workers: int = 6) -> Counts:
    """Position of the largest or smallest of a run, found by all workers and then by one of them."""
    per_worker = ceil_div(elements, workers)
    first = 9 + workers * (30 + 3 * (per_worker - 1))
    return first + workers * (27 + 3 * (np.minimum(elements, workers) - 1))


def reduce_add(outputs: Counts, depth: Counts, half_partials: bool, half_out: bool, workers: int = 6) -> Counts:
    """General vertex that adds `depth` partials of each output."""
    accumulator = 8 if half_partials else 4
    rest = outputs % accumulator
    loops = outputs // accumulator + bit_count(rest)
    each, left = loops // workers, loops % workers
    tail = (8 if half_out else 9) if half_partials else (6 if half_out else 7)
    whole = each + ((left > 0) & (rest == 0))
    extra = np.where((left > 0) & (rest > 0), 2 * depth + (11 if half_partials else 13), 0)
    return workers * (32 + (3 * depth + tail) * whole + extra)


def reduce_add_single_input(
    outputs: Counts, added: Counts, half_partials: bool, half_out: bool, workers: int = 6, interleaved: bool = False
) -> Counts:
    """Vertex for partials in one block: `added` of them are added to one that is in place already."""
    accumulator = 8 if half_partials else 4
    tail = (9 if half_out else 10) if half_partials else (7 if half_out else 8)
    cycles = 1 if interleaved else 2
    return 33 + workers * (20 + (cycles * added + tail) * ceil_div(outputs // accumulator, workers))


def reduce_add_cast(outputs: Counts, half_partials: bool, half_out: bool, workers: int = 6) -> Counts:
    """What is left of a reduction of depth 1: nothing, or a change of type."""
    if half_partials == half_out:
        return counts(outputs * 0)
    per_worker = ceil_div(outputs, workers)
    return workers * (26 + np.maximum(ceil_div(per_worker, 4), ceil_div(per_worker, 2)))


def reduce_cycles(work: ReduceWork, chip: Chip) -> Cycles:
    """Cycles of a reduction on one tile, outputs split over the workers."""
    outputs, depth = np.broadcast_arrays(counts(work.outputs), counts(work.depth))
    how = arithmetic(chip, work.input_type)
    half_out = arithmetic(chip, work.output_type).kind == "float16"
    cycles = vertex_cycles(chip, _reduce(outputs, depth, work, how, half_out, chip.workers), how.factor)
    return np.where((outputs * depth > 0)[..., None], cycles, 0.0)


def _reduce(outputs: Counts, depth: Counts, work: ReduceWork, how: Arithmetic, half_out: bool, workers: int) -> Counts:
    function, half = work.function, how.kind == "float16"
    if function in _ARGUMENTS:
        return outputs * argument_reduce(depth, workers)
    per_worker = ceil_div(outputs, workers)
    if how.kind in ("int32", "bool") or function in _SCALAR_LOOPS:
        converts = work.input_type != work.output_type
        return _SUPERVISOR + workers * scalar_reduce_worker(per_worker, depth, function, converts)
    if not work.contiguous:
        vector = 4 if half else 2
        share = ceil_div(ceil_div(outputs, vector), workers) * vector
        # rows are padded to whole vectors, so the stride is one
        worker = strided_reduce_worker(share, depth, counts(vector), function, half, half_out)
        return _SUPERVISOR + workers * worker
    together = workers * continuous_reduce_worker(per_worker, depth, function, half)
    # few outputs: every worker takes a piece of each run, then the pieces are reduced
    pieces = workers * reduce_to_scalar(ceil_div(depth, workers), function, half)
    combined = workers * reduce_to_scalar(np.minimum(depth, workers), function, False, half_out)
    return _SUPERVISOR + np.minimum(together, outputs * (pieces + combined))


def partials_cycles(work: PartialsWork, chip: Chip) -> Cycles:
    """Cycles of adding up partials from other tiles."""
    outputs, depth = np.broadcast_arrays(counts(work.outputs), counts(work.depth))
    how = arithmetic(chip, work.partials_type)
    half = how.kind == "float16"
    half_out = arithmetic(chip, work.output_type).kind == "float16"
    if work.function not in _ACCUMULATED or how.kind in ("int32", "bool"):
        across = ReduceWork(outputs, depth, work.function, work.partials_type, work.output_type, False)
        cycles = reduce_cycles(across, chip)
    else:
        total = _add_partials(outputs, depth, half, half_out, chip, element_bytes(work.partials_type))
        cycles = vertex_cycles(chip, total, how.factor)
    return np.where((outputs * depth > 0)[..., None], cycles, 0.0)


def _add_partials(outputs: Counts, depth: Counts, half: bool, half_out: bool, chip: Chip, size: float) -> Counts:
    """The cheaper of the two vertices on whole accumulators; the fast one only for a small share of the tile."""
    accumulator = 8 if half else 4
    padded = ceil_div(outputs, accumulator) * accumulator
    fast = reduce_add_single_input(padded, depth - 1, half, half_out, chip.workers)
    general = reduce_add(padded, depth, half, half_out, chip.workers)
    small = padded * depth * size < chip.bytes_per_tile / _FAST_SHARE
    several = np.where(small, np.minimum(fast, general), general)
    return np.where(depth > 1, several, reduce_add_cast(outputs, half, half_out, chip.workers))
