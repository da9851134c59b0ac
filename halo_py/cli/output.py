"""Where results go: a summary or JSON on stdout, JSON in a file."""

from __future__ import annotations

import json
import os
import sys
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


def show_facts(facts: dict[str, Any], json_file: Path | None) -> None:
    """Print the summary of a compiled model, or its JSON if `json_file` is '-'; write the JSON to any other file."""
    if not write_json(facts, json_file):
        from halo_py.report.terminal import print_summary

        print_summary(facts, stdout_console())


def write_json(document: Any, json_file: Path | None) -> bool:
    """Write a document as JSON. Answers whether it went to stdout. Raises OutputError."""
    if json_file is None:
        return False
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    if str(json_file) == "-":
        sys.stdout.write(text)
        return True
    from halo_py.archive import write_text_atomically

    write_text_atomically(json_file, text)
    return False
