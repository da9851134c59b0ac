"""Models cut in their middle with `--inputs` and `--outputs`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import odla
from halo_frontends.tflite.model import parse_model
from halo_py.frontend import ImportOptions, load_model
from tests.frontends.tensorflow.agreement import difference
from tests.frontends.tensorflow.files import FLOAT, frozen, node, placeholder
from tests.frontends.tensorflow.made import network_file, operator_case
from tests.frontends.tensorflow.running import given
from tests.frontends.tflite.flatbuffer import RELU, flatbuffer, model, operator, subgraph, tensor

_NEG, _ABS = 59, 101
_SHAPE = (2, 3)


def _graph(folder: Path) -> Path:
    """exp -> neg -> (relu, abs)."""
    chain = [("e", "Exp", "x"), ("n", "Neg", "e"), ("r", "Relu", "n"), ("a", "Abs", "n:0")]
    nodes = [node(name, op, [source], T=FLOAT) for name, op, source in chain]
    return frozen(folder / "chain.pb", [placeholder("x", _SHAPE), *nodes])


def _lite(folder: Path) -> Path:
    """neg -> relu -> (neg, abs)."""
    tensors = [tensor(name, _SHAPE) for name in ("x", "m", "n", "r", "a")]
    operators = [operator(0, [0], [1]), operator(1, [1], [2]), operator(0, [2], [3]), operator(2, [2], [4])]
    path = folder / "chain.tflite"
    path.write_bytes(flatbuffer(model([subgraph(tensors, [0], [3, 4], operators)], [_NEG, RELU, _ABS])))
    return path


_MADE = {"frozen": _graph, "tflite": _lite}


@pytest.mark.parametrize("form", _MADE)
def test_only_what_lies_between_is_left(form: str, tmp_path: Path) -> None:
    graph = load_model(_MADE[form](tmp_path), ImportOptions(shapes={"n": _SHAPE}, inputs=("n",), outputs=("a",)))

    assert [value.name for value in graph.inputs] == ["n"]
    assert graph.output_names == ("a",)
    assert [entry.op.kind for entry in graph.nodes] == ["abs"]


@pytest.mark.parametrize("form", _MADE)
def test_values_of_the_halves_are_those_of_the_whole(form: str, tmp_path: Path) -> None:
    path = _MADE[form](tmp_path)
    x = np.random.default_rng(0).normal(size=_SHAPE).astype(np.float32)
    whole = odla.execute(path, {"x": x})
    middle = odla.execute(path, {"x": x}, cut_outputs=["n"])
    rest = odla.execute(path, {"n": middle["n"]}, shapes={"n": _SHAPE}, cut_inputs=["n"])

    assert sorted(rest) == sorted(whole)
    for name in rest:
        np.testing.assert_array_equal(rest[name], whole[name])


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "ipu-1"])
def test_both_halves_of_a_graph_give_the_values_of_tensorflow(device: str) -> None:
    made = operator_case("operators", "program_halves")
    x, (middle, end) = made.inputs()["x"], made.outputs()
    first = odla.execute(made.path, {"x": x}, device=device, cut_outputs=["parts:1"])
    second = odla.execute(
        made.path, {"parts:1": middle}, device=device, shapes={"parts:1": middle.shape}, cut_inputs=["parts:1"],
        cut_outputs=["Identity_1"],
    )  # fmt: skip

    assert difference(first["parts:1"], middle) is None
    assert difference(second["Identity_1"], end) is None


@pytest.mark.slow
@pytest.mark.parametrize("form", ["float", "int8"])
def test_both_halves_of_a_tflite_network_give_its_values(form: str) -> None:
    made = network_file("keyword_spotter", form)
    inputs = given(made, "keyword_spotter")
    main = parse_model(made.path).subgraphs[0]
    name = main.tensors[main.operators[len(main.operators) // 2].outputs[0]].name
    whole = odla.execute(made.path, inputs)
    middle = odla.execute(made.path, inputs, cut_outputs=[name])
    rest = odla.execute(made.path, {name: middle[name]}, cut_inputs=[name])

    for key in whole:
        np.testing.assert_array_equal(rest[key], whole[key])
