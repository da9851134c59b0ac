"""Random graphs on every device and through every file form: what they cover, and what differs from the reference.

python -m benchmarks.fuzz_graphs --count 1000 --seed 0 [--cases FOLDER] [--route NAME]...

Every failing kind of graph is made small and written to the folder; a mended one belongs into tests/fuzz/cases.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import mean, median

from rich.console import Console
from rich.progress import track
from rich.table import Table

from halo_py.ir.op import REGISTRY
from tests.fuzz.hunt import Coverage, Hunt
from tests.fuzz.runner import ROUTES

MOST_REFUSALS = 15


def main() -> None:
    """Hunt and print tables. Exits with 1 if a graph failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--cases", type=Path, help="a folder for minimal failing graphs")
    parser.add_argument("--route", action="append", choices=list(ROUTES), default=[])
    parser.add_argument("--refusals", action="store_true", help="show what the generator did not take, and why")
    arguments = parser.parse_args()
    if arguments.cases is not None:
        arguments.cases.mkdir(parents=True, exist_ok=True)
    hunt = Hunt(arguments.cases, tuple(arguments.route))
    console = Console()
    begin = time.perf_counter()
    seeds = range(arguments.seed, arguments.seed + arguments.count)
    hunt.run(track(seeds, "graphs", console=Console(stderr=True)))
    _print_coverage(console, hunt.coverage, time.perf_counter() - begin)
    console.print(_routes(hunt))
    if arguments.refusals:
        for reason, count in hunt.coverage.refused.most_common(MOST_REFUSALS):
            console.print(f"{count:6d}  {reason}", markup=False, highlight=False)
    for defect in hunt.defects.values():
        seeds_shown = ", ".join(map(str, defect.seeds[:8]))
        console.print(f"{defect.failure}\n    {len(defect.seeds)} graphs: {seeds_shown}; {defect.path}", markup=False)
    if hunt.defects:
        raise SystemExit(1)


def _print_coverage(console: Console, coverage: Coverage, seconds: float) -> None:
    known = {name for name in REGISTRY.by_name if not name.startswith("test_")}
    missing = sorted(known - coverage.ops.keys())
    lines = (
        f"{coverage.graphs} graphs in {seconds:.0f} s, {coverage.half} of them for 16 bits too",
        f"{sum(coverage.nodes)} nodes, {median(coverage.nodes):g} in the middle, {max(coverage.nodes)} at most",
        f"depth {mean(coverage.depths):.1f} on average, {max(coverage.depths)} at most",
        f"{len(known) - len(missing)} of {len(known)} ops, {len(coverage.forms)} ops with different attributes",
        f"not covered: {', '.join(missing) or 'none'}",
        "themes: " + ", ".join(f"{theme} {count}" for theme, count in coverage.themes.most_common()),
    )
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _routes(hunt: Hunt) -> Table:
    table = Table("route", "graphs", "failing", "ms per graph")
    failing = dict.fromkeys(ROUTES, 0)
    for (route, _kind), defect in hunt.defects.items():
        failing[route] += len(defect.seeds)
    for route, count in hunt.coverage.runs.items():
        milliseconds = 1e3 * hunt.coverage.seconds[route] / max(1, count)
        table.add_row(route, str(count), str(failing[route]), f"{milliseconds:.0f}")
    return table


if __name__ == "__main__":
    main()
