"""Subgraphs to graph nodes: each operator through its mapping, quantised operands as the mapping wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow_ops.complex_numbers import Complex, pair_of
from halo_frontends.tflite.model import OperatorInfo, Subgraph, TensorInfo, TfliteModel
from halo_frontends.tflite.operation import APART, MAPPINGS, Operand, Operation
from halo_frontends.tflite.quantised import dequantised, is_quantised, quantised
from halo_py.errors import ModelError, UnsupportedError, Where
from halo_py.ir.graph import Value
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_STATE_BYTES = 1 << 26

ON_VARIABLES = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"})
"""Operators on variables, which are names here; what a name stands for changes from operator to operator."""

_Variables: TypeAlias = dict[str, Value | Complex]


class SubgraphImporter:
    """Imports one subgraph into a graph under construction."""

    def __init__(self, model: TfliteModel, subgraph: Subgraph, nest: Nest, variables: _Variables | None = None) -> None:
        """`variables` is what those of the file stand for; None inside of branches and loops, which may have none."""
        self._model = model
        self._subgraph = subgraph
        self._nest = nest
        self._variables = variables
        self._handles: dict[int, str] = {}
        self._values: dict[int, Value | Complex] = {}

    def run(self, inputs: Sequence[Value]) -> list[Value]:
        """The values of the subgraph's outputs for these inputs. Raises ModelError, UnsupportedError."""
        given = dict(zip(self._subgraph.inputs, inputs, strict=True))
        return self.run_between(given, self._subgraph.operators, self._subgraph.outputs)

    def run_between(
        self, given: Mapping[int, Value], operators: Sequence[OperatorInfo], outputs: Sequence[int]
    ) -> list[Value]:
        """The values of these tensors, given those of others and the operators between them."""
        self._values.update(given)
        for info in operators:
            self._operator(info, given)
        return [self._result(number) for number in outputs]

    def _result(self, number: int) -> Value:
        found = self._read(number, self._model.place)
        if isinstance(found, Complex):
            name = self._subgraph.tensors[number].name
            hint = "end the model behind its real and imaginary parts: --outputs"
            raise UnsupportedError(f"the result {name!r} is complex, which is not supported", self._model.place, hint)
        return found

    def _read(self, number: int, where: Where) -> Value | Complex:
        """The value of a tensor; a constant is read when it is first used."""
        found = self._values.get(number)
        if found is None:
            found = self._constant(number, self._subgraph.tensors[number], where)
            self._values[number] = found
        return found

    def _constant(self, number: int, tensor: TensorInfo, where: Where) -> Value:
        """A tensor that no operator makes: of the file, or a state, which is zero when a run begins."""
        builder = self._nest.builder
        if tensor.is_variable and tensor.dtype is not None and not self._model.is_constant(tensor):
            if min(tensor.dims, default=0) < 0 or tensor.dtype.bytes_for(prod(tensor.dims)) > _MOST_STATE_BYTES:
                raise ModelError(f"the state {tensor.name!r} has the shape {list(tensor.dims)}", where)
            return builder.constant(_start(tensor, tensor.dtype), tensor.name, tensor.dtype)
        if not self._model.is_constant(tensor):
            raise ModelError(f"reads the tensor {tensor.name!r}, which nothing makes", where)
        if self._nest.outer is None:
            return builder.constant(self._model.read(tensor), tensor.name, tensor.dtype)
        dtype = tensor.dtype or DType.FLOAT32
        key = f"{tensor.name}.{self._subgraph.name}.{number}"
        return self._nest.constant(key, lambda: (self._model.read(tensor), dtype))

    def _operator(self, info: OperatorInfo, given: Mapping[int, Value]) -> None:
        tensors = self._subgraph.tensors
        results = [tensors[number] for number in info.outputs]
        name = results[0].name if results else info.name
        made: Sequence[Value | Complex | str]
        emit = Emitter(self._nest.builder, Where(str(self._model.path), name, info.name), name)
        if info.name in ON_VARIABLES:
            made = self._on_variable(info, emit.where)
        else:
            inputs = tuple(None if number < 0 else self._read(number, emit.where) for number in info.inputs)
            read = tuple(None if number < 0 else tensors[number] for number in info.inputs)
            made = apply_mapping(Operation(info, inputs, read, tuple(results), emit, self._model, self._nest))
        if len(made) < len(info.outputs):
            raise ModelError(f"has {len(info.outputs)} results, its operator makes {len(made)}", emit.where)
        for number, value in zip(info.outputs, made, strict=False):
            if isinstance(value, str):
                self._handles[number] = value
                continue
            if number in given:  # the user cuts the graph here
                continue
            if number in self._values:
                raise ModelError(f"the tensor {tensors[number].name!r} is made twice", emit.where)
            self._values[number] = value

    def _on_variable(self, info: OperatorInfo, where: Where) -> tuple[Value | Complex | str, ...]:
        """The name of a variable, or what it stands for; setting one makes nothing."""
        if self._variables is None:
            raise UnsupportedError("variables inside of branches and loops are not supported", where)
        match info.name:
            case "VAR_HANDLE":
                return ("/".join(info.options.text(part) for part in ("container", "shared_name")),)
            case "CALL_ONCE":
                graph = self._model.subgraphs[info.options.integer("init_subgraph")]
                SubgraphImporter(self._model, graph, self._nest, self._variables).run([])
                return ()
            case _:
                name = self._handles.get(info.inputs[0]) if info.inputs else None
        if name is None:
            raise ModelError("does not say which variable it means", where)
        if info.name == "ASSIGN_VARIABLE" and len(info.inputs) == 2:
            self._variables[name] = self._read(info.inputs[1], where)
            return ()
        if name not in self._variables:
            raise ModelError(f"reads the variable {name!r} before it is set", where)
        return (self._variables[name],)


