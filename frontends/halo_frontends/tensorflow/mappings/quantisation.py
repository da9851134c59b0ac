"""Quantisation that training simulates: numbers rounded to levels."""

from __future__ import annotations

import numpy as np

from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow_ops import arithmetic
from halo_py.errors import ModelError
from halo_py.ir.graph import Value


@maps("FakeQuantWithMinMaxArgs")
def _fake_quant_args(op: Operation) -> Value:
    attributes = op.attributes
    return arithmetic.fake_quantized(
        op.value(0),
        attributes.number("min", -6),
        attributes.number("max", 6),
        attributes.integer("num_bits", 8),
        attributes.flag("narrow_range"),
        op.emit,
    )


@maps("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def _fake_quant_vars(op: Operation) -> Value:
    """Bounds are operands: two numbers, or two vectors with one entry per channel, the last axis."""
    bounds = [op.emit.must_know(op.value(place), "the range").astype(np.float32) for place in (1, 2)]
    channels = op.emit.shape(op.value(0))[-1:] if op.node.op.endswith("PerChannel") else ()
    if any(bound.shape != tuple(channels) for bound in bounds):
        raise ModelError(f"a range of {bounds[0].size} numbers does not fit {list(channels)} channels", op.emit.where)
    bits, narrow = op.attributes.integer("num_bits", 8), op.attributes.flag("narrow_range")
    return arithmetic.fake_quantized(op.value(0), bounds[0], bounds[1], bits, narrow, op.emit)
