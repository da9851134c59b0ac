"""A graph as an ONNX model: for the CPU engine, and for users who want to take a graph elsewhere.

Ops are ONNX's own, so most nodes go over one to one. What HALO added is spelled out again: fused maps and epilogues
become element-wise nodes, operands that stand for captured values become references to the outer graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from onnx import ModelProto

from halo_py.errors import ModelError, OutputError, UnsupportedError, Where
from halo_py.ir.graph import Graph, Node
from halo_py.onnx_export.graphs import FUSED, GraphExporter
from halo_py.onnx_export.programs import has_onnx_form
from halo_py.onnx_export.protos import packed_bytes, place_outside
from halo_py.ops.scalar import ScalarProgram

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

__all__ = ["NEWEST_OPSET", "ExportedModel", "export", "save_onnx", "to_onnx", "unexportable", "why_not"]

NEWEST_OPSET = 26
"""The newest operator set that is not under development in the oldest `onnx` and ONNX Runtime that HALO supports."""

_IR_VERSION = 10
_LARGEST_MESSAGE_BYTES = 1 << 31
"""Protobuf cannot hold more in one message."""


@dataclass(slots=True)
class ExportedModel:
    """An ONNX model and the large constants that were left out of it, by the names of their initialisers."""

    model: ModelProto
    weights: dict[str, Array]
    nodes: dict[str, Node]
    """The graph's nodes by the names they have in the model (spelled-out programs left out)."""


def to_onnx(graph: Graph, opset: int = NEWEST_OPSET) -> ModelProto:
    """The graph as one ONNX model, weights included. Raises UnsupportedError, ModelError (over 2 GB)."""
    if graph.constant_bytes() >= _LARGEST_MESSAGE_BYTES:
        raise ModelError("the model has more than 2 GB of weights", hint="save it with external data (save_onnx)")
    return export(graph, opset).model


def export(
    graph: Graph, opset: int = NEWEST_OPSET, inline_bytes: int | None = None, *, inline_packed: bool = False
) -> ExportedModel:
    """The graph as ONNX; constants of more than `inline_bytes` are left out and returned beside it.

    With `inline_packed` those whose elements share bytes stay inside: their arrays are not what a runtime reads.
    Raises UnsupportedError that lists every node ONNX cannot express.
    """
    refused = unexportable(graph)
    if refused:
        lines = [f"  {node.where}: {reason}" for node, reason in refused]
        raise UnsupportedError("\n".join([f"{len(refused)} nodes cannot be written as ONNX", *lines]))
    exporter = GraphExporter(inline_bytes, inline_packed)
    model = ModelProto(ir_version=_IR_VERSION, producer_name="halo")
    model.graph.CopyFrom(exporter.top(graph))
    model.opset_import.add(domain="", version=opset)
    for domain, version in sorted(exporter.domains.items()):
        model.opset_import.add(domain=domain, version=version)
    return ExportedModel(model, exporter.weights, exporter.nodes)


def save_onnx(graph: Graph, path: Path, opset: int = NEWEST_OPSET) -> None:
    """Write the graph as `path`, with weights in `path`.data if there are more than 2 GB of them.

    Raises OutputError, UnsupportedError.
    """
    large = graph.constant_bytes() >= _LARGEST_MESSAGE_BYTES
    exported = export(graph, opset, 1024 if large else None)
    try:
        if exported.weights:
            _write_weights(exported, path.with_name(path.name + ".data"))
        path.write_bytes(exported.model.SerializeToString())
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", Where(str(path))) from error


def _write_weights(exported: ExportedModel, path: Path) -> None:
    """One file of all weights, each at a multiple of 4096 bytes, named by the initialisers."""
    with path.open("wb") as stream:
        for tensor in exported.model.graph.initializer:
            if tensor.name not in exported.weights:
                continue
            stream.write(b"\0" * (-stream.tell() % 4096))
            offset = stream.tell()
            stream.write(packed_bytes(exported.weights[tensor.name]))
            place_outside(tensor, path.name, offset, stream.tell() - offset)


def unexportable(graph: Graph) -> list[tuple[Node, str]]:
    """The nodes that ONNX cannot express, nested graphs included, each with the reason."""
    found = ((node, why_not(node)) for node in graph.walk())
    return [(node, reason) for node, reason in found if reason is not None]


def why_not(node: Node) -> str | None:
    """Why ONNX cannot express this node (its nested graphs left aside); None if it can."""
    op = node.op
    if op.declaration.onnx is None and op.kind != FUSED:
        return f"{op.kind} is not an ONNX operator"
    for value in op.attributes().values():
        if isinstance(value, ScalarProgram):
            missing = [step.function for step in value.steps if not has_onnx_form(step.function)]
            if missing:
                return f"the scalar function {missing[0]} is not an ONNX operator"
    return None
