"""The catalogue is right: every model runs in ONNX Runtime on the inputs it names, with outputs worth comparing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.models.catalogue import ModelCase, all_models
from tests.models.onnx_runtime import Judge

_CASES = [pytest.param(case, id=case.name) for case in all_models()]
_EXPORTED = [pytest.param(case, id=case.name) for case in all_models() if case.source == "torch"]


@pytest.mark.slow
@pytest.mark.parametrize("case", _CASES)
def test_runs_on_its_own_inputs_and_depends_on_them(case: ModelCase) -> None:
    judge = Judge(case.path())

    first, second = judge.run(case.inputs(seed=0)), judge.run(case.inputs(seed=1))

    for array in first.values():
        assert array.size > 0
        assert np.isfinite(array).all()
    assert any(not np.array_equal(first[name], second[name]) for name in first)
    if case.source == "light":
        _check_logits_and_inner_tensors(list(first.values()))


def _check_logits_and_inner_tensors(arrays: list[NDArray[Any]]) -> None:
    assert len(arrays) == 6
    for array in arrays:
        assert np.unique(array).size >= 100
        assert 1e-3 < array.std() < 1e3


@pytest.mark.slow
@pytest.mark.parametrize("case", _EXPORTED)
def test_exported_networks_equal_pytorch(case: ModelCase) -> None:
    """PyTorch's own output lies beside the files; ONNX Runtime and PyTorch are two independent voices."""
    network = case.path().with_name(case.name.removesuffix("_dynamo").removesuffix("_legacy").removesuffix("_batch"))
    with np.load(network.with_suffix(".npz"), allow_pickle=False) as stored:
        arrays: dict[str, NDArray[Any]] = dict(stored)
    expected = arrays.pop("output")

    (actual,) = Judge(case.path()).run(arrays).values()

    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4 * float(np.abs(expected).max()))


@pytest.mark.parametrize("case", [case for case in _CASES if "batch_legacy" in str(case.id)])
def test_batch_replaces_the_leading_dimension(case: ModelCase) -> None:
    outputs = Judge(case.path()).run(case.inputs(batch=3))

    assert next(iter(outputs.values())).shape[0] == 3


def test_same_seed_gives_same_inputs() -> None:
    case = all_models()[0]

    for name, array in case.inputs(seed=5).items():
        np.testing.assert_array_equal(array, case.inputs(seed=5)[name])
