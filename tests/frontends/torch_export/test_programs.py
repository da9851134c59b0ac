"""Programs that `torch.export` writes, as they are and in Torch's core operators, give Torch's values."""

from __future__ import annotations

import numpy as np
import pytest

import odla
from halo_py.errors import ShapeError, UsageError
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import ImportOptions, inspect_model, load_model
from halo_py.ir.graph import Graph
from halo_py.ir.verify import verify_graph
from halo_py.types import TensorType
from tests.frontends.torchscript.agreement import difference
from tests.frontends.torchscript.made import MadeProgram, program

pytestmark = pytest.mark.slow

WITH_CORE = ["convolutional", "encoder", "open_batch", "open_length", "recurrent", "results", "sizes", "state", "views"]
PROGRAMS = [*WITH_CORE, *(f"{name}_core" for name in WITH_CORE), "choice", "choice_other", "loop"]


def _made(name: str) -> MadeProgram:
    return program("exports", name)


def _loaded(made: MadeProgram) -> Graph:
    shapes = {str(number): array.shape for number, array in enumerate(made.inputs())}
    return load_model(made.path, ImportOptions(shapes=shapes))


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_gives_the_values_of_torch(name: str) -> None:
    made = _made(name)
    graph = _loaded(made)

    verify_graph(graph)
    found = evaluate_graph(graph, made.inputs())

    expected = made.outputs()
    assert len(found) == len(expected)
    for value, judged in zip(found, expected, strict=True):
        assert difference(value, judged) is None


@pytest.mark.parametrize("device", ["cpu", "ipu-1"])
@pytest.mark.parametrize("name", ["convolutional_core", "open_length", "choice", "loop"])
def test_devices_give_the_values_of_torch(name: str, device: str) -> None:
    made = _made(name)
    mode = {} if device == "cpu" else {"mode": "whole"}

    result = odla.execute(made.path, made.inputs(), device=device, **mode)

    for value, judged in zip(result.values(), made.outputs(), strict=True):
        assert difference(value, judged) is None


def test_control_flow_on_data_is_nodes() -> None:
    assert [node.op.kind for node in _loaded(_made("choice")).nodes].count("if") == 2
    assert [node.op.kind for node in _loaded(_made("loop")).nodes].count("loop") == 1


def test_results_are_named_by_their_containers() -> None:
    assert _loaded(_made("results")).output_names == ("left", "right", "list_0", "list_1_0", "rows")
    assert _loaded(_made("choice")).output_names == ("output_0", "output_1")


def test_open_sizes_are_fixed_by_what_the_user_says() -> None:
    path = _made("open_batch").path

    with pytest.raises(ShapeError, match="add --batch-size 1"):
        load_model(path)
    by_batch = load_model(path, ImportOptions(batch_size=7))
    by_shape = load_model(path, ImportOptions(shapes={"x": (7, 3, 16, 16)}))

    assert by_batch.inputs[0].type == by_shape.inputs[0].type == by_shape.inputs[0].type
    assert isinstance(by_batch.outputs[0].type, TensorType)
    assert by_batch.outputs[0].type.shape == (7, 5)
    with pytest.raises(UsageError, match="does not fit 3"):
        load_model(path, ImportOptions(shapes={"x": (7, 4, 16, 16)}))


def test_inspect_tells_what_the_file_holds() -> None:
    facts = inspect_model(_made("convolutional").path)

    assert facts.format == "torch_export"
    assert facts.producer.startswith("torch 2.")
    assert [(port.name, str(port.type)) for port in facts.inputs] == [("x", "float32[2, 3, 16, 16]")]
    assert [(port.name, str(port.type)) for port in facts.outputs] == [("output", "float32[2, 5]")]
    assert facts.ops["aten::conv2d"] == 2
    assert not facts.refused
    assert [port.name for port in inspect_model(_made("results").path).outputs] == list(
        _loaded(_made("results")).output_names
    )


def test_nodes_tell_the_module_that_they_come_from() -> None:
    places = {node.where.node for node in _loaded(_made("encoder")).nodes}

    assert "norm/layer_norm" in places
    assert "inner.0/linear" in places


def test_weights_are_mapped_not_copied() -> None:
    graph = _loaded(_made("convolutional"))

    weights = [array for array in graph.constants.values() if array.ndim == 4]
    assert len(weights) == 3
    for array in weights:
        assert not array.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            np.copyto(array, 0)
