"""Quantisation that training simulates: numbers rounded to levels."""

from __future__ import annotations

from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow_ops import arithmetic
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


@maps("FakeQuantWithMinMaxVars")
def _fake_quant_vars(op: Operation) -> Value:
    bounds = [float(op.emit.must_know(op.value(place), "the range").reshape(-1)[0].item()) for place in (1, 2)]
    bits, narrow = op.attributes.integer("num_bits", 8), op.attributes.flag("narrow_range")
    return arithmetic.fake_quantized(op.value(0), bounds[0], bounds[1], bits, narrow, op.emit)
