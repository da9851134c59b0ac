"""A model cut at values that the user names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

import odla
from halo_py.errors import UsageError
from halo_py.frontend import ImportOptions, load_model

SHAPE = [2, 3]


def _chain(folder: Path) -> Path:
    """exp -> neg -> (relu, abs), where only abs's operand is stated in the file."""
    nodes = [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("Neg", ["e"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("Abs", ["n"], ["a"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("r", "a")]
    stated = [helper.make_tensor_value_info("n", TensorProto.FLOAT, SHAPE)]
    graph = helper.make_graph(nodes, "chain", [x], outputs, value_info=stated)
    path = folder / "chain.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    return path


def test_only_what_lies_between_is_left(tmp_path: Path) -> None:
    graph = load_model(_chain(tmp_path), ImportOptions(inputs=("n",), outputs=("a",)))

    assert [value.name for value in graph.inputs] == ["n"]
    assert graph.output_names == ("a",)
    assert [node.op.kind for node in graph.nodes] == ["abs"]


def test_values_of_a_part_are_those_of_the_whole(tmp_path: Path) -> None:
    path = _chain(tmp_path)
    x = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    whole = odla.execute(path, {"x": x})
    middle = odla.execute(path, {"x": x}, cut_outputs=["n"])
    rest = odla.execute(path, {"n": middle["n"]}, cut_inputs=["n"])

    assert list(rest) == ["r", "a"]
    for name in rest:
        np.testing.assert_array_equal(rest[name], whole[name])


def test_an_input_that_the_file_does_not_type_takes_the_given_shape(tmp_path: Path) -> None:
    graph = load_model(_chain(tmp_path), ImportOptions(shapes={"e": (4, 5)}, inputs=("e",), outputs=("a",)))

    assert str(graph.inputs[0].type) == "float32[4, 5]"


@pytest.mark.parametrize("which", ["inputs", "outputs"])
def test_unknown_values_are_named_with_near_ones(which: str, tmp_path: Path) -> None:
    options = ImportOptions(inputs=("ex",)) if which == "inputs" else ImportOptions(outputs=("ex",))
    with pytest.raises(UsageError, match=f"--{which}: the model has no value 'ex'"):
        load_model(_chain(tmp_path), options)


def test_the_format_may_be_said(tmp_path: Path) -> None:
    path = _chain(tmp_path)
    assert len(load_model(path, ImportOptions(format="onnx")).nodes) == 4
    with pytest.raises(UsageError, match="unknown format 'caffe'"):
        load_model(path, ImportOptions(format="caffe"))
