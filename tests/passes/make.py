"""Graphs written like arithmetic, for tests: `m.Mul(x, 0.5)`; and golden files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.pattern import onnx_op
from halo_py.ir.rewrite import kind_of
from halo_py.ir.text import TextOptions, print_graph
from halo_py.types import DType, TensorType
from tests.ir.graphs import Case, samples

GOLDEN = Path(__file__).parent.parent / "golden"
LONGEST_GOLDEN = 15

Operand = Value | float | Sequence[int] | NDArray[Any] | None


class Make:
    """A GraphBuilder whose methods are ops by their ONNX names.

    A number is a float32 scalar, a list of numbers an int64 constant, an array a constant.
    """

    def __init__(self) -> None:
        samples()
        self.builder = GraphBuilder("test", "model.onnx")
        self._inputs: list[NDArray[Any]] = []
        self._random = np.random.default_rng(5)

    def input(self, name: str, *shape: int, dtype: DType = DType.FLOAT32, below: int = 5) -> Value:
        """An input with seeded contents: normal numbers, or integers in [0, below)."""
        drawn = self._random.integers(0, below, shape) if dtype.is_integer else self._random.standard_normal(shape)
        self._inputs.append(np.asarray(drawn).astype(dtype.numpy))
        return self.builder.input(name, TensorType(dtype, shape))

    def weights(self, *shape: int) -> NDArray[np.float32]:
        """Seeded normal numbers."""
        return self._random.standard_normal(shape).astype(np.float32)

    def operand(self, value: Operand) -> Value | None:
        """A value of the graph for an operand."""
        if value is None or isinstance(value, Value):
            return value
        if isinstance(value, np.ndarray):
            return self.builder.constant(value, "c")
        if isinstance(value, int | float):
            return self.builder.constant(np.asarray(value, np.float32), "c")
        return self.builder.constant(np.asarray(list(value), np.int64), "c")

    def add(self, kind: str, *operands: Operand, outputs: int = 1, **attributes: Any) -> tuple[Value, ...]:
        """A node with any number of results."""
        inputs = [self.operand(value) for value in operands]
        return self.builder.add(onnx_op(kind, **attributes), inputs, outputs=outputs, name=kind.lower())

    def __getattr__(self, kind: str) -> Callable[..., Value]:
        def apply(*operands: Operand, **attributes: Any) -> Value:
            return self.add(kind, *operands, **attributes)[0]

        return apply

    def case(self, *outputs: Value) -> Case:
        """The graph with these outputs, and contents for its inputs."""
        return Case(self.builder.finish(outputs, [f"y{index}" for index in range(len(outputs))]), list(self._inputs))


def kinds(graph: Graph) -> list[str]:
    """The kinds of a graph's nodes, in order."""
    return [kind_of(node) for node in graph.nodes]


def check_golden(name: str, graph: Graph) -> None:
    """The printed graph equals `tests/golden/NAME.txt` (written anew with HALO_UPDATE_GOLDEN=1)."""
    text = print_graph(graph, TextOptions(places=False))
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("HALO_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_GOLDEN
    assert text == path.read_text(encoding="utf-8")
