"""Torch's own operator samples through the frontend: how many of each ATen op's give Torch's values.

    python -m tests.frontends.torchscript.operators

writes the counts into the frontend's data file, which the table of operators shows.
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


def count(ops: Iterable[str] | None = None) -> dict[str, tuple[int, int]]:
    """ATen op -> (samples that give Torch's values, samples), of the named ops of the samples or of all."""
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    wanted = None if ops is None else set(ops)
    for entry in sample_index():
        if wanted is not None and entry["op"] not in wanted:
            continue
        good = failure(program("samples", entry["name"])) is None
        for kind in entry["kinds"]:
            total[kind] += 1
            passed[kind] += good
    return {kind: (passed[kind], total[kind]) for kind in sorted(total)}


def recorded() -> dict[str, list[int]]:
    """The counts in the data file."""
    return json.loads(COUNTS.read_text(encoding="utf-8"))


def main() -> None:
    """Count all samples and write the data file."""
    warnings.simplefilter("ignore")
    rows = [f'  "{kind}": [{good}, {total}]' for kind, (good, total) in count().items() if good]
    COUNTS.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
