"""Subgraphs to graph nodes: each operator through its mapping, quantised operands as the mapping wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from halo_frontends.emitter import Emitter
from halo_frontends.tflite.model import OperatorInfo, Subgraph, TensorInfo, TfliteModel
from halo_frontends.tflite.operation import MAPPINGS, Operation
from halo_frontends.tflite.quantised import dequantised, is_quantised, quantised
from halo_py.errors import ModelError, UnsupportedError, Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value


class SubgraphImporter:
    """Imports one subgraph into a graph under construction."""

    def __init__(self, model: TfliteModel, subgraph: Subgraph, builder: GraphBuilder) -> None:
        self._model = model
        self._subgraph = subgraph
        self._builder = builder
        self._values: dict[int, Value] = {}

    def run(self, inputs: Sequence[Value]) -> list[Value]:
        """The values of the subgraph's outputs for these inputs. Raises ModelError, UnsupportedError."""
        self._values.update(zip(self._subgraph.inputs, inputs, strict=True))
        for info in self._subgraph.operators:
            self._operator(info)
        return [self._read(number, self._model.place) for number in self._subgraph.outputs]

    def _read(self, number: int, where: Where) -> Value:
        """The value of a tensor; a constant is read when it is first used."""
        found = self._values.get(number)
        if found is None:
            tensor = self._subgraph.tensors[number]
            if not self._model.is_constant(tensor):
                raise ModelError(f"reads the tensor {tensor.name!r}, which nothing makes", where)
            found = self._builder.constant(self._model.read(tensor), tensor.name, tensor.dtype)
            self._values[number] = found
        return found

    def _operator(self, info: OperatorInfo) -> None:
        tensors = self._subgraph.tensors
        results = [tensors[number] for number in info.outputs]
        name = results[0].name if results else info.name
        emit = Emitter(self._builder, Where(str(self._model.path), name, info.name), name)
        inputs = tuple(None if number < 0 else self._read(number, emit.where) for number in info.inputs)
        read = tuple(None if number < 0 else tensors[number] for number in info.inputs)
        made = apply_mapping(Operation(info, inputs, read, tuple(results), emit))
        if len(made) < len(info.outputs):
            raise ModelError(f"has {len(info.outputs)} results, its operator makes {len(made)}", emit.where)
        for number, value in zip(info.outputs, made, strict=False):
            if number in self._values:
                raise ModelError(f"the tensor {tensors[number].name!r} is made twice", emit.where)
            self._values[number] = value


def apply_mapping(op: Operation) -> tuple[Value, ...]:
    """What an operator becomes, as its file stores it. Raises UnsupportedError, ModelError."""
    mapping = MAPPINGS.get(op.info.name)
    if mapping is None:
        raise UnsupportedError(f"{op.info.name} is not supported", op.emit.where)
    by_numbers = mapping.integers == "numbers"
    made = mapping.function(_by_numbers(op) if by_numbers else op)
    results = (made,) if isinstance(made, Value) else tuple(made)
    if not by_numbers:
        return results
    return tuple(_as_stored(value, tensor, op) for value, tensor in zip(results, op.output_tensors, strict=False))


def _by_numbers(op: Operation) -> Operation:
    """The operation on the numbers that its quantised operands stand for."""
    inputs: list[Value | None] = []
    for value, tensor in zip(op.inputs, op.input_tensors, strict=True):
        if value is not None and tensor is not None and is_quantised(tensor):
            value = dequantised(value, tensor, op.emit)
        inputs.append(value)
    return replace(op, inputs=tuple(inputs))


def _as_stored(value: Value, tensor: TensorInfo, op: Operation) -> Value:
    return quantised(value, tensor, op.emit) if is_quantised(tensor) else value
