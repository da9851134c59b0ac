"""Gradients of whole graphs: what is independent, shared values, second derivatives, unknown batches, tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from halo_backends.ipu.engine import Engine
from halo_py.autodiff import gradients, has_gradient, with_gradients
from halo_py.bsp.program import Program
from halo_py.errors import UnsupportedError
from halo_py.evaluate import evaluate_graph
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import REGISTRY
from halo_py.ir.verify import verify_graph
from halo_py.ops.activation import Relu
from halo_py.ops.along_axis import ArgMax
from halo_py.ops.contraction import Gemm, MatMul
from halo_py.ops.convolution import Conv
from halo_py.ops.elementwise import Add, Mul, Neg, Sin
from halo_py.ops.indexing import GatherElements
from halo_py.ops.linear_algebra import Inverse
from halo_py.ops.pooling import AveragePool, MaxPool
from halo_py.ops.reduction import ReduceMean, ReduceSum
from halo_py.ops.reshaping import Flatten, Unsqueeze
from halo_py.ops.slicing import Concat
from halo_py.ops.softmax import LogSoftmax
from halo_py.types import Dim, DType, TensorType, symbol
from tests.bsp.graphs import lowered

Numbers = NDArray[Any]
WIDE = DType.FLOAT64


def run(graph: Graph, *inputs: Numbers) -> list[Numbers]:
    """The outputs of a graph by the reference."""
    verify_graph(graph)
    return [np.asarray(value) for value in evaluate_graph(graph, list(inputs))]


def numbers(seed: int, *shape: int) -> Numbers:
    """Seeded standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_value_that_is_read_several_times_adds_its_gradients_up() -> None:
    builder = GraphBuilder("shared")
    x = builder.input("x", TensorType(WIDE, (3,)))
    (square,) = builder.add(Mul(), [x, x])
    (both,) = builder.add(Concat(0), [square, x, x])
    (y,) = builder.add(ReduceSum(keepdims=0), [both])
    contents = numbers(0, 3)
    *_, found = run(with_gradients(builder.finish([y]), y, [x]), contents)
    np.testing.assert_allclose(found, 2 * contents + 2)


def test_second_derivatives() -> None:
    builder = GraphBuilder("twice")
    x = builder.input("x", TensorType(WIDE, (4,)))
    (sine,) = builder.add(Sin(), [x])
    (y,) = builder.add(Mul(), [sine, x])
    (first,) = gradients(builder, y, [x])
    (second,) = gradients(builder, first, [x])
    contents = numbers(1, 4)
    one, two = run(builder.finish([first, second]), contents)
    np.testing.assert_allclose(one, np.sin(contents) + contents * np.cos(contents))
    np.testing.assert_allclose(two, 2 * np.cos(contents) - contents * np.sin(contents))


def test_inner_values_may_be_the_independent_ones() -> None:
    """y = -(a b) with h = a b: dy/dh is -1, and nothing else moves with h; a fixed h leaves nothing for a."""
    builder = GraphBuilder("inner")
    a, b = (builder.input(name, TensorType(WIDE, ())) for name in "ab")
    (h,) = builder.add(Mul(), [a, b])
    (y,) = builder.add(Neg(), [h])
    (of_h,) = gradients(builder, y, [h])
    (of_a,) = gradients(builder, y, [a], fixed=[h])
    (whole,) = gradients(builder, y, [a])
    found = run(builder.finish([of_h, of_a, whole]), np.asarray(3.0), np.asarray(5.0))
    assert [float(value) for value in found] == [-1.0, 0.0, -5.0]


def test_a_seed_weighs_the_elements() -> None:
    builder = GraphBuilder("seeded")
    x, seed = (builder.input(name, TensorType(WIDE, (2, 3))) for name in ("x", "seed"))
    (y,) = builder.add(Mul(), [x, x])
    (found,) = gradients(builder, y, [x], seed=seed)
    contents, weights = numbers(2, 2, 3), numbers(3, 2, 3)
    np.testing.assert_allclose(run(builder.finish([found]), contents, weights)[0], 2 * contents * weights)


def test_operators_without_a_gradient_are_listed_only_on_the_way() -> None:
    builder = GraphBuilder("listed")
    x = builder.input("x", TensorType(WIDE, (2, 2)))
    (inverted,) = builder.add(Inverse(), [x], name="inversion")
    (top,) = builder.add(ArgMax(axis=1), [x])  # integers: no gradient flows, so none is missing
    (y,) = builder.add(GatherElements(1), [x, top])
    assert not has_gradient(ArgMax)
    gradients(builder, y, [x])
    with pytest.raises(UnsupportedError, match=r"node 'inversion'.*1 operator has no gradient\n  .*nverse: 1 node"):
        gradients(builder, inverted, [x])


