"""`halo-compile` on the example: what it writes, prints and refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from halo_py.cli.output import all_or_none
from halo_py.errors import OutputError
from tests.cli.command import DIGITS, command_environment, message, run, script


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that one compile writes."""
    folder = tmp_path_factory.mktemp("compiled")
    ran = run(
        "halo-compile", DIGITS, "--target", "ipu-tiny4", "--batch-size", "8", "--verify", "--json", "facts.json",
        "--save-plan", "plan.toml", "--print-ir-after", "fuse", folder=folder,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    (folder / "stdout.txt").write_text(ran.out, encoding="utf-8")
    (folder / "stderr.txt").write_text(ran.err, encoding="utf-8")
    return folder


def test_the_executable_is_named_after_the_model_in_the_current_folder(compiled: Path) -> None:
    assert (compiled / "digits.halo").read_bytes()[:2] == b"PK"


def test_the_summary_says_what_matters(compiled: Path) -> None:
    text = (compiled / "stdout.txt").read_text(encoding="utf-8")
    for line in (
        r"digits.onnx on ipu-tiny4 \(4 x ipu-tiny-chip\), fp32",
        r"plan +batch 8 = ",
        r"throughput +[\d,]+ items/s \[[\d,]+ \.\. [\d,]+\]",
        r"latency +[\d.]+ [num]?s a request \[",
        r"bound by +\w+",
        r"memory +fullest tile \(number \d+\) [\d.]+ kB of 639 kB \(\d+%\)",
        r"smallest system +ipu-tiny",
        r"compute +[\d,]+ +\d+%",
        r"conv +[\d,]+ +\d+%",
        r"logits +80 +equal",
        r"digits.halo: [\d.]+ kB",
    ):
        assert re.search(line, text), line
    summary = text[text.index("digits.onnx on ") :]
    assert max(map(len, summary.splitlines())) <= 120


def test_plain_phase_lines_go_to_stderr(compiled: Path) -> None:
    text = (compiled / "stderr.txt").read_text(encoding="utf-8")
    phases = [line.split()[0] for line in text.splitlines()]
    assert [phase for phase in phases if phase != "optimise"] == ["import", "plan", "program", "verify", "write"]
    assert all(re.search(r"\d+\.\d\d s", line) for line in text.splitlines())


def test_the_facts_as_json(compiled: Path) -> None:
    facts = json.loads((compiled / "facts.json").read_text(encoding="utf-8"))
    plan = facts["plan"]
    assert plan["batch"] == 8 == plan["replicas"] * plan["micro_batches"] * plan["micro_batch"]
    assert facts["target"] == "ipu-tiny4"
    fast, nominal, slow = facts["latency_seconds"]["with_host"]
    assert 0 < fast <= nominal <= slow
    assert facts["throughput_items_per_second"]["with_host"][0] >= facts["throughput_items_per_second"]["with_host"][2]
    assert [entry["equal"] for entry in facts["verified"]] == [True]
    assert set(facts["compile_seconds"]) == {"import", "optimise", "plan", "program", "verify", "write"}
    assert facts["executable"]["bytes"] == (compiled / "digits.halo").stat().st_size
    assert facts["inputs"] == [{"name": "image", "dtype": "float32", "shape": [8, 1, 8, 8]}]


def test_the_graph_after_a_pass_is_printed(compiled: Path) -> None:
    text = (compiled / "stdout.txt").read_text(encoding="utf-8")
    assert text.startswith("// after pass fuse")
    assert "conv" in text.partition("digits.onnx on ")[0]


def test_a_saved_plan_gives_the_same_program(compiled: Path, tmp_path: Path) -> None:
    ran = run(
        "halo-compile", DIGITS, "--target", "ipu-tiny4", "--batch-size", "8", "--plan", compiled / "plan.toml",
        "--json", "-", folder=tmp_path,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    again, first = json.loads(ran.out), json.loads((compiled / "facts.json").read_text(encoding="utf-8"))
    assert again["plan"] == first["plan"]
    assert again["cycles_by_op"] == first["cycles_by_op"]


def test_report_shows_the_same_summary(compiled: Path) -> None:
    ran = run("halo", "report", "digits.halo", folder=compiled)
    assert ran.code == 0, ran.err
    printed = (compiled / "stdout.txt").read_text(encoding="utf-8")
    for name in ("plan", "throughput", "latency", "memory"):
        (line,) = [line for line in ran.out.splitlines() if line.startswith(name)]
        assert line in printed


def _write_then(path: Path, error: BaseException | None) -> None:
    with all_or_none() as written:
        path.touch()
        written.append(path)
        if error is not None:
            raise error


def test_if_one_file_cannot_be_written_none_is_left(tmp_path: Path) -> None:
    for error in (OutputError("full"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            _write_then(tmp_path / "failed", error)
    _write_then(tmp_path / "done", None)
    assert [path.name for path in tmp_path.iterdir()] == ["done"]


@pytest.mark.parametrize("option", ["-o", "--json", "--save-plan"])
def test_a_device_is_never_replaced_by_a_file(option: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ran = run("halo-compile", DIGITS, "--target", "ipu-tiny", option, "pipe", folder=tmp_path)
    assert ran.code == 8
    assert "pipe: cannot be written: it is a device or a pipe" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert pipe.is_fifo()


def test_halo_compile_is_the_same_command(tmp_path: Path) -> None:
    ran = run("halo", "compile", DIGITS, "--target", "ipu-tiny", "-o", "small.halo", folder=tmp_path)
    assert ran.code == 0, ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["small.halo"]


def test_verify_refuses_a_program_that_computes_something_else(tmp_path: Path) -> None:
    """A model whose items depend on each other gives other values when its batch is shared out."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in ("x", "y"))
    axes = numpy_helper.from_array(np.array([0], np.int64), "axes")
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], name="mean_of_items"),
        helper.make_node("Sub", ["x", "mean"], ["y"], name="centred"),
    ]
    graph = helper.make_graph(nodes, "centred", [x], [y], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (tmp_path / "centred.onnx").write_bytes(model.SerializeToString())
    options = ("--target", "ipu-tiny4", "--batch-size", "4", "--verify")

    different = run("halo-compile", "centred.onnx", *options, "--replicas", "4", folder=tmp_path)
    assert different.code == 7, different.err
    text = message(different, tmp_path)
    assert text.startswith("error: centred.onnx: 1 of 1 outputs differ from ONNX Runtime's:\n  y: DIFFERENT at (")
    assert [path.name for path in tmp_path.iterdir()] == ["centred.onnx"]

    equal = run("halo-compile", "centred.onnx", *options, "--replicas", "1", "--micro-batch", "4", folder=tmp_path)
    assert equal.code == 0, equal.err


@pytest.mark.parametrize("precision", ["fp16", "mixed"])
def test_verify_in_half_precision(precision: str, tmp_path: Path) -> None:
    ran = run(
        "halo-compile", DIGITS, "--target", "ipu-tiny", "--batch-size", "4", "--precision", precision, "--verify",
        "--json", "-", folder=tmp_path,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    (verified,) = json.loads(ran.out)["verified"]
    assert 1e-4 < verified["allowed"] < 1.0
    assert 0 < verified["largest_error"] <= verified["allowed"]


def test_interrupting_leaves_nothing_and_exits_with_130(tmp_path: Path) -> None:
    with subprocess.Popen(
        [script("halo-compile"), DIGITS, "--target", "ipu-pod16", "--batch-size", "16"],
        cwd=tmp_path,
        env=command_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("import")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "error: interrupted; nothing was written" in err
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_unexpected_exception_is_an_internal_error(tmp_path: Path) -> None:
    """A plug-in that raises something of its own: no traceback unless it is asked for."""
    package = tmp_path / "halo_broken-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: halo-broken\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[halo.ops]\nbroken = halo_broken\n")
    (tmp_path / "halo_broken.py").write_text("raise ZeroDivisionError('on purpose')\n")
    options = ("halo-compile", DIGITS, "--target", "ipu-tiny")

    ran = run(*options, folder=tmp_path, environment={"PYTHONPATH": str(tmp_path)})
    assert ran.code == 70
    assert ran.err.startswith("error: unexpected ZeroDivisionError: on purpose\n  hint: this is a defect of HALO: ")
    assert "Traceback" not in ran.err

    shown = run(*options, folder=tmp_path, environment={"PYTHONPATH": str(tmp_path), "HALO_TRACEBACK": "1"})
    assert shown.code == 70
    assert "Traceback" in shown.err
