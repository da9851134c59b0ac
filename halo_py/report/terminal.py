"""The summary a person understands at a glance, for a terminal or a plain file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from halo_py.report.format import bytes_text, count_text, plain_table, rate_text, seconds_text
from halo_py.report.hosted import host_table
from halo_py.targets.machine import FAST, NOMINAL, SLOW

Facts = dict[str, Any]

OPS_SHOWN = 8
BUSIEST_SHOWN = 6
PLANS_SHOWN = 6
OUTPUTS_SHOWN = 12
STAGES_SHOWN = 8
SIDE_BY_SIDE_WIDTH = 90
"""Narrower consoles get the tables of shares one below the other."""
BAR_WIDTH = 20
NAME_WIDTH = 56

PRECISIONS = {
    "fp32": "32-bit",
    "fp16": "16-bit storage and partial sums",
    "mixed": "16-bit storage, 32-bit partial sums",
}
BINDS = {
    "compute": "computing on tiles",
    "exchange": "exchange between tiles",
    "sync": "syncs",
    "links": "links between IPUs",
    "host": "host I/O",
}


def print_summary(facts: Facts, console: Console) -> None:
    """Print the summary of a compiled model."""
    console.print(_headline(facts))
    console.print()
    console.print(_main_table(facts))
    console.print()
    bar = "\u2588" if console.encoding.startswith("utf") else "#"
    shares = _phases(facts, bar), _ops(facts, bar)
    console.print(_side_by_side(shares) if console.width >= SIDE_BY_SIDE_WIDTH else Group(shares[0], "", shares[1]))
    console.print()
    console.print(_busiest(facts))
    if len(facts["stages"]) > 1:
        console.print()
        console.print(_stages(facts["stages"], facts["system"]["clock_hz"]))
    for title, make in (
        ("host_nodes", host_table),
        ("plans_considered", _plans_table),
        ("verified", _verified_table),
    ):
        if len(facts.get(title) or ()) > (title == "plans_considered"):
            console.print()
            console.print(make(facts[title]))
    lines = [*(("warning", text) for text in facts["warnings"]), *(("note", text) for text in facts["notes"])]
    if lines:
        console.print()
    for kind, text in lines:
        console.print(Text(f"{kind}: {text}", style="yellow" if kind == "warning" else "dim"))
    if written := facts.get("executable"):
        console.print(f"\n{written['file']}: {bytes_text(written['bytes'])}")


def _headline(facts: Facts) -> Text:
    system = facts["system"]
    chips = f"{system['ipus']:,} x " if system["ipus"] > 1 else ""
    return (
        Text(str(facts["model"]), style="bold")
        .append(f" on {facts['target']} ({chips}{system['chip']}), ", style="not bold")
        .append(f"{facts['precision']} ({PRECISIONS[facts['precision']]}), objective {facts['objective']}")
    )


def _main_table(facts: Facts) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for name, text in (
        ("plan", _plan(facts["plan"])),
        ("throughput", _ranged(facts["throughput_items_per_second"], rate_text, " items/s", SLOW, FAST)),
        ("latency", _ranged(facts["latency_seconds"], seconds_text, " a request", FAST, SLOW)),
        ("bound by", _bound(facts)),
        ("memory", _memory(facts)),
        ("utilisation", _utilisation(facts["stages"])),
        ("model", _model(facts)),
        ("smallest system", _smallest(facts)),
    ):
        table.add_row(name, text)
    if published := facts.get("nearest_published"):
        table.add_row("published", _published(published))
    return table


def _plan(plan: Facts) -> str:
    replicas, batches, size = plan["replicas"], plan["micro_batches"], plan["micro_batch"]
    where = "one IPU each" if plan["stages"] == 1 else f"a pipeline of {plan['stages']} IPUs each"
    return (
        f"batch {plan['batch']:,} = {_number(replicas, 'replica')} ({where}) x "
        f"{_number(batches, 'micro-batch')} of {size}; "
        f"{plan['ipus']:,} of {plan['ipus_of_target']:,} IPUs used"
    )


def _number(count: int, noun: str) -> str:
    ending = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{count:,} {noun}{ending}"


def _ranged(values: Facts, text: Any, unit: str, low: int, high: int) -> Text:
    """Nominal and range, with and without host I/O."""
    line = Text()
    for key, before, after in (("with_host", "", ""), ("without_host", "; without host I/O ", "")):
        found = values[key]
        line.append(before).append(
            f"{text(found[NOMINAL])}{unit if not before else ''}", style="bold" if not before else ""
        )
        line.append(f" [{text(found[low])} .. {text(found[high])}]{after}", style="dim")
    return line


def _bound(facts: Facts) -> str:
    request = facts["request_seconds"]
    parts = ", ".join(
        f"{name} {seconds_text(request[key][NOMINAL])}"
        for name, key in (
            ("on chip", "on_chip"),
            ("links", "links"),
            ("host I/O", "host"),
            ("collectives and fabric", "fabric_collectives"),
        )
        if request[key][NOMINAL] > 0 or key in ("on_chip", "host")
    )
    return f"{BINDS[facts['binds']]}; one request: {parts}"


def _memory(facts: Facts) -> str:
    stage = max(facts["stages"], key=lambda entry: entry["memory"]["fullest_bytes"])
    memory = stage["memory"]
    share = memory["fullest_bytes"] / memory["capacity_bytes"]
    ipu = f" of IPU {stage['ipu']}" if len(facts["stages"]) > 1 else ""
    return (
        f"fullest tile (number {memory['fullest_tile']}{ipu}) {bytes_text(memory['fullest_bytes'])} of "
        f"{bytes_text(memory['capacity_bytes'])} ({share:.0%}); always there: {_live(memory['always_live'])}"
    )


def _live(classes: dict[str, int]) -> str:
    shown = sorted(((size, name) for name, size in classes.items() if size), reverse=True)[:4]
    return ", ".join(f"{name} {bytes_text(size)}" for size, name in shown) or "nothing"


def _utilisation(stages: Sequence[Facts]) -> str:
    parts = (
        ("matrix units", [stage["utilisation"]["matrix"] for stage in stages]),
        ("exchange", [stage["utilisation"]["exchange"] for stage in stages]),
        ("tile balance", [stage["tile_balance"] for stage in stages]),
    )
    return ", ".join(f"{name} {_percentages(values)}" for name, values in parts)


def _percentages(shares: Sequence[float]) -> str:
    low, high = f"{min(shares):.1%}", f"{max(shares):.1%}"
    return low if low == high else f"{low} to {high}"


def _model(facts: Facts) -> str:
    return (
        f"{count_text(facts['parameters'])} parameters, {bytes_text(facts['weight_bytes'])} of weights, "
        f"{count_text(facts['multiply_accumulates_per_item'])} multiply-accumulates an item"
    )


def _smallest(facts: Facts) -> str:
    smallest = facts["smallest_system"]
    return f"{smallest['target']}, where the model fits on {_number(smallest['ipus'], 'IPU')}"


def _published(row: Facts) -> str:
    return (
        f"{row['model']} on {row['platform']}, batch {row['batch']}, {row['precision']}: "
        f"{row['items_per_second']:,.0f} items/s ({row['source'].removeprefix('github ')}, {row['date']})"
    )


def _side_by_side(tables: Sequence[Table]) -> Table:
    outer = Table.grid(padding=(0, 3))
    outer.add_row(*tables)
    return outer


def _stages(stages: Sequence[Facts], clock_hz: float) -> Table:
    table = plain_table("pipeline stages", "IPU", "time", "compute", "exchange", "sync", "fullest tile", "matrix units")
    shown = sorted(stages, key=lambda stage: -stage["cycles"]["total"][NOMINAL])[:STAGES_SHOWN]
    for stage in sorted(shown, key=lambda stage: stage["ipu"]):
        cycles, memory = stage["cycles"], stage["memory"]
        table.add_row(
            str(stage["ipu"]),
            seconds_text(cycles["total"][NOMINAL] / clock_hz),
            *(f"{cycles[phase][NOMINAL]:,.0f}" for phase in ("compute", "exchange", "sync")),
            f"{memory['fullest_bytes'] / memory['capacity_bytes']:.0%}",
            f"{stage['utilisation']['matrix']:.1%}",
        )
    if len(stages) > STAGES_SHOWN:
        table.add_row("...", *([""] * 5), f"{len(stages) - STAGES_SHOWN} faster ones")
    return table


def _shares(title: str, first: str, cycles: Mapping[str, float], bar: str) -> Table:
    """Rows of cycles with a bar of their share."""
    table = plain_table(title, first, "cycles", "share", "")
    table.columns[3].justify = "left"
    for column in table.columns:
        column.no_wrap = True
    whole = sum(cycles.values()) or 1.0
    for name, value in cycles.items():
        share = value / whole
        table.add_row(name, f"{value:,.0f}", f"{share:.0%}", Text(bar * round(share * BAR_WIDTH), style="cyan"))
    return table


def _phases(facts: Facts, bar: str) -> Table:
    totals = {
        phase: sum(stage["cycles"][phase][NOMINAL] for stage in facts["stages"])
        for phase in ("compute", "exchange", "sync")
    }
    table = _shares("time by phase", "phase", totals, bar)
    table.add_row("supersteps", f"{sum(stage['supersteps'] for stage in facts['stages']):,}", "", "")
    return table


def _ops(facts: Facts, bar: str) -> Table:
    found = {kind: cycles for kind, cycles in facts["cycles_by_op"].items() if cycles >= 0.5}
    shown = dict(list(found.items())[:OPS_SHOWN])
    if rest := sum(list(found.values())[OPS_SHOWN:]):
        shown[f"{len(found) - OPS_SHOWN} others"] = rest
    return _shares("time by kind of layer", "layer", shown, bar)


def _busiest(facts: Facts) -> Table:
    table = plain_table("busiest layers", "layer", "alike", "compute", "exchange", "time each", "together")
    for step in facts["busiest"][:BUSIEST_SHOWN]:
        table.add_row(
            _layer(step),
            f"x {step['count']}" if step["count"] > 1 else "",
            f"{step['compute_cycles']:,.0f}",
            f"{step['exchange_cycles']:,.0f}",
            seconds_text(step["seconds"]),
            seconds_text(step["total_seconds"]),
        )
    return table


def _layer(step: Facts) -> Text:
    """The kind and name of a superstep's first node, and how many more share it."""
    more = f" +{len(step['nodes']) - 1}" if len(step["nodes"]) > 1 else ""
    text = f"{step['ops'][0]} {step['nodes'][0]}"
    room = NAME_WIDTH - len(more)
    if len(text) > room:  # the end of a name tells more than its beginning
        kind = step["ops"][0]
        text = f"{kind} ...{text[len(text) - (room - len(kind) - 4) :]}"
    return Text(text + more)


