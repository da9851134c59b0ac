"""The registry of operators as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from halo_py.ir.op import REGISTRY
from halo_py.report.format import plain_table
from halo_py.report.model import ON_TILES, runs_on

Document = dict[str, Any]


def operators_document(words: Sequence[str] = ()) -> list[Document]:
    """Every declared operator, by family and name; with `words` only those that one of them matches."""
    found: list[Document] = []
    for cls in REGISTRY.by_name.values():
        declaration = cls.declaration
        found.append(
            {
                "op": declaration.name,
                "onnx": declaration.onnx,
                "domain": declaration.domain,
                "since": declaration.since,
                "odla": declaration.odla,
                "family": declaration.family,
                "runs_on": runs_on(cls),
            }
        )
    wanted = [word.lower() for word in words]
    kept = [
        entry
        for entry in found
        if not wanted
        or any(word in f"{entry['op']} {entry['onnx'] or ''} {entry['family']}".lower() for word in wanted)
    ]
    return sorted(kept, key=lambda entry: (entry["family"], entry["op"]))


def print_operators(operators: Sequence[Document], console: Console) -> None:
    """Print the table of operators."""
    table = plain_table("", "operator", "ONNX", "since", "family", "runs on")
    for number in (1, 3, 4):
        table.columns[number].justify = "left"
    for entry in operators:
        table.add_row(
            entry["op"],
            entry["onnx"] or Text("-", style="dim"),
            str(entry["since"]) if entry["onnx"] else "",
            entry["family"],
            Text(entry["runs_on"], style="" if entry["runs_on"] == ON_TILES else "yellow"),
        )
    console.print(table)
    tiles = sum(entry["runs_on"] == ON_TILES for entry in operators)
    console.print(f"\n{len(operators)} operators, {tiles} of them run on tiles", markup=False)
