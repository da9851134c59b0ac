"""A whole system as one table of plain values, in the form of the TOML files: what a saved executable keeps."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from halo_py.targets.description import Description, Table, system_from
from halo_py.targets.machine import Chip, Machine, System, Uncertain
from halo_py.targets.registry import load_chip, load_target


def to_document(system: System) -> dict[str, Any]:
    """The system and its chip without reference to any file; `from_document` gives an equal system back."""
    return {
        "kind": "system",
        "name": system.name,
        "title": system.title,
        "topology": system.topology,
        "notes": system.notes,
        "quantities": _quantities(system),
        "chip": _chip(system.chip),
    }


def from_document(table: Table, file: str) -> System:
    """The system in a table made by `to_document`; `file` is named in errors. Raises TargetError."""
    return system_from(Description(file, table), "machine", load_chip, load_target)


def _chip(chip: Chip) -> dict[str, Any]:
    return {
        "name": chip.name,
        "title": chip.title,
        "cost_model": chip.cost_model,
        "interconnect_model": chip.interconnect_model,
        "arithmetic_types": list(chip.arithmetic_types),
        "quantities": _quantities(chip),
        "matrix_modes": [asdict(mode) for mode in chip.matrix_modes],
        "emulation": {
            name: {"like": entry.like, **_uncertain(entry.factor)} for name, entry in sorted(chip.emulation.items())
        },
    }


def _quantities(machine: Machine) -> dict[str, Any]:
    return {name: _uncertain(machine.quantities[name]) for name in machine.declared()}


def _uncertain(value: Uncertain) -> dict[str, Any]:
    return asdict(value)
