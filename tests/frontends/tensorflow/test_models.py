"""Whole Keras networks as SavedModels, frozen graphs and TFLite files give the framework's values on every device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import odla
from halo_py.frontend import inspect_model
from tests.frontends.tensorflow.agreement import difference, own_rounding
from tests.frontends.tensorflow.made import FORMS, Made, network_file, small_networks
from tests.frontends.tensorflow.networks import networks

pytestmark = pytest.mark.slow

DEVICES: dict[str, dict[str, Any]] = {"cpu": {}, "ipu-pod16": {"mode": "whole"}}
_CASES = [pytest.param(name, form, id=f"{name}-{form}") for name in small_networks() for form in FORMS]


def given(made: Made, name: str) -> dict[str, NDArray[Any]]:
    """The inputs by the names that this file gives them."""
    arrays = list(made.inputs().values())
    ports = [port.name for port in inspect_model(made.path).inputs]
    wanted = list(networks()[name].inputs)
    return dict(zip(wanted if len(ports) > 1 else ports, arrays, strict=True))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("name", "form"), _CASES)
def test_equals_tensorflow(name: str, form: str, device: str) -> None:
    made = network_file(name, form)
    inputs = given(made, name)
    shapes = {key: array.shape for key, array in inputs.items()}

    result = odla.execute(made.path, inputs, device=device, shapes=shapes, **DEVICES[device])

    exact = made.outputs("exact__") or [None] * len(result)
    for found, expected, wide in zip(result.values(), made.outputs(), exact, strict=True):
        assert difference(np.asarray(found), expected, own_rounding(expected, wide)) is None
