"""Cycles of a vertex: what a `Work` costs on one tile of a `Chip`.

A chip names its cost model. `popvertex` is built in; others are registered with `register_cost_model` or through the
entry point group `halo.cost_models` (an object with the methods of `CostModel`, or a class of such objects).
"""

from __future__ import annotations

from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from halo_py.errors import TargetError
from halo_py.ir.work import Work
from halo_py.targets import Chip, peak_macs_per_cycle
from halo_py.tiling.vertex_cost.arithmetic import Cycles
from halo_py.tiling.vertex_cost.contraction import channel_grains
from halo_py.tiling.vertex_cost.counts import element_bytes
from halo_py.tiling.vertex_cost.linear import linear_tiles_used
from halo_py.tiling.vertex_cost.popvertex import PopVertex

__all__ = [
    "CostModel",
    "Cycles",
    "channel_grains",
    "cost_model",
    "cycles",
    "element_bytes",
    "linear_tiles_used",
    "peak_macs_per_cycle",
    "register_cost_model",
    "variant",
]

ENTRY_POINT_GROUP = "halo.cost_models"


@runtime_checkable
class CostModel(Protocol):
    """What a machine's vendor supplies: how long each kind of work takes on one tile."""

    def cycles(self, work: Work, chip: Chip) -> Cycles:
        """Cycles, float64 of the counts' broadcast shape and a last axis (fast, nominal, slow); 0 for an empty box."""
        ...

    def variant(self, work: Work, chip: Chip) -> NDArray[np.str_]:
        """Name of the vertex that does the work, for reports."""
        ...


_MODELS: dict[str, CostModel] = {"popvertex": PopVertex()}


def register_cost_model(name: str, model: CostModel) -> None:
    """Makes `model` the one that chips with cost_model = `name` use."""
    _MODELS[name] = model


def cost_model(name: str) -> CostModel:
    """The cost model with this name. Raises TargetError when nothing registers it."""
    if name not in _MODELS:
        _MODELS[name] = _from_entry_points(name)
    return _MODELS[name]


def _from_entry_points(name: str) -> CostModel:
    from importlib.metadata import entry_points  # scanning installed packages is slow: only when asked

    for entry in entry_points(group=ENTRY_POINT_GROUP, name=name):
        found = cast("object", entry.load())
        model = cast("object", found()) if isinstance(found, type) else found
        if not isinstance(model, CostModel):
            raise TargetError(f"cost model {name!r} of an installed package lacks cycles and variant")
        return model
    known = ", ".join(sorted(_MODELS))
    raise TargetError(f"unknown vertex cost model {name!r}", hint=f"known: {known}; is a package missing?")


def cycles(work: Work, chip: Chip) -> Cycles:
    """Cycles of one tile for `work`: float64[..., 3], the counts' broadcast shape and (fast, nominal, slow)."""
    return cost_model(chip.cost_model).cycles(work, chip)


def variant(work: Work, chip: Chip) -> NDArray[np.str_]:
    """Name of the vertex chosen for each box of `work`, for reports."""
    return cost_model(chip.cost_model).variant(work, chip)
