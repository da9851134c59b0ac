"""Cases of products with quantised operands and of tables in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
from onnx import numpy_helper

from tests.frontends.contrib_cases import Array, Case, case, integers, normal, one


def product_cases() -> Iterator[Case]:
    """All of them."""
    yield from _integer_products()
    yield from _gemms()
    yield from _weights_in_blocks()
    yield from _bnb4()
    yield from _tables()
    yield from _float_tables()
    yield from _embedding()


def _integer_products() -> Iterator[Case]:
    columns: Array = np.asarray([0.02, 0.03, 0.04], np.float32)
    for dtype in (np.uint8, np.int8):
        b, name = integers(2, dtype, 7, 3), dtype.__name__
        zeros: Array = np.asarray([0, 3, 5], dtype)
        for left in (np.uint8, np.int8) if dtype is np.int8 else (np.uint8,):
            a: dict[str, Array | None] = {"a": integers(1, left, 2, 5, 7), "b": b, "a_scale": one(0.02)}
            label = f"{left.__name__}_{name}"
            plain = {**a, "b_scale": one(0.03), "a_zero": one(7, left), "b_zero": one(5, dtype)}
            yield case(f"MatMulIntegerToFloat_{label}", "MatMulIntegerToFloat", plain, ["a"])
            full = {**a, "b_scale": columns, "a_zero": None, "b_zero": zeros, "bias": normal(3, 3)}
            yield case(f"MatMulIntegerToFloat_{label}_columns", "MatMulIntegerToFloat", full, ["a", "b"])
        x: dict[str, Array | None] = {"a": normal(4, 2, 5, 7), "b": b}
        yield case(f"DynamicQuantizeMatMul_{name}", "DynamicQuantizeMatMul", {**x, "b_scale": one(0.03)}, ["a"])
        full = {**x, "b_scale": columns, "b_zero": zeros, "bias": normal(5, 3)}
        yield case(f"DynamicQuantizeMatMul_{name}_columns", "DynamicQuantizeMatMul", full, ["a"])
        one_zero = {**x, "b_scale": one(0.03), "b_zero": one(9, dtype), "bias": normal(5, 3)}
        yield case(f"DynamicQuantizeMatMul_{name}_zero", "DynamicQuantizeMatMul", one_zero, ["a", "b"])


def _gemms() -> Iterator[Case]:
    bias: Array = np.random.default_rng(8).integers(-2000, 2000, 3).astype(np.int32)
    for dtype, zero in ((np.uint8, 110), (np.int8, -4)):
        name = dtype.__name__
        a, b = integers(6, dtype, 5, 7), integers(7, dtype, 7, 3)
        for columns in (False, True):
            scale: Array = np.asarray([0.02, 0.03, 0.04], np.float32) if columns else one(0.03)
            points: Array = np.asarray([0, 1, 2], dtype) if columns else one(2, dtype)
            operands: dict[str, Array | None] = {"a": a, "a_scale": one(0.02), "a_zero": one(zero, dtype)}
            operands |= {"b": b, "b_scale": scale, "b_zero": points}
            label = f"{name}_{'columns' if columns else 'one'}"
            yield case(f"QGemm_{label}_float", "QGemm", operands, ["a"])
            result = {"c": bias, "y_scale": one(0.9), "y_zero": one(zero, dtype)}
            yield case(f"QGemm_{label}", "QGemm", {**operands, **result}, ["a"], alpha=0.5)
        turned = {**operands, "a": np.ascontiguousarray(a.T), "b": np.ascontiguousarray(b.T), "c": bias[None]}
        yield case(f"QGemm_{name}_transposed", "QGemm", turned, ["a", "b"], transA=1, transB=1, alpha=1.5)
        rows: Array = np.arange(5, dtype=np.int32)[:, None] * 300
        yield case(f"QGemm_{name}_rows", "QGemm", {**operands, "c": rows}, ["a", "c"])


def _weights_in_blocks() -> Iterator[Case]:
    for bits in (2, 4, 8):
        for n, k, size in ((5, 64, 16), (3, 40, 16), (4, 48, 64), (2, 130, 32), (64, 128, 32)):
            count = -(-k // size)
            packed: dict[str, Array | None] = {
                "a": normal(10, 2, 3, k),
                "b": integers(11, np.uint8, n, count, size * bits // 8),
                "scales": np.abs(normal(12, n, count)) / 8,
            }
            name = f"MatMulNBits_{bits}_{n}x{k}x{size}"
            yield _in_blocks(name, bits, size, packed)
            zeros = {**packed, "zeros": integers(13, np.uint8, n, -(-count * bits // 8))}
            yield _in_blocks(f"{name}_zeros_bias", bits, size, {**zeros, "g_idx": None, "bias": normal(14, n)})
            yield _in_blocks(f"{name}_run_time", bits, size, zeros, run_time=list(zeros))
            numbers = _in_blocks(f"{name}_numbers", bits, size, {**packed, "zeros": normal(15, n, count) + 5})
            # ONNX Runtime takes zero points that are numbers for 4 bits only.
            yield numbers if bits == 4 else by_definition(numbers)
        yield from _groups(bits)
    yield _in_blocks("MatMulNBits_accuracy", 8, 32, packed, accuracy_level=1)
    for bias in (None, normal(25, 4)):
        omitted: dict[str, Array | None] = {
            "a": normal(26, 2, 3, 32),
            "b": np.zeros((4, 0, 8), np.uint8),
            "scales": np.zeros((4, 0), np.float32),
        }
        omitted |= {"zeros": None, "g_idx": None, "bias": bias}
        name = f"MatMulNBits_omitted_{'plain' if bias is None else 'bias'}"
        rest: Array = np.zeros((2, 3, 4), np.float32) + (0 if bias is None else bias)
        yield replace(_in_blocks(name, 4, 16, omitted), expected=(rest,))
    half: dict[str, Array | None] = {
        "a": normal(22, 4, 32).astype(np.float16),
        "b": integers(23, np.uint8, 6, 2, 8),
        "scales": np.abs(normal(24, 6, 2)).astype(np.float16),
    }
    yield replace(_in_blocks("MatMulNBits_half", 4, 16, half), relative=3e-3)


def _groups(bits: int) -> Iterator[Case]:
    """Scales chosen by `g_idx`, which ONNX Runtime gets right for 4 bits without packed zero points."""
    for zeros in (None, integers(20, np.uint8, 5, -(-4 * bits // 8)), normal(21, 5, 4)):
        operands: dict[str, Array | None] = {
            "a": normal(17, 3, 64),
            "b": integers(18, np.uint8, 5, 4, 2 * bits),
            "scales": np.abs(normal(19, 5, 4)),
            "zeros": zeros,
            "g_idx": np.random.default_rng(16).integers(0, 4, 64).astype(np.int32),
        }
        kind = "none" if zeros is None else zeros.dtype.name
        made = _in_blocks(f"MatMulNBits_{bits}_groups_{kind}", bits, 16, operands)
        yield made if bits == 4 and kind != "uint8" else by_definition(made)


def _in_blocks(
    name: str,
    bits: int,
    size: int,
    operands: dict[str, Array | None],
    run_time: Iterable[str] = ("a",),
    **more: int,
) -> Case:
    a, b = operands["a"], operands["b"]
    assert a is not None
    assert b is not None
    attributes: dict[str, Any] = {"N": b.shape[0], "K": a.shape[-1], "bits": bits, "block_size": size, **more}
    return case(name, "MatMulNBits", operands, run_time, relative=1e-4, **attributes)


def by_definition(made: Case) -> Case:
    """A MatMulNBits case with the results that the operator's documentation states."""
    node = made.model.graph.node[0]
    given = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.model.graph.initializer} | dict(made.inputs)
    attributes = {entry.name: entry.i for entry in node.attribute}
    bits, size, n, k = (attributes[name] for name in ("bits", "block_size", "N", "K"))
    groups = given.get("g_idx", np.arange(k) // size)
    scales = given["scales"]
    zeros = given.get("zeros", np.full(scales.shape, float(1 << (bits - 1))))
    if zeros.dtype == np.uint8:
        zeros = _fields(zeros, bits)
    weights = (_fields(given["b"].reshape(n, -1), bits)[:, :k] - zeros[:, groups]) * scales[:, groups]
    return replace(made, expected=((given["a"] @ weights.T).astype(given["a"].dtype),))


def _fields(packed: Array, bits: int) -> Array:
    """Integers packed along the last dimension, low bits first, as numbers."""
    shifted = packed[..., None] >> np.arange(0, 8, bits, dtype=np.uint8)
    return (shifted & np.uint8((1 << bits) - 1)).reshape(*packed.shape[:-1], -1).astype(np.float64)


def _bnb4() -> Iterator[Case]:
    for kind in (0, 1):
        for n, k, size in ((6, 32, 16), (5, 24, 16), (3, 7, 16)):
            operands: dict[str, Array | None] = {
                "a": normal(30, 2, k),
                "b": integers(31, np.uint8, -(-n * k // 2)),
                "absmax": np.abs(normal(32, -(-n * k // size))),
            }
            attributes: dict[str, Any] = {"N": n, "K": k, "block_size": size, "quant_type": kind}
            yield case(f"MatMulBnb4_{kind}_{n}x{k}", "MatMulBnb4", operands, ["a"], relative=1e-4, **attributes)


def _tables() -> Iterator[Case]:
    picks: Array = np.asarray([[0, 5, -1], [8, 2, -9]], np.int64)
    for bits in (2, 4, 8):
        for width, size in ((32, 16), (48, 32), (64, 128)):
            count = -(-width // size)
            operands: dict[str, Array | None] = {
                "data": integers(40, np.uint8, 9, width * bits // 8),
                "indices": picks,
                "scales": np.abs(normal(41, 9, count)),
            }
            attributes: dict[str, Any] = {"bits": bits, "block_size": size}
            name = f"GatherBlockQuantized_{bits}_{width}x{size}"
            yield case(name, "GatherBlockQuantized", operands, ["indices"], **attributes)
            zeros = integers(42, np.uint8, 9, -(-count * bits // 8))
            outside: Array = np.asarray([3, -4], np.int32)
            full = {**operands, "indices": outside, "zeros": zeros}
            yield case(f"{name}_zeros", "GatherBlockQuantized", full, ["indices"], quantize_axis=-1, **attributes)
    for dtype in (ml_dtypes.uint4, ml_dtypes.int4):
        low = 0 if dtype is ml_dtypes.uint4 else -8
        data = np.random.default_rng(43).integers(low, low + 16, (4, 32, 3)).astype(dtype)
        for gather, shape in ((0, (4, 2, 3)), (1, (4, 2, 3)), (2, (4, 2, 3))):
            operands = {
                "data": data,
                "indices": np.asarray([[0, 2], [1, -1]], np.int64),
                "scales": np.abs(normal(44, *shape)),
            }
            attributes: dict[str, Any] = {"gather_axis": gather, "quantize_axis": 1, "block_size": 16}
            name = f"GatherBlockQuantized_{dtype.__name__}_{gather}"
            yield case(name, "GatherBlockQuantized", operands, ["indices"], **attributes)
            zeros = np.random.default_rng(45).integers(0, 8, shape).astype(dtype)
            yield case(f"{name}_zeros", "GatherBlockQuantized", {**operands, "zeros": zeros}, ["indices"], **attributes)


def _float_tables() -> Iterator[Case]:
    """Numbers of 8 and 4 bits; indices out of range give zeros."""
    for dtype in (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.float4_e2m1fn):
        data = normal(46, 6, 32).astype(dtype)
        for size, scales in (
            (16, np.abs(normal(47, 6, 2))),
            (0, np.abs(normal(48, 6, 1))),
            (0, np.abs(normal(49, 1, 1))),
        ):
            operands: dict[str, Array | None] = {
                "data": data,
                "indices": np.asarray([5, -6, 6, 2, -7], np.int64),
                "scales": scales,
            }
            wide = np.repeat(scales, 32 // scales.shape[1], axis=1)
            rows = np.concatenate([data.astype(np.float32) * wide, np.zeros((1, 32), np.float32)])
            name = f"GatherBlockQuantized_{dtype.__name__}_{size}_{scales.shape[0]}"
            made = case(name, "GatherBlockQuantized", operands, ["indices"], block_size=size)
            yield replace(made, expected=(rows[[5, 0, 6, 2, 6]].astype(np.float32),))


def _embedding() -> Iterator[Case]:
    for dtype, zero in ((np.uint8, 120), (np.int8, -7)):
        ids: Array = np.random.default_rng(50).integers(0, 9, (2, 5)).astype(np.int32)
        kinds: Array = np.random.default_rng(51).integers(0, 2, (2, 5)).astype(np.int32)
        mask: Array = (np.random.default_rng(52).random((2, 5)) < 0.6).astype(np.int32)
        parts = [(9, 16), (8, 16), (2, 16), (16,), (16,)]
        tables = [integers(53 + number, dtype, *shape) for number, shape in enumerate(parts)]
        names = ("word", "position", "segment", "gamma", "beta")
        for segments in (True, False):
            for masked in (True, False):
                operands: dict[str, Array | None] = {"ids": ids, "kinds": kinds if segments else None}
                operands |= dict(zip(names, tables, strict=True))
                operands["mask"] = mask if masked else None
                operands |= {f"{name}_scale": one(0.02 + number / 100) for number, name in enumerate(names)}
                operands |= {f"{name}_zero": one(zero + number, dtype) for number, name in enumerate(names)}
                if not segments:
                    operands |= dict.fromkeys(("segment", "segment_scale", "segment_zero"))
                label = f"{dtype.__name__}_{segments}_{masked}"
                given = ["ids", "kinds", "mask"]
                yield case(
                    f"QEmbedLayerNormalization_{label}",
                    "QEmbedLayerNormalization",
                    operands,
                    given,
                    outputs=2,
                    epsilon=1e-6,
                )
