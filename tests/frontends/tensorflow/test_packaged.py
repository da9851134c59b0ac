"""Real SavedModels and TFLite files out of published packages."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import odla
from halo_py.errors import UnsupportedError
from halo_py.frontend import inspect_model, load_model
from tests.frontends.tensorflow.agreement import difference
from tests.frontends.tensorflow.packaged import guesslang, pitch_lite, pitch_saved_model
from tests.models.catalogue import model

pytestmark = pytest.mark.slow

_SHAPE = (1, 43844, 1)
_PITCH = {"saved": pitch_saved_model, "lite": pitch_lite, "onnx": model("basic_pitch").path}


@cache
def _pitch_outputs(form: str, device: str) -> list[NDArray[Any]]:
    """basic-pitch's outputs on a device, by their shapes and means, which its formats call by different names."""
    path = _PITCH[form]()
    (port,) = inspect_model(path).inputs
    x = np.random.default_rng(3).standard_normal(_SHAPE).astype(np.float32)
    mode = {} if device == "cpu" else {"mode": "whole"}
    found = odla.execute(path, {port.name: x}, device=device, shapes={port.name: _SHAPE}, **mode)
    arrays = [np.asarray(value) for value in found.values()]
    return sorted(arrays, key=lambda array: (array.shape, float(array.mean())))


@pytest.mark.parametrize("form", ["saved", "lite"])
def test_one_network_in_three_formats_gives_the_same_values(form: str) -> None:
    """On the CPU device the ONNX file is ONNX Runtime's own reading of the network."""
    expected, found = _pitch_outputs("onnx", "cpu"), _pitch_outputs(form, "cpu")

    assert len(found) == len(expected) == 3
    assert [difference(value, wanted) for value, wanted in zip(found, expected, strict=True)] == [None] * 3


def test_strings_are_refused_in_one_message_that_lists_all() -> None:
    path = guesslang()

    with pytest.raises(UnsupportedError) as raised:
        load_model(path)

    message = str(raised.value)
    listed = {line.split(":")[0].strip() for line in message.splitlines()[1:]}
    refused = {entry.op for entry in inspect_model(path).refused}
    wanted = {"StringSplit", "StringNGrams", "StringToHashBucketFast", "SparseReshape", "SparseFillEmptyRows"}
    assert wanted | {"SparseSegmentMean", "SparseSegmentSum", "Bincount"} <= refused <= listed
    assert f"{len(refused)} operators are not supported" in message
    assert "works on strings" in message
