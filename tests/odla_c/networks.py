"""Small networks of ops that real models have and that no single function of ODLA does: what `--emit` must compose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
}


@dataclass(frozen=True, slots=True)
class Network:
    """A model and the contents of its inputs."""

    model: ModelProto
    inputs: dict[str, Array]


def _seeded(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _network(
    name: str, nodes: list[NodeProto], inputs: dict[str, Array], outputs: dict[str, str], constants: dict[str, Array]
) -> Network:
    infos = [helper.make_tensor_value_info(key, _TYPES[str(x.dtype)], x.shape) for key, x in inputs.items()]
    results = [helper.make_tensor_value_info(key, _TYPES[dtype], None) for key, dtype in outputs.items()]
    weights = [numpy_helper.from_array(array, key) for key, array in constants.items()]
    graph = helper.make_graph(nodes, name, infos, results, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])
    model.ir_version = 8
    return Network(model, inputs)


def recurrent() -> Network:
    """A bidirectional LSTM with initial states and lengths, a GRU and an RNN whose cells only a loop can be."""
    inputs = {
        "x": _seeded(5, 2, 4),
        "lengths": np.asarray([5, 3], np.int32),
        "h": _seeded(2, 2, 3, seed=1),
        "c": _seeded(2, 2, 3, seed=2),
    }
    constants = {
        "w": _seeded(2, 12, 4, seed=3),
        "r": _seeded(2, 12, 3, seed=4),
        "b": _seeded(2, 24, seed=5),
        "p": _seeded(2, 9, seed=6),
        "shape": np.asarray([5, 2, 6], np.int64),
        "gw": _seeded(1, 9, 6, seed=7),
        "gr": _seeded(1, 9, 3, seed=8),
        "nw": _seeded(1, 2, 3, seed=9),
        "nr": _seeded(1, 2, 2, seed=10),
    }
    nodes = [
        helper.make_node(
            "LSTM", ["x", "w", "r", "b", "lengths", "h", "c", "p"], ["y", "hn", "cn"],
            hidden_size=3, direction="bidirectional",
        ),
        helper.make_node("Transpose", ["y"], ["by_step"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["by_step", "shape"], ["flat"]),
        helper.make_node(
            "GRU", ["flat", "gw", "gr", "", "lengths"], ["g", "gn"], hidden_size=3, direction="reverse", clip=0.7
        ),
        helper.make_node("Squeeze", ["g"], ["rows"]),
        helper.make_node("RNN", ["rows", "nw", "nr"], ["", "n"], hidden_size=2, activations=["Softsign"]),
    ]  # fmt: skip
    return _network("recurrent", nodes, inputs, dict.fromkeys(("hn", "cn", "gn", "n"), "float32"), constants)


def quantised() -> Network:
    """Integers: a convolution of uint8, a product whose left side is quantised as it comes, and per-row scales.

    Weights have 7 bits: with 8, ONNX Runtime saturates pairs of products on processors without VNNI.
    """
    rng = np.random.default_rng(1)
    inputs = {"image": rng.integers(0, 256, (1, 2, 5, 5)).astype(np.uint8), "x": _seeded(3, 6)}
    constants = {
        "xs": np.asarray(0.05, np.float32), "xz": np.asarray(120, np.uint8),
        "w": rng.integers(-60, 60, (4, 2, 3, 3)).astype(np.int8),
        "ws": np.asarray([0.01, 0.02, 0.03, 0.04], np.float32), "wz": np.zeros(4, np.int8),
        "ys": np.asarray(0.9, np.float32), "yz": np.asarray(130, np.uint8),
        "m": rng.integers(-60, 60, (6, 4)).astype(np.int8), "mz": np.asarray(3, np.int8),
        "rows": np.asarray([0.1, 0.2, 0.3], np.float32),
    }  # fmt: skip
    operands = ["image", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    nodes = [
        helper.make_node("QLinearConv", operands, ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["xq", "m", "zero", "mz"], ["product"]),
        helper.make_node("DequantizeLinear", ["product", "rows"], ["numbers"], axis=0),
    ]
    outputs = {"conv": "uint8", "xq": "uint8", "scale": "float32", "product": "int32", "numbers": "float32"}
    return _network("quantised", nodes, inputs, outputs, constants)


def control() -> Network:
    """A loop whose trips depend on data, with a captured value; one that ends early; one with results of every step."""
    inputs = {"trips": np.asarray(4, np.int64), "x": _seeded(3), "flag": np.asarray([True]), "step": _seeded(3, seed=1)}
    limit = numpy_helper.from_array(np.asarray(6.0, np.float32), "limit")
    carried, grown, seen = (_like(name) for name in ("v", "grown", "seen"))
    counter = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    going, still = (helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("going", "still"))
    body = [
        helper.make_node("Cast", ["i"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["v", "step"], ["sum"]),
        helper.make_node("Add", ["sum", "number"], ["grown"]),
    ]
    keeps = [*body, helper.make_node("Identity", ["going"], ["still"])]
    ends = [
        *body,
        helper.make_node("ReduceMax", ["grown"], ["top"], keepdims=0),
        helper.make_node("Less", ["top", "limit"], ["still"]),
    ]
    inner = [("Neg", ["grown"]), ("Mul", ["grown", "v"])]
    first, second = (
        helper.make_graph([helper.make_node(kind, operands, [kind])], kind, [], [_like(kind)])
        for kind, operands in inner
    )
    scans = [*keeps, helper.make_node("If", ["flag"], ["seen"], then_branch=first, else_branch=second)]
    ports = [counter, going, carried]
    free = helper.make_graph(keeps, "counted", ports, [still, grown])
    early = helper.make_graph(ends, "early", ports, [still, grown], [limit])
    every = helper.make_graph(scans, "every", ports, [still, grown, seen])
    then = helper.make_graph([helper.make_node("Neg", ["fixed"], ["t"])], "then", [], [_like("t")])
    other = helper.make_graph([helper.make_node("Mul", ["fixed", "step"], ["o"])], "other", [], [_like("o")])
    nodes = [
        helper.make_node("Loop", ["trips", "", "x"], ["counted"], body=free),
        helper.make_node("Loop", ["many", "", "x"], ["ended"], body=early),
        helper.make_node("Loop", ["three", "", "x"], ["fixed", "rows"], body=every),
        helper.make_node("If", ["flag"], ["chosen"], then_branch=then, else_branch=other),
    ]
    constants = {"many": np.asarray(50, np.int64), "three": np.asarray(3, np.int64)}
    outputs: dict[str, str] = dict.fromkeys(["counted", "ended", "fixed", "rows", "chosen"], "float32")
    return _network("control", nodes, inputs, outputs, constants)


def _like(name: str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [3])


def padded() -> Network:
    """Borders of every kind, slices that go backwards, a resize that no mode of ODLA means."""
    inputs = {"x": _seeded(1, 2, 5, 6)}
    constants = {
        "pads": np.asarray([0, 0, 2, 1, 0, 0, 1, 3], np.int64), "filler": np.asarray(2.5, np.float32),
        "cut": np.asarray([0, 0, -1, 2, 0, 1, 0, -2], np.int64),
        "first": np.asarray([-1, 4], np.int64), "last": np.asarray([-100, 0], np.int64),
        "axes": np.asarray([3, 2], np.int64), "steps": np.asarray([-2, -1], np.int64),
        "roi": np.zeros(0, np.float32), "scales": np.asarray([1, 1, 1.5, 0.7], np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["reflected"], mode="reflect"),
        helper.make_node("Pad", ["x", "pads"], ["edged"], mode="edge"),
        helper.make_node("Pad", ["x", "pads", "filler"], ["filled"]),
        helper.make_node("Pad", ["x", "cut"], ["cropped"]),
        helper.make_node("Slice", ["x", "first", "last", "axes", "steps"], ["turned"]),
        helper.make_node("Resize", ["x", "roi", "scales"], ["scaled"], mode="linear"),
    ]
    names = ("reflected", "edged", "filled", "cropped", "turned", "scaled")
    return _network("padded", nodes, inputs, dict.fromkeys(names, "float32"), constants)


def typed() -> Network:
    """Inputs of many types; outputs that are an input, a constant, and one value twice; names that C reserves."""
    inputs = {
        "float": _seeded(2, 3).astype(np.float16),
        "int": np.asarray([[3, -4, 5]], np.int64),
        "a-b": np.asarray([[True, False, True], [False, False, True]]),
        "a.b": np.asarray([[7, 0, 255]], np.uint8),
    }
    nodes = [
        helper.make_node("Cast", ["int"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Where", ["a-b", "float", "half"], ["out"]),
        helper.make_node("Not", ["a-b"], ["not"]),
        helper.make_node("Identity", ["a.b"], ["same"]),
        helper.make_node("Identity", ["out"], ["again"]),
        helper.make_node("Identity", ["k"], ["constant"]),
        helper.make_node("Neg", ["int"], ["NAN"]),
    ]
    outputs = {
        "NAN": "int64",
        "out": "float16",
        "not": "bool",
        "same": "uint8",
        "again": "float16",
        "constant": "int32",
    }
    return _network("typed", nodes, inputs, outputs, {"k": np.asarray([1, 2], np.int32)})


def attending() -> Network:
    """Values scattered and picked by position, what only a call by name does, and many values at once."""
    inputs = {"x": _seeded(2, 3, 4), "at": np.asarray([[[1]], [[2]]], np.int64), "u": _seeded(2, 1, 1, seed=1)}
    nodes = [
        helper.make_node("ScatterElements", ["x", "at", "u"], ["scattered"], axis=1, reduction="add"),
        helper.make_node("TopK", ["scattered", "two"], ["best", "places"], axis=-1),
        helper.make_node("Split", ["scattered"], ["first", "second"], axis=2),
        helper.make_node("CumSum", ["second", "axis"], ["sums"], exclusive=1),
        helper.make_node("Mean", ["first", "second", "sums"], ["mean"]),
    ]
    constants = {"two": np.asarray([2], np.int64), "axis": np.asarray(1, np.int64)}
    outputs = {"scattered": "float32", "best": "float32", "places": "int64", "mean": "float32"}
    return _network("attending", nodes, inputs, outputs, constants)


def forest() -> Network:
    """Decision trees, whose tables are operands of a call by name, before a softmax."""
    inputs = {"x": _seeded(4, 3)}
    trees = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["sums"], domain="ai.onnx.ml", n_targets=2, aggregate_function="AVERAGE",
        nodes_treeids=[0, 0, 0, 1, 1, 1], nodes_nodeids=[0, 1, 2, 0, 1, 2], nodes_featureids=[1, 0, 0, 2, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_GT", "LEAF", "LEAF"],
        nodes_values=[0.1, 0.0, 0.0, -0.2, 0.0, 0.0], nodes_truenodeids=[1, 0, 0, 1, 0, 0],
        nodes_falsenodeids=[2, 0, 0, 2, 0, 0], nodes_hitrates=[1.0] * 6,
        nodes_missing_value_tracks_true=[0] * 6, target_treeids=[0, 0, 1, 1], target_nodeids=[1, 2, 1, 2],
        target_ids=[0, 1, 1, 0], target_weights=[0.5, -1.5, 2.5, 0.75],
    )  # fmt: skip
    nodes = [trees, helper.make_node("Softmax", ["sums"], ["shares"])]
    return _network("forest", nodes, inputs, {"shares": "float32"}, {})


NETWORKS: tuple[Callable[[], Network], ...] = (recurrent, quantised, control, padded, typed, attending, forest)
