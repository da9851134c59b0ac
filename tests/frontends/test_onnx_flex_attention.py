"""FlexAttention: nested graphs that change scores and probabilities, and read values of the graph around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper

import odla
from halo_py.errors import UnsupportedError
from halo_py.frontend import load_model
from halo_py.passes.pipelines import pipeline
from tests.frontends.onnx_models import Array, make_graph, random, tensor_input, untyped, write

_PREVIEW = "ai.onnx.preview"
_BATCH, _HEADS, _GROUPS, _QUERIES, _KEYS, _SIZE, _VALUE_SIZE = 2, 4, 2, 3, 5, 8, 6

_INPUTS: dict[str, Array] = {
    "q": random(1, _BATCH, _HEADS, _QUERIES, _SIZE),
    "k": random(2, _BATCH, _GROUPS, _KEYS, _SIZE),
    "v": random(3, _BATCH, _GROUPS, _KEYS, _VALUE_SIZE),
    "bias": random(4, _QUERIES, _KEYS),
}


def _model(version: int = 1) -> ModelProto:
    """Scores get a bias that is an input of the model, probabilities a factor that is a constant of it."""
    score_mod = make_graph(
        [helper.make_node("Add", ["scores", "bias"], ["biased"])], [untyped("scores")], [untyped("biased")]
    )
    prob_mod = make_graph(
        [helper.make_node("Mul", ["probabilities", "keep"], ["kept"])], [untyped("probabilities")], [untyped("kept")]
    )
    node = helper.make_node(
        "FlexAttention", ["q", "k", "v"], ["y"], domain=_PREVIEW, scale=0.3, score_mod=score_mod, prob_mod=prob_mod
    )
    ports = [tensor_input(name, *contents.shape) for name, contents in _INPUTS.items()]
    graph = make_graph([node], ports, [untyped("y")], {"keep": _keep()})
    opsets = [helper.make_opsetid("", 26), helper.make_opsetid(_PREVIEW, version)]
    return helper.make_model(graph, opset_imports=opsets)


def _keep() -> Array:
    return (np.arange(_KEYS) != 1).astype(np.float32)


def _expected() -> Array:
    k, v = (np.repeat(_INPUTS[name], _HEADS // _GROUPS, axis=1) for name in ("k", "v"))
    scores = 0.3 * np.einsum("bhld,bhsd->bhls", _INPUTS["q"], k) + _INPUTS["bias"]
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("bhls,bhsd->bhld", powers / powers.sum(axis=-1, keepdims=True) * _keep(), v)


@pytest.mark.parametrize(
    ("device", "options"),
    [("reference", {}), ("cpu", {}), ("ipu-tiny", {"mode": "whole"}), ("ipu-tiny", {"mode": "tiled"})],
    ids=["reference", "cpu", "whole", "tiled"],
)
def test_nested_graphs_read_the_graph_around_them(device: str, options: dict[str, Any], tmp_path: Path) -> None:
    found = odla.execute(write(_model(), tmp_path), _INPUTS, device=device, **options)
    np.testing.assert_allclose(found["y"], _expected(), rtol=1e-5, atol=1e-5)


def test_everything_runs_on_tiles(tmp_path: Path) -> None:
    graph = pipeline("ipu").run(load_model(write(_model(), tmp_path)))
    assert not odla.device("ipu-tiny").supports(graph)


def test_a_version_that_the_standard_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"ai\.onnx\.preview\.FlexAttention: 1 node"):
        load_model(write(_model(version=0), tmp_path))
