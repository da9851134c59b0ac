"""The op samples as trials: every sample of every op that can be written as ODLA calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_backends.native.calls import calls_of, written
from halo_backends.native.conformance.trial import Trial
from halo_py.errors import HaloError
from halo_py.evaluate import evaluate_graph
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.op import REGISTRY
from halo_py.ops import load_ops
from halo_py.types import DType, TensorType
from odla.calls.emit import Emit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph, Value
    from halo_py.ir.op import Sample

    Array = NDArray[Any]

_NOT_COMPARABLE = ("random",)
"""Families whose values are any that follow a distribution."""


def operator_trials() -> Iterator[Trial]:
    """All of them, by op."""
    load_ops()
    for kind, op in sorted(REGISTRY.by_name.items()):
        if op.declaration.family in _NOT_COMPARABLE:
            continue
        for number, sample in enumerate(op.samples()):
            trial = _trial(op.declaration.onnx or kind, f"{kind}-{number}", sample)
            if trial is not None:
                yield trial


def _trial(subject: str, name: str, sample: Sample) -> Trial | None:
    """A sample as a trial; None if it has no form as calls."""
    if not all(value is None or isinstance(value, np.ndarray) for value in sample.inputs):
        return None
    operands: list[Array | None] = [None if value is None else np.asarray(value) for value in sample.inputs]
    try:
        graph, inputs = _graph(name, sample, operands)
    except HaloError:
        return None
    (node,) = graph.nodes
    if isinstance(written(node, Emit(dict(graph.constants))), str):
        return None
    expected = tuple(np.asarray(value) for value in evaluate_graph(graph, inputs))
    return Trial(subject, name, calls_of(graph), inputs, expected, sample.tolerance)


def _graph(name: str, sample: Sample, operands: list[Array | None]) -> tuple[Graph, tuple[Array, ...]]:
    """A graph of one node: the sample's constant operands are constants, the others inputs."""
    builder = GraphBuilder(name)
    values: list[Value | None] = []
    inputs: list[Array] = []
    for index, array in enumerate(operands):
        if array is None:
            values.append(None)
        elif index in sample.constant:
            values.append(builder.constant(array, f"c{index}"))
        else:
            values.append(builder.input(f"x{index}", TensorType(DType.from_numpy(array.dtype), array.shape)))
            inputs.append(array)
    outputs = builder.add(sample.op, values, outputs=sample.outputs, bodies=sample.bodies, name="node")
    return builder.finish(outputs), tuple(inputs)
