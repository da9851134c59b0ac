"""Whole Keras networks as SavedModels and frozen graphs give TensorFlow's values on the CPU and on sixteen IPUs."""

from __future__ import annotations

from typing import Any

import pytest

import odla
from halo_py.frontend import inspect_model
from tests.frontends.tensorflow.agreement import difference, own_rounding
from tests.frontends.tensorflow.made import Made, frozen_graph, saved_model

pytestmark = pytest.mark.slow

NETWORKS = [
    "attention",
    "densenet121",
    "efficientnet_b0",
    "gru_bidirectional",
    "keyword_spotter",
    "lstm",
    "lstm_last",
    "mobilenet",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "resnet50",
    "segmenter",
    "simple_rnn",
]
FORMATS = {"saved_model": saved_model, "frozen": frozen_graph}


def _check(made: Made, device: str, **options: Any) -> None:
    (x,) = made.inputs().values()
    (port,) = inspect_model(made.path).inputs
    shapes = {port.name: x.shape}

    result = odla.execute(made.path, {port.name: x}, device=device, shapes=shapes, **options)

    (value,), (expected,) = result.values(), made.outputs()
    exact = next(iter(made.outputs("exact__")), None)
    assert difference(value, expected, own_rounding(expected, exact)) is None


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", NETWORKS)
def test_cpu_equals_tensorflow(name: str, form: str) -> None:
    _check(FORMATS[form](name), "cpu")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", NETWORKS)
def test_sixteen_ipus_equal_tensorflow(name: str, form: str) -> None:
    _check(FORMATS[form](name), "ipu-pod16", mode="whole")
