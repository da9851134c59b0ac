"""`halo compare`: one model on several targets and with several batch sizes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from halo_py.cli.options import (
    HELP,
    CompileArguments,
    check_can_write,
    compile_keywords,
    import_options,
    plan_options,
    refuse_executable,
)
from halo_py.errors import HaloError, TargetError, UsageError

if TYPE_CHECKING:
    from halo_py.cli.progress import PhaseLines


@click.command("compare", context_settings=HELP)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--targets", "-t", required=True, metavar="A,B,C", help="Machines of `halo targets`, or TOML files.")
@click.option(
    "--batch-sizes",
    metavar="1,8,64",
    help="Items of one request [default: one per IPU, or what the model's shapes say].",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write the facts of every row as JSON (- prints them instead of the table).",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Write an interactive plot too (needs plotly: pip install 'halo-py[plots]').",
)
@import_options
@plan_options
def command(
    model: Path,
    targets: str,
    batch_sizes: str | None,
    json_file: Path | None,
    plot: Path | None,
    **options: Unpack[CompileArguments],
) -> None:
    """Compile MODEL for every target and batch size and show a table and a plot of what to expect.

    What cannot be compiled is a row with the reason.

    \b
    Example:
      halo compare resnet50.onnx --targets ipu-1,ipu-pod4,ipu-pod16 --batch-sizes 16,64 --precision fp16
    """  # noqa: D301 -- the control character that keeps click from filling the lines
    refuse_executable(model)
    for path in (json_file, plot):
        if path is not None and str(path) != "-":
            check_can_write(path)
    names = [name for name in targets.split(",") if name]
    sizes = _batch_sizes(batch_sizes, options["batch_size"])
    keywords = compile_keywords(options)
    from halo_py.cli.output import output_json, stdout_console
    from halo_py.report.comparison import comparison_document, print_comparison
    from halo_py.report.plot import require_plotly, write_plot

    if plot is not None:
        require_plotly()
    rows, errors = _rows(model, names, sizes, keywords)
    if all("error" in row for row in rows):
        raise errors[0]
    document = comparison_document(str(model), options["precision"], options["objective"], rows)
    if plot is not None:
        write_plot(document, plot)
    if not output_json(document, json_file):
        print_comparison(document, stdout_console())


def _batch_sizes(text: str | None, one: int | None) -> list[int | None]:
    if text is None:
        return [one]
    if one is not None:
        raise UsageError("--batch-size and --batch-sizes exclude each other", hint="use --batch-sizes alone")
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = [0]
    if any(size < 1 for size in sizes):
        raise UsageError(f"not batch sizes: {text!r}", hint="write --batch-sizes 1,8,64")
    return list(sizes)


def _rows(
    model: Path, targets: list[str], sizes: list[int | None], keywords: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[HaloError]]:
    """One row per target and batch size, and the errors that are in some of them."""
    from halo_py.cli.progress import progress_for
    from halo_py.targets import load_target

    rows: list[dict[str, Any]] = []
    errors: list[HaloError] = []
    for target in targets:
        load_target(target)  # a wrong name is an error, not a row
    with progress_for((), quiet=True) as progress:
        for target in targets:
            for size in sizes:
                asked = keywords if size is None else {**keywords, "batch_size": size}
                row: dict[str, Any] = {"target": target, "batch": size}
                try:
                    row |= _facts(model, target, asked, progress)
                except TargetError:
                    raise
                except HaloError as error:
                    row |= {"error": error.message.splitlines()[0], "exit_code": error.exit_code}
                    errors.append(error)
                rows.append(row)
                _say(row)
    return rows, errors


def _facts(model: Path, target: str, keywords: dict[str, Any], progress: PhaseLines) -> dict[str, Any]:
    from halo_py.compile import compile as compile_model
    from halo_py.report.facts import facts_of

    return {"facts": facts_of(compile_model(model, target=target, progress=progress, **keywords))}


def _say(row: dict[str, Any]) -> None:
    batch = row["batch"] if "facts" not in row else row["facts"]["plan"]["batch"]
    outcome = row.get("error", "done")
    sys.stderr.write(f"{row['target']}{'' if batch is None else f', batch {batch}'}: {outcome}\n")
    sys.stderr.flush()
