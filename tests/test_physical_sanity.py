"""Predictions respect physics: data-sheet peaks, the clock, and more tiles."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import halo_py
from halo_backends.ipu.engine import Engine
from halo_py.bsp.lower import LoweringCache
from halo_py.bsp.options import LoweringOptions
from halo_py.bsp.timing import program_time
from halo_py.executable import Executable
from halo_py.frontend import ImportOptions, load_model
from halo_py.ir.graph import Graph, Node
from halo_py.parallel.search import lower_on_fewer_tiles_too
from halo_py.seeded_inputs import seeded_inputs
from halo_py.targets import NOMINAL, load_target, peak_macs_per_cycle
from halo_py.types import TensorType
from tests.backends.attention import attention_block

DIGITS = "examples/digits.onnx"
MULTICAST_FACTOR = 2
"""Two tiles that share a bus receive the same bytes at twice the rate of one."""


def _shape(node: Node, operand: int) -> tuple[int, ...]:
    value = node.inputs[operand]
    assert value is not None
    assert isinstance(value.type, TensorType)
    return value.type.static_shape


def _result(node: Node) -> tuple[int, ...]:
    type = node.outputs[0].type
    assert isinstance(type, TensorType)
    return type.static_shape


def macs_from_shapes(graph: Graph) -> int:
    """Multiply-accumulates of convolutions and matrix products, from ONNX shapes alone."""
    total = 0
    for node in graph.nodes:
        match node.op.declaration.onnx:
            case "Conv":
                weights = _shape(node, 1)
                total += prod(_result(node)) * prod(weights[1:])
            case "MatMul":
                total += prod(_result(node)) * _shape(node, 0)[-1]
            case "Gemm":
                left = _shape(node, 0)
                transposed = bool(node.op.attributes()["transA"])
                total += prod(_result(node)) * left[0 if transposed else 1]
            case _:
                pass
    return total


def _compiled() -> list[tuple[Graph, Executable]]:
    """Models as imported, before any pass, with what they were compiled to."""
    half = halo_py.compile(DIGITS, target="ipu-1", batch_size=8, precision="fp16")
    return [
        (_digits(4), halo_py.compile(DIGITS, target="ipu-tiny", batch_size=4)),
        (_digits(half.program.micro_batch), half),
        (attention_block(), halo_py.compile(attention_block(), target="ipu-tiny")),
    ]


def _digits(batch: int) -> Graph:
    return load_model(Path(DIGITS), ImportOptions(batch_size=batch))


def test_counted_work_never_exceeds_data_sheet_peaks() -> None:
    for imported, executable in _compiled():
        chip = executable.system.chip
        time = program_time(executable.program, executable.system)
        fast_cycles = sum(float(stage.spent.total[0]) for stage in time.stages)
        half = executable.precision == "fp16"
        peak = peak_macs_per_cycle(chip, *(("float16", "float16") if half else ("float32", "float32")))
        macs = macs_from_shapes(imported)
        assert macs > 0
        assert macs == sum(stage.multiply_accumulates for stage in time.stages)
        assert macs <= peak * chip.tiles * fast_cycles
        engine = Engine(executable.program, "tiled")
        inputs = seeded_inputs(executable.graph)
        engine.run(executable.graph, {value: inputs[value.name] for value in executable.graph.inputs})
        exchange_cycles = sum(float(stage.spent.exchange[0]) for stage in time.stages)
        link = chip.exchange_bytes_per_cycle * chip.tiles * exchange_cycles
        assert engine.counters.bytes_exchanged == sum(stage.exchanged_bytes for stage in time.stages)
        assert engine.counters.bytes_sent <= link
        assert engine.counters.bytes_exchanged <= MULTICAST_FACTOR * link


def test_doubling_the_clock_halves_on_chip_seconds_only() -> None:
    system = load_target("ipu-pod64x1000")
    executable = halo_py.compile(DIGITS, target="ipu-tiny4", batch_size=8, stages=2)
    for machine, program in ((system, executable.program), (executable.system, executable.program)):
        faster = machine.with_chip(machine.chip.with_values(clock_hz=2 * machine.chip.clock_hz))
        slow = program_time(program, machine.with_chip(machine.chip.with_values(clock_hz=machine.chip.clock_hz)))
        fast = program_time(program, faster)
        np.testing.assert_allclose(fast.on_chip_seconds, slow.on_chip_seconds / 2)
        np.testing.assert_array_equal(fast.link_seconds, slow.link_seconds)
        np.testing.assert_array_equal(fast.host_seconds, slow.host_seconds)
        np.testing.assert_array_equal(fast.fabric_seconds, slow.fabric_seconds)
        assert float(slow.host_seconds[NOMINAL]) > 0


@pytest.mark.parametrize("source", ["digits", "attention"])
def test_more_tiles_give_no_slower_program(source: str) -> None:
    model: Any = DIGITS if source == "digits" else attention_block()
    graph = halo_py.compile(model, target="ipu-1", batch_size=None if source == "attention" else 2).graph
    chip = load_target("ipu-1").chip
    before: float | None = None
    for tiles in (23, 92, 368, 1472):
        stage = lower_on_fewer_tiles_too(graph, chip, LoweringOptions(tiles), LoweringCache())
        cycles = float(stage.cycles[NOMINAL])
        assert before is None or cycles <= before, f"{tiles} tiles: {cycles} cycles, fewer tiles: {before}"
        before = cycles
