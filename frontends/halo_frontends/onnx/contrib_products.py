"""Products of `com.microsoft` with quantised operands: integers with scales, and weights in blocks of 2 to 8 bits.

Integer products are exact; what ONNX Runtime computes differs by the rounding of float32. Where it may quantise
activations on its own account (`accuracy_level`), they stay as they are here.
"""

from __future__ import annotations

from math import prod

import numpy as np

from halo_frontends.onnx.blocks import (
    Blocks,
    affine,
    first_rows,
    int64,
    reshaped,
    transposed,
    unpacked,
    zero_points,
)
from halo_frontends.onnx.contrib import REFUSED, expands
from halo_frontends.onnx.draft import Draft, Maker, constant_like
from halo_frontends.onnx.expanding import check_attributes
from halo_frontends.onnx.quantities import operand
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType

_OWN_LAYOUT = "its weights are laid out for one runtime's kernels"
_EXPERTS = "mixtures of quantised experts are not supported"
REFUSED.update(
    {
        "QMoE": _EXPERTS,
        "MatMulFpQ4": _OWN_LAYOUT,
        "QOrderedAttention": _OWN_LAYOUT,
        "QOrderedGelu": _OWN_LAYOUT,
        "QOrderedLayerNormalization": _OWN_LAYOUT,
        "QOrderedLongformerAttention": _OWN_LAYOUT,
        "QOrderedMatMul": _OWN_LAYOUT,
        "QuantizeWithOrder": _OWN_LAYOUT,
        "DequantizeWithOrder": _OWN_LAYOUT,
        "QuantizeBFP": "block floating point is not supported",
        "DequantizeBFP": "block floating point is not supported",
    }
)


# -- integer products ---------------------------------------------------------------------------------------------


