"""Every op, declared once, by family.

`load_ops()` fills the registry: the families of the list below, then the modules that other distributions name in the
entry point group `halo.ops` (importing one registers its ops).
"""

from __future__ import annotations

import functools
import importlib
from importlib.metadata import entry_points

FAMILIES = (
    "elementwise",
    "activation",
    "logic",
    "conversion",
    "fused",
    "reduction",
    "along_axis",
    "softmax",
    "normalization",
    "local_response",
    "recurrent",
    "quantized_recurrent",
    "dropout",
    "random",
    "training",
    "contraction",
    "einsum",
    "convolution",
    "conv_transpose",
    "reshaping",
    "movement",
    "slicing",
    "pooling",
    "shape",
    "selection",
    "indexing",
    "choosing",
    "padding",
    "image",
    "control",
    "quantization",
    "quantized",
    "vision",
    "regions",
    "sequence",
    "attention",
    "experts",
    "rotary",
    "signal",
    "caching",
    "text",
    "decoding",
    "lookup",
    "coupling",
    "tree_walk",
    "trees",
    "linear_algebra",
    "yolo",
)
"""Modules of this package that declare ops."""


@functools.cache
def load_ops() -> None:
    """Import every family, so that `halo_py.ir.op.REGISTRY` knows all ops. Later calls cost nothing."""
    for family in FAMILIES:
        importlib.import_module(f"halo_py.ops.{family}")
    for entry in entry_points(group="halo.ops"):
        entry.load()
