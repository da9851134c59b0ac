"""ONNX Runtime sessions for graphs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_backends.cpu.runtime import InferenceSession, RefusedError, open_model, ort_value
from halo_py.byte_products import with_exact_byte_products
from halo_py.errors import NOWHERE, SimulationError
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.op import REGISTRY
from halo_py.onnx_export import export
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.op import RuntimeValue

    Array = NDArray[np.generic]

_INLINE_BYTES = 1024
"""Larger constants are handed to ONNX Runtime in place instead of being copied into the model's protobuf."""


_FAILED_NODE = re.compile(r"node\. Name:'([^']*)'")
"""How ONNX Runtime names the node that failed while it ran."""


class NodeFailedError(SimulationError):
    """ONNX Runtime failed while it ran; `node` is the node at which it did, if it said so."""

    def __init__(self, message: str, node: Node | None) -> None:
        super().__init__(message, NOWHERE if node is None else node.where)
        self.node = node


def _carrier(type: object) -> DType | None:
    """The type in which elements cross between NumPy and ONNX Runtime, where NumPy lacks the type itself."""
    if not isinstance(type, TensorType) or type.dtype.numpy.isbuiltin == 1 or type.dtype is DType.STRING:
        return None
    if type.dtype.is_float:
        return DType.FLOAT32
    return DType.INT8 if type.dtype.is_signed else DType.UINT8


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """A graph that ONNX Runtime runs."""

    session: InferenceSession
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    carried_in: Mapping[int, DType]
    """Position -> the type an input is converted to (exactly) before it goes in."""
    carried_out: Mapping[int, DType]
    kept: tuple[object, ...]
    """Memory that the session uses in place."""
    nodes: Mapping[str, Node]
    """The graph's nodes by their names in the session."""

    def run(self, inputs: Sequence[RuntimeValue]) -> Sequence[RuntimeValue]:
        """Outputs for these inputs, both in order."""
        if self.carried_in:
            inputs = [
                cast("Array", value).astype(self.carried_in[index].numpy) if index in self.carried_in else value
                for index, value in enumerate(inputs)
            ]
        try:
            results = self.session.run(self.outputs, dict(zip(self.inputs, inputs, strict=True)))
        except Exception as error:
            raise self._failure(error) from error
        if self.carried_out:
            return [
                cast("Array", value).astype(self.carried_out[index].numpy) if index in self.carried_out else value
                for index, value in enumerate(results)
            ]
        return results

    def _failure(self, error: Exception) -> NodeFailedError:
        named = _FAILED_NODE.search(str(error))
        node = self.nodes.get(named.group(1)) if named else None
        return NodeFailedError(f"ONNX Runtime: {error}", node)


def open_session(graph: Graph, threads: int | None = None, optimise: bool = True) -> Session:
    """A session for the graph. Raises RefusedError if ONNX Runtime does not take it."""
    carried = _with_carriers(graph)
    exported = export(carried.graph, inline_bytes=_INLINE_BYTES, inline_packed=True)
    with_exact_byte_products(exported.model)
    arrays = {name: _usable(contents) for name, contents in exported.weights.items()}
    values = {name: ort_value(array, DType.from_numpy(array.dtype)) for name, array in arrays.items()}
    session = open_model(exported.model.SerializeToString(), values, threads, optimise)
    proto = exported.model.graph
    inputs = tuple(entry.name for entry in proto.input)
    outputs = tuple(entry.name for entry in proto.output)
    kept = (*arrays.values(), *values.values())
    return Session(session, inputs, outputs, carried.inputs, carried.outputs, kept, exported.nodes)


def _usable(contents: Array) -> Array:
    """The contents, aligned and contiguous; copied only if they are not (tensors mapped from a model file)."""
    return np.require(contents, requirements=["ALIGNED", "C_CONTIGUOUS"])


@dataclass(frozen=True, slots=True)
class _Carried:
    """A graph whose inputs and outputs are of types that NumPy has; which ones stand for what type."""

    graph: Graph
    inputs: dict[int, DType]
    outputs: dict[int, DType]


def _with_carriers(graph: Graph) -> _Carried:
    """The graph with casts at inputs and outputs of types that NumPy lacks."""
    carried_in = {index: found for index, value in enumerate(graph.inputs) if (found := _carrier(value.type))}
    carried_out = {index: found for index, value in enumerate(graph.outputs) if (found := _carrier(value.type))}
    if not carried_in and not carried_out:
        return _Carried(graph, {}, {})
    inputs, outputs = list(graph.inputs), list(graph.outputs)
    first: list[Node] = []
    last: list[Node] = []
    for index, dtype in carried_in.items():
        inside = inputs[index]
        inputs[index] = _retyped(inside, dtype)
        first.append(_cast_node(inputs[index], inside))
    original: dict[int, DType] = {}
    for index, dtype in carried_out.items():
        inside = outputs[index]
        original[index] = cast("TensorType", inside.type).dtype
        outputs[index] = _retyped(inside, dtype)
        last.append(_cast_node(inside, outputs[index]))
    nodes = (*first, *graph.nodes, *last)
    carried = replace(graph, inputs=tuple(inputs), outputs=tuple(outputs), nodes=nodes)
    return _Carried(carried, carried_in, original)


def _cast_node(source: Value, result: Value) -> Node:
    cls: type[Any] = REGISTRY.by_name["cast"]
    return Node(cls(to=cast("TensorType", result.type).dtype), (source,), (result,), f"{result.name}.cast")


def _retyped(value: Value, dtype: DType) -> Value:
    found = cast("TensorType", value.type)
    return Value(f"{value.name}.carried", TensorType(dtype, found.shape))


def refusal(node: Node, constants: Mapping[Value, Array]) -> str | None:
    """Why ONNX Runtime refuses this node alone; None if it takes it."""
    used = {value: constants[value] for value in node.inputs if value is not None and value in constants}
    inputs = tuple(dict.fromkeys(value for value in node.inputs if value is not None and value not in used))
    graph = Graph("probe", inputs, node.outputs[:1], (node,), used)
    try:
        open_session(graph, threads=1, optimise=False)
    except RefusedError as error:
        return str(error)
    return None
