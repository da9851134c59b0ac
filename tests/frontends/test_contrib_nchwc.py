"""Pools that ONNX Runtime puts into blocks of channels at its highest level of optimisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, helper

import odla
from tests.frontends.onnx_models import judge, make_graph, random, tensor_input, untyped, write

_BLOCKS = "com.microsoft.nchwc"
_WINDOW: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 1, 1, 1]}

CASES: dict[str, NodeProto] = {
    "max": helper.make_node("MaxPool", ["b"], ["p"], domain=_BLOCKS, **_WINDOW),
    "average": helper.make_node("AveragePool", ["b"], ["p"], domain=_BLOCKS, count_include_pad=1, **_WINDOW),
    "global max": helper.make_node("GlobalMaxPool", ["b"], ["p"], domain=_BLOCKS),
    "global average": helper.make_node("GlobalAveragePool", ["b"], ["p"], domain=_BLOCKS),
    "nearest": helper.make_node("Upsample", ["b"], ["p"], domain=_BLOCKS, scales=[1, 1, 2, 3]),
    "linear": helper.make_node(
        "Upsample", ["b"], ["p"], domain=_BLOCKS, scales=[1, 1, 2, 2], mode="linear",
        coordinate_transformation_mode="half_pixel",
    ),
}  # fmt: skip


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_pools_in_blocks(case: str, last: int, tmp_path: Path) -> None:
    """12 channels fill no whole number of blocks."""
    shape = (1, 6, 5, 12) if last else (1, 12, 6, 5)
    nodes = [
        helper.make_node("ReorderInput", ["x"], ["b"], domain=_BLOCKS, channels_last=last),
        CASES[case],
        helper.make_node("ReorderOutput", ["p"], ["y"], domain=_BLOCKS, channels=12, channels_last=last),
    ]
    graph = make_graph(nodes, [tensor_input("x", *shape)], [untyped("y")])
    versions = [helper.make_opsetid("", 20), helper.make_opsetid(_BLOCKS, 1)]
    path = write(helper.make_model(graph, opset_imports=versions, ir_version=9), tmp_path)
    inputs = {"x": random(1, *shape)}
    (expected,) = judge(path, inputs)
    for device in ("cpu", "ipu-tiny"):
        found = odla.execute(path, inputs, device=device)["y"]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
