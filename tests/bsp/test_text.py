"""Programs as text, and the message of a program that does not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from halo_py.bsp.out_of_memory import Proposal, Remedy, explain_out_of_memory, priced, proposals
from halo_py.bsp.program import Call, Exchange, Program
from halo_py.bsp.text import print_program, print_template
from tests.bsp.graphs import TINY, branches, layers, lowered
from tests.bsp.test_lower import GRAPHS


def test_a_template_reads_like_what_the_tiles_do() -> None:
    call = lowered(layers(1), reduces=True).stage.supersteps[0].calls[0]
    assert isinstance(call, Call)
    lines = [line.split(":")[0].split(" [")[0] for line in print_template(call.template).splitlines()]
    depth = next(step.moves[0].depth for step in call.template.steps[1:] if isinstance(step, Exchange))
    assert lines == ["exchange %0, %1", "compute %2 = matmul", "exchange %2", f"combine {depth} partials of %2 (add)"]


def test_a_loop_is_shown_with_its_body() -> None:
    text = print_program(Program((lowered(GRAPHS["recurrence"]).stage,), 1, 1, 1), steps=True)
    assert "repeat 5:" in text
    assert "        compute %3 = test-product" in text


def test_one_line_per_superstep_and_equal_templates_have_equal_numbers() -> None:
    made = lowered(layers(3)).stage
    lines = print_program(Program((made,), 2, 3, 4)).splitlines()
    assert lines[0] == "program: 2 replicas x 1 stages, 3 micro-batches of 4"
    assert sum(line.startswith("  ") and ": " in line and " = " in line for line in lines) == len(made.supersteps)
    second, third = (next(line for line in lines if f"matmul{number} = " in line) for number in (1, 2))
    assert second.split(" = ")[1].split(":")[0] == third.split(" = ")[1].split(":")[0]
    shared = print_program(Program((lowered(branches()).stage,), 1, 1, 1))
    assert " | matmul1 = matmul#" in shared


def test_too_little_memory_names_tile_step_tensors_and_ways_out() -> None:
    chip = TINY.with_values(bytes_per_tile=16_000)
    stage = lowered(layers(3), chip=chip).stage
    account = stage.memory
    assert not account.fits

    def plan(proposal: Proposal) -> Remedy | None:
        if proposal.kind == "streaming":
            return None
        return Remedy(proposal, proposal.value != 1, 100.0, 15_000, f"--{proposal.kind} {proposal.value}")

    wanted = proposals(
        account,
        stages=1,
        micro_batch=8,
        precision="fp32",
        most_stages=4,
        larger_systems=["ipu-pod16"],
        streams=True,
    )
    remedies = priced(wanted, plan)
    assert sum(remedy.fits for remedy in remedies) >= 3
    assert [remedy.fits for remedy in remedies] == sorted((remedy.fits for remedy in remedies), reverse=True)
    error = explain_out_of_memory(stage, remedies, items_per_second=200.0)
    text = str(error)
    assert error.exit_code == 5
    assert f"tile {account.fullest_tile} of IPU 0 needs {account.fullest_bytes:,} of 16,000 bytes" in text
    assert f"superstep {account.peak_step} ('matmul" in text
    assert account.largest[0][0] in text
    assert "1. " in text
    assert "--micro-batch 4" in text
    assert "0.50 x the plan that does not fit" in text


@pytest.mark.parametrize("always", [10, 10**6])
def test_what_is_proposed_first_depends_on_what_fills_the_tile(always: int) -> None:
    account = replace(lowered(layers(1)).stage.memory, always_live={"weights": always}, fullest_bytes=10**6)
    kinds = [proposal.kind for proposal in proposals(account, stages=1, micro_batch=8, precision="fp32", most_stages=8)]
    assert kinds[0] == ("stages" if always > account.capacity_bytes else "micro-batch")
    assert len(set(kinds)) >= 3
