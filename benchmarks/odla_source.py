"""Every model of the catalogue as ODLA calls in C++: written, compiled, linked with libodla and run.

    python -m benchmarks.odla_source [--device cpu --device ipu-1] [--match REGEX] [--language c]

Prints a line for each model and device: equal to ONNX Runtime's outputs on the same seeded inputs (as all tests of real
models judge it: `tests/models/agreement.py`), different, or why there is no program; with the number of calls and the
seconds it took to read the model and write the program, to compile, and to run.

    python -m benchmarks.odla_source --match vgg19 --memory

writes one model only and prints the seconds and the most resident memory that this took.
"""

from __future__ import annotations

import re
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from halo_py.errors import HaloError
from odla.build_library import build_library
from tests.models.agreement import Agreement
from tests.models.catalogue import ModelCase, all_models
from tests.odla_c.emitted import compile_emitted, outputs_of, write_emitted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odla.source import Language

    Array = NDArray[Any]

Answer = TypeVar("Answer")
_REASONS = 3
"""Reasons that a line names; more are counted."""


def _timed(work: Callable[[], Answer]) -> tuple[float, Answer]:
    start = time.perf_counter()
    answer = work()
    return time.perf_counter() - start, answer


def _outcomes(case: ModelCase, devices: Sequence[str], language: Language, library: Path) -> list[str]:
    options = {"shapes": dict(case.shapes), "values": dict(case.values)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            writing, emitted = _timed(lambda: write_emitted(case.path(), options, language, folder))
        except HaloError as error:
            reasons = [line.strip() for line in error.message.splitlines()]
            return [f"no program: {'; '.join(reasons[:_REASONS])}{' ...' if len(reasons) > _REASONS else ''}"]
        compiling, program = _timed(lambda: compile_emitted(emitted, folder, library))
        inputs = case.inputs()
        agreement = Agreement.of(case.path(), inputs)
        lines: list[str] = []
        for device in devices:
            running, found = _timed(lambda at=device: outputs_of(program, emitted, inputs, at))
            seconds = f"written {writing:.1f} s, compiled {compiling:.1f} s, run {running:.1f} s"
            outcome = found if isinstance(found, str) else _judged(agreement, found)
            lines.append(f"{outcome} on {device:10s} {len(emitted.calls.calls):5d} calls, {seconds}")
        return lines


def _judged(agreement: Agreement, found: Mapping[str, Array]) -> str:
    try:
        agreement.check(found)
    except AssertionError as error:
        return f"different ({' '.join(str(error).split())[:120]})"
    return "equal"


@click.command()
@click.option("--device", "devices", multiple=True, default=("cpu",), show_default=True, help="A device. Repeatable.")
@click.option("--match", default="", help="Only models whose name has this regular expression.")
@click.option("--language", type=click.Choice(["c", "c++"]), default="c++", show_default=True)
@click.option("--memory", is_flag=True, help="Only write; print seconds and the most resident memory.")
def main(devices: tuple[str, ...], match: str, language: Language, memory: bool) -> None:
    """Run every model of the catalogue as a C or C++ program."""
    cases = [case for case in all_models() if re.search(match, case.name)]
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if memory:
            _print_memory(cases, language, folder)
            return
        build_library(folder)
        for case in cases:
            for outcome in _outcomes(case, devices, language, folder):
                counts[re.sub(r"[:(].*(?= on )|:.*|(?<= on )(\S+).*", r"\1", outcome)] += 1
                click.echo(f"{case.name:34s} {outcome}")
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))


def _print_memory(cases: Sequence[ModelCase], language: Language, folder: Path) -> None:
    for case in cases:
        size, before = case.path().stat().st_size >> 20, _resident()
        seconds = _written(case, language, folder)
        click.echo(f"{case.name}: {size} MiB written in {seconds:.1f} s, {_resident()} MiB ({before} before)")


def _written(case: ModelCase, language: Language, folder: Path) -> float:
    """Seconds."""
    options = {"shapes": dict(case.shapes), "values": dict(case.values)}
    return _timed(lambda: write_emitted(case.path(), options, language, folder))[0]


def _resident() -> int:
    """The most resident memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main()
