"""Formats are told from what files hold, in an environment that has none of the frameworks."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import helper

from halo_py.cli.inspect import command
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import ImportOptions, find_frontend, load_model
from tests.frontends.onnx_models import make_graph, tensor_input
from tests.frontends.tensorflow.files import entry, header, index_of, relu_graph, saved_model
from tests.frontends.tflite.flatbuffer import flatbuffer, relu_model
from tests.frontends.torchscript.archives import records, write_archive

FRAMEWORKS = ("torch", "tensorflow", "tflite_runtime", "ai_edge_litert", "keras")


def _onnx(folder: Path) -> Path:
    path = folder / "net.onnx"
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    graph = make_graph(nodes, [tensor_input("x", 2, 3)], [tensor_input("y", 2, 3)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def _torchscript(folder: Path) -> Path:
    return write_archive(folder / "net.pt", records())


def _frozen(folder: Path) -> Path:
    return relu_graph(folder / "net.pb")


def _saved(folder: Path) -> Path:
    contents = np.ones(6, "<f4").tobytes()
    return saved_model(folder / "net", index_of({b"": header(), b"v": entry()}), contents)


def _lite(folder: Path) -> Path:
    path = folder / "net.tflite"
    path.write_bytes(flatbuffer(relu_model()))
    return path


MAKERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "onnx": (_onnx, "onnx"),
    "torchscript": (_torchscript, "torchscript"),
    "frozen": (_frozen, "tensorflow"),
    "saved": (_saved, "tensorflow"),
    "lite": (_lite, "tflite"),
}
FILES = [name for name in MAKERS if name != "saved"]


def _format(path: Path) -> str:
    return find_frontend(path).name


@pytest.mark.parametrize("name", MAKERS)
def test_format_is_told_from_its_usual_name(name: str, tmp_path: Path) -> None:
    make, wanted = MAKERS[name]

    assert _format(make(tmp_path)) == wanted


@pytest.mark.parametrize("other", ["net.bin", "net", "net.pb", "net.onnx", "net.tflite", "net.pt"])
@pytest.mark.parametrize("name", FILES)
def test_format_is_told_from_content_whatever_the_name(name: str, other: str, tmp_path: Path) -> None:
    make, wanted = MAKERS[name]
    (tmp_path / "made").mkdir()
    path = shutil.move(make(tmp_path / "made"), tmp_path / other)

    assert _format(Path(path)) == wanted


def test_description_of_a_saved_model_stands_for_its_folder(tmp_path: Path) -> None:
    folder = _saved(tmp_path)

    assert _format(folder / "saved_model.pb") == "tensorflow"
    assert len(load_model(folder / "saved_model.pb").nodes) == len(load_model(folder).nodes)


def test_no_framework_is_needed(tmp_path: Path) -> None:
    """The environment of the tests has none, and a file of every format is read."""
    assert [name for name in FRAMEWORKS if importlib.util.find_spec(name) is not None] == []
    for name, (make, _) in MAKERS.items():
        own = tmp_path / name
        own.mkdir()
        graph = load_model(make(own), ImportOptions(shapes={"x": (2, 3)}))

        (found,) = evaluate_graph(graph, [np.full((2, 3), 2, np.float32)])

        assert np.asarray(found).shape[0] == 2


@pytest.mark.parametrize("name", MAKERS)
def test_inspect_shows_what_a_file_holds(name: str, tmp_path: Path) -> None:
    make, _ = MAKERS[name]
    operator = {"torchscript": "aten::add", "saved": "AddV2", "lite": "RELU"}.get(name, "Relu")

    ran = CliRunner().invoke(command, [str(make(tmp_path))])

    assert ran.exit_code == 0, ran.output
    for text in ("x", operator, "parameters"):
        assert text in ran.output
