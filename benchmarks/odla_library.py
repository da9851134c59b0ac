"""Real models on an ODLA library: what it takes, how far its values are from the CPU's, and what a run costs.

`python -m benchmarks.odla_library [--library LIB.so] [--models NAME ...]`; without a library, ours is built.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import odla
from halo_py.errors import HaloError
from halo_py.types import DType, TensorType
from odla.build_library import build_library
from tests.models.catalogue import ModelCase, all_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odla.handles import Result


def main() -> None:
    """Prints one line per model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, help="the library [default: our own, built for this]")
    parser.add_argument("--models", nargs="*", default=[], help="names of models [default: all]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library: Path = arguments.library or build_library(Path(folder))
        _print_overhead(library)
        cases = [case for case in all_models() if case.name in arguments.models or not arguments.models]
        for case in cases:
            try:
                print(f"{case.name:28} {_tried(case, library)}", flush=True)
            except HaloError as error:
                print(f"{case.name:28} ERROR {error}", flush=True)


def _tried(case: ModelCase, library: Path) -> str:
    """What one model gives."""
    options: dict[str, Any] = {"shapes": dict(case.shapes), "values": dict(case.values)}
    inputs = {name: array for name, array in case.inputs().items() if name not in case.values}
    expected = odla.execute(case.path(), inputs, device="cpu", **options)
    begin = time.perf_counter()
    executable = odla.compile_for(case.path(), f"odla:{library}", **options)
    compiled = time.perf_counter() - begin
    executable.run(inputs)
    begin = time.perf_counter()
    found = executable.run(inputs)
    ran = time.perf_counter() - begin
    reasons = Counter(f"{entry.op}: {entry.reason}" for entry in found.fallbacks)
    listed = "".join(f"\n    {count} on the CPU, {reason}" for reason, count in reasons.items())
    nodes = len(executable.artefact.graph.nodes)
    executable.artefact.close()
    return f"{nodes:5} nodes, largest error {_error(found, expected):.2g} of what is allowed, compiled in {compiled:.1f} s, run in {ran * 1e3:.1f} ms{listed}"  # noqa: E501


def _error(found: Result, expected: Result) -> float:
    """Largest |error| / (1e-4 + 1e-3 |expected|) over all outputs."""
    return max((_largest(np.asarray(found[name]), np.asarray(expected[name])) for name in expected), default=0.0)


def _largest(a: Any, b: Any) -> float:
    if b.dtype == object:
        return 0.0 if a.tolist() == b.tolist() else float("inf")
    wide: Any = np.asarray(b, np.float64)
    error: Any = np.abs(np.asarray(a, np.float64) - wide) / (1e-4 + 1e-3 * np.abs(wide))
    return float(error.max(initial=0.0))


def _print_overhead(library: Path, runs: Sequence[int] = range(2000)) -> None:
    """The time of one run of a graph of one addition."""
    made = odla.Computation("one")
    x = made.argument("x", TensorType(DType.FLOAT32, (2, 3)))
    made.output(made.add("add", x, x), "y")
    executable = made.compile(f"odla:{library}")
    inputs = [np.ones((2, 3), np.float32)]
    executable.run(inputs)
    begin = time.perf_counter()
    for _ in runs:
        executable.run(inputs)
    print(f"one addition: {(time.perf_counter() - begin) / len(runs) * 1e6:.0f} microseconds per run")
    executable.artefact.close()


if __name__ == "__main__":
    main()
