"""Which operator functions a device's own processors run, found by asking its driver about examples of the operator."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from halo_py.ir.builder import GraphBuilder
from halo_py.ir.op import REGISTRY
from halo_py.types import DType, TensorType
from odla.api.table import functions
from odla.handles import device

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph, Value
    from halo_py.ir.op import Op, Sample

_EXAMPLES = 4
"""Examples of an operator that a device is asked about."""

_OTHERWISE_NAMED = {
    "odla_NMS": "NonMaxSuppression",
    "odla_ROIAlign": "RoiAlign",
    "odla_ROIMaxPool": "MaxRoiPool",
    "odla_TFIDFVectorize": "TfIdfVectorizer",
    "odla_Quantize": "QuantizeLinear",
    "odla_Dequantize": "DequantizeLinear",
    "odla_EndLoop": "Loop",
    "odla_EndIf": "If",
}
"""Functions that are not called as in ONNX but for the prefix, and whose operator does not name them."""


def operator_functions() -> frozenset[str]:
    """The functions that add operators."""
    return frozenset(each.name for each in functions() if each.result in ("odla_value", "odla_values"))


def reason(function_name: str, device_name: str) -> str:
    """Why a device's own processors do not run what a function adds; empty if they do.

    Raises TargetError for an unknown device.
    """
    chosen = device(device_name)
    cls = _operator_of(function_name)
    found: list[str] = []
    for graph in () if cls is None else islice(_examples(cls), _EXAMPLES):
        refused = chosen.supports(graph)
        if not refused:
            return ""
        found += [each.reason for each in refused]
    return f"on the host: {'; '.join(dict.fromkeys(found))}" if found else ""


def _operator_of(function_name: str) -> type[Op] | None:
    """The op that a function adds; None if it is composed of several."""
    for cls in REGISTRY.by_name.values():
        if cls.declaration.odla == function_name:
            return cls
    name = _OTHERWISE_NAMED.get(function_name, function_name.removeprefix("odla_"))
    return REGISTRY.by_onnx.get(("", name))


def _examples(cls: type[Op]) -> Iterator[Graph]:
    """Graphs of one application of an op to tensors."""
    for sample in cls.samples():
        if all(contents is None or isinstance(contents, np.ndarray) for contents in sample.inputs):
            yield _graph(sample)


def _graph(sample: Sample) -> Graph:
    builder = GraphBuilder("example")
    operands: list[Value | None] = []
    for number, contents in enumerate(sample.inputs):
        if not isinstance(contents, np.ndarray):
            operands.append(None)
        elif number in sample.constant:
            operands.append(builder.constant(contents, f"operand{number}"))
        else:
            type = TensorType(DType.from_numpy(contents.dtype), contents.shape)
            operands.append(builder.input(f"operand{number}", type))
    results = builder.add(sample.op, operands, outputs=sample.outputs, name="example", bodies=sample.bodies)
    return builder.finish(results, [f"result{number}" for number in range(len(results))])
