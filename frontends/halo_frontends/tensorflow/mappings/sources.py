"""Where values come from: constants, variables, calls of functions; and operators that only pass their operands on."""

from __future__ import annotations

import numpy as np

from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow.things import Opaque, Thing, Variable, as_value
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType


@maps("Const", "HostConst")
def _const(op: Operation) -> Value:
    contents, dtype = op.frame.model.tensors.read(op.attributes.tensor("value"), op.emit.where)
    return op.emit.builder.constant(contents, op.emit.name, dtype)


@maps("Placeholder", "PlaceholderV2")
def _placeholder(op: Operation) -> Value:
    """Inputs of the model are given their results before; this one is none."""
    raise ModelError("depends on a placeholder that is no input", op.emit.where, "name it with --inputs")


@maps("PlaceholderWithDefault")
def _with_default(op: Operation) -> Thing:
    return op.thing(0)


@maps("Identity", "StopGradient", "PreventGradient", "CheckNumerics", "Snapshot", "EnsureShape", "LoopCond")
def _passed_on(op: Operation) -> Thing:
    return op.thing(0)


@maps("IdentityN")
def _identity_n(op: Operation) -> tuple[Thing, ...]:
    return op.inputs


@maps("NoOp", "Assert", "ControlTrigger")
def _nothing(_op: Operation) -> tuple[Thing, ...]:
    return ()


@maps("VarHandleOp", "VariableV2", "Variable")
def _variable(op: Operation) -> Thing:
    variable = Variable(op.node.name, op.frame.model.variable_keys.get(op.node.name))
    by_reference = op.node.op != "VarHandleOp"
    return op.frame.read_variable(variable, op.emit.where) if by_reference else variable


@maps("ReadVariableOp")
def _read_variable(op: Operation) -> Value:
    return op.frame.read_variable(op.variable(0), op.emit.where)


@maps("ResourceGather")
def _resource_gather(op: Operation) -> Value:
    if op.attributes.integer("batch_dims"):
        raise UnsupportedError("gathers variables in batches", op.emit.where)
    return op.emit.direct("Gather", op.frame.read_variable(op.variable(0), op.emit.where), op.value(1), axis=0)


@maps("VariableShape")
def _variable_shape(op: Operation) -> Value:
    contents = op.frame.read_variable(op.variable(0), op.emit.where)
    dtype = op.attributes.dtype("out_type", DType.INT32)
    return op.emit.constant(np.asarray(op.emit.static_shape(contents), dtype.numpy), "shape")


@maps("PartitionedCall", "StatefulPartitionedCall", "TPUPartitionedCall")
def _call(op: Operation) -> list[Thing]:
    return op.frame.call(op.attributes.function("f"), op.inputs, op.node)


@maps("HashTable", "HashTableV2", "MutableHashTableV2", "LookupTable", "IteratorV2", "QueueV2")
def _handle(op: Operation) -> Opaque:
    return Opaque(op.node.op)


@maps("Shape")
def _shape(op: Operation) -> Value:
    x = as_value(op.thing(0), "operand 0", op.emit.where)
    return op.emit.cast(op.emit.op("Shape", x), op.attributes.dtype("out_type", DType.INT32))


@maps("ShapeN")
def _shapes(op: Operation) -> tuple[Value, ...]:
    dtype = op.attributes.dtype("out_type", DType.INT32)
    return tuple(op.emit.cast(op.emit.op("Shape", value), dtype) for value in op.values())


@maps("Size")
def _size(op: Operation) -> Value:
    return op.emit.cast(op.emit.op("Size", op.value(0)), op.attributes.dtype("out_type", DType.INT32))


@maps("Rank")
def _rank(op: Operation) -> Value:
    return op.emit.constant(np.asarray(op.emit.rank(op.value(0)), np.int32), "rank")
