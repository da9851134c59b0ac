"""`odla-conformance`: what an ODLA library exports, and whether it is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from halo_py.cli.options import HELP, check_can_write
from halo_py.cli.runner import run

if TYPE_CHECKING:
    from halo_backends.native.conformance.report import Document
    from halo_backends.native.conformance.trial import Bench, Trial

WRONG_EXIT_CODE = 7
"""As for values that differ from the judge's (docs/exit-codes.md)."""


@click.command("odla-conformance", context_settings=HELP)
@click.argument("library", type=click.Path(path_type=Path))
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write the report as JSON (- prints it instead of the tables).",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="How long a call may take before it counts as hung.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Multiplies the error that floating-point values may have.",
)
@click.option(
    "--only",
    metavar="WORDS",
    default="",
    help="Try only operators and functions whose names hold one of these words (a,b).",
)
@click.option("--samples", type=click.IntRange(min=1), metavar="N", help="At most N trials of each [default: all].")
def command(
    library: Path, json_file: Path | None, seconds: float, tolerance: float, only: str, samples: int | None
) -> int:
    """Try every function and operator of LIBRARY, a shared library that exports ODLA's C functions.

    It runs in a process of its own: a crash is one line of the report. What the library lacks or refuses is told and
    is no fault; the exit code is 7 if a value is wrong, a call does not return, or the library crashes.

    \b
    Examples:
      odla-conformance libodla_vendor.so
      odla-conformance libodla_vendor.so --only Conv,Pool --json report.json
    """  # noqa: D301 -- the control character that keeps click from filling the lines
    if json_file is not None and str(json_file) != "-":
        check_can_write(json_file)
    from halo_backends.native.conformance.report import print_report
    from halo_backends.native.conformance.trial import Bench
    from halo_backends.native.library import Settings
    from halo_py.cli.output import output_json, stdout_console

    bench = Bench(library.absolute(), Settings(seconds), tolerance)
    try:
        words = tuple(word for word in only.split(",") if word)
        document = examine(bench, str(library), words, samples)
    finally:
        bench.close()
    if not output_json(document, json_file):
        print_report(document, stdout_console())
    return 0 if document["conforms"] else WRONG_EXIT_CODE


def examine(bench: Bench, name: str, words: tuple[str, ...] = (), samples: int | None = None) -> Document:
    """The whole report. Raises DeviceError if the library cannot be driven at all."""
    from halo_backends.native.conformance.called import function_trials
    from halo_backends.native.conformance.functions import function_reports
    from halo_backends.native.conformance.operators import operator_trials
    from halo_backends.native.conformance.report import document_of, operator_reports

    library = bench.library()
    exported, ways = library.exported, str(library.ways)
    operators = operator_reports(bench.outcomes(_chosen(operator_trials(), words, samples)))
    called = list(bench.outcomes(_chosen(function_trials(), words, samples)))
    functions = function_reports(bench, called, exported, words)
    return document_of(name, ways, functions, operators)


def _chosen(trials: Iterable[Trial], words: tuple[str, ...], samples: int | None) -> Iterator[Trial]:
    """The trials of subjects that hold a word, at most so many of each."""
    seen: dict[str, int] = {}
    for trial in trials:
        if words and not any(word in name for name in (trial.subject, *trial.functions) for word in words):
            continue
        seen[trial.subject] = seen.get(trial.subject, 0) + 1
        if samples is None or seen[trial.subject] <= samples:
            yield trial


def main() -> None:
    """The entry point `odla-conformance`."""
    run(command, "odla-conformance")


if __name__ == "__main__":
    main()