def _start(tensor: TensorInfo, dtype: DType) -> NDArray[np.generic]:
    """The contents of a state when a run begins: what stands for zero."""
    zero = 0 if tensor.quantization is None else int(tensor.quantization.zero_points[0])
    return np.full(tensor.dims, zero, dtype.numpy)


def apply_mapping(op: Operation) -> tuple[Value | Complex, ...]:
    """What an operator becomes, as its file stores it. Raises UnsupportedError, ModelError."""
    mapping = MAPPINGS.get(op.info.name)
    if mapping is None:
        raise UnsupportedError(f"{op.info.name} is not supported", op.emit.where)
    if op.info.name in APART and any(isinstance(value, Complex) for value in op.inputs):
        return _apart(op)
    by_numbers = mapping.integers == "numbers"
    made = mapping.function(_by_numbers(op) if by_numbers else op)
    results = (made,) if isinstance(made, Value | Complex) else tuple(made)
    if not by_numbers:
        return results
    return tuple(_as_stored(value, tensor, op) for value, tensor in zip(results, op.output_tensors, strict=False))


def _apart(op: Operation) -> tuple[Complex, ...]:
    """An operator that does the same to the real and to the imaginary parts."""
    made: list[list[Value]] = []
    for real in (True, False):
        inputs = tuple(_part(value, real, op.emit) for value in op.inputs)
        results = apply_mapping(replace(op, inputs=inputs))
        made.append([value for value in results if isinstance(value, Value)])
    return tuple(Complex(*both) for both in zip(*made, strict=True))


def _part(value: Operand, real: bool, emit: Emitter) -> Value | None:
    """One part of a complex operand; any other as it is."""
    if isinstance(value, Complex) or (value is not None and emit.dtype(value).is_complex):
        pair = pair_of(value, emit)
        return pair.real if real else pair.imaginary
    return value


def _by_numbers(op: Operation) -> Operation:
    """The operation on the numbers that its quantised operands stand for."""
    inputs: list[Operand] = []
    for value, tensor in zip(op.inputs, op.input_tensors, strict=True):
        if isinstance(value, Value) and tensor is not None and is_quantised(tensor):
            value = dequantised(value, tensor, op.emit)
        inputs.append(value)
    return replace(op, inputs=tuple(inputs))


def _as_stored(value: Value | Complex, tensor: TensorInfo, op: Operation) -> Value | Complex:
    return quantised(value, tensor, op.emit) if isinstance(value, Value) and is_quantised(tensor) else value
