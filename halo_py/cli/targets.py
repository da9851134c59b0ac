"""`halo targets`: every machine, or every number of one with its source."""

from __future__ import annotations

import click

from halo_py.cli.options import HELP


@click.command("targets", context_settings=HELP)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List machines, or explain one: every number with its range and source, and whether it is assumed.

    NAME is a name of the list, ipu-podN or bow-podN for any multiple of 4, NAMExM for M of them, or a TOML file.
    """
    import json

    from halo_py.cli.output import stdout_console
    from halo_py.report.machines import machine_document, machines_document, print_machine, print_machines

    if name is None:
        machines = machines_document()
        if as_json:
            click.echo(json.dumps(machines, indent=2))
        else:
            print_machines(machines, stdout_console())
        return
    machine = machine_document(name)
    if as_json:
        click.echo(json.dumps(machine, indent=2))
    else:
        print_machine(machine, stdout_console())
