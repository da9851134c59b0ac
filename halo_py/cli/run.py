"""`halo run`: an executable, or a model on any device, on inputs from files or on seeded ones."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from halo_py.cli.options import (
    HELP,
    CompileArguments,
    check_can_write,
    compile_keywords,
    import_keywords,
    import_options,
    plan_options,
)
from halo_py.errors import OutputError, UsageError, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph
    from halo_py.types import Type
    from odla.handles import Result

    Array = NDArray[np.generic]

MODES = ("whole", "tiled")
DEFAULT_DEVICE = "cpu"


@click.command("run", context_settings=HELP)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--target",
    "--device",
    "-t",
    metavar="T",
    help="Where a model runs: cpu, reference, a machine of `halo targets`, or an ODLA library by its path "
    "(odla:/path/to/lib.so) [default: cpu]. An executable knows it.",
)
@click.option(
    "--device-option",
    "device_options",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the device, e.g. seconds=10 or exclude=odla_Conv for an ODLA library. Repeatable.",
)
@click.option(
    "--input",
    "-i",
    "inputs",
    multiple=True,
    metavar="NAME=FILE.npy",
    help="Contents of an input: an .npy file, or an .npz file with one array per input. Repeatable. "
    "Without any, inputs are seeded random numbers.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write every output there as NAME.npy [default: outputs are only described].",
)
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="whole",
    show_default=True,
    help="On a simulated machine: compute whole arrays, or every vertex on the slice that its tile holds (slow).",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of seeded inputs.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write what the run reports as JSON (- prints it instead of the summary).",
)
@import_options
@plan_options
def command(
    file: Path,
    target: str | None,
    device_options: tuple[str, ...],
    inputs: tuple[str, ...],
    output: Path | None,
    mode: str,
    seed: int,
    json_file: Path | None,
    **options: Unpack[CompileArguments],
) -> None:
    """Run FILE, a .halo executable or a model, and print what the run reports.

    Options from --batch-size on are for models, which are compiled first.

    \b
    Examples:
      halo run digits.halo --input image=x.npy --output results
      halo run digits.onnx --target ipu-1 --batch-size 8 --mode tiled
      halo run digits.onnx --device odla:/usr/lib/libodla_vendor.so
    """  # noqa: D301 -- the control character that keeps click from filling the lines
    if output is not None:
        _make_folder(output)
    if json_file is not None and str(json_file) != "-":
        check_can_write(json_file)
    import time

    from halo_py.cli.arrays import write_outputs
    from halo_py.cli.output import output_json, stdout_console
    from halo_py.report.run import print_run, run_document

    begin = time.perf_counter()
    device, result = _run(_Asked(file, target, _named(device_options), inputs, mode, seed, options))
    document = run_document(file.name, device, result)
    document["wall_seconds"] = time.perf_counter() - begin
    if output is not None:
        document["files"] = write_outputs(result, output, say)
    if not output_json(document, json_file):
        print_run(document, stdout_console())


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the user gave."""

    file: Path
    target: str | None
    device_options: Mapping[str, str]
    inputs: tuple[str, ...]
    mode: str
    seed: int
    options: CompileArguments


def _named(texts: tuple[str, ...]) -> dict[str, str]:
    """`name=value` texts as a mapping. Raises UsageError."""
    parts = [text.partition("=") for text in texts]
    for name, equals, value in parts:
        if not name or not equals:
            raise UsageError(f"--device-option {name + equals + value!r} is not NAME=VALUE", hint="e.g. seconds=10")
    return {name: value for name, _equals, value in parts}


def say(text: str) -> None:
    """Tell the user something beside the result."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _make_folder(folder: Path) -> None:
    """Make the output folder now, so that a place that cannot be written is refused before any work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "--output takes a folder"
        raise OutputError(f"cannot make the folder: {error.strerror}", Where(str(folder)), hint) from error


