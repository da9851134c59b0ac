"""Which calls share a superstep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from halo_py.bsp.lower import LoweringCache, lower_stage, lower_to_fit
from halo_py.bsp.options import LoweringOptions
from halo_py.bsp.program import Call
from halo_py.ir.graph import Graph
from tests.bsp.graphs import TINY, branches, layers, lowered
from tests.bsp.test_order import graphs


def test_independent_projections_run_together_and_save_syncs() -> None:
    together, apart = lowered(branches()).stage, lowered(branches(), share=False).stage
    assert [len(step.calls) for step in together.supersteps] == [3, 1, 1]
    assert [len(step.calls) for step in apart.supersteps] == [1] * 5
    assert (together.cycles <= apart.cycles).all()
    assert together.cycles[1] < apart.cycles[1]


def test_a_chain_shares_nothing() -> None:
    assert all(len(step.calls) == 1 for step in lowered(layers()).stage.supersteps)


@given(graphs())
@settings(max_examples=40, deadline=None)
def test_every_node_runs_once_after_what_it_reads(graph: Graph) -> None:
    stage = lowered(graph).stage
    known = {*graph.inputs, *graph.constants}
    seen = 0
    for step in stage.supersteps:
        for call in step.calls:
            assert all(value is None or value in known for value in call.node.inputs)
        for call in step.calls:
            known.update(call.node.outputs)
            seen += 1
    assert seen == len(graph.nodes)


@given(graphs())
@settings(max_examples=40, deadline=None)
def test_sharing_is_never_slower_than_one_after_another(graph: Graph) -> None:
    for step in lowered(graph).stage.supersteps:
        alone = sum(float(call.template.cycles[1]) for call in step.calls if isinstance(call, Call))
        assert step.cycles[1] <= alone + 1e-6
        np.testing.assert_allclose(step.cycles, step.compute_cycles + step.exchange_cycles + step.sync_cycles)
        if len(step.calls) == 1:
            assert step.cycles[1] == pytest.approx(alone)


def test_what_does_not_fit_together_runs_apart() -> None:
    """A chip with room for the ops one after another but not at once."""
    together, apart = lowered(branches()).stage, lowered(branches(), share=False).stage
    assert apart.memory.fullest_bytes < together.memory.fullest_bytes
    chip = TINY.with_values(bytes_per_tile=apart.memory.fullest_bytes)
    made = lowered(branches(), chip=chip).stage
    assert made.memory.fits
    assert all(len(step.calls) == 1 for step in made.supersteps)


def test_less_room_for_temporaries_until_it_fits() -> None:
    graph = layers(2, rows=256, width=256)
    options = LoweringOptions(TINY.tiles)
    roomy = lower_stage(graph, TINY, options, LoweringCache())
    chip = TINY.with_values(bytes_per_tile=int(roomy.memory.fullest_bytes * 0.97))
    assert not lower_stage(graph, chip, options, LoweringCache()).memory.fits
    made = lower_to_fit(graph, chip, options, LoweringCache())
    assert made.memory.fits
    assert made.squeezed
    assert not lower_to_fit(graph, TINY, options, LoweringCache()).squeezed
    hopeless = lower_to_fit(graph, TINY.with_values(bytes_per_tile=10_000), options, LoweringCache())
    assert not hopeless.memory.fits
