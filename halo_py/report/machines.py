"""Machines as tables: all of them, or every number of one with its range and source."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from halo_py.report.format import bytes_text, count_text, plain_table
from halo_py.targets import TargetRow, available, describe, load_target

Document = dict[str, Any]


def machines_document() -> list[Document]:
    """What tells the known systems apart."""
    found: list[Document] = []
    for name in available():
        system = load_target(name)
        found.append(
            {
                "name": name,
                "title": system.title,
                "chip": system.chip.name,
                "ipus": system.ipus,
                "tiles_per_ipu": system.chip.tiles,
                "bytes_per_tile": system.chip.bytes_per_tile,
                "bytes_on_chip": system.bytes_on_chip,
                "clock_hz": system.chip.clock_hz,
                "peak_flops": system.peak_flops,
            }
        )
    return found


def machine_document(name: str) -> Document:
    """Every fact of one system. Raises TargetError."""
    system = load_target(name)
    return {"name": system.name, "title": system.title, "facts": [_fact(row) for row in describe(system)]}


def _fact(row: TargetRow) -> Document:
    return {
        "name": row.name,
        "value": row.value,
        "low": row.low,
        "high": row.high,
        "unit": row.unit,
        "assumed": row.assumed,
        "source": row.source,
        "about": row.about,
    }


def print_machines(machines: list[Document], console: Console) -> None:
    """Print the list of systems."""
    table = plain_table("", "target", "chip", "IPUs", "tiles", "per tile", "on chip", "clock", "peak", "what it is")
    table.columns[1].justify = table.columns[-1].justify = "left"
    for entry in machines:
        table.add_row(
            entry["name"],
            entry["chip"],
            f"{entry['ipus']:,}",
            f"{entry['ipus'] * entry['tiles_per_ipu']:,}",
            bytes_text(entry["bytes_per_tile"]),
            bytes_text(entry["bytes_on_chip"]),
            f"{entry['clock_hz'] / 1e9:.3g} GHz",
            f"{count_text(entry['peak_flops'])}FLOP/s",
            Text(entry["title"]),
        )
    console.print(table)
    console.print(
        "\nAlso ipu-podN and bow-podN for any multiple of 4, NAMExM for M of a system (ipu-pod64x1000), and the path "
        "of a TOML file of your own.\nhalo targets NAME explains every number of one.",
        markup=False,
    )


def print_machine(machine: Document, console: Console) -> None:
    """Print every fact of one system."""
    console.print(Text(machine["name"], style="bold").append(f": {machine['title']}"))
    table = plain_table("", "fact", "value", "range", "unit", "source")
    table.columns[3].justify = table.columns[4].justify = "left"
    for fact in machine["facts"]:
        source = Text("assumed: ", style="yellow") if fact["assumed"] else Text()
        source.append(fact["source"] or fact["about"])
        table.add_row(fact["name"], _number(fact["value"]), _range(fact), fact["unit"], source)
    console.print(table)


def _range(fact: Document) -> str:
    if fact["low"] is None:
        return ""
    return f"{_number(fact['low'])} .. {_number(fact['high'])}"


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.6g}"
