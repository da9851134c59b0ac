"""How a chip computes on an element type: natively, or through another type at an assumed factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.targets import Chip
from halo_py.tiling.vertex_cost.counts import Counts, counts, element_bytes

Kind = Literal["float32", "float16", "int32", "bool"]
"""The kinds of arithmetic that the estimators tell apart."""

Cycles = NDArray[np.float64]
"""Cycles of one tile; the last axis holds the scenarios fast, nominal, slow."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The kind whose cycles count, how many of its elements a vector holds, and a factor per scenario."""

    kind: Kind
    vector: int
    factor: NDArray[np.float64]


def arithmetic(chip: Chip, element_type: str) -> Arithmetic:
    """How `chip` computes on `element_type`; types it does not name are emulated as its 'default'."""
    factor = np.ones(3)
    if element_type not in chip.arithmetic_types:
        entry = chip.emulation.get(_family(element_type), chip.emulation["default"])
        factor = entry.factor.scenarios("low")
        element_type = entry.like
    kind = _kind(element_type)
    return Arithmetic(kind, max(1, int(chip.vector_bytes // element_bytes(kind))), factor)


def _family(element_type: str) -> str:
    return "float8" if element_type.startswith("float8") else element_type


def _kind(element_type: str) -> Kind:
    match element_type:
        case "float16" | "bfloat16":
            return "float16"
        case "bool":
            return "bool"
        case _ if element_type.startswith(("int", "uint")):
            return "int32"
        case _:
            return "float32"


def in_scenarios(cycles: Counts, factor: NDArray[np.float64]) -> Cycles:
    """Cycles times a factor per scenario, on a new last axis."""
    return counts(cycles)[..., None] * factor


def vertex_cycles(chip: Chip, cycles: Counts, factor: NDArray[np.float64] | None = None) -> Cycles:
    """Estimated cycles with the uncertainty of vertices outside the matrix unit, and a type's own factor."""
    scale = chip.scenarios("vertex_cycles_factor")
    return in_scenarios(cycles, scale if factor is None else scale * factor)
