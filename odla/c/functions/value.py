"""ODLA/odla_value.h: contents, types and ids of values, and marking outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.errors import UsageError
from odla.c import eager, state
from odla.c.binding import c, c_text
from odla.c.control import branch_scope
from odla.c.decode import Out
from odla.c.dispatch import implements
from odla.c.element_types import ElementType, dtype_of
from odla.c.values import Role, Value, read_array, static_shape, write_array

if TYPE_CHECKING:
    from halo_py.types import Shape
    from odla.c.computation import Computation

Dims = tuple[int, ...]

_PRINTED = 32
"""Elements that a dump shows at each end of a dimension."""


def find_value(id: str | None) -> Value:
    """The value of this id: of the current computation, else an eager one. Raises UsageError if there is none."""
    if id is None:
        raise UsageError("the value id is NULL")
    computation = state.computation()
    found = None if computation is None else computation.ids.get(id)
    found = found or eager.ids.get(id)
    if found is None:
        raise UsageError(f"there is no value {id!r}")
    return found


@implements("odla_SetValueData")
def set_value_data(value: Value, data: Any) -> None:
    """Contents of an eager value or a variable; they are copied."""
    if value.role not in (Role.EAGER, Role.VARIABLE):
        raise UsageError(f"{value.label} takes no data: bind memory to arguments")
    value.array = read_array(data, value.type, value.label)


@implements("odla_InitValue")
def init_value(computation: Computation | None, value: Value | None, element_type: int, shape: Dims | None) -> None:
    """State the type of a value: one that can hold contents holds zeros of it, for others the statement is checked."""
    dtype = dtype_of(element_type, "element_type")
    if value is None:
        return
    if value.role is not Role.EAGER and (value.type.dtype is not dtype or not _fits(value.type.shape, shape)):
        stated = "?" if shape is None else ", ".join(map(str, shape))
        raise UsageError(f"{value.label} is {value.type}, not {dtype.text}[{stated}]")
    if value.role is Role.EAGER:
        if shape is None or any(dim < 0 for dim in shape):
            raise UsageError(f"the shape for {value.label} is unknown")
        value.become_eager(eager.zeros(shape, dtype))
        value.element = ElementType(element_type)
    elif value.role is Role.VARIABLE:
        value.array = eager.zeros(static_shape(value.type, value.label), dtype)


def _fits(known: Shape | None, stated: Dims | None) -> bool:
    """Whether a stated shape contradicts nothing that is known."""
    if known is None or stated is None:
        return True
    pairs = zip(known, stated, strict=False)
    return len(known) == len(stated) and all(not isinstance(a, int) or b < 0 or a == b for a, b in pairs)


@implements("odla_SetValueDataById")
def set_value_data_by_id(value_id: str | None, data: Any) -> None:
    """The same by id."""
    set_value_data(find_value(value_id), data)


@implements("odla_GetRawDataPtr")
def raw_data(value: Value, data: Out) -> None:
    """Where a value's own contents lie: eager values, variables and constants have such a place."""
    contents = value_contents(value)
    if contents.dtype == object:
        raise UsageError(f"the strings of {value.label} have no place of their own")
    if value.array is None or not (contents.flags.c_contiguous and contents.flags.writeable):
        contents = value.array = np.array(contents, order="C")
    data.set(c.ffi.cast("void*", contents.ctypes.data))


@implements("odla_GetValueDataById")
def value_data_by_id(value_id: str | None, data: Any) -> None:
    """A value's contents, by id."""
    value = find_value(value_id)
    write_array(value_contents(value), data, value.label)


@implements("odla_GetValueType")
def value_type(value: Value, out: Out) -> None:
    """Element type and shape; -1 for dimensions that are not known."""
    out.set_type(value.type, value.element)


@implements("odla_GetValueTypeById")
def value_type_by_id(value_id: str | None, out: Out) -> None:
    """The same by id."""
    value_type(find_value(value_id), out)


@implements("odla_GetValueId")
def value_id(value: Value, out: Out) -> None:
    """The id as a C string that lives as long as the value; NULL if it has none."""
    out.set(c.ffi.cast("odla_value_id", value.id_text()))


@implements("odla_FindValueById")
def find_by_id(value_id: str | None, out: Out) -> None:
    """The value of an id."""
    out.set(None)
    out.set(find_value(value_id))


@implements("odla_SetValueAsOutput")
def set_output(value: Value) -> None:
    """The next output of the computation, or of the branch body that is open."""
    branch = branch_scope()
    if branch is not None:
        branch.mark_output(value)
    else:
        _computation_of(value).mark_output(value)


@implements("odla_SetValuesAsOutput")
def set_outputs(values: tuple[Value, ...]) -> None:
    """Several outputs, in order."""
    for value in values:
        set_output(value)


@implements("odla_SetValueAsOutputById")
def set_output_by_id(value_id: str | None) -> None:
    """The next output, by id."""
    set_output(find_value(value_id))


@implements("odla_ReleaseValue")
def release(value: Value) -> None:
    """Give an eager value back. Values of a computation live as long as it does: releasing them does nothing."""
    if value.role is Role.EAGER:
        if value.id is not None and eager.ids.get(value.id) is value:
            del eager.ids[value.id]
        value.drop_handle()


@implements("odla_ReleaseValueById")
def release_by_id(value_id: str | None) -> None:
    """The same by id."""
    release(find_value(value_id))


@implements("odla_Dump")
def dump(value: Value) -> None:
    """Print a value on the standard output: id, type, and contents if it holds any."""
    text = f"{value.label}: {value.type}\n"
    known = value.array if value.array is not None else _constant_contents(value)
    if known is not None:
        text += np.array2string(known, threshold=1000, edgeitems=_PRINTED) + "\n"
    c.lib.halo_print(c_text(text))


def _constant_contents(value: Value) -> Any:
    if value.scope is None or value.node is None:
        return None
    return value.scope.builder.known(value.node)


def value_contents(value: Value) -> Any:
    """Contents that do not depend on a context. Raises UsageError if the value has none."""
    if value.array is not None:
        return value.array
    known = _constant_contents(value)
    return value.contents() if known is None else known


def _computation_of(value: Value) -> Computation:
    computation = None if value.scope is None else value.scope.computation
    if computation is None:
        raise UsageError(f"{value.label} belongs to no computation")
    return computation
