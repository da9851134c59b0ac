"""Torch's own operator samples through the frontend: how many of each ATen op's give Torch's values.

    python -m tests.frontends.torchscript.operators

writes the counts into the frontend's data file, and the samples that fail into a file beside this one.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from halo_py.errors import HaloError
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import load_model
from tests.frontends.torchscript.agreement import difference
from tests.frontends.torchscript.made import MadeProgram, program, sample_index

COUNTS = Path(__file__).parents[3] / "frontends" / "halo_frontends" / "torchscript" / "checked.json"
FAILING = Path(__file__).with_name("failing_samples.txt")


def failure(made: MadeProgram) -> str | None:
    """Why a sample does not give Torch's values; None if it does."""
    try:
        graph = load_model(made.path)
        with np.errstate(all="ignore"):
            found = evaluate_graph(graph, made.inputs()[: len(graph.inputs)])
    except HaloError as error:
        return error.message
    expected = made.outputs()
    if len(found) != len(expected):
        return f"{len(found)} outputs, not {len(expected)}"
    return next(filter(None, map(difference, found, expected)), None)


def failing(part: int = 0, parts: int = 1) -> list[str]:
    """The samples that do not give Torch's values, of every `parts`-th sample."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = [entry["name"] for entry in sample_index()[part::parts]]
        return sorted(name for name in names if failure(program("samples", name)) is not None)


def count(failed: Iterable[str]) -> dict[str, tuple[int, int]]:
    """ATen op -> (samples that give Torch's values, samples), of ops with any such sample."""
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    bad = set(failed)
    for entry in sample_index():
        for kind in entry["kinds"]:
            total[kind] += 1
            passed[kind] += entry["name"] not in bad
    return {kind: (passed[kind], total[kind]) for kind in sorted(total) if passed[kind]}


def recorded() -> dict[str, list[int]]:
    """The counts in the data file."""
    return json.loads(COUNTS.read_text(encoding="utf-8"))


def recorded_failing() -> list[str]:
    """The samples that are known not to give Torch's values."""
    return FAILING.read_text(encoding="utf-8").split()


def main() -> None:
    """Run all samples and write both files."""
    failed = failing()
    FAILING.write_text("".join(f"{name}\n" for name in failed), encoding="utf-8")
    rows = [f'  "{kind}": [{good}, {total}]' for kind, (good, total) in count(failed).items()]
    COUNTS.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
