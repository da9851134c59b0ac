"""What every TensorFlow operator becomes, one module per family."""

from __future__ import annotations

import importlib
from functools import cache

FAMILIES = (
    "sources",
    "elementwise",
    "reductions",
    "windows",
    "normalization",
    "products",
    "arranging",
    "slicing",
    "images",
    "quantisation",
    "complex_numbers",
    "boxes",
    "lists",
    "branches",
    "loops",
    "old_control",
)
"""Modules of this package that declare mappings."""


@cache
def load_mappings() -> None:
    """Import every family, so that `MAPPINGS` knows all operators."""
    for family in FAMILIES:
        importlib.import_module(f"halo_frontends.tensorflow.mappings.{family}")
