"""Nodes of old operator sets, upgraded and evaluated, against ONNX Runtime on the old model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from halo_frontends.onnx.upgrade import RULES
from halo_py.errors import HaloError
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import ImportOptions, load_model
from tests.frontends.onnx_models import Array, judge, make_graph, make_model, random, tensor_input, untyped, write


@dataclass(frozen=True)
class Old:
    """One node of an old operator set. Inputs marked constant are initialisers."""

    op: str
    opset: int
    inputs: Mapping[str, Array]
    constants: Mapping[str, Array] = field(default_factory=dict[str, Array])
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    outputs: int = 1
    order: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.op}-{self.opset}-" + ",".join(f"{name}={value}" for name, value in self.attributes.items())


def _i(*numbers: int) -> Array:
    return np.asarray(numbers, np.int64)


def _f(*numbers: float) -> Array:
    return np.asarray(numbers, np.float32)


X = {"x": random(0, 2, 3, 4, 5)}
FLAT = {"x": random(1, 3, 7)}
ONES = {"x": random(2, 2, 1, 3, 1)}
GROUPS = {"x": random(3, 2, 6, 4), "scale": random(4, 3), "bias": random(5, 3)}
BOXES = {"x": random(6, 1, 2, 8, 8), "rois": _f(0, 0, 6, 6, 1, 2, 7, 5).reshape(2, 4), "batch": _i(0, 0)}
GRID = {"x": random(7, 1, 2, 5, 6), "grid": np.clip(random(8, 1, 3, 4, 2), -1, 1)}
STATISTICS = {"s": random(9, 3), "b": random(10, 3), "m": random(11, 3), "v": random(12, 3) ** 2}
ACTIVATIONS = {name: random(seed, 3, 4, 5) ** 2 for seed, name in enumerate("sbmv", 30)}
REDUCTIONS = [op for op in RULES if op.startswith("Reduce")]

CASES = [
    *[Old(op, 11, {"x": np.abs(X["x"])}, {}, {"axes": [1, 3], "keepdims": 0}) for op in REDUCTIONS],
    *[Old(op, 12, {"x": np.abs(X["x"])}, {}, {"axes": [2, -1], "keepdims": 0}) for op in REDUCTIONS],
    *[Old(op, 12, {"x": np.abs(X["x"])}) for op in REDUCTIONS],
    *[Old(op, 13, X, {}, {"axes": [2]}) for op in REDUCTIONS if op != "ReduceSum" and not op.startswith("ReduceLog")],
    *[Old(op, 11, X, {}, {"axis": axis}) for op in ("Softmax", "LogSoftmax", "Hardmax") for axis in (0, 1, 2, 3, -2)],
    *[Old(op, 9, ONES, {}, {"axis": axis}) for op in ("Softmax", "LogSoftmax") for axis in (0, 1, 2, 3)],
    Old("Softmax", 12, FLAT),
    Old("Squeeze", 11, ONES, {}, {"axes": [1, -1]}),
    Old("Squeeze", 9, ONES),
    Old("Unsqueeze", 11, X, {}, {"axes": [0, -1]}),
    Old("Split", 11, X, {}, {"axis": 2, "split": [1, 3]}, outputs=2),
    Old("Split", 11, X, {}, {"axis": 2}, outputs=2),
    Old("Split", 13, X, {"parts": _i(1, 2)}, {"axis": 1}, outputs=2),
    Old("Split", 13, X, {}, {"axis": 0}, outputs=2),
    Old("Clip", 7, X, {}, {"min": -0.5, "max": 0.25}),
    Old("Clip", 10, X, {}, {"max": 0.5}),
    Old("Clip", 7, X),
    Old("Pad", 10, FLAT, {}, {"pads": [1, 0, 2, 3], "value": 1.5}),
    Old("Pad", 7, FLAT, {}, {"pads": [1, 2, 1, 2], "mode": "reflect"}),
    Old("Pad", 9, FLAT, {}, {"pads": [0, -1, 0, 2], "mode": "edge"}),
    Old("Slice", 9, X, {}, {"starts": [1, -3], "ends": [2, 1000], "axes": [0, 3]}),
    Old("Slice", 7, X, {}, {"starts": [0, 1], "ends": [1, 3]}),
    Old("TopK", 9, X, {}, {"k": 2, "axis": 2}, outputs=2),
    Old("TopK", 10, X, {"k": _i(2)}, {"axis": 1}, outputs=2),
    Old("Dropout", 7, X, {}, {"ratio": 0.3}),
    Old("Dropout", 10, X, {}, {"ratio": 0.3}),
    Old("BatchNormalization", 7, X, STATISTICS, {"epsilon": 1e-3}),
    Old("BatchNormalization", 9, X, STATISTICS),
    Old("BatchNormalization", 7, X, ACTIVATIONS, {"spatial": 0, "momentum": 0.8}),
    Old("Upsample", 7, X, {}, {"scales": [1.0, 1.0, 2.0, 3.0]}),
    Old("Upsample", 9, X, {"scales": _f(1, 1, 2, 2)}, {"mode": "linear"}),
    Old("Resize", 10, X, {"scales": _f(1, 1, 0.6, 1.7)}),
    Old("Resize", 10, X, {"scales": _f(1, 1, 2, 2)}, {"mode": "linear"}),
    Old("Resize", 11, X, {"roi": _f(), "scales": _f(1, 1, 2, 2)}, {"mode": "cubic"}),
    Old("Resize", 11, X, {"roi": _f(), "scales": _f(), "sizes": _i(2, 3, 7, 9)}, {"mode": "nearest"}),
    Old(
        "Resize",
        11,
        X,
        {"roi": _f(), "scales": _f(1, 1, 1.5, 2.5)},
        {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"},
    ),
    Old("Resize", 13, X, {"scales": _f(1, 1, 2, 3)}, {"mode": "linear"}, order=("x", "", "scales")),
    Old("Scatter", 9, FLAT, {"i": _i(2, 0).reshape(1, 2), "u": _f(5, 6).reshape(1, 2)}, {"axis": 1}),
    Old("Scatter", 10, FLAT, {"i": _i(2, 0).reshape(1, 2), "u": _f(5, 6).reshape(1, 2)}, {"axis": 0}),
    Old("GroupNormalization", 18, GROUPS, {}, {"num_groups": 3}),
    Old("GroupNormalization", 18, {"x": GROUPS["x"]}, {k: GROUPS[k] for k in ("scale", "bias")}, {"num_groups": 3}),
    Old("RoiAlign", 10, BOXES, {}, {"output_height": 3, "output_width": 2, "sampling_ratio": 2}),
    Old("GridSample", 16, GRID, {}, {"mode": "bilinear", "padding_mode": "border"}),
    Old("GridSample", 16, GRID, {}, {"mode": "bicubic", "align_corners": 1}),
    Old("DFT", 17, {"x": random(13, 2, 8, 1)}, {}, {"axis": 1, "onesided": 1}),
    Old("STFT", 17, {"x": random(13, 2, 30)}, {"step": _i(4)[0], "window": random(19, 8)}),
    Old("Gemm", 7, {"x": random(14, 3, 4), "w": random(15, 4, 2), "c": random(16, 2)}, {}, {"alpha": 0.5}),
    Old("AveragePool", 7, X, {}, {"kernel_shape": [2, 3], "pads": [1, 1, 0, 1], "count_include_pad": 1}),
    Old("MaxPool", 8, X, {}, {"kernel_shape": [2, 2], "strides": [2, 1], "auto_pad": "SAME_UPPER"}),
    Old("ArgMax", 11, X, {}, {"axis": 1, "keepdims": 0}),
    Old("CumSum", 11, X, {"axis": np.asarray(2, np.int32)}, {"reverse": 1, "exclusive": 1}),
    Old("DepthToSpace", 7, {"x": random(17, 1, 8, 2, 3)}, {}, {"blocksize": 2}),
    Old("Cast", 7, X, {}, {"to": 7}),
    Old("PRelu", 7, X, {"slope": random(18, 3, 1, 1)}),
    Old("Pow", 7, {"x": np.abs(X["x"])}, {"p": _f(1.5)}),
    Old("OneHot", 9, {"x": _i(0, 2, 1)}, {"d": _i(4), "v": _f(-1, 2)}),
]


@pytest.mark.parametrize("old", CASES, ids=str)
def test_an_upgraded_node_means_the_same(old: Old, tmp_path: Path) -> None:
    names = list(old.order or (*old.inputs, *old.constants))
    outputs = [f"y{index}" for index in range(old.outputs)]
    node = helper.make_node(old.op, names, outputs, name="node", **old.attributes)
    types = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in old.inputs.items()}
    ports = [tensor_input(name, *array.shape, type=types[name]) for name, array in old.inputs.items()]
    model = make_model(make_graph([node], ports, [untyped(name) for name in outputs], old.constants), old.opset)
    model.ir_version = 7
    expected = judge(model, old.inputs)
    graph = load_model(write(model, tmp_path))
    found: list[Array] = [np.asarray(value) for value in evaluate_graph(graph, list(old.inputs.values()))]
    for value, theirs, ours in zip(graph.outputs, expected, found, strict=True):
        assert ours.dtype == theirs.dtype
        assert str(value.type).endswith(f"[{', '.join(map(str, theirs.shape))}]")
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_upgrades_of_dynamic_shapes(tmp_path: Path) -> None:
    node = helper.make_node("Softmax", ["x"], ["y"], axis=1)
    model = make_model(make_graph([node], [tensor_input("x", "n", 3, 4)], [untyped("y")]), 11)
    graph = load_model(write(model, tmp_path), ImportOptions(keep_symbolic=True))
    x = random(1, 5, 3, 4)
    (found,) = evaluate_graph(graph, [x])
    np.testing.assert_allclose(np.asarray(found), judge(model, {"x": x})[0], rtol=1e-5)
    assert str(graph.outputs[0].type) == "float32[n, 3, 4]"


def test_the_mask_of_an_old_dropout_is_of_the_datas_type(tmp_path: Path) -> None:
    node = helper.make_node("Dropout", ["x"], ["y", "mask"])
    graph = make_graph([node], [tensor_input("x", 2, 3)], [untyped("y"), untyped("mask")])
    kinds = {opset: load_model(write(make_model(graph, opset), tmp_path)) for opset in (9, 11)}
    assert [str(value.type) for value in kinds[9].outputs] == ["float32[2, 3]"] * 2
    assert [str(value.type) for value in kinds[11].outputs] == ["float32[2, 3]", "bool[2, 3]"]


@pytest.mark.parametrize(
    ("op", "opset", "attributes"),
    [("Upsample", 7, {}), ("Softmax", 11, {"axis": 9})],
)
def test_old_forms_without_a_newer_one_are_refused(
    op: str, opset: int, attributes: dict[str, Any], tmp_path: Path
) -> None:
    node = helper.make_node(op, ["x"], ["y"], name="old", **attributes)
    model = make_model(make_graph([node], [tensor_input("x", 2, 3, 4, 5)], [untyped("y")]), opset)
    with pytest.raises(HaloError, match="'old'"):
        load_model(write(model, tmp_path))
