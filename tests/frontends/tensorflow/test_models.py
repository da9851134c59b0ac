"""Keras networks as SavedModels, frozen graphs and TFLite files give the framework's values on every device.

`benchmarks/tensorflow_networks.py` does the same for many and larger networks.
"""

from __future__ import annotations

import pytest

from tests.frontends.tensorflow.made import FORMS, small_networks
from tests.frontends.tensorflow.networks import networks
from tests.frontends.tensorflow.running import problems

pytestmark = pytest.mark.slow

_NAMES = small_networks()
_FILES = [pytest.param(name, form, id=f"{name}-{form}") for name in _NAMES for form in (*FORMS, *networks()[name].lite)]
_LITE = {name: "int8" if "int8" in networks()[name].lite else "float" for name in _NAMES}


@pytest.mark.parametrize(("name", "form"), _FILES)
def test_cpu_equals_the_framework(name: str, form: str) -> None:
    assert problems(name, form, "cpu") == []


@pytest.mark.parametrize("name", _NAMES)
def test_sixteen_ipus_equal_tensorflow(name: str) -> None:
    assert problems(name, "frozen", "ipu-pod16") == []


@pytest.mark.parametrize("name", _NAMES)
def test_sixteen_ipus_equal_tflite(name: str) -> None:
    assert problems(name, _LITE[name], "ipu-pod16") == []


@pytest.mark.parametrize("name", _NAMES)
def test_tiles_equal_tflite(name: str) -> None:
    assert problems(name, _LITE[name], "ipu-tiny") == []
