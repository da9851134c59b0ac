"""The pipelines as tables: passes in order, with what each does and its options."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from rich.console import Console
from rich.text import Text

from halo_py.passes.base import Pass
from halo_py.passes.pipelines import PIPELINES, pipeline
from halo_py.report.format import plain_table

Document = dict[str, Any]


def passes_document() -> list[Document]:
    """Every pipeline with its passes in order."""
    return [{"pipeline": name, "passes": [_pass(step) for step in pipeline(name).passes]} for name in PIPELINES]


def _pass(step: Pass) -> Document:
    options = [{"name": entry.name, "value": repr(getattr(step, entry.name))} for entry in fields(step)]
    return {"name": step.name, "summary": step.summary(), "options": options}


def print_passes(pipelines: list[Document], console: Console) -> None:
    """Print every pipeline."""
    for number, entry in enumerate(pipelines):
        if number:
            console.print()
        table = plain_table(f"pipeline {entry['pipeline']}", "", "pass", "what it does", "options")
        for column in table.columns[1:]:
            column.justify = "left"
        for position, step in enumerate(entry["passes"], 1):
            options = ", ".join(f"{option['name']}={option['value']}" for option in step["options"])
            table.add_row(str(position), step["name"], Text(step["summary"]), Text(options))
        console.print(table)
