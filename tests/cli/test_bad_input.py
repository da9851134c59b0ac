"""Whatever is wrong with the input: one clear message on stderr, the documented exit code, no traceback, no file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.cli.command import DIGITS, check_golden, message, run

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
MODEL = "model.onnx"


def _model(*nodes: tuple[str, list[str], list[str]], initializer: TensorProto | None = None) -> bytes:
    made = [helper.make_node(op, inputs, outputs, name=f"node{n}") for n, (op, inputs, outputs) in enumerate(nodes)]
    x, y = (helper.make_tensor_value_info(name, FLOAT, [2, 3]) for name in ("x", "y"))
    graph = helper.make_graph(made, "bad", [x], [y], [] if initializer is None else [initializer])
    return _bytes(graph)


def _bytes(graph: object) -> bytes:
    model: ModelProto = helper.make_model(
        graph,  # type: ignore[arg-type]
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=9,
    )
    return model.SerializeToString()


def _with_external(location: str) -> bytes:
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2, 3], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "24")):
        tensor.external_data.add(key=key, value=value)
    return _model(("Add", ["x", "w"], ["y"]), initializer=tensor)


def _ten_gigabytes() -> bytes:
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[50_000, 50_000], raw_data=bytes(900))
    return _model(("Add", ["x", "w"], ["y"]), initializer=tensor)


def _type_clash() -> bytes:
    counts = numpy_helper.from_array(np.ones((2, 3), np.int64), "counts")
    return _model(("Add", ["x", "counts"], ["y"]), initializer=counts)


def _two_batches() -> bytes:
    x, y = (helper.make_tensor_value_info(name, FLOAT, ["batch", "length"]) for name in ("x", "y"))
    return _bytes(helper.make_graph([helper.make_node("Relu", ["x"], ["y"], name="relu")], "open", [x], [y]))


def _relu() -> bytes:
    return _model(("Relu", ["x"], ["y"]))


def _too_large() -> bytes:
    weights = numpy_helper.from_array(np.ones((2048, 2048), np.float32), "w")
    x, y = (helper.make_tensor_value_info(name, FLOAT, [1, 2048]) for name in ("x", "y"))
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="large")
    return _bytes(helper.make_graph([node], "too_large", [x], [y], [weights]))


def _two_custom_ops() -> bytes:
    return _model(("Frobnicate", ["x"], ["a"]), ("Frobnicate", ["a"], ["b"]), ("Twiddle", ["b"], ["y"]))


@dataclass(frozen=True, slots=True)
class Bad:
    """A model's bytes (None: the file is missing), options, and the exit code."""

    content: Callable[[], bytes | None]
    code: int
    options: tuple[str, ...] = field(default=("--target", "ipu-tiny"))


