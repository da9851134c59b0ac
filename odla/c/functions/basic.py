"""ODLA/ops/odla_ops_basic.h: arguments, constants, variables and eager values."""

from __future__ import annotations

from typing import Any

from halo_py.errors import UsageError
from halo_py.ops.reshaping import Identity
from halo_py.types import TensorType
from odla.c import eager, state
from odla.c.decode import ValueType
from odla.c.dispatch import implements
from odla.c.functions.value import find_value
from odla.c.values import Role, Value, read_array, static_shape


@implements("odla_CreateArgument")
def create_argument(value_type: ValueType, value_id: str | None) -> Value:
    """The next argument of the current computation; without one, an eager value."""
    computation = state.computation()
    if computation is None:
        return create_value(value_type, value_id)
    return computation.argument(value_type.type, value_id, value_type.element)


@implements("odla_CreateValue")
def create_value(value_type: ValueType, value_id: str | None) -> Value:
    """An eager value without contents."""
    return eager.remember(Value(value_type.type, value_id, Role.EAGER, element=value_type.element))


@implements("odla_CreateConstant")
def create_constant(value_type: ValueType, data: Any, value_id: str | None) -> Value:
    """A constant; the contents are copied. Without a computation, an eager value."""
    dims = value_type.type.shape
    if dims is not None and any(not isinstance(dim, int) for dim in dims):
        raise UsageError(f"the shape of a constant must be known, found {value_type.type}")
    static_shape(value_type.type, "a constant")
    contents = read_array(data, value_type.type, "the constant" if value_id is None else f"constant {value_id!r}")
    computation, scope = state.computation(), state.scope()
    if computation is not None:
        return computation.constant(contents, value_type.type, value_id, value_type.element)
    if scope is not None:
        return scope.value(scope.builder.constant(contents, value_id or "constant"), value_id, Role.CONSTANT)
    made = Value(value_type.type, value_id, Role.EAGER, array=contents, element=value_type.element)
    return eager.remember(made)


@implements("odla_CloneValue")
def clone_value(source: Value, value_id: str | None) -> Value:
    """A copy: of an eager value its contents, of a computation's value another one that is equal to it."""
    if source.node is None or source.scope is None:
        contents = None if source.array is None else source.array.copy()
        made = Value(source.type, value_id, Role.EAGER, array=contents, element=source.element)
        return eager.remember(made)
    scope = state.scope()
    if scope is None:
        raise UsageError(f"the computation of {source.label} is not current")
    (node,) = scope.builder.add(Identity(), (scope.local(source),), name=value_id or "clone")
    made = scope.value(node, value_id)
    made.element = source.element
    if scope.computation is not None:
        scope.computation.changed()
        scope.computation.remember(made)
    return made


@implements("odla_CloneValueById")
def clone_value_by_id(source_id: str | None, value_id: str | None) -> Value:
    """The same by id."""
    return clone_value(find_value(source_id), value_id)


@implements("odla_CreateVariable")
def create_variable(value_type: ValueType, value_id: str | None) -> Value:
    """A variable: zeros until data is set; what odla_Assign gives it is kept from run to run."""
    computation = state.computation()
    if computation is not None:
        return computation.variable(value_type.type, value_id, value_type.element)
    made = create_value(value_type, value_id)
    shape = static_shape(TensorType(value_type.type.dtype, value_type.type.shape), "a variable")
    made.array = eager.zeros(shape, value_type.type.dtype)
    return made
