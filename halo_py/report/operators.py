"""The registry of operators as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from halo_py.frontend import ExpandedOp, expanded_operators
from halo_py.ir.op import REGISTRY
from halo_py.report.format import plain_table
from halo_py.report.model import ON_TILES, runs_on

Document = dict[str, Any]

EXPANDED = "expanded"
"""The family of operators that frontends replace by others."""
_AS_EXPANDED = "what it stands for"


def operators_document(words: Sequence[str] = ()) -> list[Document]:
    """Every declared operator and every expanded one, by family and name.

    With `words` only those that one of them matches.
    """
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
    found += [_expanded(operator) for operator in expanded_operators()]
    wanted = [word.lower() for word in words]
    kept = [
        entry
        for entry in found
        if not wanted
        or any(word in f"{entry['op']} {entry['onnx'] or ''} {entry['family']}".lower() for word in wanted)
    ]
    return sorted(kept, key=lambda entry: (entry["family"], entry["op"]))


def _expanded(operator: ExpandedOp) -> Document:
    """An operator that a frontend replaces; its name is that of the format, with the domain."""
    name = f"{operator.domain}.{operator.name}" if operator.domain else operator.name
    rest = {"onnx": operator.name, "domain": operator.domain, "since": None, "odla": None}
    return {"op": name, **rest, "family": EXPANDED, "runs_on": _AS_EXPANDED}


def print_operators(operators: Sequence[Document], console: Console) -> None:
    """Print the table of operators."""
    table = plain_table("", "operator", "ONNX", "since", "family", "runs on")
    for number in (1, 3, 4):
        table.columns[number].justify = "left"
    for entry in operators:
        table.add_row(
            entry["op"],
            entry["onnx"] or Text("-", style="dim"),
            str(entry["since"] or "") if entry["onnx"] else "",
            entry["family"],
            Text(entry["runs_on"], style="" if entry["runs_on"] in (ON_TILES, _AS_EXPANDED) else "yellow"),
        )
    console.print(table)
    tiles = sum(entry["runs_on"] == ON_TILES for entry in operators)
    expanded = sum(entry["family"] == EXPANDED for entry in operators)
    more = f", and {expanded} that are written in terms of them while a model is read" if expanded else ""
    console.print(f"\n{len(operators) - expanded} operators, {tiles} of them run on tiles{more}", markup=False)
