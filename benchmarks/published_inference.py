"""Predicted against published throughput, for every published row of IPU inference, good or bad.

    python -m benchmarks.published_inference [--only MODEL] [--json FILE]

Nothing is fitted: a row whose ratio is far from 1 is a statement about the model of time. Rows whose device is not
stated are compiled for each device that it may have been. A row that cannot be modelled is listed with the reason.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

import halo_py
from benchmarks.make_full_size import full_size_model
from halo_py.errors import HaloError
from halo_py.executable import Precision
from halo_py.profile import profile_of
from halo_py.report.published import PublishedRow, published_rows
from halo_py.targets.machine import FAST, NOMINAL, SLOW

MODELS: dict[str, tuple[str, int]] = {
    "ResNet-50": ("resnet50", 0),
    "BERT-Base SL128": ("bert_base", 128),
    "BERT-Base SL256": ("bert_base", 256),
    "BERT-Large SL128": ("bert_large", 128),
    "ViT": ("vit_b16", 0),
}
"""Published model -> (full-size network, sequence length)."""

FAST_GELU = "+fast gelu"
PRECISIONS: dict[str, Precision] = {"fp32": "fp32", "fp16": "fp16"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row on one device: predicted items per second (nominal, slow, fast), or why there is no prediction."""

    model: str
    platform: str
    precision: str
    batch: int
    target: str
    published: float
    predicted: float | None = None
    slow: float | None = None
    fast: float | None = None
    compile_seconds: float | None = None
    reason: str = ""

    @property
    def ratio(self) -> float | None:
        """Predicted over published."""
        return None if self.predicted is None else self.predicted / self.published

    def line(self) -> str:
        """The outcome as a line of the table."""
        head = f"{self.model:<17}{self.precision:<15}{self.batch:>5}  {self.target:<7}{self.published:>10,.0f}"
        if self.predicted is None or self.slow is None or self.fast is None:
            return f"{head}  {self.reason}"
        spread = f"[{self.slow / self.published:.2f} .. {self.fast / self.published:.2f}]"
        ratio = self.predicted / self.published
        return f"{head}{self.predicted:>11,.0f}{ratio:>8.2f}  {spread:<16}{self.compile_seconds:>6.1f} s"


HEADER = (
    f"{'model':<17}{'precision':<15}{'batch':>5}  {'target':<7}{'published':>10}{'predicted':>11}{'ratio':>8}  "
    f"{'[slow .. fast]':<16}{'compile':>8}"
)


def targets_of(row: PublishedRow) -> tuple[str, ...]:
    """The devices a row may have been measured on."""
    return ("c600",) if "C600 (1" in row.platform or "so C600" in row.platform else ("c600", "ipu-1")


def model_of(row: PublishedRow) -> Path | str:
    """The model's file, or why there is none."""
    if row.model not in MODELS:
        return "not modelled: its configuration and sequence length are not published"
    if row.precision.removesuffix(FAST_GELU) not in PRECISIONS:
        return f"not supported: precision {row.precision.removesuffix(FAST_GELU)}"
    name, sequence = MODELS[row.model]
    return full_size_model(f"{name}_fast_gelu" if row.precision.endswith(FAST_GELU) else name, sequence)


def outcomes(row: PublishedRow) -> Iterator[Outcome]:
    """The row on each device."""
    model = model_of(row)
    if isinstance(model, str):
        yield Outcome(row.model, row.platform, row.precision, row.batch, "-", row.items_per_second, reason=model)
        return
    for target in targets_of(row):
        head = (row.model, row.platform, row.precision, row.batch, target, row.items_per_second)
        begin = time.perf_counter()
        try:
            executable = halo_py.compile(
                model, target, batch_size=row.batch, precision=PRECISIONS[row.precision.removesuffix(FAST_GELU)]
            )
        except HaloError as error:
            yield Outcome(*head, reason=f"{type(error).__name__}: {error.message.splitlines()[0]}")
            continue
        except Exception as error:  # noqa: BLE001 -- a defect in one row must not hide the others
            yield Outcome(*head, reason=f"{type(error).__name__}: {error}")
            continue
        rate = profile_of(executable.program, executable.system).time.items_per_second
        seconds = time.perf_counter() - begin
        yield Outcome(*head, float(rate[NOMINAL]), float(rate[SLOW]), float(rate[FAST]), seconds)


@click.command()
@click.option("--only", help="Rows of this model (a part of its name).")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the outcomes there.")
def main(only: str | None, json_file: Path | None) -> None:
    """Print predicted over published throughput of every row."""
    found: list[Outcome] = []
    click.echo(HEADER)
    for row in published_rows():
        if only is not None and only.lower() not in row.model.lower():
            continue
        for outcome in outcomes(row):
            click.echo(outcome.line())
            found.append(outcome)
    ratios = sorted(outcome.ratio for outcome in found if outcome.ratio is not None)
    if ratios:
        middle = ratios[len(ratios) // 2]
        click.echo(
            f"\n{len(ratios)} predictions of {len(found)} lines; ratio predicted/published: least {ratios[0]:.2f}, "
            f"median {middle:.2f}, most {ratios[-1]:.2f}"
        )
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(outcome) for outcome in found], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