def _halved() -> bytes:
    content = DIGITS.read_bytes()
    return content[: len(content) // 2]


TINY = ("--target", "ipu-tiny")
CASES: dict[str, Bad] = {
    "missing_file": Bad(lambda: None, 3),
    "empty_file": Bad(lambda: b"", 3),
    "truncated_file": Bad(_halved, 3),
    "wrong_magic": Bad(lambda: b"\x89PNG\r\n\x1a\n" + bytes(200), 3),
    "unknown_op": Bad(_two_custom_ops, 4),
    "cyclic_graph": Bad(lambda: _model(("Add", ["x", "b"], ["a"]), ("Relu", ["a"], ["b"]), ("Relu", ["b"], ["y"])), 3),
    "type_clash": Bad(_type_clash, 3),
    "missing_external_file": Bad(lambda: _with_external("weights.bin"), 3),
    "external_path_outside": Bad(lambda: _with_external("../weights.bin"), 3),
    "ten_gigabytes": Bad(_ten_gigabytes, 3),
    "open_dimension": Bad(_two_batches, 3),
    "unknown_target": Bad(_relu, 2, ("--target", "ipu-pod17")),
    "chip_as_target": Bad(_relu, 2, ("--target", "gc200")),
    "device_as_target": Bad(_relu, 2, ("--target", "cpu")),
    "missing_target": Bad(_relu, 2, ()),
    "malformed_shape": Bad(_relu, 2, (*TINY, "--shape", "x=2xthree")),
    "shape_of_unknown_input": Bad(_relu, 2, (*TINY, "--shape", "z=2x3")),
    "shape_that_does_not_fit": Bad(_relu, 2, (*TINY, "--shape", "x=4x5x6")),
    "malformed_value": Bad(_relu, 2, (*TINY, "--value", "16000")),
    "value_of_unknown_input": Bad(_relu, 2, (*TINY, "--value", "sr=16000")),
    "unknown_objective": Bad(_relu, 2, (*TINY, "--objective", "speed")),
    "impossible_limit": Bad(_relu, 2, (*TINY, "--objective", "throughput@latency<=0.000001")),
    "unknown_precision": Bad(_relu, 2, (*TINY, "--precision", "fp64")),
    "invalid_batch": Bad(_relu, 2, (*TINY, "--batch-size", "3")),
    "too_many_replicas": Bad(_relu, 2, (*TINY, "--replicas", "2")),
    "unknown_option": Bad(_relu, 2, (*TINY, "--optimise")),
    "unknown_pass": Bad(_relu, 2, (*TINY, "--print-ir-after", "fuze")),
    "missing_plan": Bad(_relu, 2, (*TINY, "--plan", "plan.toml")),
    "no_such_output_folder": Bad(_relu, 8, (*TINY, "-o", "nowhere/model.halo")),
    "output_is_the_model": Bad(_relu, 2, (*TINY, "-o", MODEL)),
}


@pytest.mark.parametrize("name", CASES)
def test_one_clear_message(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    content = case.content()
    if content is not None:
        (tmp_path / MODEL).write_bytes(content)
    before = sorted(tmp_path.iterdir())

    ran = run("halo-compile", MODEL, *case.options, folder=tmp_path)

    assert ran.code == case.code, ran.err
    assert ran.err.count("error: ") == 1
    assert "Traceback" not in ran.err
    assert ran.out == ""
    assert sorted(tmp_path.iterdir()) == before
    check_golden(name, _stable(message(ran, tmp_path)))


def _stable(text: str) -> str:
    """Without what protobuf says in its own words, predicted times, and lists that grow."""
    text = re.sub(r"(hint: (?:passes|known|.* systems made of it): ).*", r"\1...", text)
    text = re.sub(r"(is not an ONNX model): .*", r"\1: ...", text)
    return re.sub(r"(the fastest takes) \S+", r"\1 ...", text)


def test_out_of_memory_names_the_place_and_ranks_ways_out(tmp_path: Path) -> None:
    (tmp_path / MODEL).write_bytes(_too_large())

    ran = run("halo-compile", MODEL, *TINY, folder=tmp_path)

    assert ran.code == 5, ran.err
    text = message(ran, tmp_path)
    assert re.match(
        r"error: model.onnx: the program does not fit: tile \d+ of IPU 0 needs [\d,]+ of 638,976 bytes", text
    )
    assert "superstep 0 ('large')" in text
    assert "largest there: w " in text
    assert re.findall(r"^ +(\d)\. ", text, re.MULTILINE)[:3] == ["1", "2", "3"]
    assert "--precision fp16" in text
    assert [path.name for path in tmp_path.iterdir()] == [MODEL]


@pytest.mark.parametrize("limit", [0, 1000, 20_000])
def test_a_full_disk_leaves_nothing(limit: int, tmp_path: Path) -> None:
    ran = run("halo-compile", DIGITS, "--target", "ipu-tiny", folder=tmp_path, limit_file_bytes=limit)

    assert ran.code == 8, ran.err
    assert ran.err.count("error: ") == 1
    assert "Traceback" not in ran.err
    assert list(tmp_path.iterdir()) == []
    check_golden("full_disk", message(ran, tmp_path))


def test_a_full_disk_behind_stdout() -> None:
    with Path("/dev/full").open("w") as full:
        ran = run("halo", "passes", folder=Path.cwd(), stdout=full.fileno())

    assert ran.code == 8, ran.err
    check_golden("full_stdout", message(ran, Path.cwd()))
