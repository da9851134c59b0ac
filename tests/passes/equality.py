"""Whether a pass keeps a graph well-formed and its values the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import assume

from halo_py.errors import HaloError
from halo_py.evaluate import evaluate_graph
from halo_py.ir.graph import Graph
from halo_py.ir.op import RuntimeValue
from halo_py.ir.verify import verify_graph
from halo_py.passes.base import Pass, PassContext, Pipeline
from tests.ir.graphs import Case


def check_pass(step: Pass | Pipeline, case: Case, tolerance: float = 1e-5) -> Graph:
    """Run a pass on a random graph: the result is well-formed, with the same interface and the same values."""
    before = values(case.graph, case.inputs)
    found = step.run(case.graph, PassContext())
    verify_graph(found)
    assert found.output_names == case.graph.output_names
    assert [value.type for value in found.inputs] == [value.type for value in case.graph.inputs]
    assert [value.type for value in found.outputs] == [value.type for value in case.graph.outputs]
    for left, right in zip(before, values(found, case.inputs), strict=True):
        assert_close(left, right, tolerance)
    return found


def values(graph: Graph, inputs: Sequence[RuntimeValue]) -> list[RuntimeValue]:
    """What the graph computes; a random graph that has no meaning (a bad index) is not looked at."""
    try:
        with np.errstate(all="ignore"):
            return evaluate_graph(graph, inputs)
    except HaloError:
        assume(False)
        raise


def assert_close(left: RuntimeValue, right: RuntimeValue, tolerance: float) -> None:
    """Equal type, shape and, up to rounding, numbers; sequences element by element."""
    if left is None or right is None:
        assert left is right
        return
    if isinstance(left, list) or isinstance(right, list):
        assert isinstance(left, list)
        assert isinstance(right, list)
        for a, b in zip(left, right, strict=True):
            assert_close(a, b, tolerance)
        return
    assert np.asarray(left).dtype == np.asarray(right).dtype
    assert left.shape == right.shape
    if left.dtype.kind in "OSUTbiu":
        np.testing.assert_array_equal(left, right)
        return
    wide = np.complex128 if left.dtype.kind == "c" else np.float64
    a, b = left.astype(wide), right.astype(wide)
    finite = np.abs(a[np.isfinite(a)])
    # An output of narrow type differs by one rounding of it.
    narrow = tolerance if left.dtype.itemsize >= 4 else max(tolerance, 2.0 ** (1 - _bits(left.dtype.name)))
    np.testing.assert_allclose(b, a, rtol=10 * narrow, atol=narrow * float(finite.max(initial=0.1)))


def _bits(name: str) -> int:
    if name == "float16":
        return 11
    return 8 if name == "bfloat16" else 3
