"""Lowering: what is shared, what the classes say, and that the program computes the graph."""

from __future__ import annotations

import numpy as np
import pytest

from halo_backends.ipu.engine import Engine
from halo_py.bsp.program import Call, Compute, Exchange, Program, Template, VertexGroup
from halo_py.evaluate import evaluate_graph
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph
from halo_py.ops.contraction import MatMul
from halo_py.ops.elementwise import Add, Tanh
from halo_py.ops.reshaping import Reshape
from halo_py.types import DType, TensorType
from tests.bsp.graphs import TINY, Lowered, branches, layers, lowered, weights
from tests.bsp.host_only import HostOnly
from tests.bsp.recurrence import Recurrence, recurrence_types


def recurrence(time: int = 5, rows: int = 6, width: int = 24) -> Graph:
    """A loop on the tiles between two ordinary ops."""
    builder = GraphBuilder("recurrence")
    x_type, start_type, _ = recurrence_types(time, rows, width)
    x, start = builder.input("x", x_type), builder.input("start", start_type)
    (x,) = builder.add(Tanh(), [x])
    (y,) = builder.add(Recurrence(), [x, start, builder.constant(weights(width, width), "r")])
    (y,) = builder.add(Add(), [y, x])
    return builder.finish([y, start])


def reshaped() -> Graph:
    """Views of an input and of a weight that nobody has placed yet, and of a computed value."""
    builder = GraphBuilder("reshaped")
    x = builder.input("x", TensorType(DType.FLOAT32, (4, 6, 16)))
    (flat,) = builder.add(Reshape(), [x, builder.ints([24, 16])])
    w = builder.constant(weights(8, 2, 24), "w")
    (matrix,) = builder.add(Reshape(), [w, builder.ints([16, 24])])
    (y,) = builder.add(MatMul(), [flat, matrix])
    (back,) = builder.add(Reshape(), [y, builder.ints([4, 6, 24])])
    (z,) = builder.add(Add(), [back, builder.constant(weights(24), "b")])
    (unread,) = builder.add(Reshape(), [x, builder.ints([384])])
    return builder.finish([z, unread])


def view_beside_a_reader() -> Graph:
    """One view of an input that decides where it lies, another that nothing on the tiles reads."""
    builder = GraphBuilder("view_beside_a_reader")
    x = builder.input("x", TensorType(DType.FLOAT32, (6, 32)))
    (unread,) = builder.add(Reshape(), [x, builder.ints([192])])
    (rows,) = builder.add(Reshape(), [x, builder.ints([24, 8])])
    (y,) = builder.add(MatMul(), [rows, builder.constant(weights(8, 24), "w")])
    return builder.finish([y, unread])


def view_for_the_host() -> Graph:
    """A view of an input that only a host node reads."""
    builder = GraphBuilder("view_for_the_host")
    x = builder.input("x", TensorType(DType.FLOAT32, (6, 32)))
    (rows,) = builder.add(Reshape(), [x, builder.ints([24, 8])])
    (y,) = builder.add(HostOnly(), [rows])
    (z,) = builder.add(Tanh(), [y])
    return builder.finish([z])


def templates(made: Lowered) -> list[Template]:
    """The template of every call, in order."""
    return [call.template for step in made.stage.supersteps for call in step.calls if isinstance(call, Call)]


def test_equal_layers_call_the_same_templates() -> None:
    """From the second layer on (the first reads an input that lies elsewhere) every layer is the same code."""
    used = templates(lowered(layers(6), share=False))
    second = used[4:8]
    for number in range(2, 6):
        assert used[4 * number : 4 * number + 4] == second
    assert len(set(used)) <= 8


def test_a_second_lowering_makes_nothing_new() -> None:
    made = lowered(layers(2))
    before = len(made.cache.templates)
    from halo_py.bsp.lower import lower_stage
    from halo_py.bsp.options import LoweringOptions

    lower_stage(made.graph, TINY, LoweringOptions(TINY.tiles), made.cache)
    assert len(made.cache.templates) == before