def _run(asked: _Asked) -> tuple[str, Result]:
    """The device's name and what the run gave."""
    from halo_py.archive import read_archive
    from halo_py.executable import FORMAT, KIND
    from odla.driver import archive_kind

    if asked.file.is_file() and archive_kind(asked.file, _head(asked.file)) is not None:
        return _run_saved(asked)
    if asked.file.suffix == ".halo":
        read_archive(asked.file, KIND, FORMAT)  # says what is wrong with it
    return _run_model(asked)


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(4)


def _run_saved(asked: _Asked) -> tuple[str, Result]:
    import odla

    _refuse_compile_options(asked)
    executable = odla.load(asked.file)
    if asked.target not in (None, executable.device):
        message = f"was compiled for {executable.device}, not for {asked.target}"
        raise UsageError(message, Where(str(asked.file)), "leave --target out, or compile the model again")
    if asked.mode != MODES[0]:
        if not hasattr(executable.artefact, "mode"):
            raise UsageError(f"{executable.device} has no mode {asked.mode!r}", hint="leave --mode out")
        executable.artefact.mode = asked.mode
    types = {port.name: port.type for port in executable.signature.inputs}
    if asked.inputs:
        return executable.device, executable.run(_read(asked, types))
    return executable.device, executable.run(_seeded(types, _graph_of(executable.artefact), asked.seed))


def _refuse_compile_options(asked: _Asked) -> None:
    if asked.device_options:
        raise UsageError(f"--device-option is for models; {asked.file} is compiled already", hint="leave it out")
    free = {"objective": "throughput", "precision": "fp32"}
    given = [name for name, value in asked.options.items() if value not in ((), free.get(name))]
    if given:
        option = given[0].removeprefix("cut_").replace("_", "-")
        raise UsageError(f"--{option} is for models; {asked.file} is compiled already", hint=f"leave --{option} out")


def _graph_of(artefact: Any) -> Graph | None:
    """The graph that an artefact of our own backends holds."""
    return getattr(getattr(artefact, "executable", artefact), "graph", None)


def _run_model(asked: _Asked) -> tuple[str, Result]:
    import odla
    from halo_py.frontend import inspect_model
    from odla.driver import find_driver

    device = asked.target or DEFAULT_DEVICE
    if asked.target is None:
        say(f"no --target given: running on {device}")
    simulated = find_driver(device).name == "ipu"
    keywords = compile_keywords(asked.options) if simulated else import_keywords(asked.options)
    if simulated:
        keywords["mode"] = asked.mode
    keywords |= asked.device_options
    if asked.inputs and not keywords.get("cut_inputs"):
        fixed = keywords.get("values", {})
        types = {port.name: port.type for port in inspect_model(asked.file).inputs if port.name not in fixed}
        return device, odla.execute(asked.file, _read(asked, types), device=device, **keywords)
    if not simulated:
        keywords.setdefault("batch_size", 1)
    executable = odla.compile_for(asked.file, device, **keywords)
    types = {port.name: port.type for port in executable.signature.inputs}
    if asked.inputs:
        return device, executable.run(_read(asked, types))
    return device, executable.run(_seeded(types, _imported(asked), asked.seed))


def _imported(asked: _Asked) -> Graph:
    from halo_py.frontend import load_model
    from odla.driver import import_options as options_of

    return load_model(asked.file, options_of(import_keywords(asked.options), keep_symbolic=True))


def _read(asked: _Asked, types: Mapping[str, Type | None]) -> dict[str, Array]:
    from halo_py.cli.arrays import read_inputs

    return read_inputs(asked.inputs, types, say)


def _seeded(types: Mapping[str, Type], graph: Graph | None, seed: int) -> dict[str, Array]:
    from halo_py.seeded_inputs import bounds_by_name, seeded_arrays

    arrays = seeded_arrays(types, {} if graph is None else bounds_by_name(graph), seed)
    if arrays:
        listed = ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in arrays.items())
        say(f"NO --input GIVEN: random inputs of seed {seed}: {listed}")
    return arrays
