"""What ONNX Runtime gets wrong goes to NumPy, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import odla
from halo_backends.cpu.engine import compile_graph
from halo_py.evaluate import evaluate_graph
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph
from halo_py.ops.control import If
from halo_py.ops.image import Resize
from halo_py.ops.slicing import Slice
from halo_py.types import DType, TensorType, tensor
from tests.frontends.onnx_models import random


def _graph(op: str, dtype: DType, shape: tuple[int, ...], *constants: object, **attributes: Any) -> Graph:
    """A graph of one op; an operand after the first is a constant, None if it is omitted."""
    computation = odla.Computation()
    x = computation.argument("x", tensor(dtype, *shape))
    operands = [None if c is None else computation.constant(np.asarray(c)) for c in constants]
    computation.output(computation.add(op, x, *operands, **attributes), "y")
    return computation.graph()


def _resize(scale: float, coordinates: str) -> Graph:
    scales = np.asarray([1, 1, scale, scale], np.float32)
    attributes = {"mode": "linear", "coordinate_transformation_mode": coordinates}
    return _graph("resize", DType.FLOAT32, (1, 1, 4, 4), None, scales, **attributes)


def _fitting_resize(*axes: int) -> Graph:
    return _graph(
        "resize", DType.FLOAT32, (1, 1, 8, 6), None, None, np.asarray([5, 5]), axes=axes,
        keep_aspect_ratio_policy="not_larger",
    )  # fmt: skip


def _dropout(training: bool) -> Graph:
    return _graph("dropout", DType.FLOAT32, (4, 4), np.float32(0.5), np.bool_(training), seed=3)


CASES: dict[str, tuple[Callable[[], Graph], bool]] = {
    "corners, 4 to 3.2": (lambda: _resize(0.8, "align_corners"), True),
    "corners, 4 to 6": (lambda: _resize(1.5, "align_corners"), False),
    "half pixel, 4 to 3.2": (lambda: _resize(0.8, "half_pixel"), False),
    "ratio kept along the last axes": (lambda: _fitting_resize(-2, -1), True),
    "ratio kept along axes 2 and 3": (lambda: _fitting_resize(2, 3), False),
    "float32 transform": (lambda: _graph("dft", DType.FLOAT32, (1, 10, 1), None, np.int64(1)), True),
    "float64 transform": (lambda: _graph("dft", DType.FLOAT64, (1, 10, 1), None, np.int64(1)), False),
    "frames": (lambda: _graph("stft", DType.FLOAT32, (1, 20, 1), np.int64(5), None, np.int64(10)), True),
    "dropout": (lambda: _dropout(training=True), True),
    "dropout that does nothing": (lambda: _dropout(training=False), False),
    "positions in a scalar": (lambda: _graph("non_zero", DType.FLOAT32, ()), True),
    "positions in a list": (lambda: _graph("non_zero", DType.FLOAT32, (3,)), False),
    "random": (lambda: _graph("random_normal_like", DType.FLOAT32, (4, 4), seed=2.0), True),
}


@pytest.mark.parametrize("name", CASES)
def test_departures_run_in_numpy_and_the_rest_in_onnx_runtime(name: str) -> None:
    make, departs = CASES[name]
    graph = make()
    program = compile_graph(graph)
    assert bool(program.fallbacks) == departs
    type = graph.inputs[0].type
    assert isinstance(type, TensorType)
    contents = random(0, *type.static_shape).astype(type.dtype.numpy)
    (found,), (expected,) = program.run([contents]), evaluate_graph(graph, [contents])
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-5, atol=1e-6)


def _half_of(kind: str) -> Graph:
    """A branch that makes two rows and columns of four: by scaling 4 to 2.8, or the first ones."""
    branch = GraphBuilder(kind)
    x = branch.input("x", tensor(DType.FLOAT32, 4, 4))
    if kind == "resize":
        scales = branch.constant(np.asarray([0.7, 0.7], np.float32))
        resize = Resize(mode="linear", coordinate_transformation_mode="align_corners")
        return branch.finish(branch.add(resize, [x, None, scales]))
    return branch.finish(branch.add(Slice(), [x, branch.ints([0, 0]), branch.ints([2, 2])]))


def test_departures_inside_nested_graphs_are_found() -> None:
    builder = GraphBuilder("branches")
    operands = [builder.input("condition", tensor(DType.BOOL)), builder.input("x", tensor(DType.FLOAT32, 4, 4))]
    results = builder.add(If(captured=1), operands, bodies=(_half_of("resize"), _half_of("slice")))
    graph = builder.finish(results)
    program = compile_graph(graph)
    assert [refused.op for refused in program.fallbacks] == ["if"]
    inputs = [np.asarray(True), random(0, 4, 4)]
    np.testing.assert_allclose(np.asarray(program.run(inputs)[0]), np.asarray(evaluate_graph(graph, inputs)[0]))
