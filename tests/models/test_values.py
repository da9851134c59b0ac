"""Every real model, compiled, gives ONNX Runtime's values: on the CPU, on the simulated IPU computing whole arrays,
and on the simulated IPU executing every vertex on the slice that its tile holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import odla
from tests.models.catalogue import ModelCase, all_models
from tests.models.onnx_runtime import Judge

pytestmark = pytest.mark.slow

_CASES = [pytest.param(case, id=case.name) for case in all_models()]
_ABSOLUTE, _RELATIVE = 1e-4, 1e-3


def _check(case: ModelCase, device: str, **options: Any) -> None:
    inputs = case.inputs()
    judged = Judge(case.path()).run(inputs)
    given = {name: array for name, array in inputs.items() if name not in case.values}

    result = odla.execute(
        case.path(), given, device=device, shapes=dict(case.shapes), values=dict(case.values), **options
    )

    assert list(result) == list(judged)
    for name, expected in judged.items():
        _assert_equal(result[name], expected, name)


def _assert_equal(found: NDArray[Any], expected: NDArray[Any], name: str) -> None:
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=_RELATIVE, atol=_ABSOLUTE, err_msg=name)


@pytest.mark.parametrize("case", _CASES)
def test_cpu_equals_onnx_runtime(case: ModelCase) -> None:
    _check(case, "cpu")


@pytest.mark.parametrize("case", _CASES)
def test_whole_arrays_on_sixteen_ipus_equal_onnx_runtime(case: ModelCase) -> None:
    _check(case, "ipu-pod16", mode="whole")


@pytest.mark.parametrize("case", _CASES)
def test_tiles_of_one_chip_equal_onnx_runtime(case: ModelCase) -> None:
    _check(case, case.tiled_on, mode="tiled")
