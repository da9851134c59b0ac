"""How long the commands take, whole process, and how much memory compiling takes at most.

    python -m benchmarks.command_speed [--runs N]

Start it on an idle machine. Modules are compiled to bytecode before anything is measured, as an installed package is.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from onnx import TensorProto, helper

from benchmarks.make_full_size import full_size_model

SLACK_BYTES = 300 << 20
"""Peak memory may be three times the model's size plus this."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A command, the seconds it may take, and the bytes of the model it compiles (0: memory is not judged)."""

    name: str
    command: Sequence[str]
    seconds: float
    model_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """Wall-clock seconds and peak resident bytes of one process."""

    seconds: float
    peak_bytes: int


def measure(command: Sequence[str], folder: Path) -> Measured:
    """Run a command and wait for it. Raises CalledProcessError if it fails."""
    begin = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run:
        assert run.stdout is not None
        output = run.stdout.read()
        _pid, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begin
    if run.returncode:
        raise subprocess.CalledProcessError(run.returncode, command, output)
    return Measured(seconds, usage.ru_maxrss << 10)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "halo-benchmark-bytecode")}


def _one_node(folder: Path) -> Path:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 64]) for name in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "one", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder / "one.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def goals(folder: Path) -> list[Goal]:
    """What is measured, in order; a later command may read what an earlier one wrote."""
    scripts = Path(sysconfig.get_path("scripts"))
    halo, compile_command = str(scripts / "halo"), str(scripts / "halo-compile")
    resnet, bert = full_size_model("resnet50"), full_size_model("bert_base", 128)
    shared = ("--target", "ipu-pod16", "--batch-size", "16", "--precision", "fp16")
    load = "import sys; from halo_py.executable import Executable; Executable.load(sys.argv[1])"
    return [
        Goal("import halo_py", (sys.executable, "-c", "import halo_py"), 0.3),
        Goal("halo --help", (halo, "--help"), 0.5),
        Goal("one node", (compile_command, str(_one_node(folder)), "--target", "ipu-pod16"), 0.9),
        Goal("ResNet-50", (compile_command, str(resnet), *shared), 10.0, resnet.stat().st_size // 2),
        Goal("BERT-Base", (compile_command, str(bert), *shared), 15.0, bert.stat().st_size // 2),
        Goal("load resnet50.halo", (sys.executable, "-c", load, "resnet50.halo"), float("inf")),
    ]


@click.command()
@click.option("--runs", default=3, show_default=True, help="Runs of each command; the middle one counts.")
def main(runs: int) -> None:
    """Print seconds and peak memory of each command against its goal."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        click.echo(f"{'command':<20}{'seconds':>9}{'goal':>7}   {'peak':>9}{'goal':>9}")
        for goal in goals(folder):
            measure(goal.command, folder)
            found = [measure(goal.command, folder) for _ in range(runs)]
            seconds = statistics.median(entry.seconds for entry in found)
            peak = max(entry.peak_bytes for entry in found)
            line = f"{goal.name:<20}{seconds:>9.2f}{_seconds_goal(goal):>7}   {peak / 1e6:>6.0f} MB"
            if goal.model_bytes:
                line += f"{(3 * goal.model_bytes + SLACK_BYTES) / 1e6:>6.0f} MB"
            click.echo(line)
        click.echo(
            f"load only, without imports: {_load_seconds(folder / 'resnet50.halo'):.3f} s (goal 0.2 s plus reading)"
        )


def _seconds_goal(goal: Goal) -> str:
    return "" if goal.seconds == float("inf") else f"{goal.seconds:g}"


def _load_seconds(path: Path) -> float:
    """Seconds of loading alone, in a process that has imported everything."""
    code = (
        "import sys, time; from halo_py.executable import Executable; Executable.load(sys.argv[1])\n"
        "begin = time.perf_counter(); Executable.load(sys.argv[1]); print(time.perf_counter() - begin)"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, env=_environment(), encoding="utf-8")
    return float(done.stdout)


if __name__ == "__main__":
    main()
