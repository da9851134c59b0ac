"""The CPU engine: whole graphs on ONNX Runtime, NumPy for the nodes that it lacks, memory used in place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odla
from halo_backends.cpu.engine import CpuProgram, compile_graph
from halo_backends.cpu.segments import cut
from halo_py.errors import SimulationError
from halo_py.evaluate import evaluate_graph
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph
from halo_py.ir.op import REGISTRY, EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, op
from halo_py.types import DType, Type, symbol, tensor
from tests.frontends.onnx_models import random


@op("test_triple")
class Triple(Op):
    """Three times the operand; ONNX has no such operator."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x: Any = args.array(0)
        return (x * x.dtype.type(3),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        return ()


def _mixed() -> Graph:
    """Two chains, each ONNX, other, ONNX; they meet at the end."""
    computation = odla.Computation("mixed")
    builder = computation._open()  # pyright: ignore[reportPrivateUsage]
    x = computation.argument("x", tensor(DType.FLOAT32, 2, 3))
    w = computation.constant(random(5, 3, 3), "w")
    ends = [builder.add(Triple(), [computation.add(name, x)], name=f"triple_{name}")[0] for name in ("relu", "neg")]
    left, right = computation.add("matmul", ends[0], w), computation.add("exp", ends[1])
    computation.output(computation.add("add", left, right), "y")
    computation.output(ends[0], "inner")
    return computation.graph()


def test_a_plain_graph_is_one_session() -> None:
    computation = odla.Computation()
    x = computation.argument("x", tensor(DType.FLOAT32, 2))
    computation.output(computation.add("relu", computation.add("neg", x)))
    program = compile_graph(computation.graph())
    assert program.plan.whole is not None
    assert program.fallbacks == ()


def test_nodes_that_onnx_lacks_run_in_numpy_between_the_largest_segments() -> None:
    graph = _mixed()
    program = compile_graph(graph)
    assert program.plan.whole is None
    assert [step.session is not None for step in program.plan.steps] == [True, False, True]
    assert [len(step.graph.nodes) for step in program.plan.steps] == [2, 2, 3]
    assert [(refused.op, refused.reason) for refused in program.fallbacks] == [
        ("test_triple", "test_triple is not an ONNX operator")
    ] * 2
    x = random(0, 2, 3)
    for ours, theirs in zip(program.run([x]), evaluate_graph(graph, [x]), strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-5)


def test_what_onnx_runtime_fails_to_run_runs_in_numpy() -> None:
    # ONNX Runtime takes MatMulInteger with a zero point per row, and says only while running that it has no such thing.
    computation = odla.Computation()
    x = computation.argument("x", tensor(DType.UINT8, 2, 3))
    zeros = computation.argument("zeros", tensor(DType.UINT8, 2, 1))
    w = computation.constant(np.arange(12, dtype=np.int8).reshape(3, 4), "w")
    h = computation.add("matmul_integer", x, w, zeros)
    computation.output(computation.add("neg", h), "y")
    program = compile_graph(computation.graph())
    assert program.plan.whole is not None
    inputs = [np.arange(6, dtype=np.uint8).reshape(2, 3), np.array([[1], [2]], np.uint8)]
    expected = -((inputs[0].astype(int) - inputs[1]) @ np.arange(12).reshape(3, 4))
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(program.run(inputs)[0]), expected)
        assert [refused.op for refused in program.fallbacks] == ["matmul_integer"]


def test_types_that_onnx_runtime_lacks_run_in_numpy() -> None:
    # ONNX Runtime has no convolution of bfloat16 on the CPU.
    computation = odla.Computation()
    x = computation.argument("x", tensor(DType.BFLOAT16, 1, 2, 5, 5))
    w = computation.constant(random(1, 3, 2, 3, 3).astype(DType.BFLOAT16.numpy), "w")
    h = computation.add("conv", x, w)
    computation.output(computation.add("cast", h, to=DType.FLOAT32), "y")
    graph = computation.graph()
    program = compile_graph(graph)
    assert "conv" in {refused.op for refused in program.fallbacks}
    contents = random(2, 1, 2, 5, 5).astype(DType.BFLOAT16.numpy)
    np.testing.assert_allclose(
        np.asarray(program.run([contents])[0]), np.asarray(evaluate_graph(graph, [contents])[0]), rtol=2e-2, atol=1e-2
    )


