"""The comparison as an interactive HTML page, drawn by plotly."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from halo_py.archive import write_text_atomically
from halo_py.errors import UsageError
from halo_py.report.comparison import label
from halo_py.targets.machine import FAST, NOMINAL, SLOW

Document = dict[str, Any]


def require_plotly() -> Any:
    """Plotly's module of figures. Raises UsageError if it is not installed."""
    try:
        return import_module("plotly.graph_objects")
    except ImportError as error:
        raise UsageError("--plot needs plotly", hint="pip install 'halo-py[plots]'") from error


def write_plot(document: Document, path: Path) -> None:
    """Write a page that needs no network: throughput against latency, each with its range. Raises OutputError."""
    graphs = require_plotly()
    rows = [row for row in document["rows"] if "facts" in row]
    figure = graphs.Figure()
    for target in dict.fromkeys(row["target"] for row in rows):
        figure.add_trace(_trace(graphs, target, [row for row in rows if row["target"] == target]))
    figure.update_layout(
        title=f"{Path(document['model']).name}, {document['precision']}",
        xaxis={"title": "latency of one request in seconds", "type": "log"},
        yaxis={"title": "items per second", "type": "log"},
    )
    write_text_atomically(path, figure.to_html(include_plotlyjs=True))


def _trace(graphs: Any, target: str, rows: list[Document]) -> Any:
    rates = [row["facts"]["throughput_items_per_second"]["with_host"] for row in rows]
    latencies = [row["facts"]["latency_seconds"]["with_host"] for row in rows]
    return graphs.Scatter(
        name=target,
        mode="lines+markers",
        x=[values[NOMINAL] for values in latencies],
        y=[values[NOMINAL] for values in rates],
        error_x=_errors(latencies, FAST, SLOW),
        error_y=_errors(rates, SLOW, FAST),
        text=[label(row) for row in rows],
    )


def _errors(values: list[list[float]], low: int, high: int) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [entry[high] - entry[NOMINAL] for entry in values],
        "arrayminus": [entry[NOMINAL] - entry[low] for entry in values],
        "thickness": 1,
    }
