"""ONNX's Gradient: what it means is written as nodes while importing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, helper

import odla
from halo_py.errors import ModelError, UnsupportedError
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import load_model
from halo_py.ir.verify import verify_graph
from tests.frontends.onnx_models import make_graph, tensor_input, untyped, write

Numbers = NDArray[Any]
TRAINING = "ai.onnx.preview.training"


def gradient(inputs: list[str], outputs: list[str], y: str, xs: list[str], **more: Any) -> NodeProto:
    """A Gradient node."""
    return helper.make_node("Gradient", inputs, outputs, domain=TRAINING, y=y, xs=xs, **more)


def model(folder: Path, nodes: list[NodeProto], inputs: dict[str, tuple[int, ...]], outputs: list[str]) -> Path:
    """A model of float32 inputs of these shapes."""
    ports = [tensor_input(name, *shape) for name, shape in inputs.items()]
    graph = make_graph(nodes, ports, [untyped(name) for name in outputs])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(TRAINING, 1)]
    return write(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder)


def run(path: Path, *inputs: Sequence[float]) -> list[Numbers]:
    """The outputs by the reference."""
    graph = load_model(path)
    verify_graph(graph)
    return [np.asarray(value) for value in evaluate_graph(graph, [np.asarray(value, np.float32) for value in inputs])]


SQUARE = [helper.make_node("Mul", ["x", "w"], ["h"]), helper.make_node("Mul", ["h", "h"], ["y"])]
"""y = (x w)²"""


def test_the_gradient_of_what_the_file_computes(tmp_path: Path) -> None:
    nodes = [*SQUARE, gradient(["w", "x"], ["dw"], "y", ["w"], zs=["x"])]
    (found,) = run(model(tmp_path, nodes, {"x": (3,), "w": (3,)}, ["dw"]), [1, 2, 3], [4, 5, 6])
    np.testing.assert_allclose(found, [8, 40, 108])


def test_intermediate_values_and_skipped_outputs(tmp_path: Path) -> None:
    nodes = [*SQUARE, gradient(["h"], ["dh"], "y", ["h"]), gradient(["x", "w"], ["", "dw"], "y", ["x", "w"])]
    of_h, of_w = run(model(tmp_path, nodes, {"x": (2,), "w": (2,)}, ["dh", "dw"]), [1, 2], [3, 4])
    np.testing.assert_allclose(of_h, [6, 16])
    np.testing.assert_allclose(of_w, [6, 32])


def test_other_operands_stand_in_for_the_named_values(tmp_path: Path) -> None:
    """At w = x: d(x w)²/dw = 2 x² w, where the x that y reads itself does not count."""
    nodes = [*SQUARE, gradient(["x"], ["dw"], "y", ["w"])]
    found, _ = run(model(tmp_path, nodes, {"x": (2,), "w": (2,)}, ["dw", "y"]), [2, 3], [100, 100])
    np.testing.assert_allclose(found, [16, 54])


def test_gradients_of_gradients(tmp_path: Path) -> None:
    nodes = [*SQUARE, gradient(["w"], ["dw"], "y", ["w"]), gradient(["w"], ["dww"], "dw", ["w"])]
    (found,) = run(model(tmp_path, nodes, {"x": (2,), "w": (2,)}, ["dww"]), [2, 3], [5, 7])
    np.testing.assert_allclose(found, [8, 18])


def test_a_gradient_may_stand_before_what_it_differentiates(tmp_path: Path) -> None:
    nodes = [gradient(["w"], ["dw"], "y", ["w"]), *reversed(SQUARE)]
    (found,) = run(model(tmp_path, nodes, {"x": (1,), "w": (1,)}, ["dw"]), [2], [5])
    np.testing.assert_allclose(found, [40])


@pytest.mark.parametrize("device", ["cpu", "reference", "ipu-tiny"])
def test_a_step_of_training_on_every_device(tmp_path: Path, device: str) -> None:
    """The loss of a linear classifier, its gradient and Adam's new weights."""
    labels = helper.make_node("Constant", [], ["labels"], value_ints=[0, 2, 1, 1])
    nodes = [
        labels,
        helper.make_node("MatMul", ["x", "w"], ["scores"]),
        helper.make_node("SoftmaxCrossEntropyLoss", ["scores", "labels"], ["loss"], reduction="mean"),
        gradient(["w"], ["dw"], "loss", ["w"]),
        helper.make_node("Constant", [], ["rate"], value_float=0.1),
        helper.make_node("Constant", [], ["step"], value_int=0),
        helper.make_node("Adam", ["rate", "step", "w", "dw", "v", "s"], ["w_new", "v_new", "s_new"], domain=TRAINING),
    ]
    shapes = {"x": (4, 5), "w": (5, 3), "v": (5, 3), "s": (5, 3)}
    path = model(tmp_path, nodes, shapes, ["loss", "dw", "w_new"])
    random = np.random.default_rng(0)
    feeds = {name: random.uniform(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    found = odla.compile_for(path, device).run(feeds)
    scores = feeds["x"].astype(np.float64) @ feeds["w"]
    likely = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    wanted = np.eye(3)[[0, 2, 1, 1]]
    slope = feeds["x"].T @ (likely - wanted) / 4
    np.testing.assert_allclose(found["loss"], -np.log((likely * wanted).sum(axis=1)).mean(), rtol=1e-5)
    np.testing.assert_allclose(found["dw"], slope, rtol=1e-4, atol=1e-6)
    mean, square = 0.9 * feeds["v"] + 0.1 * slope, 0.999 * feeds["s"] + 0.001 * slope**2
    np.testing.assert_allclose(found["w_new"], feeds["w"] - 0.1 * mean / (np.sqrt(square) + 1e-6), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("node", "error", "message"),
    [
        (gradient(["w"], ["d"], "nothing", ["w"]), ModelError, "reads the value 'nothing', which nothing makes"),
        (gradient(["w"], ["d"], "y", ["w", "x"]), ModelError, "has 1 operands for the 2 values"),
        (helper.make_node("Gradient", [], ["d"], domain=TRAINING, y="y"), ModelError, "has 0 operands"),
        (gradient(["w"], ["d"], "kept", ["w"]), UnsupportedError, r"1 operator has no gradient\n  Inverse"),
    ],
)
def test_what_cannot_be_differentiated_is_said(
    tmp_path: Path, node: NodeProto, error: type[Exception], message: str
) -> None:
    other = helper.make_node("Inverse", ["w"], ["kept"], domain="com.microsoft")
    nodes = [*SQUARE, other, node]
    graph = make_graph(nodes, [tensor_input("x", 2, 2), tensor_input("w", 2, 2)], [untyped("d")])
    versions = {"": 20, TRAINING: 1, "com.microsoft": 1}
    opsets = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
    path = write(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path)
    with pytest.raises(error, match=message):
        load_model(path)
