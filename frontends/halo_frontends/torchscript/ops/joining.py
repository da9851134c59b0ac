"""Joining, repeating, turning and rolling."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import INT_MAX, Maker
from halo_frontends.torchscript.promotion import result_dtype
from halo_frontends.torchscript.table import aten

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Ints, Item, Size, Sizes, Value, Values


def concat(m: Maker, tensors: Values, axis: int) -> Value:
    """The values side by side in one element type."""
    dtype = result_dtype(tensors)
    parts = [m.cast(part, dtype) for part in tensors]
    return parts[0] if len(parts) == 1 else m.op("Concat", *parts, axis=axis)


@aten("cat", "concat", "concatenate")
def cat(m: Maker, tensors: Values, dim: int = 0) -> Value:
    rank = max(m.rank(part) for part in tensors)
    kept = [part for part in tensors if not (rank > 1 and m.rank(part) == 1 and m.empty(part))]
    return concat(m, kept or tensors, m.axis(dim, rank))


@aten("stack")
def stack(m: Maker, tensors: Values, dim: int = 0) -> Value:
    axis = m.axis(dim, m.rank(tensors[0]) + 1)
    return concat(m, [m.unsqueeze(part, axis) for part in tensors], axis)


def at_least(m: Maker, value: Value, rank: int) -> Value:
    """At least this many axes, as atleast_1d, atleast_2d and atleast_3d add them."""
    have = m.rank(value)
    if have >= rank:
        return value
    if rank == 3 and have:
        return m.unsqueeze(value, 2) if have == 2 else m.unsqueeze(value, 0, 2)
    return m.unsqueeze(value, *range(rank - have))


def _enter_at_least(rank: int) -> None:
    def atleast(m: Maker, input: Item) -> object:
        from halo_frontends.torchscript.table import read_values

        if isinstance(input, (list, tuple)):
            return [at_least(m, value, rank) for value in read_values(m, input)]
        return at_least(m, read_values(m, [input])[0], rank)

    aten(f"atleast_{rank}d")(atleast)


for _rank in (1, 2, 3):
    _enter_at_least(_rank)


@aten("hstack")
def hstack(m: Maker, tensors: Values) -> Value:
    parts = [at_least(m, part, 1) for part in tensors]
    return concat(m, parts, 0 if m.rank(parts[0]) == 1 else 1)


@aten("vstack", "row_stack")
def vstack(m: Maker, tensors: Values) -> Value:
    return concat(m, [at_least(m, part, 2) for part in tensors], 0)


@aten("dstack")
def dstack(m: Maker, tensors: Values) -> Value:
    return concat(m, [at_least(m, part, 3) for part in tensors], 2)


@aten("column_stack")
def column_stack(m: Maker, tensors: Values) -> Value:
    parts = [m.reshape(part, [-1, 1]) if m.rank(part) < 2 else part for part in tensors]
    return concat(m, parts, 1)


@aten("block_diag")
def block_diag(m: Maker, tensors: Values) -> Value:
    blocks = [at_least(m, part, 2) for part in tensors]
    width = sum(m.length(block, 1) for block in blocks)
    rows: list[Value] = []
    before = 0
    for block in blocks:
        own = m.length(block, 1)
        rows.append(m.op("Pad", block, m.ints([0, before, 0, width - before - own])))
        before += own
    return concat(m, rows, 0)


@aten("repeat")
def repeat(m: Maker, input: Value, repeats: Sizes) -> Value:
    value = m.unsqueeze(input, *range(len(repeats) - m.rank(input)))
    return m.op("Tile", value, m.ints(repeats))


@aten("tile")
def tile(m: Maker, input: Value, dims: Sizes) -> Value:
    return repeat(m, input, [*[1] * (m.rank(input) - len(dims)), *dims])


@aten("repeat_interleave")
def repeat_interleave(m: Maker, input: Value, repeats: Item, dim: int | None = None, output_size: Item = None) -> Value:
    from halo_frontends.torchscript.values import Tensor

    if dim is None:
        input, dim = m.flat(input), 0
    axis = m.axis(dim, m.rank(input))
    size = m.length(input, axis)
    if isinstance(repeats, Tensor):
        counts = m.known(m.read(repeats))
        if counts is None:
            raise m.unsupported("repetitions that depend on data are not supported")
        return m.op("Gather", input, m.const(np.repeat(np.arange(size), counts)), axis=axis)
    if not isinstance(repeats, int):
        raise m.unsupported("repetitions that depend on data are not supported")
    return m.op("Gather", input, m.const(np.repeat(np.arange(size), repeats)), axis=axis)


@aten("flip")
def flip(m: Maker, input: Value, dims: Ints) -> Value:
    axes = [m.axis(dim, m.rank(input)) for dim in dims]
    if not axes or not m.rank(input):
        return input
    count = len(axes)
    return m.op("Slice", input, m.ints([-1] * count), m.ints([-INT_MAX] * count), m.ints(axes), m.ints([-1] * count))


@aten("fliplr")
def fliplr(m: Maker, input: Value) -> Value:
    return flip(m, input, (1,))


@aten("flipud")
def flipud(m: Maker, input: Value) -> Value:
    return flip(m, input, (0,))


@aten("roll")
def roll(m: Maker, input: Value, shifts: Ints, dims: Ints = ()) -> Value:
    if not dims:
        shape = m.shape(input)
        return m.reshape(_rolled(m, m.flat(input), shifts[0], 0), shape)
    for shift, dim in zip(shifts, dims, strict=True):
        input = _rolled(m, input, shift, m.axis(dim, m.rank(input)))
    return input


def _rolled(m: Maker, value: Value, shift: int, axis: int) -> Value:
    size = m.length(value, axis)
    by = shift % size if size else 0
    if not by:
        return value
    return m.op("Concat", m.slice(value, axis, size - by, size), m.slice(value, axis, 0, size - by), axis=axis)


@aten("rot90")
def rot90(m: Maker, input: Value, k: int = 1, dims: Ints = (0, 1)) -> Value:
    rank = m.rank(input)
    first, second = (m.axis(dim, rank) for dim in dims)
    perm = list(range(rank))
    perm[first], perm[second] = second, first
    match k % 4:
        case 1:
            return m.transpose(flip(m, input, (second,)), perm)
        case 2:
            return flip(m, input, (first, second))
        case 3:
            return flip(m, m.transpose(input, perm), (second,))
        case _:
            return input


@aten("broadcast_tensors")
def broadcast_tensors(m: Maker, tensors: Values) -> list[Value]:
    sizes = np.broadcast_shapes(*(m.shape(part) for part in tensors))
    return [m.expand(part, sizes) for part in tensors]


@aten("meshgrid")
def meshgrid(m: Maker, tensors: Values, indexing: str = "ij") -> list[Value]:
    lines = [m.flat(part) if m.rank(part) else m.unsqueeze(part, 0) for part in tensors]
    if indexing == "xy" and len(lines) > 1:
        lines[0], lines[1] = lines[1], lines[0]
    sizes: list[Size] = [m.size(line, 0) for line in lines]
    grids = [
        m.expand(m.reshape(line, [-1 if axis == number else 1 for axis in range(len(lines))]), sizes)
        for number, line in enumerate(lines)
    ]
    if indexing == "xy" and len(grids) > 1:
        grids[0], grids[1] = grids[1], grids[0]
    return grids


@aten("cartesian_prod")
def cartesian_prod(m: Maker, tensors: Values) -> Value:
    if len(tensors) == 1:
        return tensors[0]
    return m.op("Concat", *(m.reshape(grid, [-1, 1]) for grid in meshgrid(m, tensors)), axis=1)


@aten("combinations")
def combinations(m: Maker, input: Value, r: int = 2, with_replacement: bool = False) -> Value:
    import itertools

    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.asarray(list(choose(range(m.length(input, 0)), r)), np.int64).reshape(-1, r)
    return m.op("Gather", input, m.const(rows), axis=0)


def elements(m: Maker, value: Value) -> int:
    """How many elements there are."""
    return prod(m.shape(value))
