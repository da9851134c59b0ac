"""`halo passes`: the compiler's passes, in order, with their options."""

from __future__ import annotations

import click

from halo_py.cli.options import HELP


@click.command("passes", context_settings=HELP)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the passes in the order in which they run, with what each does and its options."""
    import json

    from halo_py.cli.output import stdout_console
    from halo_py.report.passes import passes_document, print_passes

    pipelines = passes_document()
    if as_json:
        click.echo(json.dumps(pipelines, indent=2))
    else:
        print_passes(pipelines, stdout_console())


def pass_names() -> tuple[str, ...]:
    """Names of the passes that run when compiling for tiles, in order."""
    from halo_py.passes.pipelines import pipeline

    return tuple(dict.fromkeys(step.name for step in pipeline("ipu").passes))
