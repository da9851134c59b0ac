"""`halo`: a group whose commands are imported when they are called, so that its help is quick."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click

from halo_py.cli.options import HELP
from halo_py.cli.runner import run
from halo_py.errors import UsageError

COMMANDS = {
    "compile": ("halo_py.cli.compile", "Compile a model for a machine made of tiles."),
    "run": ("halo_py.cli.run", "Run an executable or a model on inputs."),
    "inspect": ("halo_py.cli.inspect", "Show what a model file holds."),
    "compare": ("halo_py.cli.compare", "Compare targets and batch sizes for a model."),
    "report": ("halo_py.cli.report", "Show the summary of a compiled .halo file."),
    "targets": ("halo_py.cli.targets", "List machines, or explain one."),
    "ops": ("halo_py.cli.ops", "List the operators and where each can run."),
    "passes": ("halo_py.cli.passes", "List the compiler's passes in order."),
}
"""Name -> (module whose `command` it is, what it does)."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and one-line help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            near = get_close_matches(cmd_name, COMMANDS, 1)
            hint = f"did you mean {near[0]}?" if near else "halo --help lists the commands"
            raise UsageError(f"there is no command {cmd_name!r}", hint=hint)
        command: click.Command = import_module(entry[0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_module, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings=HELP, invoke_without_command=True)
@click.version_option(package_name="halo-py", message="halo %(version)s")
@click.pass_context
def halo(context: click.Context) -> None:
    """HALO: compile neural networks for machines made of tiles and predict how fast they run.

    halo COMMAND --help explains a command.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """The entry point `halo`."""
    run(halo, "halo")


if __name__ == "__main__":
    main()
