"""Models as ODLA calls in C and C++: what is written compiles without a warning and gives the model's values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import TensorProto, helper

from halo_py.errors import UnsupportedError
from tests.cli.command import run
from tests.models.catalogue import ModelCase, all_models
from tests.models.onnx_runtime import Judge
from tests.odla_c.emitted import build_emitted, run_emitted

if TYPE_CHECKING:
    from odla.source import Language

DIGITS = Path(__file__).parents[2] / "examples" / "digits.onnx"
MODELS = ("vit_tiny_dynamo", "resnet18_legacy", "openwakeword_alexa", "magika")


@pytest.mark.parametrize("device", ["cpu", "ipu-1"])
@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_example_in_both_languages_on_both_devices(
    language: Language, device: str, tmp_path: Path, library: Path
) -> None:
    image = np.random.default_rng(0).normal(size=(1, 1, 8, 8)).astype(np.float32)
    expected = Judge(DIGITS).run({"image": image})

    program, names = build_emitted(DIGITS, {"batch_size": 1}, language, tmp_path, library)

    assert run_emitted(program, names, {"image": image}, list(expected.values()), device) == "equal"
    wrong = [np.asarray(array) + 1 for array in expected.values()]
    assert run_emitted(program, names, {"image": image}, wrong, device) == "different"


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [case for case in all_models() if case.name in MODELS], ids=lambda case: str(case.name)
)
def test_real_models_give_the_values_of_onnx_runtime(case: ModelCase, tmp_path: Path, library: Path) -> None:
    inputs = case.inputs()
    expected = list(Judge(case.path()).run(inputs).values())
    options = {"shapes": dict(case.shapes), "values": dict(case.values)}

    program, names = build_emitted(case.path(), options, "c++", tmp_path, library)

    assert run_emitted(program, names, inputs, expected, "cpu") == "equal"


def test_all_nodes_without_a_form_are_listed(tmp_path: Path, library: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])
    nodes = [
        helper.make_node("NonZero", ["x"], ["n"], name="where"),
        helper.make_node("Unique", ["x"], ["u"], name="once"),
    ]
    outputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in (("n", 7), ("u", 1))]
    graph = helper.make_graph(nodes, "g", [x], outputs)
    path = tmp_path / "g.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())

    with pytest.raises(UnsupportedError, match="no form as ODLA calls") as caught:
        build_emitted(path, {}, "c", tmp_path, library)

    assert "NonZero" in str(caught.value)
    assert "Unique" in str(caught.value)


def test_an_open_shape_is_refused_with_the_way_to_fix_it(tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "T", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    path = tmp_path / "open.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())

    refused = run("halo-compile", "open.onnx", "--emit", "c", "-o", "made", folder=tmp_path)
    fixed = run("halo-compile", "open.onnx", "--emit", "c", "--shape", "x:2x3x4", "-o", "made", folder=tmp_path)

    assert refused.code != 0
    assert "1 input of open dimensions" in refused.err
    assert "'x': float32[1, T, 4]" in refused.err
    assert "--shape" in refused.err
    assert fixed.code == 0, fixed.err


def test_the_command_writes_into_a_folder(tmp_path: Path) -> None:
    ran = run("halo-compile", str(DIGITS), "--emit", "c++", "-o", "made", folder=tmp_path)

    assert ran.code == 0, ran.err
    names = ["digits.cc", "digits.h", "digits_main.cc", "digits_weights.S", "digits_weights.bin"]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == names