def classifier(batch: Dim, dtype: DType) -> tuple[Graph, Value, list[Value]]:
    """Convolution, pools, two dense layers, and the mean cross-entropy of labels; its parameters are inputs."""
    builder = GraphBuilder("classifier")
    x = builder.input("x", TensorType(dtype, (batch, 1, 9, 9)))
    labels = builder.input("labels", TensorType(DType.INT64, (batch,)))
    shapes = {"k": (3, 1, 3, 3), "kb": (3,), "w": (12, 5), "wb": (5,), "v": (5, 4)}
    parameters = {name: builder.input(name, TensorType(dtype, shape)) for name, shape in shapes.items()}
    (h,) = builder.add(Conv(pads=(1, 1, 1, 1)), [x, parameters["k"], parameters["kb"]])
    (h,) = builder.add(Relu(), [h])
    (h,) = (
        builder.add(MaxPool((2, 2), strides=(2, 2)), [h])
        if isinstance(batch, int)
        else builder.add(AveragePool((2, 2), strides=(2, 2)), [h])
    )
    (h,) = builder.add(
        Conv(group=3, pads=(1, 1, 1, 1), strides=(2, 2)), [h, builder.constant(_ones(dtype), "depthwise")]
    )
    (h,) = builder.add(Flatten(), [h])
    (h,) = builder.add(Gemm(), [h, parameters["w"], parameters["wb"]])
    (h,) = builder.add(Sin(), [h])
    (scores,) = builder.add(MatMul(), [h, parameters["v"]])
    (likely,) = builder.add(LogSoftmax(), [scores])
    (index,) = builder.add(Unsqueeze(), [labels, builder.ints([1])])
    (chosen,) = builder.add(GatherElements(1), [likely, index])
    (mean,) = builder.add(ReduceMean(keepdims=0), [chosen])
    (loss,) = builder.add(Neg(), [mean], name="loss")
    return builder.finish([loss]), loss, list(parameters.values())


def _ones(dtype: DType) -> Numbers:
    return np.linspace(0.5, 1, 3 * 9).reshape(3, 1, 3, 3).astype(dtype.numpy)


def _feeds(graph: Graph, batch: int, dtype: DType) -> list[Numbers]:
    feeds: list[Numbers] = [numbers(0, batch, 1, 9, 9).astype(dtype.numpy), np.arange(batch) % 4]
    for number, value in enumerate(graph.inputs[2:]):
        assert isinstance(value.type, TensorType)
        feeds.append((0.5 * numbers(number + 1, *value.type.static_shape)).astype(dtype.numpy))
    return feeds


def test_a_step_against_the_gradient_of_a_classifier_loses_what_it_predicts() -> None:
    graph, loss, parameters = classifier(6, WIDE)
    with_all = with_gradients(graph, loss, parameters)
    feeds = _feeds(graph, 6, WIDE)
    before, *found = run(with_all, *feeds)
    step = 1e-6
    moved = [old - step * slope for old, slope in zip(feeds[2:], found, strict=True)]
    (after,) = run(graph, *feeds[:2], *moved)
    predicted = step * sum(float((slope**2).sum()) for slope in found)
    assert predicted > 0
    assert float(before - after) == pytest.approx(predicted, rel=1e-4)


def test_an_unknown_batch_stays_unknown() -> None:
    graph, loss, parameters = classifier(symbol("N"), WIDE)
    with_all = with_gradients(graph, loss, parameters)
    for batch in (1, 5):
        feeds = _feeds(graph, batch, WIDE)
        _, *found = run(with_all, *feeds)
        for number, (value, slope) in enumerate(zip(parameters, found, strict=True)):
            assert isinstance(value.type, TensorType)
            assert slope.shape == value.type.static_shape
            position = tuple(size // 2 for size in slope.shape)
            ends: list[float] = []
            for sign in (1, -1):
                changed = feeds[2 + number].copy()
                changed[position] += sign * 1e-5
                given = [changed if index == 2 + number else old for index, old in enumerate(feeds)]
                ends.append(float(run(graph, *given)[0]))
            assert float(slope[position]) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-8)


def test_gradients_run_on_tiles() -> None:
    graph, loss, parameters = classifier(4, DType.FLOAT32)
    with_all = with_gradients(graph, loss, parameters)
    feeds = _feeds(graph, 4, DType.FLOAT32)
    expected = run(with_all, *feeds)
    stage = lowered(with_all, searched=True).stage
    engine = Engine(Program((stage,), 1, 1, 1), "tiled")
    found = engine.run(with_all, dict(zip(with_all.inputs, feeds, strict=True)))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-4, atol=1e-5)


def test_what_has_a_gradient_is_a_fact_about_every_op() -> None:
    found = {cls.declaration.name for cls in REGISTRY.by_name.values() if has_gradient(cls)}
    assert {"add", "matmul", "conv", "max_pool", "softmax", "gather", "attention", "layer_normalization"} <= found
    assert not found & {"equal", "arg_max", "string_concat", "if", "adam"}


def test_sums_over_repeated_dimensions_need_known_shapes() -> None:
    builder = GraphBuilder("open")
    a = builder.input("a", TensorType(WIDE, (symbol("N"),)))
    b = builder.input("b", TensorType(WIDE, (symbol("M"),)))
    (y,) = builder.add(Add(), [a, b])
    with pytest.raises(UnsupportedError, match="cannot tell whether dimension"):
        gradients(builder, y, [a])
