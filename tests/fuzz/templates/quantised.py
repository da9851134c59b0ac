"""Quantised templates: Q/DQ pairs, dynamic quantisation, integer products and convolutions."""

from __future__ import annotations

import numpy as np

from halo_py.ir.graph import Value
from halo_py.ops.contraction import MatMul, MatMulInteger
from halo_py.ops.conversion import Cast
from halo_py.ops.convolution import ConvInteger
from halo_py.ops.elementwise import Mul
from halo_py.ops.quantization import DequantizeLinear, DynamicQuantizeLinear, QuantizeLinear
from halo_py.ops.quantized import QLinearConv, QLinearMatMul
from halo_py.types import DType
from tests.fuzz.draft import Draft, dtype_of, is_of
from tests.fuzz.templates.base import fit_shape, template

STORED = (DType.INT8, DType.UINT8)


def _scale(draft: Draft, *shape: int) -> Value:
    return draft.constant(np.asarray(draft.generator.uniform(0.01, 0.1, shape), np.float32))


def _zero(draft: Draft, dtype: DType, *shape: int) -> Value:
    return draft.constant(draft.integers(shape, -9 if dtype.is_signed else 100, 10 if dtype.is_signed else 140, dtype))


def quantised(draft: Draft, value: Value, dtype: DType) -> tuple[Value, Value, Value]:
    """A value quantised as a whole, with its scale and zero point."""
    scale, zero = _scale(draft), _zero(draft, dtype)
    return draft.one(QuantizeLinear(), value, scale, zero), scale, zero


@template("quantised", 2)
def fake_quantisation(draft: Draft) -> None:
    """Quantised and back: per tensor, per axis or in blocks."""
    value = draft.pick_float(1, dtype=DType.FLOAT32)
    shape = draft.shape(value)
    dtype = draft.choose((*STORED, *STORED, DType.INT16, DType.UINT16))
    if draft.chance(0.5):
        stored, scale, zero = quantised(draft, value, dtype)
        draft.one(DequantizeLinear(), stored, scale, zero if draft.chance(0.8) else None)
        return
    axis = draft.below(len(shape))
    scale = _scale(draft, shape[axis])
    zero = _zero(draft, dtype, shape[axis]) if draft.chance(0.7) else None
    op = QuantizeLinear(axis=axis, output_dtype=dtype if zero is None else None)
    draft.one(DequantizeLinear(axis=axis), draft.one(op, value, scale, zero), scale, zero)


@template("quantised")
def dynamic_quantisation(draft: Draft) -> None:
    """Scale and zero point found at run time, then an integer product as dynamic quantisation writes it."""
    value = draft.pick_float(2, 3, dtype=DType.FLOAT32)
    stored, scale, zero = draft.add(DynamicQuantizeLinear(), (value,), 3)
    inner, made = draft.shape(value)[-1], draft.between(1, 5)
    weights = draft.constant(draft.integers((inner, made), -20, 21, DType.INT8))
    product = draft.one(MatMulInteger(), stored, weights, zero)
    factor = draft.one(Mul(), scale, _scale(draft))
    draft.one(Mul(), draft.one(Cast(to=DType.FLOAT32), product), factor)


@template("quantised")
def quantised_product(draft: Draft) -> None:
    """Q/DQ around a product, or QLinearMatMul."""
    value = draft.pick_float(2, 2, dtype=DType.FLOAT32)
    inner, made = draft.shape(value)[-1], draft.between(1, 5)
    stored, scale, zero = quantised(draft, value, draft.choose(STORED))
    dtype = dtype_of(stored)
    low, high = (-20, 21) if dtype.is_signed else (100, 141)
    weights = draft.constant(draft.integers((inner, made), low, high, dtype))
    weight_scale, weight_zero = _scale(draft), _zero(draft, dtype)
    if draft.chance(0.5):
        left = draft.one(DequantizeLinear(), stored, scale, zero)
        draft.one(MatMul(), left, draft.one(DequantizeLinear(), weights, weight_scale, weight_zero))
        return
    out = (_scale(draft), _zero(draft, dtype))
    draft.one(QLinearMatMul(), stored, scale, zero, weights, weight_scale, weight_zero, *out)


@template("quantised")
def quantised_convolution(draft: Draft) -> None:
    """ConvInteger and QLinearConv."""
    channels, made = draft.between(1, 3), draft.between(1, 4)
    shape = (1, channels, draft.between(3, 6), draft.between(3, 6))
    value = fit_shape(draft, draft.pick_float(dtype=DType.FLOAT32), shape)
    stored, scale, zero = quantised(draft, value, DType.UINT8)
    dtype = draft.choose(STORED)
    kernel = (draft.between(1, 3), draft.between(1, 3))
    low, high = (-20, 21) if dtype.is_signed else (100, 141)
    weights = draft.constant(draft.integers((made, channels, *kernel), low, high, dtype))
    pads = tuple(draft.below(k) for _ in range(2) for k in kernel)
    strides = (draft.between(1, 2), draft.between(1, 2))
    if draft.chance(0.4):
        draft.one(ConvInteger(pads=pads, strides=strides), stored, weights, zero, _zero(draft, dtype))
        return
    bias = draft.constant(draft.integers((made,), -50, 51, DType.INT32)) if draft.chance(0.5) else None
    per_channel = (made,) if draft.chance(0.5) else ()
    out = (_scale(draft), _zero(draft, DType.UINT8))
    weight = (weights, _scale(draft, *per_channel), _zero(draft, dtype, *per_channel))
    draft.one(QLinearConv(pads=pads, strides=strides), stored, scale, zero, *weight, *out, bias)


@template("quantised", 0.7)
def dequantised(draft: Draft) -> None:
    """Stored integers of the pool as floats."""
    value = draft.pick(is_of(DType.INT8, DType.UINT8, DType.INT32))
    draft.one(DequantizeLinear(), value, _scale(draft))
