"""Every real model imports, passes the verifier, and means on the reference device what ONNX Runtime computes."""

from __future__ import annotations

import pytest

import odla
from halo_py.frontend import ImportOptions, load_model
from halo_py.ir.verify import verify_graph
from tests.models.agreement import Agreement
from tests.models.catalogue import ModelCase, all_models


@pytest.mark.slow
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in all_models()])
def test_the_reference_equals_onnx_runtime(case: ModelCase) -> None:
    graph = load_model(case.path(), ImportOptions(shapes=case.shapes, values=case.values))
    verify_graph(graph)
    inputs = case.inputs()
    result = (
        odla.Computation.of(graph).compile("reference").run({value.name: inputs[value.name] for value in graph.inputs})
    )
    Agreement.of(case.path(), inputs).check(result)


@pytest.mark.slow
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in all_models()])
def test_models_import_with_a_symbolic_batch(case: ModelCase) -> None:
    graph = load_model(case.path(), ImportOptions(values=case.values, keep_symbolic=True))
    verify_graph(graph)
    fixed = load_model(case.path(), ImportOptions(shapes=case.shapes, values=case.values))
    assert [value.name for value in graph.inputs] == [value.name for value in fixed.inputs]
    assert graph.output_names == fixed.output_names
