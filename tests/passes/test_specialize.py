"""Shapes become numbers, what follows from shapes alone becomes constants, known control flow disappears."""

from __future__ import annotations

import numpy as np
import pytest

from halo_py.evaluate import evaluate_graph
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import Op
from halo_py.ir.pattern import onnx_op
from halo_py.ir.verify import verify_graph
from halo_py.passes.base import PassContext
from halo_py.passes.dce import DropDeadCode
from halo_py.passes.pipelines import pipeline
from halo_py.passes.specialize import Specialize
from halo_py.types import DType, TensorType, symbol
from tests.ir.graphs import samples
from tests.passes.equality import assert_close
from tests.passes.make import check_golden, kinds

FLOAT = DType.FLOAT32


def specialised(graph: Graph, **symbols: int) -> Graph:
    """The specialised graph without dead code."""
    found = DropDeadCode().run(Specialize(tuple(symbols.items())).run(graph, PassContext()), PassContext())
    verify_graph(found)
    return found


def batched_reshape() -> Graph:
    """Reshape of x [N, 3, 4] to [N, 12], spelled as exporters do: Shape, Gather, Unsqueeze, Concat."""
    samples()
    b = GraphBuilder("reshape", "model.onnx")
    x = b.input("x", TensorType(FLOAT, (symbol("N"), 3, 4)))
    (shape,) = b.add(onnx_op("Shape"), (x,), name="shape")
    (batch,) = b.add(onnx_op("Gather", axis=0), (shape, b.constant(np.asarray(0), "zero")), name="batch")
    (vector,) = b.add(onnx_op("Unsqueeze"), (batch, b.ints([0])), name="vector")
    (wanted,) = b.add(onnx_op("Concat", axis=0), (vector, b.ints([12])), name="wanted")
    (y,) = b.add(onnx_op("Reshape"), (x, wanted), name="y")
    return b.finish([y])


def test_shape_chains_vanish() -> None:
    found = specialised(batched_reshape(), N=5)
    check_golden("specialize_reshape", found)
    x = np.arange(60, dtype=np.float32).reshape(5, 3, 4)
    assert_close(evaluate_graph(found, [x])[0], x.reshape(5, 12), 0)


def test_unknown_symbols_stay() -> None:
    graph = batched_reshape()
    found = specialised(graph, M=5)
    assert kinds(found) == kinds(graph)
    assert str(found.outputs[0].type) == "float32[N, 12]"


def _body(name: str, make: str) -> Graph:
    b = GraphBuilder(name, "model.onnx")
    x = b.input("x", TensorType(FLOAT, (symbol("K"),)))
    (y,) = b.add(onnx_op(make), (x, x), name="y")
    return b.finish([y])


def conditional(condition: Value | None) -> tuple[GraphBuilder, Value, Graph]:
    """If(condition) x + x else x * x."""
    b = GraphBuilder("if", "model.onnx")
    flag = b.constant(np.asarray(True), "flag") if condition is None else b.input("flag", condition.type)
    x = b.input("y", TensorType(FLOAT, (4,)))
    bodies = (_body("then", "Add"), _body("else", "Mul"))
    (y,) = b.add(onnx_op("If", captured=1), (flag, x), bodies=bodies, name="if")
    (z,) = b.add(onnx_op("Relu"), (y,))
    return b, y, b.finish([z], ["z"])


def test_a_known_condition_takes_its_branch_under_free_names() -> None:
    samples()
    found = specialised(conditional(None)[2])
    assert kinds(found) == ["Add", "Relu"]
    assert {value.name for value in found.values()} == {"y", "y_1", "relu"}


def test_an_unknown_condition_specialises_both_branches() -> None:
    samples()
    graph = conditional(Value("flag", TensorType(DType.BOOL, ())))[2]
    found = specialised(graph)
    assert kinds(found) == ["If", "Relu"]
    assert [str(body.outputs[0].type) for body in found.nodes[0].bodies] == ["float32[4]", "float32[4]"]


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_an_unknown_condition_may_select(flag: bool, shape: tuple[int, ...]) -> None:
    samples()
    graph = conditional(Value("flag", TensorType(DType.BOOL, shape)))[2]
    found = Specialize(both_branches=10).run(graph, PassContext())
    verify_graph(found)
    assert "If" not in kinds(found)
    inputs = [np.full(shape, flag), np.asarray([1, -2, 3, -4], np.float32)]
    assert_close(evaluate_graph(graph, inputs)[0], evaluate_graph(found, inputs)[0], 0)
    assert "If" in kinds(Specialize(both_branches=1).run(graph, PassContext()))


