"""What every TFLite operator becomes, one module per family."""

from __future__ import annotations

import importlib
from functools import cache

FAMILIES = (
    *("elementwise", "reductions", "windows", "products", "arranging", "slicing", "control", "loops", "recurrent"),
    *("bidirectional", "complex_numbers", "boxes", "mediapipe", "landmarks"),
)
"""Modules of this package that declare mappings."""


@cache
def load_mappings() -> None:
    """Import every family, so that `MAPPINGS` knows all operators."""
    for family in FAMILIES:
        importlib.import_module(f"halo_frontends.tflite.mappings.{family}")
