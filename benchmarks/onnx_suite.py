"""ONNX's whole backend suite on one of our devices: what passes, and what of it ran on tiles.

    python -m benchmarks.onnx_suite [--device cpu] [--mode whole|tiled] [--jobs N] [--match REGEX] [--record]
        [--output FILE]

Prints a table by kind, every case that does not pass, and for a tiled machine where the operators of the cases ran;
`--output` also writes one JSON line for each case. A case that crashes or hangs is one line, not the end.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
from pebble import ProcessExpired, ProcessPool
from rich.console import Console
from rich.table import Table

from benchmarks.operator_table import record
from halo_py.archive import write_text_atomically
from tests.onnx_suite.cases import KINDS, RANDOM, all_cases
from tests.onnx_suite.run import Outcome, run_case

STATUSES = ("pass", "mismatch", "unsupported", "error", "crash", "timeout")
NOT_ASKED = ("", "dynamic", "other type")
"""Verdicts on cases that tiles cannot be asked for."""


def run_all(
    names: Sequence[tuple[str, str]], device: str, options: Mapping[str, str], jobs: int, limit_seconds: float
) -> Iterator[Outcome]:
    """The outcomes of these cases (kind, name), each in one of `jobs` processes."""
    with ProcessPool(max_workers=jobs) as pool:
        results = pool.map(partial(_run_named, device=device, options=options), names, timeout=limit_seconds).result()
        for kind, name in names:
            try:
                yield next(results)
            except TimeoutError:
                yield Outcome(kind, name, (), "timeout", f"more than {limit_seconds:.0f} s")
            except ProcessExpired as error:
                yield Outcome(kind, name, (), "crash", str(error))


def _run_named(named: tuple[str, str], device: str, options: Mapping[str, str]) -> Outcome:
    kind, name = named
    case = next(case for case in all_cases((kind,)) if case.name == name)
    return run_case(case, device, options)


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table("kind", "cases", *STATUSES)
    for kind in (*KINDS, "all"):
        counts = Counter(outcome.status for outcome in outcomes if kind in (outcome.kind, "all"))
        table.add_row(kind, *(f"{count:,}" for count in (counts.total(), *(counts[status] for status in STATUSES))))
    return table


def _placed(outcomes: Sequence[Outcome], console: Console) -> None:
    asked = [outcome for outcome in outcomes if outcome.placed not in NOT_ASKED]
    if not asked:
        return
    tiled = sum(outcome.placed == "on tiles" for outcome in asked)
    console.print(f"\non tiles: {tiled:,} of {len(asked):,} static cases on supported types ({tiled / len(asked):.1%})")
    for (placed, why), count in Counter((entry.placed, entry.why) for entry in asked).most_common():
        if placed != "on tiles":
            console.print(f"  {count:4d} {placed}: {why}", markup=False)


@click.command()
@click.option("--device", default="cpu", show_default=True, help="Any device of ours.")
@click.option("--mode", type=click.Choice(["whole", "tiled"]), help="How the simulated IPU computes.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only this kind. Repeatable.")
@click.option("--match", default="", help="Only cases whose name has this regular expression.")
@click.option("--jobs", default=2, show_default=True, help="Processes.")
@click.option("--limit-seconds", default=120.0, show_default=True, help="Longest time of a case.")
@click.option("--record", "keeps", is_flag=True, help="Keep the results for the documentation's table of operators.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write JSON lines.")
def main(
    device: str,
    mode: str | None,
    kinds: tuple[str, ...],
    match: str,
    jobs: int,
    limit_seconds: float,
    keeps: bool,
    output: Path | None,
) -> None:
    """Run ONNX's backend suite on a device."""
    console = Console()
    names = [(case.kind, case.name) for case in all_cases(kinds or KINDS) if re.search(match, case.name)]
    options = {} if mode is None else {"mode": mode}
    outcomes = list(run_all(names, device, options, jobs, limit_seconds))
    console.print(_table(outcomes))
    for outcome in outcomes:
        if outcome.status != "pass":
            note = " (random by design)" if outcome.name in RANDOM else ""
            console.print(f"{outcome.status} {outcome.name}{note}: {outcome.message}", markup=False, soft_wrap=True)
    _placed(outcomes, console)
    if keeps:
        record(outcomes, device)
    if output is not None:
        write_text_atomically(output, "".join(f"{json.dumps(asdict(outcome))}\n" for outcome in outcomes))


if __name__ == "__main__":
    main()
