"""Several targets and batch sizes side by side: a document, a table and a plot of bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from halo_py.report.format import plain_table, rate_text, seconds_text
from halo_py.targets.machine import FAST, NOMINAL, SLOW

Document = dict[str, Any]

LABEL_ROOM = 46
"""Columns of a bar's label and number."""


def comparison_document(model: str, precision: str, objective: str, rows: Sequence[Document]) -> Document:
    """The comparison as a JSON-able document; a row has `facts`, or `error` and `exit_code`."""
    return {"model": model, "precision": precision, "objective": objective, "rows": list(rows)}


def label(row: Document) -> str:
    """`ipu-pod16, batch 16`."""
    batch = row["facts"]["plan"]["batch"] if "facts" in row else row["batch"]
    return row["target"] if batch is None else f"{row['target']}, batch {batch:,}"


def print_comparison(document: Document, console: Console) -> None:
    """Print the table and the bars."""
    headline = f": {document['precision']}, objective {document['objective']}"
    console.print(Text(document["model"], style="bold").append(headline, style="not bold"))
    console.print()
    console.print(_table(document["rows"]))
    for row in document["rows"]:
        if "error" in row:
            console.print(Text(f"{label(row)}: {row['error']}", style="yellow"))
    console.print()
    console.print(_bars(document["rows"], console))


def _table(rows: Sequence[Document]) -> Table:
    table = plain_table(
        "", "target", "batch", "IPUs", "plan", "items/s", "[slow .. fast]", "latency", "bound by", "fullest tile"
    )
    table.columns[3].justify = "left"
    for row in rows:
        if "error" in row:
            batch = "" if row["batch"] is None else f"{row['batch']:,}"
            table.add_row(row["target"], batch, "", Text("no plan", style="yellow"), *([""] * 5))
        else:
            table.add_row(row["target"], *_cells(row["facts"]))
    return table


def _cells(facts: Document) -> list[str]:
    plan = facts["plan"]
    rate, latency = facts["throughput_items_per_second"]["with_host"], facts["latency_seconds"]["with_host"]
    memory = max((stage["memory"] for stage in facts["stages"]), key=lambda entry: entry["fullest_bytes"])
    return [
        f"{plan['batch']:,}",
        f"{plan['ipus']:,} of {plan['ipus_of_target']:,}",
        f"{plan['replicas']:,} x {plan['stages']} x {plan['micro_batches']} of {plan['micro_batch']}",
        rate_text(rate[NOMINAL]),
        f"[{rate_text(rate[SLOW])} .. {rate_text(rate[FAST])}]",
        seconds_text(latency[NOMINAL]),
        facts["binds"],
        f"{memory['fullest_bytes'] / memory['capacity_bytes']:.0%}",
    ]


def _bars(rows: Sequence[Document], console: Console) -> Table:
    """Throughput as bars whose longest fills the line; the range is the part in another shade."""
    full, light = ("\u2588", "\u2591") if console.encoding.startswith("utf") else ("#", "-")
    found = [(label(row), row["facts"]["throughput_items_per_second"]["with_host"]) for row in rows if "facts" in row]
    most = max(rates[FAST] for _label, rates in found)
    room = max(10, console.width - LABEL_ROOM)
    table = plain_table("items per second, nominal and up to the fast end of the range", "", "", "")
    table.show_header = False
    table.columns[1].justify = "left"
    for name, rates in found:
        nominal, fast = (round(rates[index] / most * room) for index in (NOMINAL, FAST))
        bar = Text(full * max(1, nominal), style="cyan").append(light * (fast - max(1, nominal)), style="dim")
        table.add_row(name, bar, rate_text(rates[NOMINAL]))
    return table
