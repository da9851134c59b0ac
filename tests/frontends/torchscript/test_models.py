"""Whole networks, traced, scripted and exported, give Torch's values on the CPU and on simulated IPUs."""

from __future__ import annotations

import numpy as np
import pytest

import odla
from tests.frontends.torchscript.agreement import difference
from tests.frontends.torchscript.networks import SAMPLE_RATES, TILED, Network, all_networks, small_networks
from tests.models.catalogue import all_models

pytestmark = pytest.mark.slow

_CONTEXT = {16000: 64, 8000: 32}
"""Samples of what came before that the ONNX form of speech detection is given with every chunk."""


@pytest.mark.parametrize("network", all_networks(), ids=str)
def test_cpu_equals_torch(network: Network) -> None:
    assert network.wrong_on("cpu") is None


@pytest.mark.parametrize("network", small_networks(), ids=str)
def test_sixteen_ipus_equal_torch(network: Network) -> None:
    assert network.wrong_on("ipu-pod16", mode="whole") is None


@pytest.mark.parametrize("name", TILED)
def test_tiles_equal_torch(name: str) -> None:
    assert Network(name).wrong_on("ipu-tiny", mode="tiled") is None


@pytest.mark.parametrize("rate", SAMPLE_RATES)
def test_speech_detection_is_the_same_from_onnx_and_from_torchscript(rate: int) -> None:
    """The scripted module keeps the end of a chunk for the next one; the ONNX model wants it in front of the chunk."""
    chunk = Network(f"silero_{rate}").made().inputs()[0]
    context, state = np.zeros((1, _CONTEXT[rate]), np.float32), np.zeros((2, 1, 128), np.float32)
    path = next(case for case in all_models() if case.name == "silero_vad").path()
    given = {"input": np.concatenate([context, chunk], 1), "state": state}

    scripted = odla.execute(
        Network(f"silero_{rate}").made().path, [chunk], values={"sr": rate}, shapes={"x": chunk.shape}
    )
    from_onnx = odla.execute(path, given, values={"sr": rate})

    assert difference(scripted["output"], from_onnx["output"]) is None
