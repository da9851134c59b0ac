"""Operators of `com.microsoft` mean what ONNX Runtime computes, on every device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odla
from tests.frontends.contrib_cases import Array, Case
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


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in _CASES]
    assert len(names) == len(set(names))
