"""Every real model, compiled, gives ONNX Runtime's values: on the CPU, on the simulated IPU computing whole arrays,
and on the simulated IPU executing every vertex on the slice that its tile holds."""

from __future__ import annotations

from typing import Any

import pytest

import odla
from tests.models.agreement import Agreement
from tests.models.catalogue import ModelCase, all_models

pytestmark = pytest.mark.slow

_CASES = [pytest.param(case, id=case.name) for case in all_models()]


def _check(case: ModelCase, device: str, **options: Any) -> None:
    inputs = case.inputs()
    given = {name: array for name, array in inputs.items() if name not in case.values}

    result = odla.execute(
        case.path(), given, device=device, shapes=dict(case.shapes), values=dict(case.values), **options
    )

    Agreement.of(case.path(), inputs).check(result)


@pytest.mark.parametrize("case", _CASES)
def test_cpu_equals_onnx_runtime(case: ModelCase) -> None:
    _check(case, "cpu")


@pytest.mark.parametrize("case", _CASES)
def test_whole_arrays_on_sixteen_ipus_equal_onnx_runtime(case: ModelCase) -> None:
    _check(case, "ipu-pod16", mode="whole")


@pytest.mark.parametrize("case", _CASES)
def test_tiles_of_one_chip_equal_onnx_runtime(case: ModelCase) -> None:
    _check(case, case.tiled_on, mode="tiled")
