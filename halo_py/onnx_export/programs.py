"""Scalar programs spelled out as ONNX's element-wise nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto

from halo_py.ir.op import REGISTRY
from halo_py.onnx_export.protos import attributes, tensor_proto
from halo_py.ops.scalar import ScalarStep
from halo_py.ops.scalar_functions import compute_dtype
from halo_py.types import DType

_SPELLED = {"square", "rsqrt", "constant"}
"""Scalar functions without an ONNX operator of their own that are exported as others."""


def has_onnx_form(function: str) -> bool:
    """Whether a scalar function can be written as ONNX operators."""
    cls = REGISTRY.by_name.get(function)
    return function in _SPELLED or (cls is not None and cls.declaration.onnx is not None)


@dataclass(slots=True)
class Spelling:
    """Element-wise nodes for the steps of a scalar program, with the casts that ONNX's strict typing asks for."""

    fresh: Callable[[str], str]
    """Makes a wanted value name unique."""
    prefix: str
    names: list[str]
    types: list[DType]
    nodes: list[NodeProto] = field(default_factory=list[NodeProto])

    def step(self, step: ScalarStep) -> None:
        """Append one step; its result is the next number."""
        parameters = dict(step.parameters)
        if step.function == "constant":
            contents = np.asarray(parameters["value"], compute_dtype(step.dtype)).astype(step.dtype.numpy)
            attribute = AttributeProto(name="value", type=AttributeProto.TENSOR)
            attribute.t.CopyFrom(tensor_proto("", contents, step.dtype))
            self._result(self._emit("Constant", [], [attribute]), step.dtype)
            return
        dtypes = [self.types[number] for number in step.operands]
        shared = self._shared_type(step, dtypes)
        first = self._same_type_from(step)
        operands = [
            self.names[number] if position < first else self._cast(self.names[number], self.types[number], shared)
            for position, number in enumerate(step.operands)
        ]
        made = self._function(step, operands, parameters)
        natural = step.dtype if step.dtype is DType.BOOL or step.function == "cast" else shared
        self._result(self._cast(made, natural, step.dtype), step.dtype)

    def end(self, output: str) -> None:
        """The last result gets the name of the node's output."""
        self.nodes.append(NodeProto(op_type="Identity", input=[self.names[-1]], output=[output]))

    def _shared_type(self, step: ScalarStep, dtypes: Sequence[DType]) -> DType:
        """The type that all operands which must agree are brought to."""
        agreeing = list(dict.fromkeys(dtypes[self._same_type_from(step) :]))
        if len(agreeing) == 1:
            return agreeing[0]
        return step.dtype if step.dtype is not DType.BOOL else max(agreeing, key=lambda dtype: dtype.bits)

    def _same_type_from(self, step: ScalarStep) -> int:
        return 1 if step.function == "where" else 0

    def _function(self, step: ScalarStep, operands: list[str], parameters: dict[str, Any]) -> str:
        if step.function == "square":
            return self._emit("Mul", [operands[0], operands[0]])
        if step.function == "rsqrt":
            return self._emit("Reciprocal", [self._emit("Sqrt", operands)])
        if step.function == "clip":
            low = operands[1] if parameters.get("has_min", 1) else ""
            high = operands[-1] if parameters.get("has_max", 1) else ""
            return self._emit("Clip", [operands[0], low, high])
        cls = REGISTRY.by_name[step.function]
        known = {entry.name for entry in fields(cls)}
        op = cls(**{name: value for name, value in parameters.items() if name in known})
        return self._emit(cls.declaration.onnx or "", operands, attributes(op))

    def _cast(self, name: str, found: DType, wanted: DType) -> str:
        if found is wanted:
            return name
        return self._emit("Cast", [name], [AttributeProto(name="to", type=AttributeProto.INT, i=wanted.onnx_number)])

    def _emit(self, op: str, inputs: Sequence[str], given: Sequence[AttributeProto] = ()) -> str:
        name = self.fresh(self.prefix)
        self.nodes.append(NodeProto(op_type=op, input=inputs, output=[name], attribute=given))
        return name

    def _result(self, name: str, dtype: DType) -> None:
        self.names.append(name)
        self.types.append(dtype)
