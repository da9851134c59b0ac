"""Where a chain is cut: against trying every way to cut it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from halo_py.ir.graph import Node
from halo_py.ops.activation import Relu
from halo_py.parallel.cuts import Chain, balanced_cuts

_amounts = st.integers(0, 9)


@st.composite
def _chains(draw: st.DrawFn) -> Chain:
    count = draw(st.integers(1, 8))
    seconds, weights, crossing = (draw(st.lists(_amounts, min_size=count, max_size=count)) for _ in range(3))
    nodes = tuple(Node(Relu(), (), (), f"n{number}") for number in range(count))
    return Chain(
        nodes, np.asarray(seconds, float), np.asarray(weights, float), np.asarray([0, *crossing[1:], 0], float)
    )


def _cycle(chain: Chain, cuts: Sequence[int], room: float) -> float:
    """The slowest stage plus the busiest link; infinite if weights do not fit."""
    parts = list(zip(cuts, [*cuts[1:], len(chain.nodes)], strict=True))
    if any(chain.weight_bytes[start:end].sum() > room for start, end in parts):
        return np.inf
    slowest = max(float(chain.seconds[start:end].sum()) for start, end in parts)
    return slowest + max(float(chain.crossing_bytes[start]) for start, _end in parts)


@given(_chains(), st.integers(1, 8), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_no_other_cut_gives_a_shorter_cycle(chain: Chain, stages: int, room: int) -> None:
    count = len(chain.nodes)
    ways = [(0, *cuts) for cuts in combinations(range(1, count), stages - 1)]
    best = min((_cycle(chain, cuts, room) for cuts in ways), default=np.inf)

    found = balanced_cuts(chain, stages, 1.0, room)

    if found is None:
        assert best == np.inf
    else:
        assert len(found) == stages
        assert found in ways
        assert _cycle(chain, found, room) <= best * 1.01 + 1e-6  # amounts within one percent count as equal
