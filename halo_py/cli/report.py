"""`halo report`: the summary of a compiled `.halo` file."""

from __future__ import annotations

from pathlib import Path

import click

from halo_py.cli.options import HELP, check_can_write


@click.command("report", context_settings=HELP)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write the facts as JSON (- prints them instead of the summary).",
)
def command(file: Path, json_file: Path | None) -> None:
    """Show the summary of FILE, a .halo file made by halo-compile."""
    if json_file is not None and str(json_file) != "-":
        check_can_write(json_file)
    from halo_py.cli.output import is_stdout, show_facts, write_json
    from halo_py.executable import Executable
    from halo_py.report.facts import facts_of

    facts = facts_of(Executable.load(file))
    facts["executable"] = {"file": str(file), "bytes": file.stat().st_size}
    if json_file is not None and not is_stdout(json_file):
        write_json(facts, json_file)
    show_facts(facts, json_file)
