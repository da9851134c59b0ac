"""What the CPU engine costs over plain ONNX Runtime: the same model, the same inputs, in turn in one run.

Goal: at most 1.05 times plain ONNX Runtime where it takes 5 ms and more, else at most 50 microseconds over it.

    python benchmarks/cpu_overhead.py [MODEL.onnx ...]

Without arguments: a one-node model and two made stacks of residual blocks.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import odla
from halo_py.frontend import ImportOptions, load_model
from halo_py.ir.graph import Graph
from halo_py.onnx_export import to_onnx
from halo_py.types import DType, TensorType, tensor

_SECONDS_PER_SIDE = 1.5
_LARGEST_RATIO = 1.05
_LARGEST_EXTRA_SECONDS = 50e-6
_LONG_SECONDS = 5e-3

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of one run on either side, round by round."""

    name: str
    plain: tuple[float, ...]
    ours: tuple[float, ...]

    @property
    def plain_seconds(self) -> float:
        """Median of plain ONNX Runtime."""
        return statistics.median(self.plain)

    @property
    def ratio(self) -> float:
        """Median of the rounds' ratios: both sides of a round see the same load of the machine."""
        return statistics.median(ours / plain for plain, ours in zip(self.plain, self.ours, strict=True))

    @property
    def extra_seconds(self) -> float:
        """Median of the rounds' differences."""
        return statistics.median(ours - plain for plain, ours in zip(self.plain, self.ours, strict=True))

    @property
    def passes(self) -> bool:
        """Whether the goal is met."""
        if self.plain_seconds >= _LONG_SECONDS:
            return self.ratio <= _LARGEST_RATIO
        return self.extra_seconds <= _LARGEST_EXTRA_SECONDS

    def __str__(self) -> str:
        verdict = "ok" if self.passes else "MISSED"
        return (
            f"{self.name:28} ONNX Runtime {self.plain_seconds * 1e3:9.3f} ms   HALO x{self.ratio:.3f} "
            f"{self.extra_seconds * 1e6:+9.1f} us   {verdict}"
        )


def measure(name: str, graph: Graph, model: bytes | str) -> Measured:
    """Time both sides in turn, round by round, so that a busy machine slows both."""
    inputs = {value.name: _input(value.type) for value in graph.inputs}
    # One thread each: the spinning threads of one side would slow the other.
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = list(graph.output_names)
    executable = odla.Computation.of(graph).compile("cpu", threads=1)

    def plain() -> object:
        return session.run(names, inputs)

    def ours() -> object:
        return executable.run(inputs)

    _compare(plain(), executable.run(inputs))
    return Measured(name, *_in_turn(plain, ours))


def _in_turn(plain: Run, ours: Run) -> tuple[tuple[float, ...], tuple[float, ...]]:
    once = min(_seconds(plain, 1) for _ in range(3))
    repeat = max(1, int(0.01 / once))
    rounds = max(9, min(200, int(_SECONDS_PER_SIDE / (once * repeat))))
    sides: dict[Run, list[float]] = {plain: [], ours: []}
    for number in range(rounds):
        for side in (plain, ours) if number % 2 else (ours, plain):
            sides[side].append(_seconds(side, repeat))
    return tuple(sides[plain]), tuple(sides[ours])


def _seconds(run: Run, repeat: int) -> float:
    """CPU seconds of this process per run: one thread works, and what else the machine does is not counted."""
    begin = time.process_time()
    for _ in range(repeat):
        run()
    return (time.process_time() - begin) / repeat


def _compare(theirs: Any, ours: Mapping[str, Any]) -> None:
    for name, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(ours[name], expected, rtol=1e-3, atol=1e-4)


def _input(type: object) -> np.ndarray[Any, Any]:
    assert isinstance(type, TensorType)
    generator = np.random.default_rng(0)
    if type.dtype.is_float:
        return generator.standard_normal(type.static_shape).astype(type.dtype.numpy)
    return generator.integers(0, 2, type.static_shape).astype(type.dtype.numpy)


def one_node() -> Graph:
    """Relu of two numbers."""
    computation = odla.Computation("one node")
    computation.output(computation.add("relu", computation.argument("x", tensor(DType.FLOAT32, 2))), "y")
    return computation.graph()


def convolutions(blocks: int, channels: int, size: int) -> Graph:
    """Residual blocks of 3x3 convolutions."""
    generator = np.random.default_rng(0)
    computation = odla.Computation(f"{blocks} blocks of {channels} channels")
    x = computation.argument("x", tensor(DType.FLOAT32, 1, channels, size, size))
    for _ in range(blocks):
        weights = generator.standard_normal((channels, channels, 3, 3), np.float32) * 0.03
        h = computation.add("conv", x, computation.constant(weights), None, pads=(1, 1, 1, 1))
        x = computation.add("relu", computation.add("add", h, x))
    computation.output(x, "y")
    return computation.graph()


def main() -> None:
    """Measure the models that the command line names, or the made ones."""
    results: list[Measured] = []
    for path in sys.argv[1:]:
        graph = load_model(path, ImportOptions(batch_size=1))
        results.append(measure(Path(path).stem, graph, path))
        print(results[-1])
    if not results:
        for graph in (one_node(), convolutions(2, 32, 14), convolutions(12, 128, 28)):
            results.append(
                measure(f"{graph.name} ({len(graph.nodes)} nodes)", graph, to_onnx(graph).SerializeToString())
            )
            print(results[-1])
    sys.exit(0 if all(measured.passes for measured in results) else 1)


if __name__ == "__main__":
    main()
