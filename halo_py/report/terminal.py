"""The summary a person understands at a glance, for a terminal or a plain file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

Facts = dict[str, Any]

OPS_SHOWN = 8
BUSIEST_SHOWN = 5
HOST_NODES_SHOWN = 12


def print_summary(facts: Facts, console: Console) -> None:
    """Print the summary of a compiled model."""
    console.print(summary(facts))


def summary(facts: Facts) -> RenderableType:
    """The summary of a compiled model."""
    parts: list[RenderableType] = [_headline(facts), "", _main_table(facts), "", _time_tables(facts)]
    if facts["host_nodes"]:
        parts += ["", _host_table(facts["host_nodes"])]
    if len(facts["plans_considered"]) > 1:
        parts += ["", _plans_table(facts["plans_considered"])]
    if facts.get("verified"):
        parts += ["", _verified_table(facts["verified"])]
    parts += [Text(f"warning: {warning}", style="yellow") for warning in facts["warnings"]]
    return Group(*parts)


def _headline(facts: Facts) -> Text:
    system = facts["system"]
    text = Text()
    text.append(str(facts["model"]), style="bold")
    text.append(f" on {facts['target']} ({system['ipus']} x {system['chip']}), {facts['precision']}, ")
    text.append(f"objective {facts['objective']}")
    return text


def _main_table(facts: Facts) -> Table:
    plan, memory = facts["plan"], _fullest(facts)
    throughput, latency = facts["throughput_items_per_second"], facts["latency_seconds"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan")
    table.add_column()
    stages = f"{plan['stages']} stage" + ("s" if plan["stages"] > 1 else "")
    table.add_row(
        "plan",
        f"batch {plan['batch']} = {plan['replicas']} replicas x {plan['micro_batches']} micro-batches x "
        f"{plan['micro_batch']}; {stages} per replica; {plan['ipus']} of {plan['ipus_of_target']} IPUs used",
    )
    table.add_row(
        "throughput", f"{_rate(throughput['with_host'])} (without host I/O {_rate(throughput['without_host'])})"
    )
    table.add_row("latency", f"{_time(latency['with_host'])} (without host I/O {_time(latency['without_host'])})")
    request = facts["request_seconds"]
    table.add_row(
        "one request",
        ", ".join(
            f"{name} {_seconds(request[key][1])}"
            for name, key in (
                ("on chip", "on_chip"),
                ("links", "links"),
                ("host I/O", "host"),
                ("collectives and fabric", "fabric_collectives"),
            )
            if request[key][1] > 0 or key in ("on_chip", "host")
        )
        + f"; bound by {facts['binds']}",
    )
    share = memory["fullest_bytes"] / memory["capacity_bytes"]
    table.add_row(
        "memory",
        f"fullest tile {_bytes(memory['fullest_bytes'])} of {_bytes(memory['capacity_bytes'])} ({share:.0%}); "
        f"always live: {_live(memory['always_live'])}",
    )
    table.add_row(
        "model",
        f"{facts['parameters'] / 1e6:.2f} M parameters, {_bytes(facts['weight_bytes'])} of weights, "
        f"{facts['multiply_accumulates_per_item'] / 1e9:.3g} G multiply-accumulates per item",
    )
    use = facts["stages"][0]["utilisation"]
    table.add_row(
        "utilisation",
        f"matrix units {use['matrix']:.1%}, exchange {use['exchange']:.1%}, "
        f"tile balance {facts['stages'][0]['tile_balance']:.0%}",
    )
    smallest = facts["smallest_system"]
    table.add_row("smallest system", f"{smallest['target']} ({smallest['ipus']} IPU{'s' * (smallest['ipus'] > 1)})")
    if published := facts.get("nearest_published"):
        table.add_row("published", _published(published))
    return table


def _published(row: Facts) -> str:
    return (
        f"{row['model']} on {row['platform']}, batch {row['batch']}, {row['precision']}: "
        f"{row['items_per_second']:,.0f} items/s ({row['source'].removeprefix('github ')}, {row['date']})"
    )


def _fullest(facts: Facts) -> Facts:
    return max((stage["memory"] for stage in facts["stages"]), key=lambda memory: memory["fullest_bytes"])


def _live(classes: dict[str, int]) -> str:
    shown = sorted(((size, name) for name, size in classes.items() if size), reverse=True)[:4]
    return ", ".join(f"{name} {_bytes(size)}" for size, name in shown) or "nothing"


def _time_tables(facts: Facts) -> Table:
    outer = Table.grid(padding=(0, 4))
    outer.add_row(_phases(facts), _ops(facts), _busiest(facts))
    return outer


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="dim", pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _phases(facts: Facts) -> Table:
    table = _table("cycles by phase", "phase", "cycles", "share")
    totals = {
        phase: sum(stage["cycles"][phase][1] for stage in facts["stages"]) for phase in ("compute", "exchange", "sync")
    }
    whole = sum(totals.values()) or 1.0
    for phase, cycles in totals.items():
        table.add_row(phase, f"{cycles:,.0f}", f"{cycles / whole:.0%}")
    table.add_row("supersteps", f"{sum(stage['supersteps'] for stage in facts['stages']):,}", "")
    return table


def _ops(facts: Facts) -> Table:
    table = _table("by kind of layer", "layer", "cycles", "share")
    whole = sum(facts["cycles_by_op"].values()) or 1.0
    for kind, cycles in list(facts["cycles_by_op"].items())[:OPS_SHOWN]:
        table.add_row(kind, f"{cycles:,.0f}", f"{cycles / whole:.0%}")
    return table


def _busiest(facts: Facts) -> Table:
    table = _table("busiest layers", "layer", "compute", "exchange", "time")
    for step in facts["busiest"][:BUSIEST_SHOWN]:
        name = " + ".join(step["nodes"])
        name = name if len(name) <= 34 else f"{name[:31]}..."
        table.add_row(
            name, f"{step['compute_cycles']:,.0f}", f"{step['exchange_cycles']:,.0f}", _seconds(step["seconds"])
        )
    return table


def _host_table(nodes: Sequence[Facts]) -> Table:
    table = _table("nodes that run on the host", "op", "node", "reason")
    for node in nodes[:HOST_NODES_SHOWN]:
        table.add_row(node["op"], node["node"], node["reason"])
    if len(nodes) > HOST_NODES_SHOWN:
        table.add_row("...", f"{len(nodes) - HOST_NODES_SHOWN} more", "")
    return table


def _plans_table(plans: Sequence[Facts]) -> Table:
    table = _table("plans considered", "plan", "items/s", "latency", "fits", "")
    for plan in plans:
        table.add_row(
            plan["plan"],
            f"{plan['items_per_second']:,.0f}",
            _seconds(plan["latency_seconds"]),
            "yes" if plan["fits"] else "no",
            "chosen" if plan["chosen"] else "",
        )
    return table


def _verified_table(outputs: Sequence[Facts]) -> Table:
    table = _table("compared with ONNX Runtime", "output", "verdict", "largest error", "allowed")
    for entry in outputs:
        verdict = Text("equal", style="green") if entry["equal"] else Text(f"DIFFERENT {entry['reason']}", style="red")
        table.add_row(entry["output"], verdict, f"{entry['largest_error']:.3g}", f"{entry['allowed']:.3g}")
    return table


def _rate(values: Sequence[float]) -> str:
    fast, nominal, slow = values
    return f"{nominal:,.0f} items/s [{slow:,.0f} .. {fast:,.0f}]"


def _time(values: Sequence[float]) -> str:
    fast, nominal, slow = values
    return f"{_seconds(nominal)} [{_seconds(fast)} .. {_seconds(slow)}]"


def _seconds(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns" if seconds else "0"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.3g} {unit}" if size < 1000 or unit == "GB" else ""
        size /= 1000
    return ""
