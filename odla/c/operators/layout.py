"""Memory layouts: the IR has channels first and kernels as output, input, spatial; others become transposes."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from halo_py.errors import UsageError
from odla.c.operators.emit import Emit, Node, rank_of

if TYPE_CHECKING:
    from odla.c.decode import Numbers


class Layout(IntEnum):
    """`odla_memory_layout`."""

    CHANNELS_FIRST = 0
    CHANNELS_LAST = 1
    SIO = 2
    SOI = 3
    OIS = 4
    IOS = 5


def channels_first(emit: Emit, x: Node, layout: int) -> Node:
    """Data with the channels in dimension 1. Raises UsageError for the layout of a kernel."""
    rank = rank_of(x)
    if layout == Layout.CHANNELS_FIRST or rank < 3:
        return x
    if layout != Layout.CHANNELS_LAST:
        raise UsageError(f"{Layout(layout).name} is the layout of a kernel, not of data")
    return emit.transpose(x, (0, rank - 1, *range(1, rank - 1)))


def restored(emit: Emit, x: Node, layout: int) -> Node:
    """Data with the channels in dimension 1 in the caller's layout."""
    rank = rank_of(x)
    if layout == Layout.CHANNELS_FIRST or rank < 3:
        return x
    return emit.transpose(x, (0, *range(2, rank), 1))


def channel_axis(x: Node, layout: int) -> int:
    """The dimension of the channels in the caller's layout."""
    rank = rank_of(x)
    return rank - 1 if layout == Layout.CHANNELS_LAST or rank < 2 else 1


def output_first(emit: Emit, kernel: Node, layout: int) -> Node:
    """A kernel as output, input, spatial."""
    return emit.transpose(kernel, _kernel_order(rank_of(kernel), layout, ("O", "I")))


def input_first(emit: Emit, kernel: Node, layout: int) -> Node:
    """A kernel as input, output, spatial."""
    return emit.transpose(kernel, _kernel_order(rank_of(kernel), layout, ("I", "O")))


def _kernel_order(rank: int, layout: int, wanted: tuple[str, str]) -> tuple[int, ...]:
    if rank < 3:
        raise UsageError(f"a kernel has at least 3 dimensions, found {rank}")
    spatial = rank - 2
    places = {
        Layout.SIO: {"I": spatial, "O": spatial + 1, "S": 0},
        Layout.SOI: {"O": spatial, "I": spatial + 1, "S": 0},
        Layout.OIS: {"O": 0, "I": 1, "S": 2},
        Layout.IOS: {"I": 0, "O": 1, "S": 2},
    }
    found = places.get(Layout(layout))
    if found is None:
        raise UsageError(f"{Layout(layout).name} is the layout of data, not of a kernel")
    return (found[wanted[0]], found[wanted[1]], *range(found["S"], found["S"] + spatial))


def spatial_numbers(numbers: Numbers | None, count: int, default: int) -> tuple[int, ...]:
    """One number per spatial dimension; NULL stands for the default."""
    return (default,) * count if numbers is None else numbers.take(count)
