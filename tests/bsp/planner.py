"""A planner that needs no search, so that lowering is tested apart from it: cuts the longest pieces first."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from halo_py.ir.space import Kernel
from halo_py.tiling.mapping import TileMapping
from halo_py.tiling.plan import Placement, Split


@dataclass(frozen=True)
class LongestFirst:
    """Doubles the ways of the axis with the longest pieces while tiles last; reduce axes only if `reduces`."""

    tiles: int
    reduces: bool = False

    def __call__(
        self,
        kernel: Kernel,
        _homes: tuple[TileMapping | None, ...],
        _movable: tuple[bool, ...],
        _follow: TileMapping | None,
    ) -> Placement:
        ways = [1] * len(kernel.axes)
        while True:
            axes = [axis for axis in range(len(ways)) if self._may_cut(kernel, axis, ways)]
            if not axes:
                break
            longest = max(axes, key=lambda axis: (kernel.extents[axis] / ways[axis], -axis))
            ways[longest] *= 2
        steps = (1,) * len(ways)
        return Placement(kernel, Split(tuple(ways), steps, tuple(range(len(ways)))), self.tiles)

    def _may_cut(self, kernel: Kernel, axis: int, ways: list[int]) -> bool:
        if not kernel.splittable[axis] or (kernel.axes[axis].role == "reduce" and not self.reduces):
            return False
        grains = -(-kernel.extents[axis] // kernel.axes[axis].grain)
        return prod(ways) * 2 <= self.tiles and ways[axis] * 2 <= grains
