"""Whole networks, traced and scripted, give Torch's values on the CPU and on sixteen simulated IPUs."""

from __future__ import annotations

from typing import Any

import pytest

import odla
from tests.frontends.torchscript.agreement import difference
from tests.frontends.torchscript.made import MadeProgram, program

pytestmark = pytest.mark.slow

NETWORKS = [
    "bert_tiny",
    "convnext_tiny",
    "gpt2_tiny",
    "llama_tiny",
    "mobilenet_v2",
    "onet",
    "pnet",
    "resnet18",
    "rnet",
    "segformer",
    "vit_tiny",
    "whisper_encoder",
]
SAMPLE_RATES = (16000, 8000)


def _check(made: MadeProgram, device: str, **options: Any) -> None:
    result = odla.execute(made.path, made.inputs(), device=device, **options)

    expected = made.outputs()
    assert len(result) == len(expected)
    for value, judged in zip(result.values(), expected, strict=True):
        assert difference(value, judged) is None


@pytest.mark.parametrize("name", NETWORKS)
def test_cpu_equals_torch(name: str) -> None:
    _check(program("networks", name), "cpu")


@pytest.mark.parametrize("name", NETWORKS)
def test_sixteen_ipus_equal_torch(name: str) -> None:
    _check(program("networks", name), "ipu-pod16", mode="whole")


@pytest.mark.parametrize("device", ["cpu", "ipu-pod16"])
@pytest.mark.parametrize("rate", SAMPLE_RATES)
def test_speech_detection_equals_torch(rate: int, device: str) -> None:
    made = program("networks", f"silero_{rate}")
    mode = {} if device == "cpu" else {"mode": "whole"}

    _check(made, device, values={"sr": rate}, shapes={"x": made.inputs()[0].shape}, **mode)
