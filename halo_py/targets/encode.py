"""Machines as JSON-able data: an executable carries the whole description it was compiled for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from halo_py.targets.machine import Chip, Emulation, MatrixMode, System, Uncertain


def encode_system(system: System) -> dict[str, Any]:
    """A system, its chip included."""
    return {**_common(system), "topology": system.topology, "notes": system.notes, "chip": _encode_chip(system.chip)}


def _common(machine: System | Chip) -> dict[str, Any]:
    quantities = {name: asdict(value) for name, value in machine.quantities.items()}
    return {"name": machine.name, "title": machine.title, "quantities": quantities}


def _encode_chip(chip: Chip) -> dict[str, Any]:
    return {
        **_common(chip),
        "matrix_modes": [asdict(mode) for mode in chip.matrix_modes],
        "arithmetic_types": list(chip.arithmetic_types),
        "emulation": {name: asdict(value) for name, value in chip.emulation.items()},
        "cost_model": chip.cost_model,
        "interconnect_model": chip.interconnect_model,
    }


def decode_system(data: dict[str, Any]) -> System:
    """The system that was encoded. Raises KeyError, TypeError or ValueError for anything else."""
    return System(
        data["name"],
        data["title"],
        _quantities(data),
        _decode_chip(data["chip"]),
        data["topology"],
        data["notes"],
    )


def _quantities(data: dict[str, Any]) -> dict[str, Uncertain]:
    return {name: Uncertain(**value) for name, value in data["quantities"].items()}


def _decode_chip(data: dict[str, Any]) -> Chip:
    emulation = {
        name: Emulation(entry["like"], Uncertain(**entry["factor"])) for name, entry in data["emulation"].items()
    }
    return Chip(
        data["name"],
        data["title"],
        _quantities(data),
        tuple(MatrixMode(**mode) for mode in data["matrix_modes"]),
        tuple(data["arithmetic_types"]),
        emulation,
        data["cost_model"],
        data["interconnect_model"],
    )
