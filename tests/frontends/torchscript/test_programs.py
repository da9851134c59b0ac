"""What TorchScript can express, as scripted modules: the imported graph gives Torch's values."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import odla
from halo_py.errors import ShapeError, UsageError
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import ImportOptions, inspect_model, load_model
from halo_py.ir.graph import Graph
from halo_py.ir.verify import verify_graph
from tests.frontends.torchscript.agreement import ABSOLUTE, difference
from tests.frontends.torchscript.made import MadeProgram, program

PROGRAMS = [
    "anchors",
    "attention",
    "causal_attention",
    "choices",
    "choices_on_data",
    "choices_on_data_other",
    "classes",
    "containers",
    "counted_loop_on_data",
    "decoder",
    "detector",
    "dictionary_result",
    "double",
    "dynamic_linear",
    "early_return_on_data",
    "enumerations",
    "frozen",
    "gru",
    "gru_cell",
    "half",
    "in_place",
    "indexing",
    "inverse_spectrogram",
    "loop_on_data",
    "loops",
    "lstm",
    "lstm_batch_first",
    "named_tuples",
    "optionals",
    "packed_gru",
    "packed_lstm",
    "packed_lstm_traced",
    "quantised_cnn",
    "quantised_residual",
    "rnn",
    "rnn_cell",
    "rnn_tanh",
    "rotary_complex",
    "scripted_cnn",
    "scripted_lstm",
    "scripted_lstm_loop",
    "spectrogram",
    "state_in_branches",
    "strided_views",
    "submodules",
    "texts",
    "transformer",
    "transformer_norm_first",
    "upsampling",
    "views",
]
# A sum that lies between two integers may be rounded to either: one step of the output's scale.
ONE_STEP = {"quantised_cnn": 0.05, "quantised_residual": 0.05, "half": 2e-3}


def _loaded(made: MadeProgram) -> Graph:
    shapes = {str(number): array.shape for number, array in enumerate(made.inputs())}
    return load_model(made.path, ImportOptions(shapes=shapes))


def _kinds(graph: Graph) -> Counter[str]:
    return Counter(node.op.kind for node in graph.walk())


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_program_gives_the_values_of_torch(name: str) -> None:
    made = program("programs", name)
    graph = _loaded(made)

    verify_graph(graph)
    found = evaluate_graph(graph, made.inputs())

    expected = made.outputs()
    assert len(found) == len(expected)
    for value, judged in zip(found, expected, strict=True):
        assert difference(value, judged, ONE_STEP.get(name, ABSOLUTE)) is None


@pytest.mark.slow
def test_known_choices_and_loops_leave_no_control_flow() -> None:
    for name in ("choices", "loops", "texts", "containers", "scripted_lstm_loop"):
        assert not {"if", "loop"} & set(_kinds(_loaded(program("programs", name)))), name


@pytest.mark.slow
def test_choices_and_loops_on_data_are_nodes() -> None:
    assert _kinds(_loaded(program("programs", "choices_on_data")))["if"] == 1
    assert _kinds(_loaded(program("programs", "early_return_on_data")))["if"] == 2
    assert _kinds(_loaded(program("programs", "loop_on_data")))["loop"] == 1
    assert _kinds(_loaded(program("programs", "counted_loop_on_data")))["loop"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["choices_on_data", "early_return_on_data", "in_place", "packed_lstm", "views", "quantised_cnn"]
)
def test_simulated_chip_runs_it(name: str) -> None:
    made = program("programs", name)

    result = odla.execute(_loaded(made), made.inputs(), device="ipu-1", mode="whole")

    for value, judged in zip(result.values(), made.outputs(), strict=True):
        assert difference(value, judged, ONE_STEP.get(name, ABSOLUTE)) is None


@pytest.mark.slow
def test_outputs_are_named_by_the_result() -> None:
    assert _loaded(program("programs", "dictionary_result")).output_names == ("sum", "largest")
    assert _loaded(program("programs", "named_tuples")).output_names == ("left", "right")
    assert _loaded(program("programs", "attention")).output_names == ("output_0", "output_1")


@pytest.mark.slow
def test_shapes_go_by_name_and_by_position() -> None:
    path = program("programs", "choices").path

    by_name = load_model(path, ImportOptions(shapes={"x": (5, 4)}))
    by_position = load_model(path, ImportOptions(shapes={"0": (5, 4)}))

    assert by_name.inputs[0].type == by_position.inputs[0].type
    with pytest.raises(UsageError, match="no input 'y'"):
        load_model(path, ImportOptions(shapes={"y": (5, 4)}))


@pytest.mark.slow
def test_traced_inputs_need_no_shape() -> None:
    made = program("programs", "lstm")

    assert [str(value.type) for value in load_model(made.path).inputs] == ["float32[5, 2, 6]"]


@pytest.mark.slow
def test_inspect_tells_what_the_file_holds() -> None:
    facts = inspect_model(program("programs", "scripted_cnn").path)

    assert facts.format == "torchscript"
    assert [port.name for port in facts.inputs] == ["x"]
    assert facts.ops["aten::conv2d"] == 2
    assert facts.parameters == 8 * 3 * 9 + 4 * 8 + 1 + 8 * 2 * 9 + 8 + 8 * 4 * 4 + 4 + 2 * 4 + 4 * 5 + 5
    assert not facts.refused


@pytest.mark.slow
def test_weights_are_mapped_not_copied() -> None:
    graph = _loaded(program("programs", "scripted_cnn"))

    weights = [array for array in graph.constants.values() if array.ndim == 4]
    assert len(weights) == 3
    for array in weights:
        assert not array.flags.owndata
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            np.copyto(array, 0)


@pytest.mark.slow
def test_given_inputs_say_what_the_file_does_not() -> None:
    made = program("programs", "choices")

    result = odla.execute(made.path, made.inputs())

    assert difference(result["output"], made.outputs()[0]) is None
    with pytest.raises(ShapeError, match="add --shape x="):
        load_model(made.path)
