"""How ops are written as ODLA calls: one module per family."""

from odla.calls.rules import (
    attention,
    contraction,
    control,
    elementwise,
    movement,
    normalization,
    padding,
    quantization,
    recurrent,
    reduction,
    windows,
)

__all__ = [
    "attention",
    "contraction",
    "control",
    "elementwise",
    "movement",
    "normalization",
    "padding",
    "quantization",
    "recurrent",
    "reduction",
    "windows",
]
