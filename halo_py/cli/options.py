"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from halo_py.errors import OutputError, UsageError, Where

if TYPE_CHECKING:
    from halo_py.frontend import GivenValue

Command = TypeVar("Command", bound=Callable[..., Any])

HELP = {"help_option_names": ["-h", "--help"]}
"""Settings of every command's context."""

PRECISIONS = ("fp32", "fp16", "mixed")
EXECUTABLE_SUFFIX = ".halo"


class ImportArguments(TypedDict):
    """What `import_options` adds to a command's parameters."""

    shape: tuple[str, ...]
    value: tuple[str, ...]
    batch_size: int | None
    cut_inputs: tuple[str, ...]
    cut_outputs: tuple[str, ...]
    format: str | None


class PlanArguments(TypedDict):
    """What `plan_options` adds to a command's parameters."""

    objective: str
    precision: str
    replicas: int | None
    stages: int | None
    micro_batch: int | None
    plan: Path | None


class CompileArguments(ImportArguments, PlanArguments):
    """What `import_options` and `plan_options` add."""


def import_options(command: Command) -> Command:
    """Options that fix a model file's open dimensions and scalars."""
    for option in (
        click.option(
            "--batch-size",
            type=click.IntRange(min=1),
            metavar="N",
            help="Items of one request over all replicas.",
        ),
        click.option(
            "--value",
            multiple=True,
            metavar="NAME=16000",
            help="Make an input a constant: one value, or a list (axes=0,1). Repeatable.",
        ),
        click.option(
            "--format",
            "-x",
            metavar="FORMAT",
            help="The model's format [default: told from its content].",
        ),
        click.option(
            "--outputs",
            "cut_outputs",
            multiple=True,
            metavar="NAMES",
            help="Cut the model at these values (a,b). Repeatable.",
        ),
        click.option(
            "--inputs",
            "cut_inputs",
            multiple=True,
            metavar="NAMES",
            help="Begin at these values (a,b), which become inputs. Repeatable.",
        ),
        click.option(
            "--shape",
            "--input-shape",
            "shape",
            multiple=True,
            metavar="NAME=1x3x224x224",
            help="Fix the shape of an input. Repeatable.",
        ),
    ):
        command = option(command)
    return command


def plan_options(command: Command) -> Command:
    """Options of compiling that do not depend on the model."""
    count = click.IntRange(min=1)
    for option in (
        click.option(
            "--plan", type=click.Path(path_type=Path), metavar="FILE", help="Follow the parts of a saved plan."
        ),
        click.option(
            "--micro-batch", type=count, metavar="N", help="Items that pass a stage at a time (default: chosen)."
        ),
        click.option("--stages", type=count, metavar="N", help="Pipeline stages, one IPU each (default: chosen)."),
        click.option("--replicas", type=count, metavar="N", help="Copies of the model side by side (default: chosen)."),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            default="fp32",
            show_default=True,
            help="fp16: 16-bit storage and partial sums; mixed: 16-bit storage, 32-bit partial sums.",
        ),
        click.option(
            "--objective",
            default="throughput",
            show_default=True,
            metavar="GOAL",
            help="throughput, latency, or throughput@latency<=MS with a limit in milliseconds.",
        ),
    ):
        command = option(command)
    return command


def import_keywords(given: ImportArguments) -> dict[str, Any]:
    """These options as keywords of `halo_py.compile` and of every ODLA driver. Raises UsageError."""
    from halo_py.frontend import parse_shape

    keywords: dict[str, Any] = {
        "shapes": dict(parse_shape(text) for text in given["shape"]),
        "values": dict(parse_value(text) for text in given["value"]),
        "batch_size": given["batch_size"],
        "cut_inputs": _names(given["cut_inputs"]),
        "cut_outputs": _names(given["cut_outputs"]),
        "format": given["format"],
    }
    return {name: value for name, value in keywords.items() if value}


def _names(texts: tuple[str, ...]) -> list[str]:
    """`a,b` and repetitions as one list."""
    return [name for text in texts for name in text.split(",") if name]


def compile_keywords(given: CompileArguments) -> dict[str, Any]:
    """All options as keywords of `halo_py.compile`. Raises UsageError."""
    keywords: dict[str, Any] = {
        name: given[name] for name in ("objective", "precision", "replicas", "stages", "micro_batch", "plan")
    }
    return import_keywords(given) | {name: value for name, value in keywords.items() if value is not None}


def parse_value(text: str) -> tuple[str, GivenValue]:
    """`sr=16000` as (name, number, boolean or text), `axes=0,1` as (name, array). Raises UsageError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"not a value: {text!r}", hint="write --value NAME=16000")
    if "," in value:
        import numpy as np

        found = [_parsed(part) for part in value.split(",") if part]
        if not any(isinstance(part, str) for part in found):
            return name, np.array(found)
    return name, _parsed(value)


def _parsed(text: str) -> float | int | bool | str:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def check_can_write(path: Path) -> None:
    """Refuse a place where no file can be written, before any work is done. Raises OutputError."""
    import os

    if path.is_dir():
        raise OutputError("cannot be written: it is a folder", Where(str(path)), "give a file name")
    if path.exists() and not path.is_file():
        raise OutputError(
            "cannot be written: it is a device or a pipe, not a file", Where(str(path)), "give a file name"
        )
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"cannot be written: there is no folder {folder}", Where(str(path)), f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot be written: no permission to write in {folder}", Where(str(path)))


def refuse_executable(model: Path) -> None:
    """Raises UsageError if the file given as a model is a compiled one."""
    if model.suffix == EXECUTABLE_SUFFIX and model.is_file():
        hint = f"halo report {model} shows it, halo run {model} runs it"
        raise UsageError("is compiled already", Where(str(model)), hint)
