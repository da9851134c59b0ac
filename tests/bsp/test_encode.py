"""Programs as data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from halo_backends.ipu.engine import Engine
from halo_py.bsp.encode import decode_program, encode_program
from halo_py.bsp.lower import LoweringCache, lower_stage
from halo_py.bsp.options import LoweringOptions
from halo_py.bsp.program import Call, Collective, InterIpuCopy, Program
from halo_py.bsp.text import print_program
from halo_py.bsp.timing import program_time
from halo_py.errors import ExecutableError
from halo_py.ir.graph import Graph
from halo_py.targets import load_target
from halo_py.types import TensorType
from tests.bsp.graphs import layers, lowered
from tests.bsp.test_lower import GRAPHS

SYSTEM = load_target("ipu-tiny4")


def stored(program: Program, graph: Graph) -> dict[str, Any]:
    """As it lies in a file."""
    return json.loads(json.dumps(encode_program(program, graph)))


@pytest.mark.parametrize("searched", [False, True])
@pytest.mark.parametrize("name", GRAPHS)
def test_a_stored_program_is_the_same_program(name: str, searched: bool) -> None:
    graph = GRAPHS[name]
    program = Program(
        (lowered(graph, searched=searched).stage,), 2, 3, 1, collectives=(Collective("scatter", 2, 10),), notes=("n",)
    )
    again = decode_program(stored(program, graph), graph, SYSTEM)
    assert json.dumps(encode_program(again, graph)) == json.dumps(encode_program(program, graph))
    before, after = program_time(program, SYSTEM), program_time(again, SYSTEM)
    np.testing.assert_array_equal(before.latency_seconds, after.latency_seconds)
    assert again.stages[0].memory.bytes_by_tile == program.stages[0].memory.bytes_by_tile
    assert again.stages[0].memory.always_live == program.stages[0].memory.always_live
    assert print_program(again, steps=True) == print_program(program, steps=True)
    assert set(again.stages[0].homes) == set(program.stages[0].homes)
    for value, home in program.stages[0].homes.items():
        assert home.same_as(again.stages[0].homes[value])


def test_reading_makes_no_templates() -> None:
    graph = layers()
    program = Program((lowered(graph).stage,), 1, 1, 1)
    again = decode_program(stored(program, graph), graph, SYSTEM)
    program_time(again, SYSTEM)
    calls = [call for step in again.stages[0].supersteps for call in step.calls if isinstance(call, Call)]
    assert calls
    assert all("body" not in vars(call.template) for call in calls)
    assert calls[0].template.steps
    assert "body" in vars(calls[0].template)


def test_two_lowerings_give_the_same_bytes() -> None:
    graph = GRAPHS["ragged"]
    texts = [
        json.dumps(encode_program(Program((lowered(graph, searched=True).stage,), 1, 1, 1), graph)) for _ in range(2)
    ]
    assert texts[0] == texts[1]


def test_a_pipeline_comes_back_stage_by_stage() -> None:
    graph = layers(2)
    first, second = graph.nodes[:4], graph.nodes[4:]
    crossing = first[-1].outputs[0]
    parts = (
        replace(graph, name="a", nodes=first, outputs=(crossing,), output_names=()),
        replace(graph, name="b", nodes=second, inputs=(crossing,), output_names=()),
    )
    options, cache = LoweringOptions(SYSTEM.chip.tiles), LoweringCache()
    stages = tuple(
        replace(lower_stage(part, SYSTEM.chip, options, cache), ipu=number) for number, part in enumerate(parts)
    )
    program = Program(stages, 1, 2, 1, (InterIpuCopy(crossing, 0, 1, 8192, 1),))
    again = decode_program(stored(program, graph), graph, SYSTEM)
    assert [stage.ipu for stage in again.stages] == [0, 1]
    assert again.stages[1].graph.inputs == (crossing,)
    x = graph.inputs[0]
    assert isinstance(x.type, TensorType)
    inputs = {x: np.linspace(-1, 1, x.type.elements, dtype=np.float32).reshape(x.type.static_shape)}
    found = [Engine(made, "tiled").run(graph, dict(inputs))[0] for made in (program, again)]
    np.testing.assert_array_equal(np.asarray(found[0]), np.asarray(found[1]))


def test_a_changed_decision_is_noticed() -> None:
    graph = layers(1)
    document = stored(Program((lowered(graph).stage,), 1, 1, 1), graph)
    ways = document["templates"][0]["decisions"][0][0]
    document["templates"][0]["decisions"][0][0] = [1] * len(ways)
    again = decode_program(document, graph, SYSTEM)
    call = again.stages[0].supersteps[0].calls[0]
    assert isinstance(call, Call)
    with pytest.raises(ExecutableError, match="does not come out as it was stored"):
        _ = call.template.steps


def test_a_malformed_document_is_refused() -> None:
    graph = layers(1)
    document = stored(Program((lowered(graph).stage,), 1, 1, 1), graph)
    damages: list[dict[str, Any]] = [{"replicas": 0}, {"stages": [{}]}, {"templates": [{}]}, {"copies": [[0]]}]
    for damage in damages:
        with pytest.raises((KeyError, ValueError, TypeError, IndexError)):
            decode_program({**document, **damage}, graph, SYSTEM)


def test_a_loop_that_took_several_attempts_comes_back() -> None:
    """Carried values first start where they lie and only in a later attempt where iterations leave them."""
    graph = GRAPHS["recurrence"]
    made = lowered(graph, searched=True)
    call = next(c for s in made.stage.supersteps for c in s.calls if c.node.op.kind == "test_recurrence")
    assert isinstance(call, Call)
    assert len(call.template.taken) > len(call.template.decisions) == len(call.template.calls)
    program = Program((made.stage,), 1, 1, 1)
    again = decode_program(stored(program, graph), graph, SYSTEM)
    assert print_program(again, steps=True) == print_program(program, steps=True)
