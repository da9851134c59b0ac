"""Control flow: branches that are known disappear, captured values become operands, carried shapes may grow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

import odla
from halo_py.errors import ModelError, UsageError
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import ImportOptions, load_model
from halo_py.ir.graph import Graph
from halo_py.ir.op import REGISTRY
from halo_py.ir.verify import verify_graph
from halo_py.ops import load_ops
from tests.frontends.onnx_models import (
    BOOL,
    FLOAT,
    INT64,
    Array,
    judge,
    make_graph,
    make_model,
    random,
    tensor_input,
    untyped,
    write,
)


def _check(model: ModelProto, inputs: Mapping[str, Array], folder: Path) -> Graph:
    """Both devices agree with ONNX Runtime; answers the graph."""
    path = write(model, folder)
    expected = judge(path, inputs)
    graph = load_model(path, ImportOptions(keep_symbolic=True))
    verify_graph(graph)
    ordered = [inputs[value.name] for value in graph.inputs]
    for found in (evaluate_graph(graph, ordered), odla.Computation.of(graph).compile("cpu").run(ordered).in_order()):
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-5, atol=1e-6)
    return graph


def _branch(node: NodeProto, output: str, constants: Mapping[str, Array] | None = None) -> GraphProto:
    return make_graph([node], [], [untyped(output)], constants)


def _choice(condition: str) -> NodeProto:
    """x * w or x + w."""
    return helper.make_node(
        "If",
        [condition],
        ["y"],
        name="choice",
        then_branch=_branch(helper.make_node("Mul", ["x", "w"], ["a"]), "a"),
        else_branch=_branch(helper.make_node("Add", ["x", "w"], ["b"]), "b"),
    )


def _kinds(graph: Graph) -> list[str]:
    return [node.op.kind for node in graph.nodes]


W = {"w": random(1, 64, 128)}
X = {"x": random(2, 64, 128)}
W48 = {"w": random(1, 4, 8)}


def test_an_unknown_condition_keeps_both_branches(tmp_path: Path) -> None:
    ports = [tensor_input("c", type=BOOL), tensor_input("x", 64, 128)]
    model = make_model(make_graph([_choice("c")], ports, [untyped("y")], W))
    for flag in (True, False):
        graph = _check(model, {"c": np.asarray(flag), **X}, tmp_path)
        (node,) = graph.nodes
        assert [value.name for value in node.inputs if value] == ["c", "x", "w"]
        assert all(len(body.inputs) == 2 for body in node.bodies)
        assert str(node.outputs[0].type) == "float32[64, 128]"


@pytest.mark.parametrize(("rate", "kind"), [(8000, "add"), (16000, "mul")])
def test_a_given_value_decides_the_branch(rate: int, kind: str, tmp_path: Path) -> None:
    nodes = [helper.make_node("Equal", ["sr", "k"], ["c"]), _choice("c")]
    ports = [tensor_input("sr", type=INT64), tensor_input("x", 64, 128)]
    constants = {**W, "k": np.asarray(16000, np.int64)}
    path = write(make_model(make_graph(nodes, ports, [untyped("y")], constants)), tmp_path)
    graph = load_model(path, ImportOptions(values={"sr": rate}))
    assert [entry for entry in _kinds(graph) if entry != "equal"] == [kind]
    expected = judge(path, {"sr": np.asarray(rate, np.int64), **X})[0]
    np.testing.assert_allclose(np.asarray(evaluate_graph(graph, [X["x"]])[0]), expected)


def test_a_known_shape_decides_the_branch(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Equal", ["n", "k"], ["c"]),
        _choice("c"),
    ]
    constants = {**W, "zero": np.asarray(0, np.int64), "k": np.asarray(64, np.int64)}
    path = write(make_model(make_graph(nodes, [tensor_input("x", "n", 128)], [untyped("y")], constants)), tmp_path)
    assert "if" in _kinds(load_model(path, ImportOptions(keep_symbolic=True)))
    assert _kinds(load_model(path, ImportOptions(shapes={"x": (64, 128)})))[-1] == "mul"


def test_an_unknown_operator_in_a_branch_that_is_not_taken_does_not_matter(tmp_path: Path) -> None:
    node = helper.make_node(
        "If",
        ["c"],
        ["y"],
        then_branch=_branch(helper.make_node("Relu", ["x"], ["a"]), "a"),
        else_branch=_branch(helper.make_node("Frobnicate", ["x"], ["b"]), "b"),
    )
    model = make_model(make_graph([node], [tensor_input("x", 2)], [untyped("y")], {"c": np.asarray(True)}))
    assert _kinds(load_model(write(model, tmp_path))) == ["relu"]


@pytest.mark.parametrize("fits", [0, 1])
@pytest.mark.parametrize("device", ["cpu", "ipu-tiny"])
def test_a_branch_that_fits_no_given_shape_ends_the_run_that_asks_for_it(
    fits: int, device: str, tmp_path: Path
) -> None:
    branches = [
        _branch(helper.make_node("Mul", ["x", "w"], ["a"]), "a"),
        _branch(helper.make_node("MatMul", ["x", "w"], ["b"]), "b"),
    ]
    then, other = branches[fits], branches[1 - fits]
    node = helper.make_node("If", ["c"], ["y"], name="choice", then_branch=then, else_branch=other)
    ports = [tensor_input("c", type=BOOL), tensor_input("x", "n", "m")]
    path, x = write(make_model(make_graph([node], ports, [untyped("y")], W48)), tmp_path), random(3, 4, 8)
    taken, not_taken = np.asarray(fits == 0), np.asarray(fits == 1)
    expected = judge(path, {"c": taken, "x": x})[0]
    np.testing.assert_allclose(odla.execute(path, {"c": taken, "x": x}, device=device)["y"], expected, rtol=1e-6)
    name = ("else", "then")[fits]
    with pytest.raises(UsageError, match=rf"node 'choice', op If: .* asks for the {name}_branch, .* given shapes: "):
        odla.execute(path, {"c": not_taken, "x": x}, device=device)


def test_branches_of_which_none_fits_are_refused(tmp_path: Path) -> None:
    branch = _branch(helper.make_node("MatMul", ["x", "w"], ["b"]), "b")
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    model = make_model(make_graph([node], [tensor_input("c", type=BOOL), tensor_input("x", 4, 8)], [untyped("y")], W48))
    with pytest.raises(ModelError, match="op MatMul"):
        load_model(write(model, tmp_path))


def test_branches_nest_and_shadow_names(tmp_path: Path) -> None:
    inner = helper.make_node(
        "If",
        ["d"],
        ["t"],
        then_branch=_branch(helper.make_node("Add", ["x", "w"], ["a"]), "a", {"w": random(5, 64, 128)}),
        else_branch=_branch(helper.make_node("Sub", ["x", "h"], ["a"]), "a"),
    )
    body = [helper.make_node("Relu", ["w"], ["h"]), inner, helper.make_node("Mul", ["t", "h"], ["out"])]
    outer = helper.make_node(
        "If",
        ["c"],
        ["y"],
        then_branch=make_graph(body, [], [untyped("out")]),
        else_branch=_branch(helper.make_node("Identity", ["x"], ["a"]), "a"),
    )
    ports = [tensor_input("c", type=BOOL), tensor_input("d", type=BOOL), tensor_input("x", 64, 128)]
    model = make_model(make_graph([outer], ports, [untyped("y")], W))
    for c, d in ((True, True), (True, False), (False, True)):
        _check(model, {"c": np.asarray(c), "d": np.asarray(d), **X}, tmp_path)


def _loop_body(nodes: list[NodeProto], carried: list[int | str | None] | None, outputs: list[str]) -> GraphProto:
    state = tensor_input("v", *carried) if carried is not None else helper.make_tensor_value_info("v", FLOAT, None)
    inputs = [tensor_input("i", type=INT64), tensor_input("go", type=BOOL), state]
    return make_graph([helper.make_node("Identity", ["go"], ["still"]), *nodes], inputs, [untyped(n) for n in outputs])


def test_a_loop_captures_and_stacks(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["v", "w"], ["grown"]), helper.make_node("Mul", ["grown", "x"], ["slice"])]
    body = _loop_body(nodes, [64, 128], ["still", "grown", "slice"])
    loop = helper.make_node("Loop", ["most", "", "x"], ["last", "all"], name="loop", body=body)
    constants = {**W, "most": np.asarray(3, np.int64)}
    model = make_model(make_graph([loop], [tensor_input("x", 64, 128)], [untyped("last"), untyped("all")], constants))
    graph = _check(model, X, tmp_path)
    assert [str(value.type) for value in graph.outputs] == ["float32[64, 128]", "float32[3, 64, 128]"]


def test_a_carried_value_may_grow(tmp_path: Path) -> None:
    body = _loop_body([helper.make_node("Concat", ["v", "x"], ["grown"], axis=0)], None, ["still", "grown"])
    loop = helper.make_node("Loop", ["most", "", "x"], ["last"], name="loop", body=body)
    constants = {"most": np.asarray(3, np.int64)}
    model = make_model(make_graph([loop], [tensor_input("x", 2, 5)], [untyped("last")], constants))
    graph = _check(model, {"x": random(0, 2, 5)}, tmp_path)
    (first, second) = graph.outputs[0].type.shape or ()  # type: ignore[union-attr]
    assert not isinstance(first, int)
    assert second == 5


def test_a_loop_ends_when_the_body_says_so(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["v", "v"], ["grown"]),
        helper.make_node("ReduceMax", ["grown"], ["top"], keepdims=0),
        helper.make_node("Less", ["top", "limit"], ["again"]),
    ]
    inputs = [tensor_input("i", type=INT64), tensor_input("go", type=BOOL), tensor_input("v", 3)]
    body = make_graph(nodes, inputs, [tensor_input("again", type=BOOL), tensor_input("grown", 3)])
    loop = helper.make_node("Loop", ["", "yes", "x"], ["y"], body=body)
    constants = {"yes": np.asarray(True), "limit": np.asarray(50, np.float32)}
    model = make_model(make_graph([loop], [tensor_input("x", 3)], [untyped("y")], constants))
    _check(model, {"x": np.asarray([1, 2, 3], np.float32)}, tmp_path)


def test_a_scan_runs_over_slices(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["s", "a"], ["t"]), helper.make_node("Mul", ["t", "w"], ["o"])]
    body = make_graph(nodes, [tensor_input("s", 4), tensor_input("a", 4)], [untyped("t"), untyped("o")])
    scan = helper.make_node(
        "Scan",
        ["init", "x"],
        ["end", "y"],
        body=body,
        num_scan_inputs=1,
        scan_input_axes=[1],
        scan_input_directions=[1],
        scan_output_axes=[1],
    )
    ports = [tensor_input("init", 4), tensor_input("x", 4, 6)]
    model = make_model(make_graph([scan], ports, [untyped("end"), untyped("y")], {"w": random(3, 4)}))
    graph = _check(model, {"init": random(4, 4), "x": random(5, 4, 6)}, tmp_path)
    assert [str(value.type) for value in graph.outputs] == ["float32[4]", "float32[4, 6]"]


def test_a_loop_carries_a_sequence(tmp_path: Path) -> None:
    body = make_graph(
        [helper.make_node("Identity", ["go"], ["still"]), helper.make_node("SequenceInsert", ["q", "x"], ["r"])],
        [
            tensor_input("i", type=INT64),
            tensor_input("go", type=BOOL),
            helper.make_tensor_sequence_value_info("q", FLOAT, None),
        ],
        [tensor_input("still", type=BOOL), helper.make_tensor_sequence_value_info("r", FLOAT, None)],
    )
    nodes = [
        helper.make_node("SequenceEmpty", [], ["none"]),
        helper.make_node("Loop", ["most", "", "none"], ["y"], body=body),
        helper.make_node("ConcatFromSequence", ["y"], ["z"], axis=0),
    ]
    constants = {"most": np.asarray(3, np.int64)}
    model = make_model(make_graph(nodes, [tensor_input("x", 2)], [untyped("z")], constants))
    _check(model, {"x": random(0, 2)}, tmp_path)


def test_a_body_with_too_many_inputs_is_a_model_error(tmp_path: Path) -> None:
    body = _loop_body([helper.make_node("Relu", ["v"], ["r"])], [2], ["still", "r"])
    body.input.append(tensor_input("more", 2))
    loop = helper.make_node("Loop", ["most", "", "x"], ["y"], name="loop", body=body)
    model = make_model(make_graph([loop], [tensor_input("x", 2)], [untyped("y")], {"most": np.asarray(3, np.int64)}))
    with pytest.raises(ModelError, match="'loop'"):
        load_model(write(model, tmp_path))


# -- function bodies of the standard ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "attributes"),
    [("MeanVarianceNormalization", {"axes": [0, 2]}), ("AffineGrid", {"align_corners": 1}), ("Celu", {"alpha": 0.5})],
)
def test_composite_operators_are_inlined_through_the_standards_function(
    op: str, attributes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_ops()
    without = {key: cls for key, cls in REGISTRY.by_onnx.items() if key[1] != op}
    monkeypatch.setattr(REGISTRY, "by_onnx", without)
    constants: dict[str, Array] = {}
    inputs: dict[str, Array] = {"x": random(0, 2, 3, 4)}
    names = ["x"]
    if op == "AffineGrid":
        inputs = {"x": random(1, 2, 2, 3)}
        constants = {"size": np.asarray([2, 3, 4, 5], np.int64)}
        names = ["x", "size"]
    node = helper.make_node(op, names, ["y"], name="composite", **attributes)
    ports = [tensor_input("x", *inputs["x"].shape)]
    model = make_model(make_graph([node], ports, [untyped("y")], constants))
    path = write(model, tmp_path)
    expected = judge(path, inputs)[0]
    graph = load_model(path)
    assert len(graph.nodes) > 1
    np.testing.assert_allclose(np.asarray(evaluate_graph(graph, [inputs["x"]])[0]), expected, rtol=1e-4, atol=1e-5)


def test_a_function_in_a_function_gets_the_callers_attributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_ops()
    losses = ("SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss")
    monkeypatch.setattr(
        REGISTRY, "by_onnx", {key: cls for key, cls in REGISTRY.by_onnx.items() if key[1] not in losses}
    )
    inputs: dict[str, Array] = {"x": random(0, 3, 5), "t": np.asarray([0, 1, 2])}
    ports = [tensor_input("x", 3, 5), tensor_input("t", 3, type=INT64)]
    for reduction in ("sum", "mean", "none"):
        node = helper.make_node("SoftmaxCrossEntropyLoss", ["x", "t"], ["y"], reduction=reduction, ignore_index=1)
        path = write(make_model(make_graph([node], ports, [untyped("y")])), tmp_path)
        found = evaluate_graph(load_model(path), [inputs["x"], inputs["t"]])[0]
        np.testing.assert_allclose(np.asarray(found), judge(path, inputs)[0], rtol=1e-5)


def test_the_graph_that_sequence_map_takes_may_capture(tmp_path: Path) -> None:
    body = make_graph([helper.make_node("Add", ["a", "k"], ["b"])], [tensor_input("a", 2)], [tensor_input("b", 2)])
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "k"], ["s"]),
        helper.make_node("SequenceMap", ["s"], ["r"], body=body),
        helper.make_node("ConcatFromSequence", ["r"], ["y"], axis=0),
    ]
    model = make_model(make_graph(nodes, [tensor_input("x", 2), tensor_input("k", 2)], [untyped("y")]))
    _check(model, {"x": random(0, 2), "k": random(1, 2)}, tmp_path)


def test_constants_of_branches_are_read(tmp_path: Path) -> None:
    big = numpy_helper.from_array(random(3, 64, 128))
    constant = helper.make_node("Constant", [], ["k"], value=big)
    branch = make_graph([constant, helper.make_node("Add", ["x", "k"], ["a"])], [], [untyped("a")])
    other = _branch(helper.make_node("Add", ["x", "k"], ["a"]), "a", {"k": random(4, 64, 128)})
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=other)
    ports = [tensor_input("c", type=BOOL), tensor_input("x", 64, 128)]
    model = make_model(make_graph([node], ports, [untyped("y")]))
    for flag in (True, False):
        _check(model, {"c": np.asarray(flag), **X}, tmp_path)
