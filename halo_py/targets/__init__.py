"""Machines as data: chips and systems described by TOML files, and the loader that checks them."""

from halo_py.targets.machine import (
    FAST,
    NOMINAL,
    SLOW,
    Chip,
    Emulation,
    MatrixMode,
    Quantity,
    System,
    Uncertain,
    peak_macs_per_cycle,
)
from halo_py.targets.registry import TargetRow, available, describe, load_chip, load_target

__all__ = [
    "FAST",
    "NOMINAL",
    "SLOW",
    "Chip",
    "Emulation",
    "MatrixMode",
    "Quantity",
    "System",
    "TargetRow",
    "Uncertain",
    "available",
    "describe",
    "load_chip",
    "load_target",
    "peak_macs_per_cycle",
]
