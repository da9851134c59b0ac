"""Which nodes run on the host because the device lacks them: a part of every summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from halo_py.report.format import plain_table

HOST_NODES_SHOWN = 12


def host_table(nodes: Sequence[Mapping[str, Any]]) -> Table:
    """Op, node and reason of each."""
    table = plain_table("nodes that run on the host", "op", "node", "reason")
    table.columns[1].justify = table.columns[2].justify = "left"
    for node in nodes[:HOST_NODES_SHOWN]:
        table.add_row(node["op"], Text(node["node"]), Text(node["reason"]))
    if len(nodes) > HOST_NODES_SHOWN:
        table.add_row("...", f"{len(nodes) - HOST_NODES_SHOWN} more", "")
    return table
