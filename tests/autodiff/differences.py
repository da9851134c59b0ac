"""Graphs of one op in float64, and their gradients by central differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.evaluate import evaluate_graph
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import RuntimeValue
from halo_py.ops.elementwise import Add, Mul
from halo_py.ops.reduction import ReduceSum
from halo_py.types import DType, TensorType
from tests.ops.cases import Case

Numbers = NDArray[Any]

MOST_POINTS = 24
"""Elements of an operand whose differences are taken (chosen at random)."""


@dataclass(frozen=True, eq=False)
class Loss:
    """A graph whose last output is a number: the sum of an op's results, each element with a weight of its own."""

    graph: Graph
    inputs: list[RuntimeValue]
    value: Value
    variables: list[Value]

    def at(self, index: int, contents: Numbers) -> float:
        """The number for other contents of input `index`."""
        given = [contents if number == index else old for number, old in enumerate(self.inputs)]
        found = evaluate_graph(self.graph, given)[-1]
        assert isinstance(found, np.ndarray)
        return float(found.reshape(()))

    def slopes(self, index: int, position: tuple[int, ...], step: float) -> tuple[float, float]:
        """The differences below and above one element of input `index`, per unit."""
        contents = self.inputs[index]
        assert isinstance(contents, np.ndarray)
        values: list[float] = []
        for offset in (-step, 0.0, step):
            moved = contents.copy()
            moved[position] += offset
            values.append(self.at(index, moved))
        return (values[1] - values[0]) / step, (values[2] - values[1]) / step


def is_float(value: RuntimeValue) -> bool:
    """Whether contents are real floating-point numbers."""
    return isinstance(value, np.ndarray) and value.dtype != object and DType.from_numpy(value.dtype).is_float


def loss_of(case: Case) -> Loss | None:
    """The loss of a sample in float64; None if it has no variable of floats, or no result of floats."""
    builder = GraphBuilder(case.name)
    operands: list[Value | None] = []
    inputs: list[RuntimeValue] = []
    variables: list[Value] = []
    for index, (contents, type) in enumerate(zip(case.sample.inputs, case.types(), strict=True)):
        if contents is None or type is None:
            operands.append(None)
            continue
        assert isinstance(contents, np.ndarray)
        wide = contents.astype(np.float64) if is_float(contents) else contents
        if index in case.sample.constant:
            operands.append(builder.constant(wide, f"c{index}"))
            continue
        value = builder.input(f"x{index}", TensorType(DType.from_numpy(wide.dtype), wide.shape))
        operands.append(value)
        inputs.append(wide)
        if is_float(wide):
            variables.append(value)
    results = builder.add(case.sample.op, operands, outputs=case.sample.outputs, name="node")
    floats = [value for value in results if isinstance(value.type, TensorType) and value.type.dtype is DType.FLOAT64]
    if not variables or not floats:
        return None
    value = _weighted(builder, floats)
    return Loss(builder.finish([*results, value]), inputs, value, variables)


def _weighted(builder: GraphBuilder, results: list[Value]) -> Value:
    total: Value | None = None
    for number, value in enumerate(results):
        assert isinstance(value.type, TensorType)
        weights = np.random.default_rng(number).uniform(0.5, 1.5, value.type.static_shape)
        (product,) = builder.add(Mul(), [value, builder.constant(weights, "weights")])
        (one,) = builder.add(ReduceSum(keepdims=0), [product])
        total = one if total is None else builder.add(Add(), [total, one])[0]
    assert total is not None
    return total
