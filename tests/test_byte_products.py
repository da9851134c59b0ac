"""Products of bytes as large as they get: no processor's sums may saturate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import halo_py.byte_products
import odla
from tests.frontends.onnx_models import judge, make_graph, write

Array = NDArray[Any]
Operands = tuple[Array | np.generic | None, ...]

_random = np.random.default_rng(0)


def _unsigned(*shape: int) -> Array:
    return _random.integers(200, 256, shape).astype(np.uint8)


def _signed(*shape: int) -> Array:
    return _random.integers(100, 128, shape).astype(np.int8)


def _number(value: float) -> np.float32:
    return np.float32(value)


_IMAGE = (_unsigned(1, 8, 6, 6), _number(0.1), np.uint8(128))
_ROWS = (_unsigned(4, 16), _number(0.1), np.uint8(128))
_OUT = (_number(3.0), np.uint8(10))
_SCALES = np.asarray([0.01, 0.02, 0.01, 0.03], np.float32)
CASES: dict[str, tuple[str, str, Operands, int]] = {
    "MatMulInteger": ("", "MatMulInteger", (_unsigned(4, 16), _signed(16, 8)), TensorProto.INT32),
    "MatMulInteger with zero points": (
        *("", "MatMulInteger"),
        (_unsigned(4, 16), _signed(16, 8), np.uint8(3), np.int8(-3)),
        TensorProto.INT32,
    ),
    "QLinearMatMul": (
        *("", "QLinearMatMul"),
        (*_ROWS, _signed(16, 8), _number(0.01), np.int8(0), *_OUT),
        TensorProto.UINT8,
    ),
    "QLinearConv": (
        *("", "QLinearConv"),
        (*_IMAGE, _signed(4, 8, 3, 3), _SCALES, np.zeros(4, np.int8), *_OUT),
        TensorProto.UINT8,
    ),
    "DynamicQuantizeMatMul": (
        *("com.microsoft", "DynamicQuantizeMatMul"),
        (_random.random((4, 16), np.float32), _signed(16, 8), _number(0.02), np.int8(0)),
        TensorProto.FLOAT,
    ),
    "MatMulIntegerToFloat": (
        *("com.microsoft", "MatMulIntegerToFloat"),
        (_unsigned(4, 16), _signed(16, 8), _number(0.1), _number(0.02), np.uint8(100)),
        TensorProto.FLOAT,
    ),
}


def _model(name: str, folder: Path, constant: bool) -> tuple[Path, dict[str, Array]]:
    """A one-node model whose first operand, or every one, is an input."""
    domain, kind, operands, result = CASES[name]
    given = {f"x{place}": np.asarray(value) for place, value in enumerate(operands) if value is not None}
    constants = {key: value for key, value in given.items() if constant and key != "x0"}
    feeds = {key: value for key, value in given.items() if key not in constants}
    ports = [
        helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for key, value in feeds.items()
    ]
    node = helper.make_node(kind, list(given), ["y"], domain=domain)
    graph = make_graph([node], ports, [helper.make_tensor_value_info("y", result, None)])
    graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in constants.items())
    versions = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return write(helper.make_model(graph, opset_imports=versions, ir_version=10), folder), feeds


@pytest.mark.parametrize("constant", [True, False], ids=["weights", "inputs"])
@pytest.mark.parametrize("forced", [True, False], ids=["rewritten", "as_here"])
@pytest.mark.parametrize("name", CASES)
def test_sums_do_not_saturate(
    name: str, forced: bool, constant: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if forced:
        monkeypatch.setattr(halo_py.byte_products, "bytes_saturate", lambda: True)
    path, feeds = _model(name, tmp_path, constant)
    expected = odla.execute(path, feeds, device="reference")["y"]
    for found in (odla.execute(path, feeds, device="cpu")["y"], judge(path, feeds)[0]):
        np.testing.assert_allclose(np.asarray(found, np.float64), np.asarray(expected, np.float64), rtol=1e-5)
