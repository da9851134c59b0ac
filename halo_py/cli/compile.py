"""`halo-compile`, which is also `halo compile`: a model file in, a `.halo` file and a summary out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from halo_py.cli.options import (
    EXECUTABLE_SUFFIX,
    HELP,
    CompileArguments,
    check_can_write,
    compile_keywords,
    import_keywords,
    import_options,
    plan_options,
    refuse_executable,
)
from halo_py.cli.runner import run
from halo_py.errors import TargetError, UsageError

if TYPE_CHECKING:
    from halo_py.cli.progress import PhaseLines
    from halo_py.executable import Executable
    from halo_py.ir.graph import Graph
    from halo_py.passes.base import Pass
    from halo_py.verification import Comparison
    from odla.source import Language


@click.command("halo-compile", context_settings=HELP)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--target",
    "-t",
    metavar="T",
    help="A machine: a name of `halo targets`, or a TOML file of your own.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the executable goes [default: the model's name with .halo, in the current folder].",
)
@import_options
@plan_options
@click.option(
    "--save-plan",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the chosen plan, to change it and give it to --plan.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write the facts of the summary as JSON (- prints them instead of the summary).",
)
@click.option(
    "--print-ir-after",
    multiple=True,
    metavar="PASS",
    help="Print the graph after a pass of `halo passes` (or `all`) on stdout. Repeatable.",
)
@click.option(
    "--emit",
    "language",
    type=click.Choice(["c", "c++"]),
    help="Write ODLA calls as C or C++ (source, header, weights, driver) into the folder -o instead of compiling.",
)
@click.option("--verify", is_flag=True, help="Run the program on seeded inputs and compare with ONNX Runtime.")
def command(
    model: Path,
    target: str | None,
    output: Path | None,
    save_plan: Path | None,
    json_file: Path | None,
    print_ir_after: tuple[str, ...],
    language: Language | None,
    verify: bool,
    **options: Unpack[CompileArguments],
) -> None:
    """Compile MODEL for a machine made of tiles and predict how fast it runs.

    Prints how the model is split over chips and tiles, whether it fits, where the time goes, and what throughput and
    latency to expect. The executable is written to one .halo file.

    \b
    Example:
      halo-compile resnet50.onnx --target ipu-pod16 --batch-size 16 --precision fp16
    """  # noqa: D301 -- the control character that keeps click from filling the lines
    refuse_executable(model)
    if language is not None:
        _emit(model, language, output, options)
        return
    if target is None:
        raise UsageError("no target is given", hint="add --target, for example ipu-pod16; halo targets lists them")
    destination = _destination(model, output)
    for path in (destination, save_plan, json_file):
        if path is not None and str(path) != "-":
            check_can_write(path)
    keywords = compile_keywords(options)
    _check_target(target)
    from halo_py.cli.output import all_or_none, is_stdout, show_facts, write_json
    from halo_py.cli.progress import progress_for

    phases = ("import", "plan", "program", *(("verify",) if verify else ()), "write")
    with all_or_none() as written:
        with progress_for(phases) as progress:
            executable = _compiled(model, target, keywords, print_ir_after, progress)
            compared = _verified(executable, model, keywords, progress) if verify else None
            with progress.phase("write"):
                written.append(executable.save(destination))
                if save_plan is not None:
                    written.append(_save_plan(executable, save_plan))
        facts = _facts(executable, compared, progress, destination)
        if json_file is not None and not is_stdout(json_file):
            written.append(write_json(facts, json_file))
    show_facts(facts, json_file)


def _emit(model: Path, language: Language, folder: Path | None, options: CompileArguments) -> None:
    from halo_py.cli.emit import emit

    for path in emit(model, language, folder or Path(), import_keywords(options)):
        sys.stdout.write(f"{path}\n")


def _destination(model: Path, output: Path | None) -> Path:
    name = f"{model.stem}{EXECUTABLE_SUFFIX}"
    found = Path(name) if output is None else output / name if output.is_dir() else output
    if found.exists() and model.exists() and found.samefile(model):
        raise UsageError(f"the executable would overwrite the model {model}", hint="give another file with -o")
    return found


def _check_target(target: str) -> None:
    """Raises TargetError before anything else is read; a device that is no machine gets a hint of its own."""
    from halo_py.targets import load_target

    try:
        load_target(target)
    except TargetError as error:
        from odla.driver import drivers

        if any(driver.claims(target) for driver in drivers()):
            hint = f"`halo run MODEL --target {target}` runs a model there"
            raise TargetError(f"{target} is no machine made of tiles", hint=hint) from error
        raise


def _compiled(
    model: Path, target: str, keywords: dict[str, Any], print_ir_after: tuple[str, ...], progress: PhaseLines
) -> Executable:
    from halo_py.compile import compile as compile_model

    after = (_ir_printer(print_ir_after),) if print_ir_after else ()
    return compile_model(model, target=target, progress=progress, after_passes=after, **keywords)


def _ir_printer(wanted: tuple[str, ...]) -> Callable[[Pass, Graph], None]:
    """Prints the graph after the wanted passes. Raises UsageError for a pass that does not exist."""
    from halo_py.cli.passes import pass_names

    known = pass_names()
    for name in wanted:
        if name != "all" and name not in known:
            raise UsageError(f"unknown pass {name!r}", hint=f"passes: {', '.join(known)}, or all")

    def show(step: Pass, graph: Graph) -> None:
        from halo_py.ir.text import print_graph

        if "all" in wanted or step.name in wanted:
            sys.stdout.write(f"// after pass {step}\n{print_graph(graph)}\n")

    return show


def _verified(executable: Executable, model: Path, keywords: dict[str, Any], progress: PhaseLines) -> list[Comparison]:
    from halo_py.cli.verify import refuse_if_different, verify
    from halo_py.frontend import ImportOptions

    if keywords.get("cut_inputs") or keywords.get("cut_outputs"):
        raise UsageError("--verify compares whole models", hint="leave --inputs and --outputs out, or --verify")
    options = ImportOptions(keywords.get("shapes", {}), keywords.get("values", {}), keep_symbolic=True)
    with progress.phase("verify"):
        compared = verify(executable, model, options)
    refuse_if_different(compared, model)
    return compared


def _save_plan(executable: Executable, path: Path) -> Path:
    from halo_py.archive import write_text_atomically
    from halo_py.report.chosen_plan import chosen_plan
    from halo_py.tiling.plan_file import plan_text

    write_text_atomically(path, plan_text(chosen_plan(executable)))
    return path


def _facts(
    executable: Executable, compared: list[Comparison] | None, progress: PhaseLines, destination: Path
) -> dict[str, Any]:
    from halo_py.report.facts import facts_of

    facts = facts_of(executable, verified=compared)
    facts["compile_seconds"] = dict(progress.seconds)
    facts["executable"] = {"file": str(destination), "bytes": destination.stat().st_size}
    return facts


def main() -> None:
    """The entry point `halo-compile`."""
    run(command, "halo-compile")


if __name__ == "__main__":
    main()