def loop(most: int | None, limit: float | None = None) -> Graph:
    """Carry x; x = x + x; stack x. With `limit`: while sum(x) < limit."""
    samples()
    body = GraphBuilder("body", "model.onnx")
    body.input("trip", TensorType(DType.INT64, ()))
    going = body.input("going", TensorType(DType.BOOL, ()))
    x = body.input("x", TensorType(FLOAT, (3,)))
    (twice,) = body.add(onnx_op("Add"), (x, x), name="twice")
    if limit is not None:
        (total,) = body.add(onnx_op("ReduceSum", keepdims=0), (twice,))
        (going,) = body.add(onnx_op("Less"), (total, body.constant(np.asarray(limit, np.float32))))
    inner = body.finish([going, twice, twice], ["going", "twice", "stack"])
    b = GraphBuilder("loop", "model.onnx")
    value = b.input("x", TensorType(FLOAT, (3,)))
    trips = None if most is None else b.constant(np.asarray(most, np.int64), "trips")
    outputs = b.add(onnx_op("Loop"), (trips, None, value), bodies=(inner,), outputs=["last", "all"], name="loop")
    return b.finish(outputs, ["last", "all"])


@pytest.mark.parametrize("most", [0, 1, 4])
def test_a_counted_loop_is_unrolled(most: int) -> None:
    graph = loop(most)
    found = specialised(graph)
    assert "Loop" not in kinds(found)
    assert kinds(found).count("Add") == most
    x = np.asarray([1, 2, 3], np.float32)
    for left, right in zip(evaluate_graph(graph, [x]), evaluate_graph(found, [x]), strict=True):
        assert_close(left, right, 0)


@pytest.mark.parametrize("graph", [loop(10_000), loop(4, 100.0), loop(None, 100.0)], ids=["long", "while", "forever"])
def test_a_long_or_data_dependent_loop_stays(graph: Graph) -> None:
    found = specialised(graph)
    assert kinds(found) == ["Loop"]
    x = np.asarray([1, 2, 3], np.float32)
    if graph.nodes[0].inputs[0] is None or len(graph.nodes[0].bodies[0].nodes) > 1:
        for left, right in zip(evaluate_graph(graph, [x]), evaluate_graph(found, [x]), strict=True):
            assert_close(left, right, 0)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"scan_input_axes": (1,), "scan_output_axes": (1,)},
        {"scan_input_directions": (1,)},
        {"scan_output_directions": (1,)},
    ],
)
def test_a_scan_is_unrolled(attributes: dict[str, tuple[int, ...]]) -> None:
    samples()
    axis = attributes.get("scan_input_axes", (0,))[0]
    body = GraphBuilder("body", "model.onnx")
    total = body.input("total", TensorType(FLOAT, (4,)))
    row = body.input("row", TensorType(FLOAT, (4,)))
    (added,) = body.add(onnx_op("Add"), (total, row), name="added")
    inner = body.finish([added, added], ["total", "row"])
    b = GraphBuilder("scan", "model.onnx")
    start = b.input("start", TensorType(FLOAT, (4,)))
    rows = b.input("rows", TensorType(FLOAT, (4, 5) if axis else (5, 4)))
    op: Op = onnx_op("Scan", num_scan_inputs=1, **attributes)
    graph = b.finish(b.add(op, (start, rows), bodies=(inner,), outputs=["last", "all"]), ["last", "all"])
    found = specialised(graph)
    assert "Scan" not in kinds(found)
    random = np.random.default_rng(1)
    inputs = [random.standard_normal(4).astype(np.float32)]
    inputs.append(random.standard_normal((4, 5) if axis else (5, 4)).astype(np.float32))
    for left, right in zip(evaluate_graph(graph, inputs), evaluate_graph(found, inputs), strict=True):
        assert_close(left, right, 0)
    whole = pipeline("ipu").run(graph)
    verify_graph(whole)
    for left, right in zip(evaluate_graph(graph, inputs), evaluate_graph(whole, inputs), strict=True):
        assert_close(left, right, 1e-6)
