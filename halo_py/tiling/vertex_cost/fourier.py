"""Cycles of Fourier transforms. PopLibs has no such vertex: everything here is assumed, from counts of operations.

A mixed-radix transform (J. Cooley and J. Tukey, 1965, "An algorithm for the machine calculation of complex Fourier
series") works in passes, one per factor of the length; a length with a large prime factor is a convolution of powers
of two (L. Bluestein, 1970, "A linear filtering approach to the computation of discrete Fourier transform"). A complex
product is three operations on pairs of float32, a sum one; loads and stores run beside them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from halo_py.ir.work import FourierWork
from halo_py.targets import Chip
from halo_py.tiling.vertex_cost.arithmetic import Cycles, arithmetic, vertex_cycles
from halo_py.tiling.vertex_cost.counts import Counts, ceil_div, counts

_PRODUCT, _SUM = 3, 1
"""Operations on pairs of float32 per complex product and sum."""
_BUTTERFLY_OVERHEAD = 4
_PASS_OVERHEAD = 12
_ASSUMED = np.array((1.0, 1.0, 2.0))


@lru_cache(maxsize=256)
def factors(length: int) -> tuple[int, ...]:
    """Radices whose product is `length`: 4 as often as possible, then its prime factors in rising order."""
    found: list[int] = []
    for radix in (4, 2):
        while length % radix == 0:
            found.append(radix)
            length //= radix
    radix = 3
    while radix * radix <= length:
        while length % radix == 0:
            found.append(radix)
            length //= radix
        radix += 2
    return (*found, length) if length > 1 else tuple(found)


def butterfly(radix: int) -> int:
    """Worker cycles of one butterfly, the factors in front of it included."""
    inner = 0 if radix in (2, 4) else (radix - 1) ** 2
    sums = {2: 2, 4: 8}.get(radix, radix * (radix - 1))
    operations = _PRODUCT * (radix - 1 + inner) + _SUM * sums
    transfers = 2 * radix + radix - 1
    return max(operations, transfers) + _BUTTERFLY_OVERHEAD


def _line(length: int, share: int) -> int:
    """Cycles of a worker for its `share`-th part of one line's butterflies."""
    passes = factors(length)
    return sum(_PASS_OVERHEAD + int(ceil_div(length // radix, share)) * butterfly(radix) for radix in passes)


@lru_cache(maxsize=1024)
def line_cycles(length: int, share: int) -> int:
    """Cycles of a worker for a transform of `length` complex points that `share` workers do together."""
    direct = _line(length, share)
    padded = 1 << max(2 * length - 2, 1).bit_length()
    products = 2 * length + padded
    convolved = 3 * _line(padded, share) + int(ceil_div(products, share)) * (_PRODUCT + _BUTTERFLY_OVERHEAD)
    return min(direct, convolved)


def fourier_cycles(work: FourierWork, chip: Chip) -> Cycles:
    """Cycles of the lines: a line per worker, or all workers on one line after another, whatever is less."""
    lines = counts(work.lines)
    how = arithmetic(chip, work.element_type)
    # a transform of real points is one of half as many complex ones, and a pass that takes it apart
    length = max(1, -(-work.length // 2)) if work.real else work.length
    apart = work.length if work.real else 0
    alone = ceil_div(lines, chip.workers) * (line_cycles(length, 1) + apart)
    together = lines * (line_cycles(length, chip.workers) + int(ceil_div(apart, chip.workers)))
    total: Counts = 11 + chip.workers * (20 + np.minimum(alone, together))
    return np.where((lines > 0)[..., None], vertex_cycles(chip, total, how.factor * _ASSUMED), 0.0)
