"""The facts of real compiled programs agree with each other, and every renderer shows them at every width."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import halo_py
from halo_py.report.facts import facts_of
from halo_py.report.terminal import print_summary
from halo_py.targets.machine import FAST, NOMINAL, SLOW

DIGITS = Path(__file__).parents[2] / "examples" / "digits.onnx"
Facts = dict[str, Any]


def _compiled(**options: Any) -> Facts:
    return facts_of(halo_py.compile(DIGITS, "ipu-tiny4", **options))


@pytest.fixture(scope="module", params=[{"replicas": 4, "batch_size": 8}, {"stages": 4, "batch_size": 8}], ids=str)
def facts(request: pytest.FixtureRequest) -> Facts:
    """The facts of four replicas, and of a pipeline of four stages."""
    return _compiled(**request.param)


def test_facts_are_json(facts: Facts) -> None:
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_the_plan_multiplies_to_the_batch(facts: Facts) -> None:
    plan = facts["plan"]
    assert plan["replicas"] * plan["micro_batches"] * plan["micro_batch"] == plan["batch"] == 8
    assert plan["replicas"] * plan["stages"] == plan["ipus"] == plan["ipus_of_target"] == 4
    assert len(facts["stages"]) == plan["stages"]


def test_parts_add_up(facts: Facts) -> None:
    stages = facts["stages"]
    for stage in stages:
        for scenario in (FAST, NOMINAL, SLOW):
            parts = sum(stage["cycles"][phase][scenario] for phase in ("compute", "exchange", "sync"))
            assert parts == pytest.approx(stage["cycles"]["total"][scenario])
    total = sum(stage["cycles"]["total"][NOMINAL] for stage in stages)
    assert sum(facts["cycles_by_op"].values()) == pytest.approx(total)
    request = sum(part[NOMINAL] for name, part in facts["request_seconds"].items() if name != "fabric_collectives")
    assert facts["latency_seconds"]["with_host"][NOMINAL] == pytest.approx(request, rel=1e-6)


def test_the_busiest_come_first_and_equal_ones_together(facts: Facts) -> None:
    busiest = facts["busiest"]
    totals = [entry["total_seconds"] for entry in busiest]
    assert totals == sorted(totals, reverse=True)
    for entry in busiest:
        assert entry["total_seconds"] == pytest.approx(entry["count"] * entry["seconds"])
        assert len(entry["alike"]) == (entry["count"] - 1) * len(entry["nodes"])
    named = [name for entry in busiest for name in (*entry["nodes"], *entry["alike"])]
    assert len(named) == len(set(named))


def test_ranges_are_ordered_and_host_io_costs(facts: Facts) -> None:
    for key in ("with_host", "without_host"):
        fast, nominal, slow = facts["latency_seconds"][key]
        assert fast <= nominal <= slow
        fast, nominal, slow = facts["throughput_items_per_second"][key]
        assert fast >= nominal >= slow
    assert facts["latency_seconds"]["with_host"][NOMINAL] > facts["latency_seconds"]["without_host"][NOMINAL]


def test_memory_stays_inside_the_tile(facts: Facts) -> None:
    for stage in facts["stages"]:
        memory = stage["memory"]
        assert 0 < memory["fullest_bytes"] <= memory["capacity_bytes"] == facts["system"]["bytes_per_tile"]
        assert 0 <= memory["fullest_tile"] < facts["system"]["tiles_per_ipu"]


def test_shares_are_shares(facts: Facts) -> None:
    for stage in facts["stages"]:
        assert 0 < stage["tile_balance"] <= 1
        assert all(0 <= share <= 1 for share in stage["utilisation"].values())


def test_the_smallest_system_is_one_that_was_seen_to_fit() -> None:
    pipeline = _compiled(stages=4, batch_size=8)
    assert pipeline["smallest_system"] == {"ipus": 4, "target": "ipu-tiny4"}
    searched = _compiled(batch_size=1)
    assert any(" 1 stage " in plan["plan"] and plan["fits"] for plan in searched["plans_considered"])
    assert searched["smallest_system"] == {"ipus": 1, "target": "ipu-tiny"}


def test_idle_chips_are_a_warning() -> None:
    assert _compiled(replicas=4, batch_size=4)["warnings"] == []
    (warning,) = _compiled(replicas=1, stages=1, batch_size=1)["warnings"]
    assert warning.startswith("3 of 4 IPUs are idle")


def _printed(facts: Facts, width: int) -> str:
    stream = io.StringIO()
    print_summary(facts, Console(file=stream, width=width, highlight=False, markup=False))
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140, 200])
def test_the_summary_fits_its_width(facts: Facts, width: int) -> None:
    text = _printed(facts, width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("plan", "throughput", "latency", "bound by", "memory", "supersteps", "conv", "busiest layers"):
        assert word in text
    assert ("pipeline stages" in text) == (facts["plan"]["stages"] > 1)


def _host_node(facts: Facts) -> None:
    facts["host_nodes"] = [{"node": "strings[b]", "op": "StringNormalizer", "reason": "it works on strings"}] * 20


def _published(facts: Facts) -> None:
    facts["nearest_published"] = {
        "model": "ResNet-50", "platform": "C600", "batch": 4, "precision": "fp16", "items_per_second": 7062.0,
        "source": "github bytedance/ByteMLPerf", "date": "2023",
    }  # fmt: skip


def _different(facts: Facts) -> None:
    facts["verified"] = [
        {"output": "y[0]", "equal": False, "largest_error": 2.5, "allowed": 0.1, "elements": 8, "reason": "at (0, 1)"}
    ]


def _tried_plans(facts: Facts) -> None:
    plan = {"items_per_second": 10.0, "latency_seconds": 0.5, "fits": False}
    facts["plans_considered"] = [{**plan, "plan": f"plan {number}", "chosen": number == 7} for number in range(8)]


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (_host_node, ["StringNormalizer strings[b] it works on strings", "8 more"]),
        (_published, ["ResNet-50 on C600, batch 4, fp16: 7,062 items/s (bytedance/ByteMLPerf, 2023)"]),
        (_different, ["y[0]", "DIFFERENT at (0, 1)", "2.5"]),
        (_tried_plans, ["plan 7 10 500 ms no chosen", "... 2 more"]),
    ],
)
def test_what_only_some_models_have(change: Callable[[Facts], None], lines: list[str], facts: Facts) -> None:
    changed = dict(facts)
    change(changed)
    text = " ".join(_printed(changed, 120).split())
    for line in lines:
        assert line in text
