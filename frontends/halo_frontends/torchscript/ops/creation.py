"""New tensors: filled, counted, random."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_frontends.torchscript.maker import Maker, is_number
from halo_frontends.torchscript.objects import StoredTensor
from halo_frontends.torchscript.promotion import number_dtype, promote
from halo_frontends.torchscript.table import aten, read_sizes
from halo_frontends.torchscript.values import Item, Scalar, Tensor
from halo_py.ir.graph import Value
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Number, Operand, Sizes

_LARGEST_CONSTANT = 1 << 16
"""Filled tensors of more elements are expanded by a node."""


def filled(m: Maker, size: Sizes, number: Number, dtype: DType) -> Value:
    """A tensor of one number."""
    known = [entry for entry in size if isinstance(entry, int)]
    if len(known) == len(size) and prod(known) <= _LARGEST_CONSTANT and not isinstance(number, Scalar):
        value = m.known(m.number(number, dtype))
        assert value is not None
        return m.const(np.full(known, value, dtype.numpy), dtype)
    return m.expand(m.number(number, dtype), size)


@aten("zeros", "empty", "empty_permuted", "new_empty_zeros")
def zeros(m: Maker, size: Sizes, dtype: DType | None = None) -> Value:
    return filled(m, size, 0, dtype or DType.FLOAT32)


@aten("ones")
def ones(m: Maker, size: Sizes, dtype: DType | None = None) -> Value:
    return filled(m, size, 1, dtype or DType.FLOAT32)


@aten("full")
def full(m: Maker, size: Sizes, fill_value: Number, dtype: DType | None = None) -> Value:
    default = DType.FLOAT32 if m.version < 5 else number_dtype(fill_value)
    return filled(m, size, fill_value, dtype or default)


@aten("zeros_like", "empty_like")
def zeros_like(m: Maker, input: Value, dtype: DType | None = None) -> Value:
    return filled(m, m.sizes(input), 0, dtype or m.dtype(input))


@aten("ones_like")
def ones_like(m: Maker, input: Value, dtype: DType | None = None) -> Value:
    return filled(m, m.sizes(input), 1, dtype or m.dtype(input))


@aten("full_like")
def full_like(m: Maker, input: Value, fill_value: Number, dtype: DType | None = None) -> Value:
    return filled(m, m.sizes(input), fill_value, dtype or m.dtype(input))


@aten("new_zeros", "new_empty")
def new_zeros(m: Maker, input: Value, size: Sizes, dtype: DType | None = None) -> Value:
    return filled(m, size, 0, dtype or m.dtype(input))


@aten("new_ones")
def new_ones(m: Maker, input: Value, size: Sizes, dtype: DType | None = None) -> Value:
    return filled(m, size, 1, dtype or m.dtype(input))


@aten("new_full")
def new_full(m: Maker, input: Value, size: Sizes, fill_value: Number, dtype: DType | None = None) -> Value:
    return filled(m, size, fill_value, dtype or m.dtype(input))


@aten("new_empty_strided", "empty_strided")
def new_empty_strided(m: Maker, input: Item, size: Item, stride: Item = None, dtype: DType | None = None) -> Value:
    shape = size if isinstance(input, Tensor) else input
    if not isinstance(shape, (list, tuple)):
        raise m.wrong("a shape is wanted")
    own = m.dtype(m.read(input)) if isinstance(input, Tensor) else DType.FLOAT32
    return filled(m, read_sizes(m, shape), 0, dtype or own)


@aten("scalar_tensor")
def scalar_tensor(m: Maker, s: Number, dtype: DType | None = None) -> Value:
    return m.number(s, dtype or DType.FLOAT32)


@aten("tensor", "as_tensor")
def tensor(m: Maker, data: Item, dtype: DType | None = None) -> Value:
    if isinstance(data, (Tensor, StoredTensor)):
        value = m.read(data if isinstance(data, Tensor) else m.emitter.stored(data, "constant"))
        return value if dtype is None else m.cast(value, dtype)
    if is_number(data):
        return m.number(data, dtype or number_dtype(data))
    leaves = _leaves(data)
    numbers = [leaf for leaf in leaves if is_number(leaf) and not isinstance(leaf, Scalar)]
    if len(numbers) != len(leaves):
        return _stacked(m, data, dtype)
    found = dtype
    for number in numbers:
        found = found if dtype is not None else _joined(found, number_dtype(number))
    contents: Any = np.asarray(data)
    return m.const(contents.astype((found or DType.FLOAT32).numpy), found or DType.FLOAT32)


def _joined(left: DType | None, right: DType) -> DType:
    return right if left is None else promote(left, right)


def _leaves(data: Item) -> list[Item]:
    if isinstance(data, (list, tuple)):
        return [leaf for entry in data for leaf in _leaves(entry)]
    return [data]


def _stacked(m: Maker, data: Item, dtype: DType | None) -> Value:
    """A list whose elements depend on data."""
    if not isinstance(data, (list, tuple)):
        return tensor(m, data, dtype)
    parts = [_stacked(m, entry, dtype) for entry in data]
    wide = m.dtype(parts[0])
    for part in parts:
        wide = promote(wide, m.dtype(part))
    return m.op("Concat", *(m.unsqueeze(m.cast(part, dtype or wide), 0) for part in parts), axis=0)


@aten("arange")
def arange(
    m: Maker, start: Number, end: Number | None = None, step: Number | None = None, dtype: DType | None = None
) -> Value:
    if end is None:
        start, end = 0, start
    by = 1 if step is None else step
    found = number_dtype(start)
    for number in (end, by):
        found = promote(found, number_dtype(number))
    wanted = dtype or (DType.INT64 if found is DType.BOOL else found)
    if isinstance(start, (int, float)) and isinstance(end, (int, float)) and isinstance(by, (int, float)):
        count = max(int(np.ceil((end - start) / by)), 0)
        if count <= _LARGEST_CONSTANT:
            steps = np.arange(count, dtype=np.int64 if wanted.is_integer and found.is_integer else np.float64)
            return m.const((start + steps * by).astype(wanted.numpy), wanted)
    kind = found if found.is_integer or found.is_float else DType.INT64
    return m.cast(m.op("Range", *(m.number(number, kind) for number in (start, end, by))), wanted)


@aten("range")
def range_(m: Maker, start: Number, end: Number, step: Number = 1, dtype: DType | None = None) -> Value:
    """With its end."""
    if not (isinstance(start, (int, float)) and isinstance(end, (int, float)) and isinstance(step, (int, float))):
        raise m.unsupported("a range that depends on data is not supported")
    count = int(np.floor((end - start) / step)) + 1
    wanted = dtype or DType.FLOAT32
    return m.const((start + np.arange(count) * step).astype(wanted.numpy), wanted)


@aten("linspace")
def linspace(m: Maker, start: Number, end: Number, steps: int | None = None, dtype: DType | None = None) -> Value:
    return m.cast(_line(m, start, end, 100 if steps is None else steps), dtype or DType.FLOAT32)


@aten("logspace")
def logspace(
    m: Maker, start: Number, end: Number, steps: int | None = None, base: float = 10.0, dtype: DType | None = None
) -> Value:
    line = _line(m, start, end, 100 if steps is None else steps)
    return m.cast(m.op("Pow", m.number(base, DType.FLOAT64), line), dtype or DType.FLOAT32)


def _line(m: Maker, start: Number, end: Number, steps: int) -> Value:
    """Numbers at equal distances, both ends included, as float64."""
    if isinstance(start, (int, float)) and isinstance(end, (int, float)):
        return m.const(np.linspace(start, end, steps))
    share = np.linspace(0.0, 1.0, steps)
    low, high = m.number(start, DType.FLOAT64), m.number(end, DType.FLOAT64)
    return m.op("Add", m.op("Mul", low, m.const(1 - share)), m.op("Mul", high, m.const(share)))


@aten("eye")
def eye(m: Maker, n: int, m_: int | None = None, dtype: DType | None = None) -> Value:
    wanted = dtype or DType.FLOAT32
    return m.const(np.eye(n, n if m_ is None else m_).astype(wanted.numpy), wanted)


@aten("tril_indices")
def tril_indices(m: Maker, row: int, col: int, offset: int = 0, dtype: DType | None = None) -> Value:
    return m.const(np.stack(np.tril_indices(row, offset, col)).astype((dtype or DType.INT64).numpy))


@aten("triu_indices")
def triu_indices(m: Maker, row: int, col: int, offset: int = 0, dtype: DType | None = None) -> Value:
    return m.const(np.stack(np.triu_indices(row, offset, col)).astype((dtype or DType.INT64).numpy))


@aten("tril")
def tril(m: Maker, input: Value, diagonal: int = 0) -> Value:
    return _triangle(m, input, diagonal, 0)


@aten("triu")
def triu(m: Maker, input: Value, diagonal: int = 0) -> Value:
    return _triangle(m, input, diagonal, 1)


def _triangle(m: Maker, input: Value, diagonal: int, upper: int) -> Value:
    if m.dtype(input) is DType.BOOL:
        found = m.op("Trilu", m.cast(input, DType.INT32), m.number(diagonal, DType.INT64), upper=upper)
        return m.cast(found, DType.BOOL)
    return m.op("Trilu", input, m.number(diagonal, DType.INT64), upper=upper)


@aten("diagflat")
def diagflat(m: Maker, input: Value, offset: int = 0) -> Value:
    return diag_embed(m, m.flat(input), offset)


@aten("diag")
def diag(m: Maker, input: Value, diagonal: int = 0) -> Value:
    if m.rank(input) == 2:
        rows, columns = m.shape(input)
        places = np.diagonal(np.arange(rows * columns).reshape(rows, columns), diagonal)
        return m.op("Gather", m.flat(input), m.const(np.ascontiguousarray(places)), axis=0)
    return diag_embed(m, m.flat(input), diagonal)


@aten("diag_embed")
def diag_embed(m: Maker, input: Value, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Value:
    """The last axis laid along a diagonal of two new axes."""
    size = m.length(input, -1)
    wide = size + abs(offset)
    selector = np.zeros((size, wide, wide), m.dtype(input).numpy)
    places = np.arange(size)
    selector[places, places + max(-offset, 0), places + max(offset, 0)] = 1
    flags = m.const(selector.sum(0).astype(np.bool_))
    low, high = max(-offset, 0), wide - size - max(-offset, 0)
    padded = m.op("Pad", input, m.ints([*[0] * (m.rank(input) - 1), low, *[0] * (m.rank(input) - 1), high]))
    spread = m.unsqueeze(padded, m.rank(input))
    found = m.op("Where", flags, spread, m.number(0, m.dtype(input)))
    rank = m.rank(found)
    first, second = m.axis(dim1, rank), m.axis(dim2, rank)
    rest = iter(axis for axis in range(rank - 2))
    order = [rank - 2 if axis == first else rank - 1 if axis == second else next(rest) for axis in range(rank)]
    return m.transpose(found, order)


@aten("linalg_vander")
def linalg_vander(m: Maker, x: Value, N: int | None = None) -> Value:
    return vander(m, x, N, True)


@aten("vander")
def vander(m: Maker, x: Value, N: int | None = None, increasing: bool = False) -> Value:
    count = m.length(x, -1) if N is None else N
    powers = np.arange(count) if increasing else np.arange(count)[::-1]
    exponents = m.const(powers.astype(m.dtype(x).numpy), m.dtype(x))
    return m.op("Pow", m.unsqueeze(x, m.rank(x)), exponents)


# -- random numbers -------------------------------------------------------------------------------------------------


def _static(m: Maker, size: Sizes) -> tuple[int, ...]:
    known = tuple(entry for entry in size if isinstance(entry, int))
    if len(known) != len(size):
        raise m.unsupported("random numbers whose count depends on data are not supported")
    return known


@aten("rand")
def rand(m: Maker, size: Sizes, dtype: DType | None = None) -> Value:
    return m.op("RandomUniform", shape=_static(m, size), dtype=dtype or DType.FLOAT32)


@aten("randn")
def randn(m: Maker, size: Sizes, dtype: DType | None = None) -> Value:
    return m.op("RandomNormal", shape=_static(m, size), dtype=dtype or DType.FLOAT32)


@aten("rand_like")
def rand_like(m: Maker, input: Value, dtype: DType | None = None) -> Value:
    return m.op("RandomUniformLike", input, dtype=dtype or m.dtype(input))


@aten("randn_like")
def randn_like(m: Maker, input: Value, dtype: DType | None = None) -> Value:
    return m.op("RandomNormalLike", input, dtype=dtype or m.dtype(input))


@aten("normal")
def normal(m: Maker, mean: Operand, std: Operand = 1.0, size: Sizes | None = None, dtype: DType | None = None) -> Value:
    from halo_frontends.torchscript.ops.pointwise import add, mul

    shaped = next((m.shape(item) for item in (mean, std) if isinstance(item, Value)), None)
    shape = _static(m, size) if size is not None else shaped or ()
    noise = m.op("RandomNormal", shape=shape, dtype=dtype or DType.FLOAT32)
    return add(m, mul(m, noise, std), mean)


@aten("bernoulli")
def bernoulli(m: Maker, input: Value, p: float | None = None) -> Value:
    return m.op("Bernoulli", input if p is None else m.expand(m.number(p, m.dtype(input)), m.sizes(input)))


@aten("multinomial")
def multinomial(m: Maker, input: Value, num_samples: int, replacement: bool = False) -> Value:
    if not replacement and num_samples > 1:
        raise m.unsupported("drawing without putting back is not supported")
    rows = m.unsqueeze(input, 0) if m.rank(input) == 1 else input
    found = m.op("Multinomial", m.op("Log", rows), sample_size=num_samples, dtype=DType.INT64)
    return m.squeeze(found, 0) if m.rank(input) == 1 else found


@aten("randint")
def randint(m: Maker, low: int, high: Item, size: Item = None, dtype: DType | None = None) -> Value:
    if isinstance(high, (list, tuple)):
        low, high, size = 0, low, high
    if not isinstance(size, (list, tuple)) or not isinstance(high, int):
        raise m.wrong("a shape is wanted")
    shape = tuple(entry for entry in size if isinstance(entry, int))
    noise = m.op("RandomUniform", shape=shape, low=float(low), high=float(high))
    return m.cast(m.op("Floor", noise), dtype or DType.INT64)
