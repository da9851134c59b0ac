"""What one run gave: its outputs described, and the profile of the device, as a document and as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from halo_py.report.format import bytes_text, count_text, plain_table, rate_text, seconds_text
from halo_py.report.hosted import host_table
from halo_py.targets.machine import FAST, NOMINAL, SLOW
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.profile import Profile
    from odla.handles import Result

Document = dict[str, Any]


def run_document(model: str, device: str, result: Result) -> Document:
    """The run as a JSON-able document; `profile` is missing for devices that measure nothing."""
    document: Document = {
        "model": model,
        "device": device,
        "outputs": [_output(name, value) for name, value in result.items()],
    }
    if result.fallbacks:
        document["host_nodes"] = [
            {"node": entry.node, "op": entry.op, "reason": entry.reason} for entry in result.fallbacks
        ]
    if result.profile is not None:
        document["profile"] = _profile(result.profile)
    return document


def _output(name: str, value: Any) -> Document:
    if not isinstance(value, np.ndarray):
        return {"name": name, "type": "nothing" if value is None else f"sequence of {len(value)}"}
    array = cast("NDArray[Any]", value)
    facts: Document = {"name": name, "type": f"{DType.from_numpy(array.dtype).text}{list(array.shape)}"}
    if array.size and array.dtype.kind not in "OUSc":
        numbers = array.astype(np.float64)
        finite = numbers[np.isfinite(numbers)]
        facts["not_finite"] = int(numbers.size - finite.size)
        if finite.size:
            facts |= {"least": float(finite.min()), "mean": float(finite.mean()), "most": float(finite.max())}
    return facts


def _profile(profile: Profile) -> Document:
    time, counters = profile.time, profile.counters
    return {
        "device": profile.device,
        "latency_seconds": [float(value) for value in time.latency_seconds],
        "items_per_second": [float(value) for value in time.items_per_second],
        "on_chip_cycles_per_micro_batch": profile.cycles,
        "binds": time.binds,
        "cycles_by_op": profile.cycles_by_kind(),
        "fullest_tile_bytes": max(memory.fullest_bytes for memory in profile.memory),
        "bytes_per_tile": profile.memory[0].capacity_bytes,
        "counted": {
            "vertices": counters.vertices,
            "multiply_accumulates": counters.multiply_accumulates,
            "bytes_exchanged": counters.bytes_exchanged,
            "bytes_sent": counters.bytes_sent,
        },
    }


def print_run(document: Document, console: Console) -> None:
    """Print what a run gave."""
    console.print(Text(document["model"], style="bold").append(f" on {document['device']}"))
    console.print(_outputs(document["outputs"], document.get("files", {})))
    if hosted := document.get("host_nodes"):
        console.print()
        console.print(host_table(hosted))
    if profile := document.get("profile"):
        console.print()
        console.print(_profile_table(profile))
    console.print(f"\nthis run took {seconds_text(document['wall_seconds'])} here, compiling or loading included")


def _outputs(outputs: list[Document], files: Mapping[str, list[str]]) -> Table:
    table = plain_table("", "output", "type", "least", "mean", "most", "file")
    table.columns[1].justify = table.columns[5].justify = "left"
    for entry in outputs:
        numbers = [f"{entry[key]:.4g}" if key in entry else "" for key in ("least", "mean", "most")]
        where = Text(", ".join(files.get(entry["name"], ())))
        if entry.get("not_finite"):
            where.append(f" {entry['not_finite']:,} elements are not finite", style="yellow")
        table.add_row(Text(entry["name"]), Text(entry["type"]), *numbers, where)
    return table


def _profile_table(profile: Document) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan")
    table.add_column()
    latency, rate, counted = profile["latency_seconds"], profile["items_per_second"], profile["counted"]
    table.add_row("predicted", Text("for the simulated machine, nominal [range]", style="dim"))
    table.add_row(
        "latency",
        f"{seconds_text(latency[NOMINAL])} [{seconds_text(latency[FAST])} .. {seconds_text(latency[SLOW])}], "
        f"bound by {profile['binds']}",
    )
    table.add_row(
        "throughput",
        f"{rate_text(rate[NOMINAL])} items/s [{rate_text(rate[SLOW])} .. {rate_text(rate[FAST])}]",
    )
    table.add_row(
        "on chip", f"{profile['on_chip_cycles_per_micro_batch']:,.0f} cycles for one micro-batch: {_kinds(profile)}"
    )
    share = profile["fullest_tile_bytes"] / profile["bytes_per_tile"]
    table.add_row(
        "memory",
        f"fullest tile {bytes_text(profile['fullest_tile_bytes'])} of {bytes_text(profile['bytes_per_tile'])} "
        f"({share:.0%})",
    )
    if counted["vertices"]:
        table.add_row(
            "counted",
            f"{counted['vertices']:,} vertices, {count_text(counted['multiply_accumulates'])} multiply-accumulates, "
            f"{bytes_text(counted['bytes_exchanged'])} received and {bytes_text(counted['bytes_sent'])} sent by tiles",
        )
    return table


def _kinds(profile: Document) -> str:
    total = sum(profile["cycles_by_op"].values()) or 1.0
    shown = [(kind, cycles / total) for kind, cycles in profile["cycles_by_op"].items()][:5]
    return ", ".join(f"{kind} {share:.0%}" for kind, share in shown if share >= 0.005)