def _plans_table(plans: Sequence[Facts]) -> Table:
    table = plain_table("plans considered", "plan", "items/s", "latency", "fits", "")
    chosen = [plan for plan in plans if plan["chosen"]]
    others = sorted((plan for plan in plans if not plan["chosen"]), key=lambda plan: -plan["items_per_second"])
    for plan in (chosen + others)[:PLANS_SHOWN]:
        table.add_row(
            plan["plan"],
            rate_text(plan["items_per_second"]),
            seconds_text(plan["latency_seconds"]),
            "yes" if plan["fits"] else "no",
            "chosen" if plan["chosen"] else "",
        )
    if len(plans) > PLANS_SHOWN:
        table.add_row(f"... {len(plans) - PLANS_SHOWN} more", "", "", "", "")
    return table


def _verified_table(outputs: Sequence[Facts]) -> Table:
    table = plain_table("compared with ONNX Runtime", "output", "elements", "verdict", "largest error", "allowed there")
    for entry in outputs[:OUTPUTS_SHOWN]:
        verdict = Text("equal", style="green") if entry["equal"] else Text(f"DIFFERENT {entry['reason']}", style="red")
        table.add_row(
            Text(entry["output"]),
            f"{entry['elements']:,}",
            verdict,
            f"{entry['largest_error']:.3g}",
            f"{entry['allowed']:.3g}",
        )
    if len(outputs) > OUTPUTS_SHOWN:
        table.add_row(f"... {len(outputs) - OUTPUTS_SHOWN} more, all equal", "", "", "", "")
    return table
