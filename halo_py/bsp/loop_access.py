"""How a kernel's operands follow the counter of the loop it stands in."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_py.ir.space import Access, Affine, Kernel, KernelCall, Repeat
from halo_py.tiling.mapping import TileMapping

if TYPE_CHECKING:
    from halo_py.tiling.plan import Split


def written_in(step: Repeat) -> set[int]:
    """Local values that change from one iteration to the next."""
    written = {current for _following, current in step.carried}
    for inner in step.body:
        if isinstance(inner, KernelCall):
            written.update(inner.outputs)
        elif inner.source in written:
            written.add(inner.result)
    return written


def serial_steps_of(split: Split, access: Access) -> int:
    """In how many serial pieces a tile works through an operand."""
    axes = {axis for dim in access.dims if isinstance(dim, Affine) for axis, _coefficient in dim.terms}
    return prod(split.steps[axis] for axis in axes)


def _loop_terms(kernel: Kernel, access: Access) -> list[tuple[int, int]]:
    """(dimension, coefficient) for every dimension of the access that follows the loop counter."""
    return [
        (number, coefficient)
        for number, dim in enumerate(access.dims)
        if isinstance(dim, Affine)
        for axis, coefficient in dim.terms
        if kernel.axes[axis].role == "loop"
    ]


def is_indexed(kernel: Kernel, access: Access) -> bool:
    """Whether an operand's box moves with the loop counter."""
    return bool(_loop_terms(kernel, access))


def without_partial_slices(kernel: Kernel) -> Kernel:
    """The kernel; one that writes a slice per iteration leaves no partial sums, so that a slice is written once."""
    if kernel.combine is not None and any(is_indexed(kernel, access) for access in kernel.writes):
        return replace(kernel, combine=None)
    return kernel


def swept(mapping: TileMapping, kernel: Kernel, access: Access, count: int) -> TileMapping:
    """The boxes that `count` iterations touch together, given those of the first."""
    low, high = mapping.low.copy(), mapping.high.copy()
    for dimension, coefficient in _loop_terms(kernel, access):
        reach = coefficient * (count - 1)
        low[:, dimension] = np.maximum(low[:, dimension] + min(reach, 0), 0)
        high[:, dimension] = np.minimum(high[:, dimension] + max(reach, 0), mapping.shape[dimension])
    return TileMapping.of(mapping.shape, mapping.tiles, low, high)
