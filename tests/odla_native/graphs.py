"""Small graphs to run on libraries, and what they give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.evaluate import evaluate_graph
from halo_py.types import DType, TensorType
from odla.computation import Computation

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph
    from odla.handles import Result

X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def perceptron() -> Graph:
    """A product, a bias, a ReLU, and a softmax: nodes `product`, `bias`, `relu` and `probabilities`."""
    made = Computation("perceptron")
    x = made.argument("x", TensorType(DType.FLOAT32, X.shape))
    weights = made.constant(np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5), "weights")
    product = made.add("gemm", x, weights, name="product")
    bias = made.add("add", product, made.constant(np.arange(5, dtype=np.float32), "offsets"), name="bias")
    relu = made.add("relu", bias, name="relu")
    made.output(made.add("softmax", relu, axis=1, name="probabilities"), "y")
    return made.graph()


def alternating() -> Graph:
    """Two additions with an `erf` between them, which the example library lacks."""
    made = Computation("alternating")
    x = made.argument("x", TensorType(DType.FLOAT32, X.shape))
    c = made.constant(X * 2, "c")
    first = made.add("add", x, c, name="first")
    last = made.add("add", made.add("erf", first, name="erf"), c, name="last")
    made.output(last, "y")
    return made.graph()


def counted() -> Graph:
    """Floats beside booleans and integers."""
    made = Computation("counted")
    x = made.argument("x", TensorType(DType.FLOAT32, X.shape))
    above = made.add("greater", x, made.constant(np.zeros_like(X), "zero"), name="above")
    number = made.add("cast", above, to=DType.INT64, name="number")
    made.output(made.add("add", number, number, name="twice"), "twice")
    made.output(made.add("relu", x, name="relu"), "y")
    return made.graph()


def run(graph: Graph, path: Path, **options: Any) -> Result:
    """One run on a library, checked against the reference meaning of the ops."""
    import odla

    result = odla.execute(graph, [X], device=f"odla:{path}", **options)
    for found, expected in zip(result.in_order(), evaluate_graph(graph, [X]), strict=True):
        a: NDArray[Any] = np.asarray(found)
        np.testing.assert_allclose(a, np.asarray(expected), rtol=1e-5, atol=1e-6)
        assert a.dtype == np.asarray(expected).dtype
    return result