@expands("MatMulIntegerToFloat")
def _matmul_integer_to_float(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: A, B, A's scale, B's scale, A's zero point, B's zero point, bias."""
    check_attributes(draft)
    _refuse_scales_per_column(draft, 2)
    factor = maker.make("Mul", [draft.value(2), draft.value(3)], draft)
    product = [draft.value(0), draft.value(1), operand(draft, 4), operand(draft, 5)]
    return _scaled_product(draft, maker, product, factor, operand(draft, 6))


@expands("DynamicQuantizeMatMul")
def _dynamic_quantize_matmul(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: A (quantised to 8 bits by its extrema), B, its scale, its zero point, bias."""
    check_attributes(draft)
    a, scale, zero = maker.make_several("DynamicQuantizeLinear", [draft.value(0)], draft, 3)
    factor = maker.make("Mul", [scale, draft.value(2)], draft)
    return _scaled_product(draft, maker, [a, draft.value(1), zero, operand(draft, 3)], factor, operand(draft, 4))


def _refuse_scales_per_column(draft: Draft, index: int) -> None:
    """Scales along the axis that is summed up would not be factors of the sum."""
    shape = draft.shape(index)
    if shape is not None and any(size != 1 for size in shape):
        raise UnsupportedError(f"operand {index}, A's scale, must be one number", draft.where)


def _scaled_product(
    draft: Draft, maker: Maker, product: list[Value | None], factor: Value, bias: Value | None
) -> tuple[Value, ...]:
    """The integer product of (A, B, zero points) times the factor, plus the bias."""
    total = maker.make("MatMulInteger", product, draft)
    dtype = draft.dtype(2).onnx_number
    operands = [maker.make("Cast", [total], draft, to=dtype), factor]
    if bias is None:
        return maker.finish("Mul", operands, draft)
    return maker.finish("Add", [maker.make("Mul", operands, draft), bias], draft)


@expands("QGemm")
def _qgemm(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: A, its scale and zero point, B, its scale and zero point, C (int32, in units of the product's scale),
    Y's scale and zero point; without the last two Y is float32.
    """
    check_attributes(draft, "alpha", "transA", "transB")
    a, b = (_matrix(draft, maker, index, name) for index, name in ((0, "transA"), (3, "transB")))
    total = maker.make("MatMulInteger", [a, b, operand(draft, 2), operand(draft, 5)], draft)
    if draft.has(6):
        total = maker.make("Add", [total, draft.value(6)], draft)
    alpha = draft.number("alpha")
    factor = maker.make("Mul", [draft.value(1), draft.value(4)], draft)
    if alpha is not None and alpha != 1.0:
        factor = maker.make("Mul", [factor, constant_like(maker, draft, np.asarray(alpha, np.float32), "alpha")], draft)
    operands = [maker.make("Cast", [total], draft, to=DType.FLOAT32.onnx_number), factor]
    if not draft.has(7):
        return maker.finish("Mul", operands, draft)
    result = maker.make("Mul", operands, draft)
    zero = operand(draft, 8)
    if zero is not None:
        return maker.finish("QuantizeLinear", [result, draft.value(7), zero], draft)
    return maker.finish("QuantizeLinear", [result, draft.value(7)], draft, output_dtype=draft.dtype(0).onnx_number)


def _matrix(draft: Draft, maker: Maker, index: int, transposed: str) -> Value:
    if not draft.integer(transposed, 0):
        return draft.value(index)
    return maker.make("Transpose", [draft.value(index)], draft, perm=(1, 0))


@expands("MatMulInteger16")
def _matmul_integer16(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """The product of 16-bit integers in 32 bits, signed if one of them is."""
    check_attributes(draft)
    signed = draft.dtype(0).is_signed or draft.dtype(1).is_signed
    wide = (DType.INT32 if signed else DType.UINT32).onnx_number
    return maker.finish("MatMul", [maker.make("Cast", [draft.value(index)], draft, to=wide) for index in (0, 1)], draft)


# -- weights in blocks --------------------------------------------------------------------------------------------


@expands("MatMulNBits")
def _matmul_nbits(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: A [..., K], B [N, blocks, bytes] packed, scales, zero points (packed, or numbers), g_idx, bias."""
    check_attributes(draft, "K", "N", "bits", "block_size", "accuracy_level", "weight_prepacked")
    if draft.integer("weight_prepacked", 0):
        raise UnsupportedError("weights packed in advance are not supported: " + _OWN_LAYOUT, draft.where)
    if 0 in (draft.shape(1) or ()):
        return _omitted_product(draft, maker)
    n, blocks = _blocks_of(draft)
    packed = reshaped(draft, maker, draft.value(1), (n, blocks.padded * blocks.bits // 8))
    fields = transposed(draft, maker, unpacked(draft, maker, packed, blocks.bits))
    scales = transposed(draft, maker, reshaped(draft, maker, draft.value(2), (n, blocks.count)))
    zeros = _zero_points(draft, maker, n, blocks)
    weights = _weights(draft, maker, fields, scales, zeros, blocks)
    if not draft.has(5):
        return maker.finish("MatMul", [draft.value(0), weights], draft)
    return maker.finish("Add", [maker.make("MatMul", [draft.value(0), weights], draft), draft.value(5)], draft)


def _blocks_of(draft: Draft) -> tuple[int, Blocks]:
    """N and the blocks along K. Raises ModelError, UnsupportedError."""
    n, k = draft.integer("N", 0), draft.integer("K", 0)
    bits, size = draft.integer("bits", 4), draft.integer("block_size", 0)
    if bits not in (2, 4, 8):
        raise UnsupportedError(f"weights of {bits} bits are not supported, those of 2, 4 and 8 are", draft.where)
    if n < 1 or k < 1 or size < 16 or size & (size - 1):
        raise ModelError(f"N, K and block_size cannot be {n}, {k} and {size}", draft.where)
    blocks = Blocks(k, size, bits)
    sizes = [size for size in draft.shape(1) or (None,) if isinstance(size, int)]
    if prod(sizes) != n * blocks.padded * bits // 8:
        raise ModelError(f"B of shape {draft.shape(1)} does not hold {n} x {k} weights of {bits} bits", draft.where)
    return n, blocks


def _zero_points(draft: Draft, maker: Maker, n: int, blocks: Blocks) -> Value | None:
    """Zero points [blocks, N], integers or numbers; None if they are not given."""
    zeros = operand(draft, 3)
    if zeros is None or draft.dtype(3).is_float:
        return zeros and transposed(draft, maker, reshaped(draft, maker, zeros, (n, blocks.count)))
    row = -(-blocks.count * blocks.bits // 8)
    fields = transposed(draft, maker, unpacked(draft, maker, reshaped(draft, maker, zeros, (n, row)), blocks.bits))
    return first_rows(draft, maker, fields, row * 8 // blocks.bits, blocks.count)


def _weights(draft: Draft, maker: Maker, fields: Value, scales: Value, zeros: Value | None, blocks: Blocks) -> Value:
    """Numbers [K, N] of integers [padded K, N], of scales and zero points [blocks, N]."""
    n = draft.integer("N", 0)
    groups = operand(draft, 4)
    shape = (blocks.count, n)
    if zeros is None or draft.reading(zeros).dtype(0).is_integer:
        zeros = zero_points(draft, maker, zeros, fields, shape, blocks.middle)
        if groups is None:
            attributes = {"axis": 0, "block_size": blocks.size}
            weights = maker.make("DequantizeLinear", [fields, scales, zeros], draft, **attributes)
            return first_rows(draft, maker, weights, blocks.padded, blocks.extent)
    if groups is not None:
        rows = [maker.make("Gather", [value, groups], draft, axis=0) for value in (zeros, scales)]
        return affine(draft, maker, first_rows(draft, maker, fields, blocks.padded, blocks.extent), rows[0], rows[1])
    in_blocks = reshaped(draft, maker, fields, (blocks.count, blocks.size, n))
    rows = [reshaped(draft, maker, value, (blocks.count, 1, n)) for value in (zeros, scales)]
    weights = affine(draft, maker, in_blocks, rows[0], rows[1])
    flat = maker.make("Reshape", [weights, int64(maker, draft, (blocks.padded, n), "shape")], draft)
    return first_rows(draft, maker, flat, blocks.padded, blocks.extent)


def _omitted_product(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Weights without elements stand for a product that is left out: zeros, or the bias."""
    shape = maker.make("Shape", [draft.value(0)], draft, end=-1)
    wanted = maker.make("Concat", [shape, int64(maker, draft, (draft.integer("N", 0),), "columns")], draft, axis=0)
    rest = operand(draft, 5)
    if rest is None:
        rest = constant_like(maker, draft, np.zeros((), draft.dtype(0).numpy), "zero")
    return maker.finish("Expand", [rest, wanted], draft)


# -- 4-bit numbers of bitsandbytes --------------------------------------------------------------------------------

_FP4 = (0.0, 0.0052083333, 0.6666666667, 1.0, 0.3333333333, 0.5, 0.1666666667, 0.25)
_NF4 = (
    -1.0, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0.0,
    0.07958029, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0,
)  # fmt: skip
_TABLES = {0: (*_FP4, *(-value for value in _FP4)), 1: _NF4}
"""Values of the 16 codes by `quant_type` (Dettmers et al., "QLoRA", 2023, and the bitsandbytes library)."""


@expands("MatMulBnb4")
def _matmul_bnb4(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: A, B (codes of [N, K] row by row, high half of a byte first), the greatest magnitude of each block."""
    check_attributes(draft, "K", "N", "block_size", "quant_type", "transB", "training_mode")
    n, k, size = draft.integer("N", 0), draft.integer("K", 0), draft.integer("block_size", 0)
    table = _TABLES.get(draft.integer("quant_type", 0))
    packed = maker.builder.known(draft.value(1))
    if table is None or packed is None:
        raise UnsupportedError("needs constant weights of quant_type 0 or 1", draft.where)
    if min(n, k, size) < 1 or packed.dtype != np.uint8 or packed.size != -(-n * k // 2):
        raise ModelError(f"B of shape {list(packed.shape)} does not hold {n} x {k} weights", draft.where)
    bytes_ = packed.reshape(-1).astype(np.uint8)
    codes = np.stack([bytes_ >> 4, bytes_ & 15], axis=-1).reshape(-1)
    count = -(-n * k // size)
    codes = np.pad(codes[: n * k], (0, count * size - n * k)).reshape(count, size).astype(np.int32)
    dtype = draft.dtype(0).numpy
    values = constant_like(maker, draft, np.asarray(table, np.float32).astype(dtype), "values")
    numbers = maker.make("Gather", [values, constant_like(maker, draft, codes, "codes")], draft, axis=0)
    scaled = maker.make("Mul", [numbers, reshaped(draft, maker, draft.value(2), (count, 1))], draft)
    flat = maker.make("Reshape", [scaled, int64(maker, draft, (count * size, 1), "shape")], draft)
    weights = first_rows(draft, maker, flat, count * size, n * k)
    matrix = maker.make("Reshape", [weights, int64(maker, draft, (n, k), "shape")], draft)
    if draft.integer("transB", 1):
        matrix = maker.make("Transpose", [matrix], draft, perm=(1, 0))
    return maker.finish("MatMul", [draft.value(0), matrix], draft)
