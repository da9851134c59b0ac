"""`halo inspect`: what a model file holds, and what would be refused."""

from __future__ import annotations

from pathlib import Path

import click

from halo_py.cli.options import HELP, check_can_write, refuse_executable


@click.command("inspect", context_settings=HELP)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write the facts as JSON (- prints them instead of the tables).",
)
def command(model: Path, json_file: Path | None) -> None:
    """Show MODEL's inputs, outputs, operators with counts, parameters, and what would be refused."""
    refuse_executable(model)
    if json_file is not None and str(json_file) != "-":
        check_can_write(json_file)
    from halo_py.cli.output import output_json, stdout_console
    from halo_py.frontend import inspect_model
    from halo_py.ops import load_ops
    from halo_py.report.model import model_document, print_model

    load_ops()
    document = model_document(inspect_model(model))
    if not output_json(document, json_file):
        print_model(document, stdout_console())
