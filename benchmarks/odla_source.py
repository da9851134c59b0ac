"""Every model of the catalogue as ODLA calls in C++: written, compiled, linked with libodla and run.

    python -m benchmarks.odla_source [--device cpu] [--match REGEX]

Prints a line for each model: equal to ONNX Runtime's outputs, different, or why there is no program.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from pathlib import Path

import click

from halo_py.errors import HaloError
from halo_py.frontend import ImportOptions
from odla.build_library import build_library
from tests.models.catalogue import ModelCase, all_models
from tests.models.onnx_runtime import Judge
from tests.odla_c.emitted import build_emitted, run_emitted


def _outcome(case: ModelCase, device: str, library: Path) -> str:
    inputs = case.inputs()
    options = ImportOptions(shapes=dict(case.shapes), values=dict(case.values))
    with tempfile.TemporaryDirectory() as folder:
        try:
            program, names = build_emitted(case.path(), options, "c++", Path(folder), library)
        except HaloError as error:
            reasons = [line.strip() for line in error.message.splitlines()]
            return f"no program: {'; '.join(reasons[:3])}{' ...' if len(reasons) > 3 else ''}"
        expected = list(Judge(case.path()).run(inputs).values())
        return run_emitted(program, names, inputs, expected, device)


@click.command()
@click.option("--device", default="cpu", show_default=True, help="Any device of libodla.")
@click.option("--match", default="", help="Only models whose name has this regular expression.")
def main(device: str, match: str) -> None:
    """Run every model of the catalogue as a C++ program."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        build_library(Path(folder))
        for case in all_models():
            if re.search(match, case.name):
                outcome = _outcome(case, device, Path(folder))
                counts[outcome.partition(":")[0]] += 1
                click.echo(f"{case.name:36s} {outcome}")
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))


if __name__ == "__main__":
    main()
