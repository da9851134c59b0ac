"""Predicted time: the fold against the unrolled program, pipelines against their definition, the clock's reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from halo_py.bsp.links import collective_seconds, pipeline_copy_seconds
from halo_py.bsp.program import (
    Call,
    Collective,
    Compute,
    Exchange,
    HostCopy,
    InterIpuCopy,
    Loop,
    Program,
    StageProgram,
    TemplateStep,
)
from halo_py.bsp.timing import program_time, stage_time
from halo_py.ir.graph import Graph
from halo_py.targets import load_target
from halo_py.tiling.plan import Cycles
from tests.bsp.graphs import TINY, branches, layers, lowered
from tests.bsp.test_lower import recurrence

SYSTEM = load_target("ipu-tiny4")


def unrolled(steps: tuple[TemplateStep, ...]) -> list[Exchange | Compute | Loop]:
    """Every step in the order it happens, loops written out; a Loop stands for its own cost per iteration."""
    flat: list[Exchange | Compute | Loop] = []
    for step in steps:
        if isinstance(step, Loop):
            for _ in range(step.count):
                flat.extend(unrolled(step.body))
                flat.append(step)
        elif isinstance(step, Exchange | Compute):
            flat.append(step)
    return flat


@pytest.mark.parametrize("reduces", [False, True])
@pytest.mark.parametrize("graph", [layers(3), recurrence()], ids=["layers", "loop"])
def test_the_fold_is_the_unrolled_program(graph: Graph, reduces: bool) -> None:
    made = lowered(graph, reduces=reduces, share=False)
    total = np.zeros(3)
    for superstep in made.stage.supersteps:
        for call in superstep.calls:
            assert isinstance(call, Call)
            for step in unrolled(call.template.steps):
                if isinstance(step, Exchange):
                    total += step.cycles + TINY.scenarios("sync_internal_cycles")
                elif isinstance(step, Compute):
                    total += step.cycles + TINY.scenarios("step_cycles")
                else:
                    total += TINY.scenarios("loop_cycles")
                    for following, _current in step.carried:
                        home = call.template.homes[following]
                        assert home is not None
                        copied = max(int(volume) for volume in home.volume) * 4
                        total += copied / TINY.scenarios("memcpy_bytes_per_cycle")
                        total += TINY.scenarios("memcpy_call_cycles")
    np.testing.assert_allclose(made.stage.cycles, total)
    np.testing.assert_allclose(stage_time(made.stage, TINY).spent.total, total)


def pipeline(stages: int, batches: int, *, replicas: int = 1) -> Program:
    """Stages of different lengths that send 1000 bytes on; the first reads, the last writes host data."""
    made: list[StageProgram] = []
    for number in range(stages):
        stage = lowered(layers(1 + number % 2)).stage
        value = stage.graph.inputs[0]
        reads = (HostCopy(value, "in", 5000),) if number == 0 else ()
        writes = (HostCopy(value, "out", 700),) if number == stages - 1 else ()
        made.append(replace(stage, copies=(*reads, *writes), ipu=number))
    value = made[0].graph.outputs[0]
    copies = tuple(InterIpuCopy(value, number, number + 1, 1000, 1) for number in range(stages - 1))
    return Program(tuple(made), replicas, batches, 2, copies)


def written_out(program: Program) -> tuple[Cycles, Cycles]:
    """Seconds of a request with and without host data, cycle by cycle as the definition says."""
    chip, stages, batches = SYSTEM.chip, len(program.stages), program.micro_batches
    clock = chip.scenarios("clock_hz")
    with_host, without = np.zeros(3), np.zeros(3)
    for k in range(stages + batches - 1):
        active = [s for s in range(stages) if s <= k < s + batches]
        slowest = max(active, key=lambda s: float(program.stages[s].cycles[1]))
        cycle = program.stages[slowest].cycles / clock
        if stages > 1:
            cycle = cycle + chip.scenarios("sync_external_cycles") / clock
            cycle = cycle + pipeline_copy_seconds(program.copies, SYSTEM)
        without += cycle
        for s in active:
            for copy in program.stages[s].copies:
                cycle = cycle + copy.bytes / SYSTEM.scenarios("host_bytes_per_second")
                cycle = cycle + SYSTEM.scenarios("host_latency_seconds")
                cycle = cycle + chip.scenarios("sync_external_cycles") / clock
        with_host += cycle
    return with_host, without


@pytest.mark.parametrize(("stages", "batches"), [(1, 1), (1, 7), (2, 2), (3, 1), (3, 2), (4, 4), (3, 50)])
def test_a_request_is_the_sum_of_its_pipeline_cycles(stages: int, batches: int) -> None:
    program = pipeline(stages, batches)
    time = program_time(program, SYSTEM)
    with_host, without = written_out(program)
    np.testing.assert_allclose(time.latency_seconds, with_host)
    np.testing.assert_allclose(time.latency_seconds_without_host, without)


def test_throughput_of_a_long_request_nears_the_steady_state() -> None:
    program = pipeline(3, 2000)
    time = program_time(program, SYSTEM)
    np.testing.assert_allclose(time.items_per_second, 2000 * 2 / time.latency_seconds, rtol=0.01)
    assert (time.items_per_second_without_host > time.items_per_second).all()


def test_the_fast_scenario_is_fastest() -> None:
    time = program_time(pipeline(2, 4), SYSTEM)
    assert time.latency_seconds[0] < time.latency_seconds[1] < time.latency_seconds[2]
    assert time.items_per_second[0] > time.items_per_second[1] > time.items_per_second[2]


def test_twice_the_clock_halves_on_chip_seconds_only() -> None:
    program = replace(pipeline(3, 4, replicas=1), collectives=(Collective("scatter", 4, 1000),))
    faster = SYSTEM.with_chip(SYSTEM.chip.with_values(clock_hz=2 * SYSTEM.chip.clock_hz))
    slow, fast = program_time(program, SYSTEM), program_time(program, faster)
    np.testing.assert_allclose(slow.on_chip_seconds, 2 * fast.on_chip_seconds)
    np.testing.assert_array_equal(slow.link_seconds, fast.link_seconds)
    np.testing.assert_array_equal(slow.host_seconds, fast.host_seconds)
    np.testing.assert_array_equal(slow.fabric_seconds, fast.fabric_seconds)
    whole = slow.on_chip_seconds + slow.link_seconds + slow.host_seconds + slow.fabric_seconds
    np.testing.assert_allclose(whole, slow.latency_seconds)


def test_replicas_share_the_host_link_of_their_machine() -> None:
    alone, four = program_time(pipeline(1, 4), SYSTEM), program_time(pipeline(1, 4, replicas=4), SYSTEM)
    assert (four.host_seconds > alone.host_seconds).all()
    np.testing.assert_allclose(four.on_chip_seconds, alone.on_chip_seconds)


def test_a_skip_connection_loads_every_link_it_crosses() -> None:
    value = lowered(layers(1)).stage.graph.outputs[0]
    next_door = InterIpuCopy(value, 0, 1, 1_000_000, 1)
    far = InterIpuCopy(value, 0, 3, 1_000_000, 3)
    np.testing.assert_array_equal(pipeline_copy_seconds([next_door], SYSTEM), pipeline_copy_seconds([far], SYSTEM))
    both = pipeline_copy_seconds([next_door, far], SYSTEM) - SYSTEM.scenarios("link_latency_seconds")
    one = pipeline_copy_seconds([far], SYSTEM) - SYSTEM.scenarios("link_latency_seconds")
    np.testing.assert_allclose(both, 2 * one)


def test_collectives_cross_gateways_only_between_link_domains() -> None:
    small, large = load_target("ipu-pod64"), load_target("ipu-pod256")
    links, fabric = collective_seconds(Collective("all-reduce", 64, 10**6), 1, small)
    assert (links > 0).all()
    assert (fabric == 0).all()
    assert (collective_seconds(Collective("all-reduce", 256, 10**6), 1, large)[1] > 0).all()
    assert (collective_seconds(Collective("scatter", 1, 10**6), 1, large)[0] == 0).all()


def test_what_binds_is_the_largest_part() -> None:
    program = pipeline(1, 1)
    assert program_time(program, SYSTEM).binds == "host"
    slow_chip = SYSTEM.with_chip(SYSTEM.chip.with_values(clock_hz=1e6))
    assert program_time(program, slow_chip).binds == "compute"


def test_balance_and_utilisation_are_shares() -> None:
    for graph in (layers(2, rows=7, width=37), branches()):
        time = stage_time(lowered(graph, searched=True).stage, TINY)
        for share in (
            time.tile_balance,
            time.matrix_utilisation,
            time.exchange_utilisation,
            time.memory_utilisation,
        ):
            assert 0 < share <= 1
