"""Cases of the element-wise, pooling and joining operators on quantised operands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np

from tests.frontends.contrib_cases import Array, Case, case, integers, normal, one, spelled_out

TYPES: tuple[tuple[type[np.integer[Any]], int], ...] = ((np.uint8, 120), (np.int8, -7))
"""Element types with a zero point."""


def qlinear_cases() -> Iterator[Case]:
    """All of them."""
    yield from _binary()
    yield from _unary()
    yield from _softmax()
    yield from _joining()
    yield from _pooling()
    yield from _convolution()
    yield from _conversion()
    yield from _integers()
    yield from _reductions()


def _quantity(name: str, array: Array, scale: float, zero: int | None) -> dict[str, Array | None]:
    """An operand with its scale and zero point."""
    point = None if zero is None else one(zero, array.dtype.type)
    return {name: array, f"{name}_scale": one(scale), f"{name}_zero": point}


def _result(dtype: type[np.generic], scale: float, zero: int | None) -> dict[str, Array | None]:
    """Scale and zero point of the result."""
    return {"y_scale": one(scale), "y_zero": None if zero is None else one(zero, dtype)}


def _binary() -> Iterator[Case]:
    for op, scale in (("QLinearAdd", 0.25), ("QLinearMul", 3.5)):
        for dtype, zero in TYPES:
            a, b = integers(1, dtype, 3, 4, 5), integers(2, dtype, 4, 1)
            left, right = _quantity("a", a, 0.1, zero), _quantity("b", b, 0.2, zero + 5)
            operands = {**left, **right, **_result(dtype, scale, zero - 3)}
            yield case(f"{op}_{dtype.__name__}", op, operands, ["a", "b"])
            plain, full = (
                {**_quantity("a", a, 0.1, point), **_quantity("b", a, 0.05, point), **_result(dtype, scale, point)}
                for point in (None, 0)
            )
            name = f"{op}_{dtype.__name__}_no_zero"
            yield spelled_out(case(name, op, plain, ["a", "b"]), case(name, op, full, ["a", "b"]))
        everything = ["a", "a_scale", "a_zero", "b", "b_scale", "b_zero", "y_scale", "y_zero"]
        left, right = _quantity("a", integers(3, np.uint8, 7), 0.1, 3), _quantity("b", integers(4, np.uint8, 1), 0.2, 9)
        yield case(f"{op}_run_time", op, {**left, **right, **_result(np.uint8, scale, 100)}, everything)


def _unary() -> Iterator[Case]:
    for dtype, zero in TYPES:
        x = integers(5, dtype, 2, 33)
        operands = {**_quantity("x", x, 0.05, zero), **_result(dtype, 1 / 256, int(np.iinfo(dtype).min))}
        yield case(f"QLinearSigmoid_{dtype.__name__}", "QLinearSigmoid", operands, ["x"])
        for alpha in (None, 0.3, -0.5):
            operands = {**_quantity("x", x, 0.05, zero), **_result(dtype, 0.04, zero + 4)}
            given: dict[str, Any] = {} if alpha is None else {"alpha": alpha}
            yield case(f"QLinearLeakyRelu_{dtype.__name__}_{alpha}", "QLinearLeakyRelu", operands, ["x"], **given)
    for dtype, _ in TYPES:
        x = integers(6, dtype, 40)
        plain, full = ({**_quantity("x", x, 0.02, zero), **_result(dtype, 0.02, zero)} for zero in (None, 0))
        for op in ("QLinearSigmoid", "QLinearLeakyRelu"):
            name = f"{op}_{dtype.__name__}_no_zero"
            yield spelled_out(case(name, op, plain, ["x"]), case(name, op, full, ["x"]))


def _softmax() -> Iterator[Case]:
    for dtype, zero in TYPES:
        x = integers(7, dtype, 2, 3, 6)
        # An int8 probability of 1 does not fit 1/256: ONNX Runtime lets it wrap round.
        scale, low = (1 / 256, 0) if dtype is np.uint8 else (1 / 128, -128)
        for opset, axis in ((13, -1), (13, 1), (12, 1), (12, 2), (11, 0)):
            operands = {**_quantity("x", x, 0.03, zero), **_result(dtype, scale, low)}
            name = f"QLinearSoftmax_{dtype.__name__}_{opset}_{axis}"
            yield case(name, "QLinearSoftmax", operands, ["x"], opset=opset, axis=axis)
    operands = {**_quantity("x", integers(8, np.uint8, 5, 9), 0.1, None), **_result(np.uint8, 1 / 256, 0)}
    yield case("QLinearSoftmax_defaults", "QLinearSoftmax", operands, ["x"], opset=13)


def _joining() -> Iterator[Case]:
    for dtype, zero in TYPES:
        x, y = (
            _quantity("x", integers(9, dtype, 3, 4), 0.1, zero),
            _quantity("y", integers(10, dtype, 4), 0.2, zero + 2),
        )
        condition: Array = np.random.default_rng(11).random((2, 1, 4)) < 0.5
        result = {"z_scale": one(0.15), "z_zero": one(zero - 4, dtype)}
        operands = {"condition": condition, **x, **y, **result}
        yield case(f"QLinearWhere_{dtype.__name__}", "QLinearWhere", operands, ["condition", "x", "y"])
        parts = [_quantity(name, integers(12 + number, dtype, 2, 3 + number, 2), 0.1 + number / 20, zero + number)
                 for number, name in enumerate("abc")]  # fmt: skip
        operands = {**_result(dtype, 0.1, zero), **parts[0], **parts[1], **parts[2]}
        yield case(f"QLinearConcat_{dtype.__name__}", "QLinearConcat", operands, ["a", "b", "c"], axis=1)
        operands = {**_result(dtype, 0.3, zero), **parts[0]}
        yield case(f"QLinearConcat_one_{dtype.__name__}", "QLinearConcat", operands, ["a"], axis=-1)


def _pooling() -> Iterator[Case]:
    windows: dict[str, dict[str, Any]] = {
        "plain": {"kernel_shape": [3, 2]},
        "strides": {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 0, 1, 2]},
        "counted": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        "ceil": {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        "same": {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    }
    for dtype, zero in TYPES:
        result = _result(dtype, 0.08, zero + 3)
        for last in (0, 1):
            x = integers(15, dtype, 2, 7, 9, 4) if last else integers(15, dtype, 2, 4, 7, 9)
            operands = {**_quantity("x", x, 0.1, zero), **result}
            name = f"{dtype.__name__}_{'last' if last else 'first'}"
            yield case(
                f"QLinearGlobalAveragePool_{name}", "QLinearGlobalAveragePool", operands, ["x"], channels_last=last
            )
            for window, attributes in windows.items():
                yield case(
                    f"QLinearAveragePool_{window}_{name}",
                    "QLinearAveragePool",
                    operands,
                    ["x"],
                    channels_last=last,
                    **attributes,
                )
        line = {**_quantity("x", integers(16, dtype, 2, 3, 11), 0.1, zero), **result}
        yield case(f"QLinearAveragePool_line_{dtype.__name__}", "QLinearAveragePool", line, ["x"], kernel_shape=[4])
        image = {"x": integers(17, dtype, 2, 6, 7, 4)}
        attributes: dict[str, Any] = {
            "kernel_shape": [3, 2],
            "strides": [2, 1],
            "pads": [1, 0, 1, 1],
            "dilations": [1, 2],
        }
        yield case(f"NhwcMaxPool_{dtype.__name__}", "NhwcMaxPool", image, ["x"], steps=0, **attributes)


def _convolution() -> Iterator[Case]:
    for last in (0, 1):
        x = integers(18, np.uint8, 1, 6, 7, 4) if last else integers(18, np.uint8, 1, 4, 6, 7)
        weights: Array = np.asarray([0.01, 0.02, 0.015, 0.01, 0.03, 0.02], np.float32)
        operands = {
            **_quantity("x", x, 0.02, 120),
            "w": integers(19, np.int8, 6, 2, 3, 3),
            "w_scale": weights,
            "w_zero": np.zeros(6, np.int8),
            **_result(np.uint8, 0.9, 131),
            "bias": np.random.default_rng(20).integers(-3000, 3000, 6).astype(np.int32),
        }
        attributes: dict[str, Any] = {"group": 2, "pads": [1, 1, 1, 1], "strides": [2, 1]}
        yield case(f"QLinearConv_{last}", "QLinearConv", operands, ["x"], channels_last=last, **attributes)


def _conversion() -> Iterator[Case]:
    x = 20 * normal(21, 3, 5)
    scales: Array = np.asarray([0.05, 0.1, 0.2], np.float32)
    for dtype, zero in ((np.uint8, 100), (np.int8, -5), (np.uint16, 30000), (np.int16, -50)):
        name = dtype.__name__
        operands: dict[str, Array | None] = {"x": x, "scale": one(0.13), "zero": one(zero, dtype)}
        yield case(f"QuantizeLinear_{name}", "QuantizeLinear", operands, ["x"])
        zeros: Array = np.asarray([zero, zero + 1, zero + 2], dtype)
        yield case(
            f"QuantizeLinear_{name}_axis", "QuantizeLinear", {"x": x, "scale": scales, "zero": zeros}, ["x"], axis=0
        )
        numbers = {"x": integers(22, dtype, 3, 5), "scale": one(0.13), "zero": one(zero, dtype)}
        yield case(f"DequantizeLinear_{name}", "DequantizeLinear", numbers, ["x"])
        numbers = {"x": integers(22, dtype, 3, 5), "scale": scales, "zero": zeros}
        yield case(f"DequantizeLinear_{name}_axis", "DequantizeLinear", numbers, ["x"], axis=-2)
    yield case("QuantizeLinear_no_zero", "QuantizeLinear", {"x": x, "scale": one(0.13)}, ["x"])
    wide: Array = np.random.default_rng(23).integers(-(1 << 20), 1 << 20, (3, 5)).astype(np.int32)
    yield case("DequantizeLinear_int32", "DequantizeLinear", {"x": wide, "scale": one(0.13)}, ["x"])
    for dtype in (ml_dtypes.uint4, ml_dtypes.int4):
        narrow = np.random.default_rng(24).integers(0, 7, (3, 5)).astype(dtype)
        operands = {"x": narrow, "scale": scales, "zero": np.asarray([1, 2, 3]).astype(dtype)}
        yield case(f"DequantizeLinear_{dtype.__name__}", "DequantizeLinear", operands, [], axis=0)


def _integers() -> Iterator[Case]:
    for dtype, zero in TYPES:
        a, b = integers(25, dtype, 3, 4), integers(26, dtype, 4)
        operands = {"a": a, "a_zero": one(zero, dtype), "b": b, "b_zero": one(zero + 1, dtype)}
        product = (a.astype(np.int32) - zero) * (b.astype(np.int32) - (zero + 1))
        made = case(f"MulInteger_{dtype.__name__}", "MulInteger", operands, ["a", "b"], steps=0)
        yield replace(made, expected=(product,))
    a, b = integers(27, np.int16, 3, 4), integers(28, np.int16, 4, 5)
    yield case("MatMulInteger16", "MatMulInteger16", {"a": a // 64, "b": b}, ["a", "b"], steps=0)


def _reductions() -> Iterator[Case]:
    """ONNX Runtime has no kernels for these two on the CPU."""
    for dtype, zero in TYPES:
        x = integers(29, dtype, 3, 4, 5)
        name = dtype.__name__
        for label, axes, keep in (("all", None, 1), ("one", [1], 0), ("two", [0, -1], 1)):
            over = None if axes is None else tuple(axes)
            attributes: dict[str, Any] = {"keepdims": keep, **({} if axes is None else {"axes": axes})}
            operands = {**_quantity("x", x, 0.1, zero), **_result(dtype, 0.05, zero + 3)}
            mean = ((x.astype(np.float64) - zero) * 0.1).mean(axis=over, keepdims=bool(keep))
            limits = np.iinfo(dtype)
            expected = np.clip(np.rint(mean / 0.05) + zero + 3, limits.min, limits.max).astype(dtype)
            made = case(f"QLinearReduceMean_{name}_{label}", "QLinearReduceMean", operands, ["x"], **attributes)
            yield replace(made, expected=(np.asarray(expected),))
            wide = np.int32 if dtype is np.int8 else np.uint32
            made = case(f"ReduceSumInteger_{name}_{label}", "ReduceSumInteger", {"x": x}, ["x"], steps=0, **attributes)
            yield replace(made, expected=(np.asarray(x.astype(wide).sum(axis=over, keepdims=bool(keep), dtype=wide)),))
