"""The memory account against counting tile by tile."""

from __future__ import annotations

import numpy as np
import pytest

from halo_py.bsp.memory import live_ranges, temporaries
from halo_py.bsp.program import Call, CombineGroup, Compute, Exchange, Template, VertexGroup
from halo_py.ir.graph import Graph, Value
from halo_py.tiling.mapping import TileMapping
from halo_py.types import TensorType
from tests.bsp.graphs import TINY, Lowered, branches, layers, lowered
from tests.bsp.test_lower import GRAPHS, reshaped


def bytes_on(mapping: TileMapping, tile: int, bits: int) -> int:
    """Bytes of a mapping on one tile, box by box, in whole 8-byte words."""
    elements = 0
    for row in range(len(mapping.tiles)):
        if mapping.tiles[row] == tile:
            elements += int(np.prod([b - a for a, b in zip(mapping.low[row], mapping.high[row], strict=True)]))
    return -(-elements * bits // 64) * 8


def bits_of(value: Value) -> int:
    assert isinstance(value.type, TensorType)
    return value.type.dtype.bits


def temporary_on(template: Template, tile: int) -> int:
    """Most bytes that a loop-free template of one-result kernels needs at once on a tile, phase by phase.

    A received operand lives until its vertices have run, partials until they were sent, received partials until added.
    """
    types, worst = template.form.values, 0
    copies = partials = 0
    inner: dict[int, int] = {}
    outside = {*template.form.inputs, *template.form.outputs}
    for step in template.steps:
        if isinstance(step, Exchange) and step.moves[0].depth == 1:
            copies = sum(bytes_on(move.need, tile, types[move.value].dtype.bits) for move in step.moves)
            worst = max(worst, copies + sum(inner.values()))
        elif isinstance(step, Exchange):
            move = step.moves[0]
            received = bytes_on(move.need, tile, 32) * move.depth
            worst = max(worst, partials + received + sum(inner.values()))
            partials = received
        elif isinstance(step, Compute):
            group = step.groups[0]
            if isinstance(group, CombineGroup):
                worst = max(worst, partials + sum(inner.values()))
                partials = 0
            elif group.partial:
                partials = bytes_on(group.placement.writes[0], tile, 32)
                worst = max(worst, copies + partials + sum(inner.values()))
                copies = 0
            else:
                result = group.writes[0]
                if result not in outside:
                    inner[result] = bytes_on(group.placement.writes[0], tile, types[result].dtype.bits)
                worst = max(worst, copies + sum(inner.values()))
                copies = 0
    return worst


def views(made: Lowered) -> dict[Value, Value]:
    """Results that share the bytes of an operand."""
    found: dict[Value, Value] = {}
    for step in made.stage.supersteps:
        for call in step.calls:
            if call.node.op.kind == "reshape" and call.node.inputs[0] is not None:
                source = call.node.inputs[0]
                found[call.node.outputs[0]] = found.get(source, source)
    return found


ELEMENTWISE = ("add", "mul", "tanh")


def written_over(made: Lowered, graph: Graph, value: Value) -> bool:
    """Whether a result takes the place of an operand: of its shape, on the same tiles, and not read by anybody else."""
    nodes = [call.node for step in made.stage.supersteps for call in step.calls]
    node = next((node for node in nodes if value in node.outputs), None)
    if node is None or node.op.kind not in ELEMENTWISE:
        return False
    homes = made.stage.homes
    return any(
        operand is not None
        and operand not in (*graph.inputs, *graph.constants, *graph.outputs)
        and operand.type == value.type
        and [reader for reader in nodes if operand in reader.inputs] == [node]
        and homes[operand].same_as(homes[value])
        for operand in node.inputs
    )


def live_on(made: Lowered, graph: Graph, number: int, tile: int) -> int:
    """Bytes of values (not constants) alive on a tile in superstep `number`."""
    steps, shared = made.stage.supersteps, views(made)
    nodes = [[call.node for call in step.calls] for step in steps]
    alive: set[Value] = set()
    for value in [*graph.inputs, *(v for step in nodes for node in step for v in node.outputs)]:
        born = next((s for s, step in enumerate(nodes) if any(value in node.outputs for node in step)), 0)
        uses = [s for s, step in enumerate(nodes) for node in step if value in node.inputs]
        last = len(steps) - 1 if value in graph.outputs else max([born, *uses])
        if born == number and written_over(made, graph, value):
            continue
        if born <= number <= last:
            alive.add(shared.get(value, value))
    homes = made.stage.homes
    return sum(bytes_on(homes[v], tile, bits_of(v)) for v in alive if v in homes and v not in graph.constants)


@pytest.mark.parametrize("reduces", [False, True])
@pytest.mark.parametrize(
    "graph", [layers(2, rows=10, width=37), branches(), reshaped()], ids=["layers", "branches", "views"]
)
def test_every_tile_at_every_step(graph: Graph, reduces: bool) -> None:
    made = lowered(graph, reduces=reduces)
    account, steps = made.stage.memory, made.stage.supersteps
    constants = [value for value in graph.constants if value in made.stage.homes]
    assert account.always_live["stack"] == TINY.stack_bytes_per_tile
    used = list(dict.fromkeys(call.template for step in steps for call in step.calls if isinstance(call, Call)))
    worst_tile = [0] * TINY.tiles
    over_time: list[int] = []
    fixed = [_fixed(made, used, constants, tile) for tile in range(TINY.tiles)]
    for number, step in enumerate(steps):
        here: list[int] = []
        for tile in range(TINY.tiles):
            inside = sum(temporary_on(call.template, tile) for call in step.calls if isinstance(call, Call))
            here.append(fixed[tile] + live_on(made, graph, number, tile) + inside)
        over_time.append(max(here))
        worst_tile = [max(pair) for pair in zip(worst_tile, here, strict=True)]
    assert account.bytes_over_time == tuple(over_time)
    assert account.bytes_by_tile == tuple(worst_tile)
    assert account.fullest_bytes == max(over_time)
    assert account.peak_step == over_time.index(max(over_time))


def _fixed(made: Lowered, used: list[Template], constants: list[Value], tile: int) -> int:
    """Weights, code, exchange code, vertex state and stack of a tile."""
    weights = sum(bytes_on(made.stage.homes[value], tile, bits_of(value)) for value in constants)
    names = {name for template in used for name, where in made.cache.facts(template).codelets.items() if where[tile]}
    vertices = 0
    for template in used:
        for step in template.steps:
            if isinstance(step, Compute):
                for group in step.groups:
                    tiles = group.placement.boxes[0] if isinstance(group, VertexGroup) else group.result.tiles
                    vertices += int((tiles == tile).sum())
    exchange_code = sum(int(made.cache.facts(template).exchange_code[tile]) for template in used)
    code = int(np.ceil(len(names) * TINY.codelet_code_bytes))
    state = int(np.ceil(vertices * TINY.vertex_state_bytes))
    return weights + code + exchange_code + state + round(TINY.stack_bytes_per_tile)


def test_a_result_lies_where_its_operand_lay() -> None:
    """A tanh is made in place of the sum that nobody else reads; the first product cannot be, of the input."""
    made = lowered(layers(3))
    ranges = live_ranges(made.graph, made.stage.supersteps, made.stage.homes, made.cache, TINY.tiles)
    first = {entry.value.name: entry.first for entry in ranges}
    steps = made.stage.supersteps
    step_of = {call.node.name: number for number, step in enumerate(steps) for call in step.calls}
    result_of = {node.name: node.outputs[0] for node in made.graph.nodes}
    assert written_over(made, made.graph, result_of["tanh1"])
    assert first[result_of["tanh1"].name] == step_of["tanh1"] + 1
    assert not written_over(made, made.graph, result_of["matmul0"])
    assert first[result_of["matmul0"].name] == step_of["matmul0"]


def test_largest_lists_what_lies_on_the_fullest_tile() -> None:
    made = lowered(layers(2))
    account = made.stage.memory
    step = made.stage.supersteps[account.peak_step]
    inside = temporaries(step, made.cache)
    assert not isinstance(inside, int)
    named = dict(account.largest)
    assert f"temporaries of {step.calls[0].node.name}" in named
    assert named[f"temporaries of {step.calls[0].node.name}"] == inside[account.fullest_tile]
    sizes = [size for _name, size in account.largest]
    assert sizes == sorted(sizes, reverse=True)


def test_code_is_paid_once_for_equal_layers() -> None:
    """Six layers have the code of two; only weights grow."""
    few, many = lowered(layers(2)).stage.memory, lowered(layers(6)).stage.memory
    for name in ("code", "exchange code", "vertex state", "stack"):
        assert few.always_live[name] == many.always_live[name]
    assert many.always_live["weights"] == 3 * few.always_live["weights"]


def test_a_loop_keeps_what_it_fetched() -> None:
    """What a loop fetches before it starts counts through all of it."""
    made = lowered(GRAPHS["recurrence"])
    call = next(c for s in made.stage.supersteps for c in s.calls if c.node.op.kind == "test_recurrence")
    assert isinstance(call, Call)
    fetched = next(step for step in call.template.steps if isinstance(step, Exchange))
    move = fetched.moves[0]
    kept = max(bytes_on(move.need, tile, 32) for tile in range(TINY.tiles))
    assert call.template.temporary_bytes > kept
