"""ODLA/odla_compute.h, third part: contexts, bindings, and reading results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from halo_py.errors import UsageError
from halo_py.types import TensorType
from odla.c import state
from odla.c.computation import Computation, matched_dims
from odla.c.context import Context
from odla.c.decode import Out, ValueType
from odla.c.device import target_of
from odla.c.dispatch import implements
from odla.c.functions.value import value_contents
from odla.c.handles import living
from odla.c.items import OF_CONTEXT, Item, item_of, read_item
from odla.c.values import Role, Value, write_array

if TYPE_CHECKING:
    from odla.c.executable import Executable


@implements("odla_CreateContext")
def create_context(context: Out) -> None:
    """A context of the current computation."""
    context.set(Context(state.computation()))


@implements("odla_SetContextItem")
def set_item(context: Context, type: int, value: Any) -> None:
    """An option of the context's runs."""
    item = item_of(type, OF_CONTEXT, "context")
    datum = read_item(item, value)
    if item is Item.RUN_BATCH_SIZE and context.computation is not None:
        context.computation.check_batch(int(datum))
    context.items[item] = datum
    context.changed()


@implements("odla_DestroyContext")
def destroy(context: Context | None) -> None:
    """Wait for its runs, then forget it."""
    if context is not None:
        context.jobs.drain()
        context.drop_handle()


@implements("odla_BindToArgument")
def bind_argument(value: Value, data: Any, context: Context) -> None:
    """Memory that an argument is read from."""
    context.bind_input(value, context.checked(data))


@implements("odla_BindToArgumentById")
def bind_argument_by_id(value_id: str | None, data: Any, context: Context) -> None:
    """The same by id."""
    bind_argument(_find(context, value_id, outputs=False), data, context)


@implements("odla_BindValueToArgumentById")
def bind_value_to_argument(value_id: str | None, data: Value, context: Context) -> None:
    """An eager value that an argument is read from; its contents are those it has when a run begins."""
    context.bind_input(_find(context, value_id, outputs=False), _eager(data))


@implements("odla_BindToOutput")
def bind_output(value: Value, data: Any, context: Context) -> None:
    """Memory that an output is written to."""
    context.bind_output(value, context.checked(data))


@implements("odla_BindToOutputById")
def bind_output_by_id(value_id: str | None, data: Any, context: Context) -> None:
    """The same by id."""
    bind_output(_find(context, value_id, outputs=True), data, context)


@implements("odla_BindValueToOutputById")
def bind_value_to_output(value_id: str | None, data: Value, context: Context) -> None:
    """An eager value that takes an output's contents."""
    context.bind_output(_find(context, value_id, outputs=True), _eager(data))


def _eager(value: Value) -> Value:
    if value.role is not Role.EAGER:
        raise UsageError(f"{value.label} belongs to a computation: bind eager values")
    return value


def _find(context: Context, id: str | None, *, outputs: bool) -> Value:
    """An argument or output by its id: of the context's computation, of the current one, or of an executable."""
    if id is None:
        raise UsageError("the value id is NULL")
    for source in _sources(context):
        known = source.outputs if outputs else source.arguments
        found = next((value for value in known if value.id == id), None)
        if found is not None:
            return found
    raise UsageError(f"there is no {'output' if outputs else 'argument'} {id!r}")


def _sources(context: Context) -> list[Computation | Executable]:
    from odla.c.executable import Executable

    first = [each for each in (context.computation, state.computation()) if each is not None and not each.destroyed]
    return [*first, *living(Executable)]


@implements("odla_SetRuntimeShape")
def set_runtime_shape(context: Context, value: Value, value_shape: tuple[int, ...] | None) -> None:
    """The shape of an argument in this context; of an output it is a statement that the run decides about."""
    if value_shape is None or any(dim < 0 for dim in value_shape):
        raise UsageError(f"the shape for {value.label} is unknown")
    _set_type(context, value, TensorType(value.type.dtype, value_shape))


@implements("odla_SetRuntimeValueType")
def set_runtime_type(context: Context, value: Value, value_type: ValueType) -> None:
    """Element type and shape of an argument in this context; the element type must be the declared one."""
    if value_type.type.dtype is not value.type.dtype:
        raise UsageError(f"{value.label} is {value.type}, it cannot be {value_type.type}")
    if not value_type.type.is_static:
        raise UsageError(f"the shape for {value.label} is unknown")
    _set_type(context, value, value_type.type)


def _set_type(context: Context, value: Value, type: TensorType) -> None:
    if _is_output(value):
        return
    if value.role is not Role.ARGUMENT:
        raise UsageError(f"{value.label} is no argument: its shape follows from the arguments'")
    matched_dims(value.type, type.shape or ())
    context.types[value.key] = type
    context.changed()


def _is_output(value: Value) -> bool:
    """Whether a value is an output and no argument: existing clients state the shapes of outputs too."""
    computation = None if value.scope is None else value.scope.computation
    return value.role is not Role.ARGUMENT and computation is not None and value in computation.outputs


@implements("odla_GetRuntimeShape")
def runtime_shape(context: Context, value: Value, value_shape: Out) -> None:
    """A value's shape in this context: that of the last run if there was one."""
    value_shape.set_shape(context.runtime_type(value))


@implements("odla_GetRuntimeValueType")
def runtime_type(context: Context, value: Value, value_type: Out) -> None:
    """Element type and shape of a value in this context."""
    value_type.set_type(context.runtime_type(value), value.element)


@implements("odla_GetRuntimeNumOfOutputs")
def number_of_outputs(context: Context, num_output: Out) -> None:
    """How many outputs a run of this context gives."""
    if context.last_outputs is not None:
        num_output.set(context.last_outputs)
        return
    computation = context.computation
    if computation is None or computation.destroyed:
        raise UsageError("the context has no computation")
    num_output.set(len(computation.outputs))


@implements("odla_GetValueData")
def value_data(value: Value, data: Any, context: Context | None) -> None:
    """A value's contents: what it holds, what the context's last run gave, or what a run gives that asks for it."""
    write_array(_contents(value, context), data, value.label)


def _contents(value: Value, context: Context | None) -> Any:
    if context is not None:
        context.jobs.drain()
        if context.last is not None and value.key in context.last.results:
            return context.last.results[value.key]
    computation = None if value.scope is None else value.scope.computation
    if value.array is not None or value.role is Role.CONSTANT or computation is None or computation.destroyed:
        return value_contents(value)
    snapshot = computation.snapshot_with((value,))
    target = target_of(None, computation.items, computation.ipu)
    holder = Context(computation) if context is None else context
    result = holder.evaluate(computation, snapshot, target, value)
    if context is None:
        holder.drop_handle()
    return result
