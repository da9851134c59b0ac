"""What ONNX Runtime's quantiser makes of real models gives ONNX Runtime's values on every device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import odla
from tests.models.agreement import Agreement
from tests.models.catalogue import ModelCase, model
from tests.models.onnx_files import load_model
from tests.models.quantiser import WAYS, quantised

pytestmark = pytest.mark.slow

MODELS = ("bert_tiny_legacy", "magika", "openwakeword_embedding_model", "ppocr_classification", "light_squeezenet")
IPUS: tuple[tuple[str, dict[str, Any]], ...] = (("ipu-pod16", {"mode": "whole"}), ("ipu-tiny", {"mode": "tiled"}))
_CASES = [
    pytest.param(name, way, *IPUS[(number + place) % 2], id=f"{name}-{way}-{IPUS[(number + place) % 2][0]}")
    for number, name in enumerate(MODELS)
    for place, way in enumerate(WAYS)
    if (name, way) != ("light_squeezenet", "sixteen_bits")  # its float weights fill 16 tiles
]
"""Every model and every way of quantising meets every device; not every pair does, for it would take minutes."""

Quantise = Callable[[ModelCase, str], Path]


@pytest.fixture(scope="module")
def quantise(tmp_path_factory: pytest.TempPathFactory) -> Quantise:
    """Makes each quantised model once."""
    folder = tmp_path_factory.mktemp("quantised")
    made: dict[tuple[str, str], Path] = {}

    def make(case: ModelCase, way: str) -> Path:
        key = (case.name, way)
        if key not in made:
            made[key] = quantised(case, way, folder)
        return made[key]

    return make


@pytest.mark.parametrize(("name", "way", "ipu", "mode"), _CASES)
def test_equals_onnx_runtime(name: str, way: str, ipu: str, mode: dict[str, Any], quantise: Quantise) -> None:
    case = model(name)
    path, inputs = quantise(case, way), case.inputs()
    agreement = Agreement.of(path, inputs)
    given = {key: array for key, array in inputs.items() if key not in case.values}
    for device, options in (("cpu", {}), (ipu, mode)):
        found = odla.execute(path, given, device=device, shapes=dict(case.shapes), values=dict(case.values), **options)
        agreement.check(found)


def test_the_models_have_operators_of_the_runtime(quantise: Quantise) -> None:
    kinds: set[str] = set()
    for name in MODELS:
        for way in ("fused", "operators"):
            nodes = load_model(quantise(model(name), way)).graph.node
            kinds |= {node.op_type for node in nodes if node.domain == "com.microsoft"}
    wanted = {
        "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QLinearAdd", "QLinearConcat", "QLinearGlobalAveragePool",
        "QLinearLeakyRelu", "QLinearMul", "QLinearSoftmax",
    }  # fmt: skip
    assert wanted <= kinds
