"""Activations that are fused into other operators."""

from __future__ import annotations

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow_ops.arithmetic import clip
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value

NONE, RELU, RELU_N1_TO_1, RELU6, TANH, SIGN_BIT = range(6)

BOUNDS: dict[int, tuple[float | None, float | None]] = {
    NONE: (None, None),
    RELU: (0, None),
    RELU_N1_TO_1: (-1, 1),
    RELU6: (0, 6),
}
"""Activations that limit a number to a range."""


def activated(value: Value, activation: int, emit: Emitter) -> Value:
    """The activation of a number. Raises UnsupportedError for kinds that no kernel implements."""
    if activation == NONE:
        return value
    if activation == RELU:
        return emit.op("Relu", value)
    if activation == TANH:
        return emit.op("Tanh", value)
    if activation not in BOUNDS:
        raise UnsupportedError(f"the fused activation {activation} is not supported", emit.where)
    return clip(value, *BOUNDS[activation], emit)
