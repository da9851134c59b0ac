"""The options of IPU clients: pipelines, execution modes, batches per step and kept executables, by a client in C."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import onnx
import pytest

from halo_py.errors import UsageError
from odla.c.ipu_config import IpuConfig
from tests.odla_c.programs import HERE, compile_program, run_program

PROCESSOR_NUM, BATCHES_PER_STEP, ENABLE_ENGINE_CACHE, CACHE_DIR, CACHE_FILE = 16, 17, 24, 25, 1001
"""Items."""

PIPELINE = {"^layer1_": [0, 0], "^LAYER2_": [1, 1]}
TWO_STAGES = {"execution_mode": "pipeline", "ipu_num": 2, "pipeline": PIPELINE}


@pytest.fixture(scope="module")
def client(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline_client")
    return compile_program((HERE / "pipeline_client.c").read_text(), "c", folder, library, "-lm")


def _run(
    client: Path,
    config: dict[str, Any] | None,
    *arguments: object,
    device: str | None = "ipu-tiny4",
    level: str = "off",
) -> subprocess.CompletedProcess[str]:
    file = client.parent / "config.json"
    file.write_text(json.dumps(config))
    named = "" if config is None else str(file)
    return run_program(client, *map(str, arguments), device=device, ODLA_LOG_LEVEL=level, ODLA_POPART_CONFIG=named)


def _stages(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    """The names of the nodes that each stage runs."""
    assert done.returncode == 0, done.stderr[:4000]
    profile = json.loads(done.stdout)["device"]
    return [[name for step in stage["steps"] for name in step["names"]] for stage in profile["time"]["stages"]]


def test_the_pipeline_has_the_nodes_that_its_patterns_name(client: Path) -> None:
    assert _stages(_run(client, TWO_STAGES, 1, 4, "run")) == [["layer1_relu"], ["layer2_relu"]]


def test_patterns_may_leave_the_rest_to_one_of_them(client: Path) -> None:
    pipeline = {"^__all_unmatched__$": [1, 1], "layer1_fc": [0, 0]}
    stages = _stages(_run(client, {**TWO_STAGES, "pipeline": pipeline}, 1, 1, "run"))
    assert stages == [["layer1_fc"], ["layer1_relu", "layer2_relu"]]


def test_sequence_mode_puts_nothing_into_stages(client: Path) -> None:
    assert _stages(_run(client, {**TWO_STAGES, "execution_mode": "sequence"}, 1, 2, "run")) == [
        ["layer1_relu", "layer2_relu"]
    ]


def test_bound_memory_holds_the_batches_of_a_step_in_sequence_mode_only(client: Path) -> None:
    config = {"batches_per_step": 3, "execution_mode": "sequence"}
    assert _run(client, config, 3, 2, "run", device="reference").returncode == 0
    assert _run(client, {**config, "execution_mode": "parallel"}, 1, 4, "run", device="reference").returncode == 0
    # An item outranks the config, but not one that is there to find errors.
    assert _run(client, config, 2, 1, "run", BATCHES_PER_STEP, 2, device="reference").returncode == 0
    config["debug"] = True
    assert _run(client, config, 3, 1, "run", BATCHES_PER_STEP, 2, device="reference").returncode == 0


def test_pipeline_async_calls_back(client: Path) -> None:
    done = _run(client, {**TWO_STAGES, "execution_mode": "pipeline_async", "queue_capacity": 1}, 1, 3, "async")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("config", "items", "message"),
    [
        (TWO_STAGES, (PROCESSOR_NUM, 4), "ODLA_PROCESSOR_NUM is 4, ipu_num of the pipeline's config 2"),
        ({**TWO_STAGES, "batches_per_step": 2}, (BATCHES_PER_STEP, 3), "ODLA_BATCHES_PER_STEP is 3, batches_per_step"),
        ({**TWO_STAGES, "ipu_num": 16}, (), "16 IPUs are wanted, ipu-tiny4 has 4"),
        ({**TWO_STAGES, "pipeline": {"layer1": [0, 0]}}, (), "matches nodes 'layer2_fc', 'layer2_relu'"),
        ({"execution_mode": "quick"}, (), "execution_mode: is 'quick'"),
        ({"load_onnx": True, "load_onnx_path": "missing.onnx"}, (), "missing.onnx"),
        (None, (ENABLE_ENGINE_CACHE, 1), "ODLA_ENABLE_ENGINE_CACHE is set, but not ODLA_CACHE_DIR"),
    ],
)
def test_what_cannot_be_done_is_said(
    client: Path, config: dict[str, Any] | None, items: tuple[int, ...], message: str
) -> None:
    done = _run(client, config, 1, 1, "fail", *items)
    assert done.returncode > 10, done.stdout
    assert message in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"execution_mode": "quick"}', "is 'quick'; known are sequence, parallel, pipeline, pipeline_async"),
        (
            '{"amp": 2, "ipu_num": 0}',
            "amp: is 2, not a number above 0 and at most 1; ipu_num: is 0, not a whole number",
        ),
        ('{"pipeline": {"a": [0, 0], "b": [0, 1]}}', "stages 0, 1 share IPU 0: here every stage has an IPU of its own"),
        ('{"pipeline": {"a": [0, 1], "b": [2, 1]}}', "'b' puts stage 1 on IPU 2, another pattern on IPU 0"),
        ('{"pipeline": {"a": [0]}}', r"'a' is \[0\], not \[IPU, stage\]"),
        ('{"queue_type": "Pile"}', "queue_type: is 'Pile'; known are LockFreeQueue, ContextQueues"),
        ('{"load_onnx": true}', "load_onnx is true, but there is no load_onnx_path"),
        ('{"debug": 1, "save_model_path": 1}', "debug: is 1, not true or false; save_model_path: is 1, not a text"),
        ("{", "ODLA_POPART_CONFIG: is not JSON"),
        ("[]", "ODLA_POPART_CONFIG: is no JSON object"),
    ],
)
def test_what_is_wrong_with_a_config(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        IpuConfig.parse(text)


def test_patterns_are_tried_in_the_order_of_their_text() -> None:
    pipeline = {"b": [3, 1], "^__all_unmatched__$": [1, 2], "a": [0, 0]}
    config = IpuConfig.parse(json.dumps({"execution_mode": "pipeline", "pipeline": pipeline}))

    assert config.stage_patterns == (("a", 0), ("b", 1), ("", 2))


def test_a_config_that_does_not_exist_is_said(client: Path) -> None:
    done = run_program(client, "1", "1", "run", ODLA_POPART_CONFIG="nowhere.json")
    assert (done.returncode, done.stdout) == (12, "there is no file 'nowhere.json', which ODLA_POPART_CONFIG names\n")


def test_keys_that_nobody_knows_are_named_in_the_log(client: Path) -> None:
    done = _run(client, {"batch_per_step": 10}, 1, 1, "run", device="reference", level="warn")
    assert done.returncode == 0
    assert "'batch_per_step' has no effect; did you mean 'batches_per_step'?" in done.stderr


def test_the_model_is_saved_and_run_instead(client: Path) -> None:
    saved = client.parent / "saved.onnx"
    config = {"save_model": True, "save_model_path": str(saved)}
    assert _run(client, config, 1, 1, "run", device="cpu").returncode == 0
    model = onnx.ModelProto.FromString(saved.read_bytes())
    assert [value.name for value in model.graph.input] == ["x"]
    instead = {"load_onnx": True, "load_onnx_path": str(saved)}
    assert _run(client, instead, 1, 1, "run", device="cpu").returncode == 0
    # The file's weights count, not the program's.
    for weight in model.graph.initializer:
        weight.raw_data = bytes(len(weight.raw_data))
    saved.write_bytes(model.SerializeToString())
    done = _run(client, instead, 1, 1, "run", device="cpu")
    assert done.returncode == 1
    assert "close_to" in done.stderr


@pytest.mark.parametrize(("device", "one_file"), [("ipu-tiny4", True), ("cpu", False)])
def test_a_kept_executable_is_used_again(client: Path, device: str, *, one_file: bool, tmp_path: Path) -> None:
    kept = tmp_path / "kept.popart" if one_file else tmp_path / "kept"
    items = (CACHE_FILE, kept) if one_file else (CACHE_DIR, kept, ENABLE_ENGINE_CACHE, 1)

    def compiles_and_takes(config: dict[str, Any] | None = None) -> tuple[bool, bool]:
        done = _run(client, config, 1, 2, "run", *items, device=device, level="info")
        assert done.returncode == 0, done.stderr
        return "compiling" in done.stderr, "is taken from" in done.stderr

    assert compiles_and_takes() == (True, False)
    assert compiles_and_takes() == (False, True)
    file = kept if one_file else next(kept.iterdir())
    file.write_bytes(file.read_bytes()[:-100])
    assert compiles_and_takes() == (True, False)
    if device == "ipu-tiny4":
        assert compiles_and_takes(TWO_STAGES) == (True, False)


def test_the_file_that_keeps_an_executable_keeps_its_config(client: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.popart"
    beside = kept.with_suffix(".json")
    beside.write_text(json.dumps(TWO_STAGES))
    assert len(_stages(_run(client, None, 1, 1, "run", CACHE_FILE, kept))) == 2
    beside.unlink()
    done = _run(client, None, 1, 1, "run", CACHE_FILE, kept, level="info")
    assert len(_stages(done)) == 2
    assert "compiling" not in done.stderr