@pytest.mark.parametrize("reduces", [False, True])
def test_classes_are_what_a_loop_over_tiles_finds(reduces: bool) -> None:
    made = lowered(layers(1, rows=10, width=37), reduces=reduces)
    for template in templates(made):
        for step in template.steps:
            if not isinstance(step, Compute):
                continue
            for group in step.groups:
                if not isinstance(group, VertexGroup):
                    continue
                slowest, busy, counts = _by_tile(group)
                np.testing.assert_array_equal(step.cycles, slowest)
                assert step.busy_tile_cycles == pytest.approx(busy)
                assert sorted(group.class_counts) == sorted(counts.values())


def _by_tile(
    group: VertexGroup,
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], float, dict[tuple[int, ...], int]]:
    """Slowest tile, sum over tiles, and tiles by box size, asking for one tile's cycles at a time."""
    from halo_py.tiling.vertex_cost import cycles

    kernel = group.placement.kernel
    tiles, low, high = group.placement.boxes
    slowest, busy = np.zeros(3), 0.0
    counts: dict[tuple[int, ...], int] = {}
    for row in range(len(tiles)):
        size = tuple(int(b - a) for a, b in zip(low[row], high[row], strict=True))
        taken = np.asarray(cycles(kernel.codelet.work(size, kernel), TINY)).reshape(3)
        slowest, busy = np.maximum(slowest, taken), busy + float(taken[1])
        counts[size] = counts.get(size, 0) + 1
    return slowest, busy, counts


GRAPHS = {
    "layers": layers(2),
    "ragged": layers(2, rows=7, width=37),
    "branches": branches(),
    "recurrence": recurrence(),
    "reshaped": reshaped(),
    "view_beside_a_reader": view_beside_a_reader(),
    "view_for_the_host": view_for_the_host(),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("how", ["plain", "reduces", "searched"])
def test_the_program_computes_the_graph_and_moves_what_it_says(name: str, how: str) -> None:
    made = lowered(GRAPHS[name], reduces=how == "reduces", searched=how == "searched")
    generator = np.random.default_rng(5)
    inputs = {
        value: generator.standard_normal(value.type.static_shape).astype(np.float32)
        for value in made.graph.inputs
        if isinstance(value.type, TensorType)
    }
    expected = evaluate_graph(made.graph, list(inputs.values()))
    engine = Engine(Program((made.stage,), 1, 1, 1), "tiled")
    for found, wanted in zip(engine.run(made.graph, dict(inputs)), expected, strict=True):
        np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-4, atol=1e-5)
    predicted = sum(template.exchanged_bytes for template in templates(made))
    assert engine.counters.bytes_exchanged == predicted


def test_a_searched_program_is_not_slower_than_a_plain_one() -> None:
    for graph in GRAPHS.values():
        assert lowered(graph, searched=True).stage.cycles[1] <= lowered(graph).stage.cycles[1] * 1.001


def test_physical_limits() -> None:
    """No more multiply-accumulates than the matrix units can do in the time, no more bytes than tiles can receive."""
    made = lowered(layers(2, rows=64, width=128), searched=True)
    macs = 2 * 64 * 128 * 128
    assert sum(template.multiply_accumulates for template in templates(made)) == macs
    peak = max(mode.macs_per_cycle for mode in TINY.matrix_modes if mode.input_type == "float32")
    assert macs <= peak * TINY.tiles * made.stage.cycles[0]
    for template in templates(made):
        for step in template.steps:
            if isinstance(step, Exchange):
                rate = TINY.scenarios("exchange_bytes_per_cycle")[0] * TINY.tiles_per_exchange_bus
                assert sum(move.total_bytes for move in step.moves) <= rate * TINY.tiles * step.cycles[0]


def test_a_node_without_a_tile_form_runs_on_the_host() -> None:
    from halo_py.bsp.program import HostCall

    builder = GraphBuilder("hosted")
    x = builder.input("x", TensorType(DType.FLOAT32, (8, 8)))
    (y,) = builder.add(Tanh(), [x])
    (z,) = builder.add(HostOnly(), [y])
    (z,) = builder.add(Tanh(), [z])
    stage = lowered(builder.finish([z])).stage
    calls = [call for step in stage.supersteps for call in step.calls]
    assert [isinstance(call, HostCall) for call in calls] == [False, True, False]
    hosted = calls[1]
    assert isinstance(hosted, HostCall)
    assert (hosted.bytes_to_host, hosted.bytes_from_host) == (256, 256)
    assert "only on the host" in hosted.reason
