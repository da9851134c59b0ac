"""`halo ops`: every operator, and where it can run."""

from __future__ import annotations

import click

from halo_py.cli.options import HELP
from halo_py.errors import UsageError


@click.command("ops", context_settings=HELP)
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(words: tuple[str, ...], as_json: bool) -> None:
    """List the operators: ONNX name, family, and whether an operator runs on tiles or on the host and why.

    WORDs keep the operators whose name or family contains one of them.
    """
    import json

    from halo_py.cli.output import stdout_console
    from halo_py.ops import load_ops
    from halo_py.report.operators import operators_document, print_operators

    load_ops()
    operators = operators_document(words)
    if not operators:
        raise UsageError(f"no operator or family contains {' or '.join(words)}", hint="`halo ops` lists all")
    if as_json:
        click.echo(json.dumps(operators, indent=2))
    else:
        print_operators(operators, stdout_console())
