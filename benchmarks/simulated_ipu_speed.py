"""How fast the simulated IPU computes values: ResNet-50 at batch 1 on `ipu-1`, beside ONNX Runtime, in one run.

python -m benchmarks.simulated_ipu_speed [--tiled] [--runs N]

`whole` in fp32 and mixed are timed in turn with ONNX Runtime and the medians compared; `--tiled` also executes every
vertex of all 1,472 tiles once and compares its outputs with ONNX Runtime's. Loading a saved executable is timed too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import halo_py
from benchmarks.make_full_size import full_size_model
from halo_backends.ipu.driver import IpuBackend, Loaded
from halo_py.executable import Executable
from halo_py.verification import compare

WHOLE_LIMIT = 5.0
TILED_LIMIT_SECONDS = 60.0


def _seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = run()
    return time.perf_counter() - begin, result


def main() -> None:
    """Time it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiled", action="store_true")
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    path = Path(full_size_model("resnet50"))
    random = np.random.default_rng(0)
    image = random.normal(size=(1, 3, 224, 224)).astype(np.float32)
    runtime: Any = import_module("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feeds = {session.get_inputs()[0].name: image}
    backend = IpuBackend()
    engines = {
        precision: Loaded(halo_py.compile(path, target="ipu-1", batch_size=1, precision=precision))
        for precision in ("fp32", "mixed")
    }
    runs: dict[str, Callable[[], Any]] = {"ONNX Runtime": lambda: session.run(None, feeds)}
    for precision, loaded in engines.items():
        runs[f"whole, {precision}"] = partial(backend.run, loaded, [image])
    seconds: dict[str, list[float]] = {label: [] for label in runs}
    for _ in range(arguments.runs + 1):
        for label, run in runs.items():
            seconds[label].append(_seconds(run)[0])
    plain = median(seconds["ONNX Runtime"][1:])
    for label, times in seconds.items():
        middle = median(times[1:])
        print(
            f"{label:14s} median {middle * 1e3:8.1f} ms  {middle / plain:5.2f} x ONNX Runtime (limit {WHOLE_LIMIT} x)"
        )
    _loading(engines["fp32"].executable)
    if arguments.tiled:
        loaded = Loaded(engines["fp32"].executable, "tiled")
        taken, result = _seconds(lambda: backend.run(loaded, [image]))
        outcome = compare("output", np.asarray(result.outputs[0]), session.run(None, feeds)[0], "fp32")
        counters = result.profile.counters
        print(
            f"tiled, fp32: {taken:.1f} s (limit {TILED_LIMIT_SECONDS:.0f} s), {counters.vertices:,} vertices; {outcome}"
        )


def _loading(executable: Executable) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = executable.save(Path(folder) / "resnet50.halo")
        reading = min(_seconds(path.read_bytes)[0] for _ in range(3))
        loading = min(_seconds(lambda: Executable.load(path))[0] for _ in range(3))
        size = path.stat().st_size / 1e6
        print(
            f".halo of {size:.0f} MB: loaded in {loading * 1e3:.0f} ms; reading its bytes takes {reading * 1e3:.0f} ms"
        )


if __name__ == "__main__":
    main()
