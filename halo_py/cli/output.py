"""Where results go: a summary or JSON on stdout, JSON in a file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 120
"""Columns of a summary that goes to a file or a pipe."""


def stdout_console() -> Console:
    """Rich's console on stdout: the terminal's width, or PLAIN_WIDTH (or $COLUMNS) elsewhere."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False, markup=False)
    columns = os.environ.get("COLUMNS", "")
    return Console(width=int(columns) if columns.isdigit() else PLAIN_WIDTH, highlight=False, markup=False)


@contextmanager
def all_or_none() -> Generator[list[Path]]:
    """Collects files that a command has written; removes them all if it fails before it is done."""
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def show_facts(facts: dict[str, Any], json_file: Path | None) -> None:
    """Print the summary of a compiled model, or its JSON if `json_file` is '-'."""
    if is_stdout(json_file):
        print_json(facts)
        return
    from halo_py.report.terminal import print_summary

    print_summary(facts, stdout_console())


def is_stdout(json_file: Path | None) -> bool:
    """Whether `--json -` was given."""
    return json_file is not None and str(json_file) == "-"


def print_json(document: Any) -> None:
    """Print a document as JSON."""
    sys.stdout.write(_json_text(document))


def write_json(document: Any, json_file: Path) -> Path:
    """Write a document as JSON. Raises OutputError."""
    from halo_py.archive import write_text_atomically

    write_text_atomically(json_file, _json_text(document))
    return json_file


def output_json(document: Any, json_file: Path | None) -> bool:
    """Write or print a document as JSON, as `--json` says. Answers whether it was printed. Raises OutputError."""
    if is_stdout(json_file):
        print_json(document)
        return True
    if json_file is not None:
        write_json(document, json_file)
    return False


def _json_text(document: Any) -> str:
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
