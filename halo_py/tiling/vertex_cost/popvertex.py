"""The cost model `popvertex`: the public PopLibs cycle estimators, with the uncertainty of a chip's description."""

from __future__ import annotations

from functools import reduce
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.work import (
    ContractionWork,
    CopyWork,
    FillWork,
    FourierWork,
    GatherWork,
    MapWork,
    PartialsWork,
    RandomWork,
    ReduceWork,
    SerialWork,
    SortWork,
    SumWork,
    WindowWork,
    Work,
)
from halo_py.targets import Chip
from halo_py.tiling.vertex_cost.arithmetic import Cycles
from halo_py.tiling.vertex_cost.contraction import contraction_cycles, contraction_variant
from halo_py.tiling.vertex_cost.elementwise import map_cycles
from halo_py.tiling.vertex_cost.fourier import fourier_cycles
from halo_py.tiling.vertex_cost.gather import gather_cycles
from halo_py.tiling.vertex_cost.movement import copy_cycles, fill_cycles
from halo_py.tiling.vertex_cost.pooling import window_cycles
from halo_py.tiling.vertex_cost.reduction import partials_cycles, reduce_cycles
from halo_py.tiling.vertex_cost.serial import random_cycles, serial_cycles, sort_cycles


class PopVertex:
    """Cycles of one tile by the PopLibs estimators."""

    def cycles(self, work: Work, chip: Chip) -> Cycles:
        """Cycles of `work`, of the broadcast shape of its counts and a last axis of scenarios."""
        match work:
            case ContractionWork():
                return contraction_cycles(work, chip)
            case MapWork():
                return map_cycles(work, chip)
            case ReduceWork():
                return reduce_cycles(work, chip)
            case PartialsWork():
                return partials_cycles(work, chip)
            case WindowWork():
                return window_cycles(work, chip)
            case GatherWork():
                return gather_cycles(work, chip)
            case CopyWork():
                return copy_cycles(work, chip)
            case FillWork():
                return fill_cycles(work, chip)
            case SortWork():
                return sort_cycles(work, chip)
            case SerialWork():
                return serial_cycles(work, chip)
            case RandomWork():
                return random_cycles(work, chip)
            case FourierWork():
                return fourier_cycles(work, chip)
            case SumWork():
                return reduce(np.add, (self.cycles(part, chip) for part in work.parts), np.zeros(3))
            case _:
                assert_never(work)

    def variant(self, work: Work, chip: Chip) -> NDArray[np.str_]:
        """Name of the vertex that does the work, one per box."""
        if isinstance(work, ContractionWork):
            return contraction_variant(work, chip)
        return np.array(type(work).__name__.removesuffix("Work").lower())
