"""Folding, merging, dead code, and what runs passes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from halo_py.errors import InternalError, ShapeError, UsageError
from halo_py.ir.graph import Graph
from halo_py.ir.pattern import onnx_op
from halo_py.passes.base import Pass, PassContext, Pipeline, make_pass
from halo_py.passes.cse import MergeEqualNodes
from halo_py.passes.dce import DropDeadCode
from halo_py.passes.fold import FoldConstants
from halo_py.passes.pipelines import PASSES, pass_classes, pipeline, with_passes
from halo_py.passes.specialize import Specialize
from halo_py.types import DType
from tests.passes.equality import check_pass
from tests.passes.make import Make, kinds


def test_large_constants_fold_while_they_do_not_grow() -> None:
    m = Make()
    x = m.input("x", 200, 300)
    found = check_pass(FoldConstants(), m.case(m.MatMul(x, m.Transpose(m.weights(200, 300), perm=(1, 0)))))
    assert kinds(found) == ["MatMul"]
    assert [value.type.elements for value in found.constants if value.type is not None] == [60_000]  # type: ignore[union-attr]


def test_growth_is_bounded() -> None:
    m = Make()
    case = m.case(m.Add(m.input("x", 400, 400), m.Expand(m.weights(400), [400, 400])))
    assert kinds(check_pass(FoldConstants(), case)) == ["Expand", "Add"]
    assert kinds(check_pass(FoldConstants(growth=1000), case)) == ["Add"]


def test_random_numbers_are_never_folded_or_merged() -> None:
    m = Make()
    shape = m.operand([3])
    draw = [m.Add(m.RandomUniformLike(m.weights(3), seed=1.0), m.input(f"x{n}", 3)) for n in range(2)]
    del shape
    case = m.case(*draw)
    for step in (FoldConstants(), MergeEqualNodes()):
        assert kinds(step.run(case.graph, PassContext())).count("RandomUniformLike") == 2


def test_equal_nodes_and_constants_merge() -> None:
    m = Make()
    x = m.input("x", 3, 3)
    w = m.weights(3, 3)
    found = check_pass(MergeEqualNodes(), m.case(m.Sub(m.MatMul(x, w), m.MatMul(x, w.copy()))))
    assert kinds(found) == ["MatMul", "Sub"]
    assert found.nodes[0].where.merged == ("matmul",) or found.nodes[0].where.merged == ()


def test_zeros_of_two_signs_do_not_merge() -> None:
    m = Make()
    x = m.input("x", 3)
    found = check_pass(MergeEqualNodes(), m.case(m.Div(x, 0.0), m.Div(x, -0.0)))
    assert kinds(found) == ["Div", "Div"]


def test_dead_code_goes() -> None:
    m = Make()
    x = m.input("x", 3)
    m.Add(m.Tanh(x), m.weights(3))
    found = check_pass(DropDeadCode(), m.case(m.Relu(x)))
    assert kinds(found) == ["Relu"]
    assert not found.constants


@dataclass(frozen=True)
class Broken(Pass):
    """Fails."""

    name: ClassVar[str] = "broken"
    follows: ClassVar[str | None] = "fold"

    how: str = "defect"

    def run(self, graph: Graph, context: PassContext) -> Graph:
        if self.how == "user":
            raise ShapeError("the model is wrong")
        raise KeyError("nothing here")


def test_an_error_says_after_which_passes_it_happened() -> None:
    m = Make()
    graph = m.case(m.Relu(m.input("x", 3))).graph
    with pytest.raises(InternalError, match="pass broken failed after fold, dce: KeyError: 'nothing here'"):
        Pipeline("test", (FoldConstants(), DropDeadCode(), Broken())).run(graph)
    with pytest.raises(ShapeError, match="the model is wrong") as caught:
        Pipeline("test", (Broken("user"),)).run(graph)
    assert caught.value.__notes__ == ["pass broken failed after no other pass"]


def test_a_hook_sees_every_pass_and_times_are_kept() -> None:
    m = Make()
    seen: list[str] = []
    context = PassContext(after=(lambda step, graph: seen.append(f"{step.name} {len(graph.nodes)}"),))
    pipeline("cpu").run(m.case(m.Relu(m.Identity(m.input("x", 3)))).graph, context)
    assert seen == ["specialize 2", "fold 2", "canonicalize 1", "cse 1", "dce 1"]
    assert [name for name, _ in context.seconds] == ["specialize", "fold", "canonicalize", "cse", "dce"]


def test_every_pass_has_a_name_and_a_line() -> None:
    assert len({cls.name for cls in PASSES}) == len(PASSES)
    assert all(cls.name and 10 < len(cls.summary()) < 160 for cls in PASSES)


def test_passes_are_made_from_text() -> None:
    made = make_pass(pass_classes(), "fold:growth=2.5,free_bytes=10")
    assert made == FoldConstants(growth=2.5, free_bytes=10)
    assert str(made) == "fold:growth=2.5,free_bytes=10"
    assert str(make_pass(pass_classes(), "precision:precision=fp16")) == "precision:precision=fp16"
    assert make_pass(pass_classes(), "dce") == DropDeadCode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folk", "unknown pass 'folk'"),
        ("fold:groth=1", "pass fold has no option 'groth'"),
        ("fold:growth=much", "'much' is no value of pass option fold:growth"),
        ("precision:precision=fp8", "'fp8' is no value of pass option precision:precision"),
    ],
)
def test_wrong_pass_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_pass(pass_classes(), text)


def test_an_added_pass_stands_where_it_says() -> None:
    added = with_passes((FoldConstants(), DropDeadCode(), FoldConstants(), Specialize()), [Broken()])
    assert [step.name for step in added] == ["fold", "dce", "fold", "broken", "specialize"]


def test_an_unknown_pipeline_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown pipeline 'gpu'"):
        pipeline("gpu")


def test_states_survive_every_pass() -> None:
    m = Make()
    state = m.input("state", 3)
    updated = m.Add(m.Identity(state), m.Identity(m.input("x", 3)))
    m.builder.update_state(state, updated)
    found = pipeline("ipu").run(m.case(m.Relu(updated)).graph)
    assert [(update.state.name, update.updated.name) for update in found.states] == [("state", updated.name)]
    assert replace(found, states=()).inputs == found.inputs


def test_an_op_of_the_registry_is_found_by_its_onnx_name() -> None:
    Make()
    assert onnx_op("Cast", to=DType.FLOAT16).kind == "cast"
    assert np.asarray(1).ndim == 0
