"""Cycles of element-wise vertices.

Source: graphcore/poplibs 7eac0f26, lib/popops (elementwise, broadcast, scaled add) and lib/popnn (non-linearities),
restated. A generated codelet for a fused expression has no open estimate: it is priced as the sum of its loops with one
overhead.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from halo_py.ir.work import MapWork
from halo_py.targets import Chip
from halo_py.tiling.vertex_cost.arithmetic import Arithmetic, Cycles, Kind, arithmetic, vertex_cycles
from halo_py.tiling.vertex_cost.cast import cast_1d
from halo_py.tiling.vertex_cost.counts import Counts, ceil_div, counts
from halo_py.tiling.vertex_cost.functions import FUNCTIONS, Loop, parts

_SUPERVISOR = 11
_NONLINEARITY = {
    # cycles for a scalar and for a vector, in single and half precision
    "relu": ((1, 1), (1, 1)),
    "sigmoid": ((5, 10), (2, 4)),
    "tanh": ((5, 10), (1, 2)),
    "swish": ((6, 11), (3, 5)),
    "gelu_tanh": ((10, 10), (5, 5)),
    "gelu_erf": ((30, 30), (15, 15)),
}
_VECTOR_INNER = frozenset({"add", "sub", "mul"})
_NONLINEARITY_VERTICES = frozenset({"gelu_tanh", "swish"})


def unary_1d(elements: Counts, loop: Loop, function: str = "", in_place: bool = False, workers: int = 6) -> Counts:
    """One-operand vertex over `elements`."""
    start = 55 if in_place else 33 if function == "exp" else 17
    return _SUPERVISOR + 9 + workers * (start + loop.total(ceil_div(elements, workers)))


def binary_1d(elements: Counts, loop: Loop, kind: Kind, in_place: bool = False, workers: int = 6) -> Counts:
    """Two-operand vertex over `elements`."""
    start = 58 if in_place else 29 if kind == "float32" else 26
    return _SUPERVISOR + workers * (start + loop.total(ceil_div(elements, workers)))


def broadcast_scalar_1d(elements: Counts, loop: Loop, workers: int = 6) -> Counts:
    """Vertex whose second operand is one scalar."""
    return _SUPERVISOR + workers * (20 + loop.total(ceil_div(elements, workers)))


def broadcast_vector_outer(
    rows: Counts, columns: Counts, cycles: int, vector: int, by: Literal["row", "column"] = "row", workers: int = 6
) -> Counts:
    """Vertex that applies one scalar to each row; `cycles` of its loop per `vector` elements (1: per element)."""
    if by == "row":
        rows = ceil_div(rows, workers)
    else:
        columns = ceil_div(columns, workers)
    loop = cycles * (columns + vector - 1) // vector
    return _SUPERVISOR + workers * (15 + rows * (7 + loop))


def broadcast_vector_inner(
    length: Counts, blocks: Counts, function: str, half: bool, in_place: bool = False, workers: int = 6
) -> Counts:
    """Vertex that applies a vector of `length` to each of `blocks` rows (add, sub, mul)."""
    per_worker = ceil_div(blocks, workers)
    multiplies = function == "mul"
    if multiplies:
        extra = (6 + 3 * workers if in_place else 2 * workers) + workers * (24 if half else 17)
    else:
        extra = 2 * workers if in_place else 6 + 3 * workers
    base = np.where(length % 2 == 1, 26, 19) if half else counts(17)
    if half:
        core = _inner_half_mul(length, per_worker, in_place) if multiplies else _inner_half_add(length, per_worker)
    else:
        core = 7 + length * (8 + 2 * per_worker)
    return 13 + workers * (base + np.where(per_worker > 0, core, 0)) + extra


def _inner_half_add(length: Counts, blocks: Counts) -> Counts:
    eights, fours = length // 8, length // 4
    by_eight = np.where(blocks == 1, 11 + 7 * eights, 12 + eights * (15 + 2 * (blocks - 1)))
    by_four = 15 + fours * (13 + 2 * (blocks // 2 - 1) + blocks % 2)
    slow = 6 + length * (5 + 9 * blocks) + np.where(length > 2048, 3, np.where(blocks < 2, 7, 9))
    use_eight = (length % 8 == 0) & (length <= 2048)
    return np.where(use_eight, by_eight, np.where((length % 4 == 0) & (blocks >= 2), by_four, slow))


def _inner_half_mul(length: Counts, blocks: Counts, in_place: bool) -> Counts:
    fours = length // 4
    plain = 4 + fours * (7 + 2 * blocks)
    pipelined = 13 + fours * (9 + blocks)
    apart = np.where(length > 2044, plain + 7, np.where(blocks == 1, plain + 9, pipelined))
    aligned = plain + 5 if in_place else apart
    return np.where(length % 4 != 0, 8 + length * (5 + 9 * blocks), aligned)


def nonlinearity_1d(elements: Counts, function: str, half: bool, in_place: bool = True, workers: int = 6) -> Counts:
    """The popnn vertex for activations; registered there for GELU in its tanh form and for swish."""
    scalar, vector = _NONLINEARITY[function][1 if half else 0]
    vectors = ceil_div(elements // (4 if half else 2), workers)
    loop = np.where(vectors > 0, 2 + scalar + (vectors - 1) * vector + 1 + scalar, 0)
    if half:
        tail = 4 + ((elements >> 1) & 1) * (2 + scalar) + (elements & 1) * (3 + scalar)
    else:
        tail = 3 + (elements & 1) * (2 + scalar)
    start = 20 + (1 if function == "swish" and in_place else 0)
    return 9 + workers * (start + loop + tail)


def scaled_add_1d(elements: Counts, half: bool, subtract: bool = False, workers: int = 6) -> Counts:
    """X += s y with equal types."""
    vector = 4 if half else 2
    per_worker = elements // vector // workers
    rest = elements % vector
    loop = np.where(per_worker > 0, 6 + 3 * (per_worker - 1), 0)
    tail = 5 + np.where(rest >= 2, 7, 0) + np.where(rest == 3, 6, 0) if half else counts(8)
    start = 57 + np.where(rest > 0, 6, 0) + (7 if subtract else 0)
    return start + workers * (19 + loop + np.where(rest > 0, tail, 0))


def select_1d(elements: Counts, workers: int = 6) -> Counts:
    """Choice between two operands by a third."""
    return _SUPERVISOR + workers * (5 + 6 + 5 * ceil_div(elements, workers))


def map_cycles(work: MapWork, chip: Chip) -> Cycles:
    """Cycles of scalar functions over the elements of a box: one vertex when fused, else one per function."""
    elements = counts(work.elements)
    names = [part for function in work.functions for part in parts(function)]
    how = arithmetic(chip, work.element_type)
    output = work.output_type or work.element_type
    if work.fused or len(names) > len(work.functions):
        total = _fused(elements, names, how, work.in_place, chip.workers)
    else:
        total = sum((_vertex(name, elements, counts(work.inner), work, how, output, chip) for name in names), counts(0))
    cycles = vertex_cycles(chip, total, how.factor)
    return np.where(elements[..., None] > 0, cycles, 0.0)


def _fused(elements: Counts, names: list[str], how: Arithmetic, in_place: bool, workers: int) -> Counts:
    per_worker = ceil_div(elements, workers)
    loops = sum((FUNCTIONS[name].loop(how.kind, in_place).total(per_worker) for name in names), counts(0))
    start = 29 if how.kind == "float32" else 26
    return _SUPERVISOR + workers * (start + loops)


def _vertex(
    name: str, elements: Counts, inner: Counts, work: MapWork, how: Arithmetic, output: str, chip: Chip
) -> Counts:
    """Cycles of the vertex that PopLibs would use for one function."""
    function, workers = FUNCTIONS[name], chip.workers
    loop = function.loop(how.kind, work.in_place, work.broadcast == "scalar")
    half = how.kind == "float16"
    floating = half or how.kind == "float32"
    if name == "cast":
        return cast_1d(elements, work.element_type, output, workers)
    if name == "select":
        return select_1d(elements, workers)
    if name in _NONLINEARITY_VERTICES and floating:
        whole_vectors = ceil_div(elements, how.vector) * how.vector
        return nonlinearity_1d(whole_vectors, name, half, work.in_place, workers)
    if function.operands == 1:
        return unary_1d(elements, loop, name, work.in_place, workers)
    if work.broadcast == "scalar":
        return broadcast_scalar_1d(elements, loop, workers)
    if floating and work.broadcast == "inner" and name in _VECTOR_INNER:
        blocks = ceil_div(elements, np.maximum(inner, 1))
        return broadcast_vector_inner(inner, blocks, name, half, work.in_place, workers)
    if floating and work.broadcast == "outer":
        rows = ceil_div(elements, np.maximum(inner, 1))
        cycles, vector = (2, how.vector) if name in _VECTOR_INNER else (loop.cycles, 1)
        row = broadcast_vector_outer(rows, inner, cycles, vector, "row", workers)
        column = broadcast_vector_outer(rows, inner, cycles, vector, "column", workers)
        return np.minimum(row, column)
    return binary_1d(elements, loop, how.kind, work.in_place, workers)
