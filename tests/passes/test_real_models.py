"""The pipeline on real models: well-formed after every pass, the same values, quick, and little left over."""

from __future__ import annotations

import numpy as np
import pytest

from halo_frontends.onnx import OnnxFrontend
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import ImportOptions
from halo_py.ir.graph import Graph
from halo_py.ir.verify import verify_graph
from halo_py.ops import load_ops
from halo_py.passes.base import PassContext
from halo_py.passes.pipelines import pipeline
from halo_py.passes.place import place_graph
from tests.models.agreement import Agreement
from tests.models.catalogue import ModelCase, all_models, model
from tests.passes.make import kinds

QUICK = (
    "bert_tiny_legacy",
    "gpt2_tiny_masked_dynamo",
    "llama_tiny_masked_legacy",
    "openwakeword_hey_jarvis",
    "silero_vad",
    "convnext_tiny_dynamo",
    "magika",
)


def loaded(case: ModelCase) -> Graph:
    """The model's graph with its shapes fixed."""
    load_ops()
    return OnnxFrontend().load(case.path(), ImportOptions(shapes=dict(case.shapes), values=dict(case.values)))


def optimised(graph: Graph) -> Graph:
    """The graph after the pipeline for tiles, verified after each pass."""
    context = PassContext(after=(lambda _step, made: verify_graph(made),))
    return pipeline("ipu").run(graph, context)


def check_model(case: ModelCase) -> None:
    """Values before and after agree within float32 rounding."""
    graph = loaded(case)
    found = optimised(graph)
    assert len(found.nodes) <= len(graph.nodes)
    contents = case.inputs()
    inputs = [contents[value.name] for value in graph.inputs]
    with np.errstate(all="ignore"):
        before, after = evaluate_graph(graph, inputs), evaluate_graph(found, inputs)
    left, right = (
        {name: np.asarray(value) for name, value in zip(graph.output_names, values, strict=True)}
        for values in (before, after)
    )
    largest = max(float(np.abs(array).max(initial=0)) for array in left.values())
    Agreement.with_judged(case.path(), contents, left, 1e-5 + 1e-6 * largest).check(right)


@pytest.mark.parametrize("name", QUICK)
def test_values_of_a_quick_model(name: str) -> None:
    check_model(model(name))


# Of the light nets, evaluated naively, a few stand for all: residual, grouped, branching.
SLOW = [
    case
    for case in all_models()
    if case.name not in QUICK
    and (case.source != "light" or case.name in ("light_resnet50", "light_shufflenet", "light_inception_v2"))
]


@pytest.mark.slow
@pytest.mark.parametrize("case", SLOW, ids=lambda case: case.name)
def test_values_of_every_other_model(case: ModelCase) -> None:
    check_model(case)


def test_a_transformer_keeps_no_transpose_and_no_spelled_out_op() -> None:
    found = kinds(optimised(loaded(model("bert_tiny_legacy"))))
    assert not {"Transpose", "Erf", "Pow", "Sqrt", "ReduceMean", "Shape", "Add", "Div"} & set(found)
    assert found.count("LayerNormalization") == 5
    assert found.count("Softmax") == 2


def test_a_residual_net_is_convolutions_only() -> None:
    found = kinds(optimised(loaded(model("resnet18_dynamo"))))
    assert set(found) == {"Conv", "MaxPool"}


def test_a_transformer_runs_on_tiles_alone() -> None:
    placement = place_graph(optimised(loaded(model("llama_tiny_masked_legacy"))))
    assert placement.host_table == ()


def test_half_precision_runs_on_tiles_alone() -> None:
    graph = pipeline("ipu", precision="fp16").run(loaded(model("vit_tiny_dynamo")))
    verify_graph(graph)
    assert place_graph(graph).host_table == ()