@pytest.mark.parametrize("dtype", [DType.INT4, DType.UINT4, DType.INT2, DType.UINT2])
def test_large_constants_whose_elements_share_bytes(dtype: DType) -> None:
    # In memory every element has a byte of its own; ONNX Runtime must not read those bytes as they are.
    numbers = np.random.default_rng(3).integers(0, 2, (64, 80))
    computation = odla.Computation()
    x = computation.argument("x", tensor(DType.FLOAT32, 2, 64))
    scale = computation.constant(np.asarray(0.5, np.float32), "scale")
    fields = computation.constant(numbers.astype(dtype.numpy), "fields")
    computation.output(computation.add("matmul", x, computation.add("dequantize_linear", fields, scale)), "y")
    contents = random(2, 2, 64)
    (found,) = compile_graph(computation.graph()).run([contents])
    np.testing.assert_allclose(np.asarray(found), contents @ (numbers * np.float32(0.5)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [DType.BFLOAT16, DType.FLOAT8E4M3FN, DType.INT4, DType.UINT4])
def test_types_that_numpy_lacks_cross_exactly(dtype: DType) -> None:
    computation = odla.Computation()
    x = computation.argument("x", tensor(dtype, 4))
    computation.output(computation.add("cast", x, to=DType.FLOAT32), "wide")
    computation.output(computation.add("cast", computation.add("cast", x, to=DType.FLOAT32), to=dtype), "same")
    contents = np.array([0, 1, 2, 3]).astype(dtype.numpy)
    result = computation.compile("cpu").run([contents])
    np.testing.assert_array_equal(result["wide"], [0, 1, 2, 3])
    assert result["same"].dtype == dtype.numpy
    np.testing.assert_array_equal(result["same"], contents)


def test_segments_cover_every_node_once_and_in_order() -> None:
    graph = _mixed()
    for refused in ({"relu"}, {"neg", "add"}, {"matmul"}, set[str](), {node.op.kind for node in graph.nodes}):
        segments = cut(graph, lambda node, refused=refused: node.op.kind not in refused)
        nodes = [node for segment in segments for node in segment.graph.nodes]
        assert sorted(map(id, nodes)) == sorted(map(id, graph.nodes))
        known = {*graph.inputs, *graph.constants}
        for segment in segments:
            assert set(segment.graph.inputs) <= known
            assert {node.op.kind in refused for node in segment.graph.nodes} == {not segment.native}
            known.update(segment.graph.outputs)
        assert set(graph.outputs) <= known


def test_weights_are_used_in_place() -> None:
    computation = odla.Computation()
    x = computation.argument("x", tensor(DType.FLOAT32, 1, 64))
    builder = computation._open()  # pyright: ignore[reportPrivateUsage]
    weights = random(0, 64, 64)
    computation.output(computation.add("matmul", x, builder.constant(weights, "w")), "y")
    program: CpuProgram = compile_graph(computation.graph())
    assert program.plan.whole is not None
    assert any(kept is weights for kept in program.plan.whole.kept)


def test_empty_graphs_pass_their_inputs_through() -> None:
    builder = GraphBuilder("empty")
    x = builder.input("x", tensor(DType.FLOAT32, 2))
    graph = builder.finish([x, builder.constant(random(0, 3))])
    contents = random(1, 2)
    found = compile_graph(graph).run([contents])
    np.testing.assert_array_equal(np.asarray(found[0]), contents)
    np.testing.assert_array_equal(np.asarray(found[1]), random(0, 3))


def test_strings_run(tmp_path: Path) -> None:
    if "string_concat" not in REGISTRY.by_name:
        pytest.fail("the op string_concat is missing")
    computation = odla.Computation()
    x = computation.argument("x", tensor(DType.STRING, 2))
    computation.output(computation.add("string_concat", x, computation.constant(np.array(["!", "?"], object))), "y")
    executable = computation.compile("cpu")
    path = tmp_path / "strings.halo"
    executable.save(path)
    for found in (executable, odla.load(path)):
        result: Any = found.run([np.array(["a", "b"], object)])["y"]
        assert list(result) == ["a!", "b?"]


def test_dynamic_shapes_that_do_not_fit_fail_with_a_halo_error() -> None:
    computation = odla.Computation()
    a = computation.argument("a", tensor(DType.FLOAT32, symbol("n")))
    b = computation.argument("b", tensor(DType.FLOAT32, symbol("n")))
    computation.output(computation.add("add", a, b), "y")
    with pytest.raises(SimulationError):
        computation.compile("cpu").run([random(0, 3), random(1, 4)])
