"""Operators of `com.microsoft` mean what ONNX Runtime computes, on every device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odla
from halo_py.compile import host_reasons
from halo_py.errors import ModelError, ShapeError, UnsupportedError
from halo_py.frontend import load_model
from tests.frontends.contrib_cases import Array, Case, case
from tests.frontends.contrib_products_cases import product_cases
from tests.frontends.contrib_qlinear_cases import qlinear_cases
from tests.frontends.onnx_models import judge, write

_CASES = [*qlinear_cases(), *product_cases()]
_PARAMETERS = [pytest.param(case, id=case.name) for case in _CASES]


def _check(case: Case, folder: Path, device: str, **options: Any) -> None:
    path = write(case.model, folder)
    expected = list(case.expected or judge(case.judged or path, case.inputs))
    result = odla.execute(path, dict(case.inputs), device=device, **options)
    _assert_close(case, list(result.values()), expected)


def _assert_close(case: Case, found: list[Array], expected: list[Array]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        if other.dtype.kind == "f":
            allowed = case.relative * max(1e-6, float(np.abs(other.astype(np.float64)).max(initial=0)))
        else:
            allowed = float(case.steps)
        np.testing.assert_allclose(one.astype(np.float64), other.astype(np.float64), rtol=0, atol=allowed)


@pytest.mark.parametrize("case", _PARAMETERS)
def test_reference(case: Case, tmp_path: Path) -> None:
    _check(case, tmp_path, "reference")


@pytest.mark.parametrize("case", _PARAMETERS)
def test_cpu(case: Case, tmp_path: Path) -> None:
    _check(case, tmp_path, "cpu")


@pytest.mark.parametrize("mode", ["whole", "tiled"])
@pytest.mark.parametrize("case", _PARAMETERS)
def test_tiles(case: Case, mode: str, tmp_path: Path) -> None:
    _check(case, tmp_path, "ipu-tiny", mode=mode)


@pytest.mark.parametrize("case", _PARAMETERS)
def test_nothing_runs_on_the_host(case: Case, tmp_path: Path) -> None:
    graph = load_model(write(case.model, tmp_path))
    # Shapes are constants by the time that nodes are placed.
    assert {node.op.kind for node in host_reasons(graph)} <= {"shape"}


@pytest.mark.parametrize("op", ["QMoE", "QOrderedMatMul", "MatMulFpQ4"])
def test_what_is_not_supported_is_refused_by_name(op: str, tmp_path: Path) -> None:
    refused = case("refused", op, {"x": np.zeros(3, np.float32)}, ["x"])
    with pytest.raises(UnsupportedError, match=rf"com\.microsoft\.{op}: 1 node \(node\): (?!unknown)"):
        load_model(write(refused.model, tmp_path))


def _nbits(operands: dict[str, Array | None], **attributes: int) -> Case:
    known: dict[str, Any] = {"N": 2, "K": 16, "bits": 4, "block_size": 16, **attributes}
    plain: dict[str, Array | None] = {
        "a": np.zeros((1, 16), np.float32),
        "b": np.zeros((2, 1, 8), np.uint8),
        "scales": np.ones((2, 1), np.float32),
    }
    return case("broken", "MatMulNBits", {**plain, **operands}, ["a"], **known)


@pytest.mark.parametrize(
    "broken",
    [
        _nbits({}, bits=3),
        _nbits({}, bits=4, block_size=0),
        _nbits({}, N=1 << 40),
        _nbits({}, K=-16),
        _nbits({}, weight_prepacked=1),
        _nbits({}, unheard_of=1),
        _nbits({"b": np.zeros((2, 1, 7), np.uint8)}),
        _nbits({"b": np.zeros((2, 1, 8), np.int8)}),
        _nbits({"scales": np.ones(3, np.float32)}),
        _nbits({"scales": None}),
        case("scalar", "GatherBlockQuantized", {"data": np.zeros((), np.uint8), "indices": np.zeros(1, np.int64)}),
        case("alone", "QLinearAdd", {"a": np.zeros(3, np.uint8)}),
        case("nothing", "QLinearConcat", {"scale": np.ones((), np.float32), "zero": np.zeros((), np.uint8)}, axis=0),
    ],
)
def test_malformed_nodes_are_errors_of_the_model(broken: Case, tmp_path: Path) -> None:
    with pytest.raises((ModelError, UnsupportedError, ShapeError)):
        load_model(write(broken.model, tmp_path))


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in _CASES]
    assert len(names) == len(set(names))
