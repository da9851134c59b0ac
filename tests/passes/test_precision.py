"""float16 storage: where it goes, where it does not, and the user's types at the border."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from halo_py.evaluate import evaluate_graph
from halo_py.ir.graph import Graph
from halo_py.ir.verify import verify_graph
from halo_py.passes.base import PassContext
from halo_py.passes.pipelines import pipeline
from halo_py.passes.precision import Precision
from halo_py.types import DType, TensorType
from tests.ir.graphs import Case, graphs
from tests.passes.equality import assert_close
from tests.passes.make import Make, check_golden, kinds

HALF = Precision("fp16")


def narrowed(case: Case, context: PassContext | None = None) -> Graph:
    """The graph in float16: well-formed, with the same interface."""
    found = HALF.run(case.graph, context or PassContext())
    verify_graph(found)
    assert [value.type for value in found.inputs] == [value.type for value in case.graph.inputs]
    assert [value.type for value in found.outputs] == [value.type for value in case.graph.outputs]
    return found


def test_fp32_changes_nothing() -> None:
    m = Make()
    graph = m.case(m.Relu(m.input("x", 3))).graph
    assert Precision("fp32").run(graph, PassContext()) is graph


def test_weights_and_activations_narrow_between_casts() -> None:
    m = Make()
    case = m.case(m.Relu(m.MatMul(m.input("x", 3, 8), m.weights(8, 5))))
    found = narrowed(case)
    check_golden("precision_matmul", found)
    before, after = evaluate_graph(case.graph, case.inputs), evaluate_graph(found, case.inputs)
    np.testing.assert_allclose(np.asarray(after[0]), np.asarray(before[0]), rtol=1e-2, atol=1e-2)


def test_integers_and_booleans_stay() -> None:
    m = Make()
    x, ids = m.input("x", 3, 8), m.input("ids", 2, dtype=DType.INT64, below=3)
    picked = m.Gather(x, ids, axis=0)
    case = m.case(m.Where(m.Greater(picked, 0.0), picked, m.Neg(picked)), ids)
    found = narrowed(case)
    for left, right in zip(evaluate_graph(case.graph, case.inputs), evaluate_graph(found, case.inputs), strict=True):
        assert_close(left, right, 1e-3)


def test_sums_of_integers_are_scaled_before_they_narrow() -> None:
    m = Make()
    x, scale, zero = m.add("DynamicQuantizeLinear", m.input("x", 4, 2048), outputs=3)
    weights = np.full((2048, 3), 127, np.int8)
    total = m.Cast(m.MatMulInteger(x, weights, zero), to=DType.FLOAT32)
    case = m.case(m.Mul(total, m.Mul(scale, np.asarray(1e-5, np.float32))))
    before, after = (evaluate_graph(graph, case.inputs)[0] for graph in (case.graph, narrowed(case)))
    assert np.abs(np.asarray(case.inputs[0])).max() > 1
    np.testing.assert_allclose(np.asarray(after), np.asarray(before), rtol=2e-3, atol=2e-3)


def test_numbers_beyond_the_range_are_clamped_and_noted() -> None:
    m = Make()
    context = PassContext()
    found = narrowed(m.case(m.Add(m.input("x", 3), np.asarray([-1e9, 1.0, -np.inf], np.float32))), context)
    (contents,) = found.constants.values()
    assert contents.tolist() == [-65504.0, 1.0, -np.inf]
    assert [str(note) for note in context.notes] == [
        "precision: 1 constant(s) beyond float16's range became its largest number"
    ]


def test_positions_stay_exact() -> None:
    m = Make()
    ids = m.input("ids", 4, dtype=DType.INT64, below=5000)
    half = m.Floor(m.Div(m.Cast(m.Add(ids, np.asarray(4001)), to=DType.FLOAT32), 2.0))
    case = m.case(m.Cast(half, to=DType.INT64))
    found = narrowed(case)
    assert_close(evaluate_graph(case.graph, case.inputs)[0], evaluate_graph(found, case.inputs)[0], 0)
    assert all(value.type != TensorType(DType.FLOAT16, (4,)) for value in found.values())


def test_what_must_be_float32_is_cast_around_and_noted() -> None:
    m = Make()
    x, scale, zero = m.input("x", 4), np.asarray(0.1, np.float32), np.asarray(3, np.uint8)
    graph = m.case(m.DequantizeLinear(m.QuantizeLinear(m.Relu(x), scale, zero), scale, zero)).graph
    verify_graph(HALF.run(graph, PassContext()))


def test_one_cast_serves_all_readers() -> None:
    m = Make()
    x = m.input("x", 3)
    assert kinds(narrowed(m.case(m.Add(m.Relu(x), m.Neg(x))))) == ["Cast", "Relu", "Neg", "Add", "Cast"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs())
def test_any_graph_stays_well_formed(graph: Graph) -> None:
    narrowed(Case(graph, []))


@pytest.mark.parametrize("precision", ["fp16", "mixed"])
def test_pipelines_take_a_precision(precision: str) -> None:
    m = Make()
    x = m.input("x", 3, 8)
    graph = m.case(m.Gelu(m.Add(m.MatMul(x, m.weights(8, 5)), m.weights(5)))).graph
    found = pipeline("ipu", precision="fp16" if precision == "fp16" else "mixed").run(graph)
    verify_graph(found)
    assert kinds(found)[:2] == ["Cast", "MatMul"]
    assert {value.type for value in found.constants} == {
        TensorType(DType.FLOAT16, (8, 5)),
        TensorType(DType.FLOAT16, (5,)),
    }
