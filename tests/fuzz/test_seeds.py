"""A few random graphs on every route, and that the fuzzer's own parts work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from halo_py.evaluate import evaluate_node
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph
from halo_py.ir.op import RuntimeValue
from halo_py.ir.text import elided_contents, print_graph
from halo_py.ir.verify import verify_graph
from halo_py.ops.elementwise import Add, Exp, Mul, Round, Sub
from halo_py.ops.reduction import ReduceSum
from halo_py.types import DType, tensor
from tests.fuzz import minimise as minimiser
from tests.fuzz.case_file import CaseFile, read_case, write_case
from tests.fuzz.generator import FEWEST_NODES, THEMES, generate
from tests.fuzz.hunt import Hunt
from tests.fuzz.runner import ROUTES, Failure, Subject
from tests.fuzz.worlds import Limits, UnstableError, difference, evaluate_worlds

SEEDS = range(100_000, 100_024)
"""Apart from those of long runs, so that the two find different things."""


@pytest.mark.parametrize("seed", SEEDS)
def test_every_route_gives_the_reference_values(seed: int) -> None:
    assert [str(failure) for failure in Hunt().run_seed(seed)] == []


def test_a_seed_gives_the_same_graph_again() -> None:
    for seed in (3, 4, 5):
        first, second = generate(seed), generate(seed)
        assert print_graph(first.graph) == print_graph(second.graph)
        assert elided_contents(first.graph).keys() == elided_contents(second.graph).keys()


def test_graphs_are_well_formed_deep_and_of_every_theme() -> None:
    found = [generate(seed) for seed in range(40)]
    for entry in found:
        verify_graph(entry.graph)
    assert {entry.theme for entry in found} == set(THEMES)
    assert max(entry.depth for entry in found) > 2 * FEWEST_NODES
    assert any(entry.limits.half for entry in found)


# -- the judge -------------------------------------------------------------------------------------------------------


def _sum_of_exponentials(rows: int) -> Graph:
    builder = GraphBuilder("sum")
    x = builder.input("x", tensor(DType.FLOAT32, rows))
    return builder.finish(builder.add(ReduceSum(keepdims=0), builder.add(Exp(), (x,)), name="total"))


def test_another_order_of_summation_is_allowed_and_a_lost_element_is_not() -> None:
    contents = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    (worlds,) = evaluate_worlds(_sum_of_exponentials(500), [contents])
    powers = np.exp(contents)
    backwards = np.asarray(np.float32(0.0))
    for power in powers[::-1]:
        backwards = np.asarray(backwards + power)
    assert difference(backwards, worlds) is None
    assert difference(np.asarray(powers.sum() - np.float32(powers.min())), worlds) is not None


def test_exact_arithmetic_is_compared_exactly() -> None:
    builder = GraphBuilder("exact")
    x = builder.input("x", tensor(DType.FLOAT32, 3))
    graph = builder.finish(builder.add(Add(), (x, x)))
    contents = np.asarray([1.0, 0.25, -3.5], np.float32)
    (worlds,) = evaluate_worlds(graph, [contents])
    assert difference(2 * contents, worlds) is None
    assert difference(np.nextafter(2 * contents, np.float32(9.0)), worlds) is not None


def test_what_rounding_decides_is_refused() -> None:
    builder = GraphBuilder("cancelled")
    x = builder.input("x", tensor(DType.FLOAT32, 4))
    (third,) = builder.add(Mul(), (x, builder.constant(np.asarray(1 / 3, np.float32))))
    (again,) = builder.add(Mul(), (third, builder.constant(np.asarray(3.0, np.float32))))
    cancelled = builder.finish(builder.add(Sub(), (again, x)))
    contents = np.asarray([1.1, 2.3, 3.7, 5.9], np.float32)
    with pytest.raises(UnstableError):
        evaluate_worlds(cancelled, [contents])
    builder = GraphBuilder("ties")
    x = builder.input("x", tensor(DType.FLOAT32, 4))
    (halves,) = builder.add(Mul(), (x, builder.constant(np.asarray(0.1, np.float32))))
    ties = builder.finish(builder.add(Round(), (halves,)))
    with pytest.raises(UnstableError):
        evaluate_worlds(ties, [np.asarray([5.0, 15.0, 25.0, 35.0], np.float32)])


# -- the minimiser ---------------------------------------------------------------------------------------------------


def _wrong_exponential(subject: Subject) -> Sequence[RuntimeValue]:
    """A route with a planted defect: negative operands of Exp lose their sign."""
    contents = dict(zip(subject.graph.inputs, subject.inputs, strict=True)) | dict(subject.graph.constants)
    for node in subject.graph.nodes:
        operands = [None if value is None else contents[value] for value in node.inputs]
        if node.op.kind == "exp":
            operands = [np.abs(np.asarray(operand)) for operand in operands]
        contents.update(zip(node.outputs, evaluate_node(node, operands), strict=False))
    return [np.asarray(contents[value]) for value in subject.graph.outputs]


def test_a_planted_defect_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(ROUTES, "planted", _wrong_exponential)
    hunt = Hunt(only=("planted",))
    seed = next(seed for seed in range(500) if hunt.run_seed(seed))
    found = generate(seed)
    subject = Subject(found.graph, found.inputs, found.limits)
    failure = next(iter(hunt.defects.values())).failure
    smallest = minimiser.minimise(subject, failure)
    assert [node.op.kind for node in smallest.graph.nodes] == ["exp"]
    assert max(np.asarray(smallest.inputs[0]).shape, default=1) <= 2
    path = tmp_path / "case.ir"
    write_case(path, CaseFile(smallest, str(failure), f"seed {seed}", {"planted": "on purpose"}))
    back = read_case(path)
    assert print_graph(smallest.graph).endswith(print_graph(back.subject.graph))
    np.testing.assert_array_equal(np.asarray(back.subject.inputs), np.asarray(smallest.inputs))
    assert back.xfail == {"planted": "on purpose"}
    assert back.subject.limits == Limits(half=found.limits.half)


def test_failures_of_one_kind_have_one_key() -> None:
    first = Failure("cpu", "ShapeError", "node 'add_3': 4 and 5")
    assert first.key == Failure("cpu", "ShapeError", "node 'add_17': 6 and 7").key
    assert first.key != Failure("cpu", "values", "out/0: at (3,)").key
