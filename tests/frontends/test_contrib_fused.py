"""Fused operators of ONNX Runtime: contractions with activations, the GELU family, sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, helper

from halo_py.errors import UnsupportedError
from halo_py.frontend import load_model
from tests.frontends.contrib_nodes import Call, assert_all_equal
from tests.frontends.onnx_models import Array, judge, make_graph, make_model, random, tensor_input, untyped, write


def _matmul(name: str, a: tuple[int, ...], b: tuple[int, ...], **attributes: float) -> Call:
    return Call(f"FusedMatMul-{name}", "FusedMatMul", [random(1, *a), random(2, *b)], attributes)


MATMULS = [
    _matmul("plain", (5, 7), (7, 3)),
    _matmul("alpha", (5, 7), (7, 3), alpha=0.25),
    _matmul("a", (7, 5), (7, 3), transA=1, alpha=2.0),
    _matmul("b", (2, 3, 5, 7), (4, 7), transB=1),
    _matmul("both", (2, 7, 5), (2, 3, 7), transA=1, transB=1, alpha=0.5),
    _matmul("broadcast", (3, 1, 5, 7), (2, 7, 4)),
    _matmul("vector", (7,), (2, 7, 3), transA=1),
    _matmul("matrix-vector", (2, 5, 7), (7,), transB=1, alpha=3.0),
    _matmul("batch-a", (5, 2, 3, 7), (2, 3, 7, 4), transBatchA=1),
    _matmul("batch-b", (3, 5, 7), (7, 3, 4), transBatchB=1),
    _matmul("all", (7, 3, 5), (4, 3, 7), transBatchA=1, transA=1, transBatchB=1, transB=1, alpha=0.1),
    Call("TransposeMatMul", "TransposeMatMul", [random(1, 7, 5), random(2, 2, 3, 7)], {"transA": 1, "transB": 1}),
]

_PARAMETERS: dict[str, dict[str, float]] = {
    "Relu": {},
    "Sigmoid": {},
    "Tanh": {},
    "Softplus": {},
    "Softsign": {},
    "Elu": {"alpha": 0.7},
    "LeakyRelu": {"alpha": 0.2},
    "ThresholdedRelu": {"alpha": 0.4},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "Selu": {"alpha": 1.5, "gamma": 1.1},
    "ScaledTanh": {"alpha": 0.7, "beta": 1.4},
    "ParametricSoftplus": {"alpha": 0.7, "beta": 1.4},
}


def _gemm(function: str) -> Call:
    given = {f"activation_{name}": value for name, value in _PARAMETERS[function].items()}
    attributes = {"activation": function, "alpha": 0.5, "beta": 2.0, "transB": 1, **given}
    return Call(f"FusedGemm-{function}", "FusedGemm", [random(3, 4, 6), random(4, 5, 6), random(5, 5)], attributes)


GEMMS = [
    *(_gemm(function) for function in _PARAMETERS),
    Call("FusedGemm-no-c", "FusedGemm", [random(6, 6, 4), random(7, 6, 3)], {"transA": 1, "activation": "Relu"}),
]

_X, _W, _B = random(8, 2, 4, 7, 6), random(9, 6, 2, 3, 3), random(10, 6)
_PADDED = {"group": 2, "pads": [1, 1, 1, 1], "strides": [2, 1], "kernel_shape": [3, 3]}
CONVS = [
    Call("FusedConv-relu", "FusedConv", [_X, _W, _B], {"activation": "Relu", **_PADDED}),
    Call("FusedConv-plain", "FusedConv", [_X, _W], {"group": 2, "dilations": [2, 1]}),
    Call("FusedConv-z", "FusedConv", [_X, _W, _B, random(11, 2, 6, 4, 6)], {"activation": "Relu", **_PADDED}),
    Call("FusedConv-z-only", "FusedConv", [_X, _W, None, random(12, 2, 6, 5, 4)], {"group": 2}),
    Call("FusedConv-tanh", "FusedConv", [_X, _W, _B], {"activation": "Tanh", "group": 2, "auto_pad": "SAME_UPPER"}),
    Call("FusedConv-sigmoid", "FusedConv", [_X, _W], {"activation": "Sigmoid", **_PADDED}),
    Call(
        "FusedConv-leaky", "FusedConv", [_X, _W],
        {"activation": "LeakyRelu", "activation_params": [0.3], **_PADDED},
    ),
    Call(
        "FusedConv-clip", "FusedConv", [_X, _W, _B],
        {"activation": "Clip", "activation_params": [-0.5, 1.5], **_PADDED},
    ),
    Call(
        "FusedConv-hard-sigmoid", "FusedConv", [_X, _W, _B],
        {"activation": "HardSigmoid", "activation_params": [0.3, 0.4], **_PADDED},
    ),
    Call("FusedConv-1d", "FusedConv", [random(13, 1, 3, 9), random(14, 2, 3, 4)], {"activation": "Relu"}),
]  # fmt: skip

GELUS = [
    Call("Gelu", "Gelu", [random(15, 3, 7)]),
    Call("BiasGelu", "BiasGelu", [random(16, 2, 3, 8), random(17, 8)]),
    Call("FastGelu", "FastGelu", [random(18, 2, 3, 8)], tolerance=2e-5),
    Call("FastGelu-bias", "FastGelu", [random(19, 2, 3, 8), random(20, 8)], tolerance=2e-5),
    Call("QuickGelu", "QuickGelu", [random(21, 5, 6)]),
    Call("QuickGelu-alpha", "QuickGelu", [random(22, 5, 6)], {"alpha": 0.5}),
]


@pytest.mark.parametrize("call", [*MATMULS, *GEMMS, *CONVS, *GELUS], ids=lambda call: call.name)
def test_devices_equal_onnx_runtime(call: Call, tmp_path: Path) -> None:
    assert_all_equal(call, tmp_path)


# -- operators that ONNX Runtime has for GPUs only: judged as the composition that its documentation states ------------


_node = helper.make_node


def _composed(nodes: list[NodeProto], feeds: dict[str, Array]) -> list[Array]:
    inputs = [tensor_input(name, *array.shape) for name, array in feeds.items()]
    return judge(make_model(make_graph(nodes, inputs, [untyped(nodes[-1].output[0])])), feeds)


def test_bias_add_is_two_sums(tmp_path: Path) -> None:
    call = Call("BiasAdd", "BiasAdd", [random(1, 2, 5, 6), random(2, 6), random(3, 2, 5, 6)])
    parts = [_node("Add", ["x0", "x1"], ["sum"]), _node("Add", ["sum", "x2"], ["y0"])]
    assert_all_equal(call, tmp_path, _composed(parts, call.feeds))


def test_bias_split_gelu_gates_the_first_half_by_the_second(tmp_path: Path) -> None:
    call = Call("BiasSplitGelu", "BiasSplitGelu", [random(4, 2, 3, 8), random(5, 8)])
    parts = [
        _node("Add", ["x0", "x1"], ["sum"]),
        _node("Split", ["sum"], ["left", "right"], axis=-1, num_outputs=2),
        _node("Gelu", ["right"], ["gate"]),
        _node("Mul", ["left", "gate"], ["y0"]),
    ]
    assert_all_equal(call, tmp_path, _composed(parts, call.feeds))


@pytest.mark.parametrize(
    ("axis", "inner", "bias"), [(3, 1, (2, 1, 1, 6)), (3, 0, (1, 1, 4, 6)), (2, 0, (1, 1, 4, 6)), (2, 1, (2, 1, 4, 6))]
)
def test_bias_softmax_normalises_all_dimensions_from_its_axis(
    axis: int, inner: int, bias: tuple[int, ...], tmp_path: Path
) -> None:
    attributes = {"axis": axis, "is_inner_broadcast": inner}
    call = Call("BiasSoftmax", "BiasSoftmax", [random(6, 2, 3, 4, 6), random(7, *bias)], attributes)
    parts = [
        _node("Add", ["x0", "x1"], ["sum"]),
        _node("Flatten", ["sum"], ["rows"], axis=axis),
        _node("Softmax", ["rows"], ["normal"], axis=1),
    ]
    expected = [array.reshape(2, 3, 4, 6) for array in _composed(parts, call.feeds)]
    assert_all_equal(call, tmp_path, expected)


def test_an_unknown_activation_is_refused_by_name(tmp_path: Path) -> None:
    call = Call("FusedGemm", "FusedGemm", [random(1, 2, 3), random(2, 3, 4)], {"activation": "Wiggle"})
    with pytest.raises(UnsupportedError, match="Wiggle"):
        load_model(write(call.model(), tmp_path))


def test_an_unknown_attribute_is_refused_by_name(tmp_path: Path) -> None:
    call = Call("Gelu", "Gelu", [np.zeros((2, 2), np.float32)], {"approximate": "tanh"})
    with pytest.raises(UnsupportedError, match="approximate"):
        load_model(write(call.model(), tmp_path))
