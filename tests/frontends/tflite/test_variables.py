"""Variables of TFLite files: set once, then read and changed in order by every run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import odla
from halo_py.errors import ModelError, UnsupportedError
from halo_py.frontend import ImportOptions, inspect_model, load_model
from tests.frontends.tflite.flatbuffer import (
    ADD,
    WHILE,
    Number,
    Table,
    flatbuffer,
    model,
    operator,
    subgraph,
    tensor,
)

CALL_ONCE, VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE = 129, 142, 143, 144
RESOURCE = 13
CODES = [ADD, CALL_ONCE, VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, WHILE]
START = np.asarray([10, 20], np.float32)
X = np.asarray([1, 2], np.float32)


def _handle(made: int) -> Table:
    return operator(2, [], [made], {1: "state"})


def _first() -> Table:
    """What is run once: the state becomes START."""
    tensors = [tensor("handle", (), RESOURCE), tensor("start", (2,), buffer=1)]
    return subgraph(tensors, [], [], [_handle(0), operator(4, [0, 1], [])])


def _streaming(path: Path, once: bool = True) -> Path:
    """before = state, state = before + x, after = state."""
    names = ("x", "before", "sum", "after")
    tensors = [*(tensor(name, (2,)) for name in names), tensor("handle", (), RESOURCE)]
    operators = [
        *([operator(1, [], [], {0: Number("i", 1)})] if once else []),
        _handle(4),
        operator(3, [4], [1]),
        operator(0, [0, 1], [2]),
        operator(4, [4, 2], []),
        operator(3, [4], [3]),
    ]
    main = subgraph(tensors, [0], [1, 3], operators)
    path.write_bytes(flatbuffer(model([main, _first()], CODES, [START.tobytes()])))
    return path


def test_every_run_begins_with_what_is_set_once(tmp_path: Path) -> None:
    path = _streaming(tmp_path / "stream.tflite")

    assert inspect_model(path).refused == ()
    for _ in range(2):
        found = odla.execute(path, {"x": X}, device="cpu")
        np.testing.assert_array_equal(found["before"], START)
        np.testing.assert_array_equal(found["after"], START + X)


def test_a_cut_makes_the_state_an_input_and_an_output(tmp_path: Path) -> None:
    graph = load_model(_streaming(tmp_path / "stream.tflite"), ImportOptions(inputs=("x", "before"), outputs=("sum",)))

    state = START
    for _ in range(3):
        state = np.asarray(odla.execute(graph, {"x": X, "before": state}, device="cpu")["sum"])
    np.testing.assert_array_equal(state, START + 3 * X)


def test_a_variable_that_is_never_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reads the variable '/state' before it is set"):
        load_model(_streaming(tmp_path / "unset.tflite", once=False))


def test_a_variable_inside_of_a_loop_is_refused(tmp_path: Path) -> None:
    tensors = [tensor("x", (2,)), tensor("y", (2,)), tensor("handle", (), RESOURCE)]
    body = subgraph(tensors, [0], [1], [_handle(2), operator(3, [2], [1])])
    loop = operator(5, [0], [1], {0: Number("i", 1), 1: Number("i", 1)})
    path = tmp_path / "loop.tflite"
    path.write_bytes(flatbuffer(model([subgraph(tensors[:2], [0], [1], [loop]), body], CODES)))

    with pytest.raises(UnsupportedError, match="variables inside of branches and loops") as raised:
        load_model(path)
    assert "VAR_HANDLE" in str(raised.value)
