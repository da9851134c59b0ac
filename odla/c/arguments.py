"""How Python values become what the implementations of C functions take, and what they write becomes Python values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from halo_py.errors import OutOfMemoryError, UsageError
from halo_py.types import DType, TensorType, symbol
from odla.api.table import Parameter
from odla.c.binding import address_of, c, text_at
from odla.c.context import Context
from odla.c.decode import KINDS, Location, ValueType
from odla.c.element_types import ElementType, dtype_of, element_of
from odla.c.handles import Handled, find
from odla.c.location import MEMORY, PATH, URI

_LONGEST_TEXT = 1 << 28
_SCALARS = {
    ElementType.STRING: "val_str",
    ElementType.INT32: "val_int32",
    ElementType.UINT32: "val_uint32",
    ElementType.INT64: "val_int64",
    ElementType.UINT64: "val_uint64",
    ElementType.FLOAT32: "val_fp32",
    ElementType.FLOAT64: "val_fp64",
}
_PROFILE = ("runs", "host_seconds", "device_cycles", "device_seconds", "exchanged_bytes", "multiply_accumulates")


class Numbers:
    """A sequence of integers where C has a pointer to them."""

    def __init__(self, entries: Sequence[int], name: str) -> None:
        self._entries = tuple(int(entry) for entry in entries)
        self._name = name

    def take(self, count: int) -> tuple[int, ...]:
        """The first `count` numbers. Raises UsageError if there are fewer."""
        if not 0 <= count <= len(self._entries):
            raise UsageError(f"{self._name} has {len(self._entries)} entries, not {count}")
        return self._entries[:count]


class Written:
    """What an implementation writes in place of what C has a pointer to."""

    def __init__(self, type: str, name: str) -> None:
        self.name = name
        self._type = type
        self._value: Any = None
        self._memory: Any = None

    def set(self, value: Any) -> None:
        """Take a number, a pointer, an object (None: NULL)."""
        self._value = value

    def set_type(self, type: TensorType, element: ElementType) -> None:
        """Take a type: (element type, shape)."""
        self._value = (int(element), _dims(type))

    def set_shape(self, type: TensorType) -> None:
        """Take a shape; None if its rank is not known."""
        self._value = _dims(type)

    def handled(self, kind: type[Handled]) -> None:
        """No object stands there already."""

    @property
    def pointer(self) -> Any:
        """Memory for a struct that is filled field by field."""
        if self._memory is None:
            self._memory = c.ffi.new(self._type)
            if self._type == "odla_run_profile*":
                self._memory.struct_size = c.ffi.sizeof("odla_run_profile")
        return self._memory

    def result(self) -> Any:
        """What the Python call answers."""
        if self._type == "odla_scalar_value*":
            scalar = getattr(self.pointer, _SCALARS[ElementType(self.pointer.data_type)])
            return text_at(scalar) if self.pointer.data_type == ElementType.STRING else scalar
        if self._type == "odla_run_profile*":
            return SimpleNamespace(**{name: getattr(self.pointer, name) for name in _PROFILE})
        if self._type == "odla_value_id*":
            return None if not address_of(self._value) else text_at(self._value)
        if self._type == "odla_void**":
            return None if self._value is None else address_of(self._value)
        return bool(self._value) if self._type == "odla_bool*" else self._value


class Text:
    """Memory for a text."""

    def __init__(self) -> None:
        self.room = 1 << 12
        self.pointer = c.ffi.new("char[]", self.room)

    def grow(self) -> None:
        """Have more room. Raises OutOfMemoryError if no text is so long."""
        if self.room >= _LONGEST_TEXT:
            raise OutOfMemoryError(f"the text has more than {_LONGEST_TEXT} bytes")
        self.room *= 4
        self.pointer = c.ffi.new("char[]", self.room)

    def result(self) -> str:
        """The text."""
        return c.ffi.string(self.pointer).decode()


def written(type: str, name: str) -> Written | Text:
    """What stands for a pointer that a function writes through."""
    return Text() if type == "odla_char*" else Written(type, name)


def _dims(type: TensorType) -> tuple[int, ...] | None:
    return None if type.shape is None else tuple(dim if isinstance(dim, int) else -1 for dim in type.shape)


def encoded(parameter: Parameter, value: Any, *, optional: bool) -> Any:
    """A Python value as the implementation takes it. Raises UsageError if it is none of the parameter's type."""
    type, name = parameter.type, parameter.name or "value_ids"
    if type in KINDS:
        return _handle(KINDS[type], value, name, optional=optional)
    try:
        return _plain(type, name, value, optional=optional)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{name} is {value!r}, which is no {type}: {error}") from error


def _handle(kind: type[Handled], value: Any, name: str, *, optional: bool) -> Any:
    """An object whose handle is known still. Raises UsageError for any other."""
    if value is None and optional:
        return None
    if value is not None and not isinstance(value, kind):
        raise UsageError(f"{name} is {value!r}, not a {kind.noun}")
    return find(0 if value is None else value.handle, kind, name)


def _plain(type: str, name: str, value: Any, *, optional: bool) -> Any:
    if value is None and (optional or type in ("odla_value_id", "odla_value_shape")):
        return None
    if type in _ENCODERS:
        return _ENCODERS[type](value)
    return Numbers(cast("Any", value), name) if type.startswith("const ") else int(cast("Any", value))


def _ids(value: Any) -> tuple[str | None, ...]:
    return tuple(None if id is None else _text(id) for id in value)


def _values(value: Any) -> tuple[Any, ...]:
    kind = KINDS["odla_value"]
    return tuple(_handle(kind, each, f"value {number}", optional=False) for number, each in enumerate(value))


def _c_string(value: Any) -> Any:
    return c.ffi.new("char[]", _text(value).encode())


def _logger(function: Any) -> Any:
    def send(file: Any, line: int, name: Any, level: int, message: Any) -> None:
        function(text_at(file), int(line), text_at(name), int(level), text_at(message))

    return send


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value


def _element(value: Any) -> ElementType:
    """An element type by its number, or the one of a NumPy type."""
    return ElementType(value) if isinstance(value, int) else element_of(DType.from_numpy(np.dtype(value)))


def _value_type(value: Any) -> ValueType:
    element, dims = value
    chosen = _element(element)
    shape = tuple(int(dim) if dim >= 0 else symbol(f"?{axis}") for axis, dim in enumerate(dims))
    return ValueType(chosen, TensorType(dtype_of(int(chosen)), shape))


def _location(value: Any) -> Location:
    """A path or URI as text, memory as an array or a bytes-like object."""
    if isinstance(value, str):
        kind = URI if value.startswith(("file:", "data:")) else PATH
        return Location(kind, c.ffi.new("char[]", value.encode()), len(value))
    memory = c.ffi.from_buffer(value)
    return Location(MEMORY, memory, len(memory))


def data_pointer(value: Any, *, writable: bool) -> Any:
    """Memory of an array, or an address; texts are C strings. Raises UsageError for what has no memory of its own."""
    if value is None:
        return c.ffi.NULL
    if isinstance(value, int):
        return c.ffi.cast("void*", value)
    array = np.asarray(value)
    if array.dtype.kind in "OUS" and not writable:
        return _strings(array)
    if not isinstance(value, np.ndarray):
        if writable:
            raise UsageError("results are written into a NumPy array")
        value = array
    if not value.flags.c_contiguous or (writable and not value.flags.writeable):
        raise UsageError("the array is not contiguous, or is read-only", hint="use a copy of it")
    if not value.size:
        return c.ffi.new("char[]", 0)
    return c.ffi.from_buffer("char[]", value.reshape(-1).view(np.uint8), writable)


_texts: dict[int, list[Any]] = {}


def _strings(array: Any) -> Any:
    texts = [c.ffi.new("char[]", str(text).encode()) for text in array.reshape(-1)]
    made = c.ffi.new("char*[]", texts)
    _texts[address_of(made)] = texts
    return made


def item_pointer(value: Any) -> Any:
    """The datum of an item: flags, numbers and texts in memory of their own, functions and pointers themselves."""
    match value:
        case None:
            return c.ffi.NULL
        case int():
            return c.ffi.new("int*", int(value))  # of a flag the first byte is read
        case str():
            return c.ffi.new("char[]", value.encode())
        case _ if callable(value):
            return c.ffi.callback("int(void*, odla_status)", _hearing(value))
        case _:
            return c.ffi.new_handle(value)


def _hearing(function: Any) -> Any:
    """A Python function of an object and a status as a context's callback."""

    def hear(argument: Any, status: int) -> int:
        found = None if argument == c.ffi.NULL else c.ffi.from_handle(argument)
        answer = function(found, int(status))
        return answer if isinstance(answer, int) else 0

    return hear


def _task(value: Any) -> Any:
    """A task: a function of device, inputs and outputs, then its inputs and outputs."""
    function, inputs, outputs = value
    made = c.ffi.new("odla_task*")

    def run(device: Any, arguments: Any, results: Any) -> None:
        function(_object(device), _objects(arguments), _objects(results))

    made.func = c_callback(c.ffi.typeof(made.func), function, run)
    for place, values in ((made.inputs, inputs), (made.outputs, outputs)):
        place.size = len(values)
        for number, each in enumerate(values):
            handle = _handle(KINDS["odla_value"], each, "a task's value", optional=False).handle
            place.values[number] = c.ffi.cast("odla_value", handle)
    return made[0]


def _object(handle: Any) -> Any:
    return None if not address_of(handle) else find(address_of(handle), Handled, "handle")


def _objects(values: Any) -> tuple[Any, ...]:
    return tuple(_object(values.values[number]) for number in range(values.size))


_callbacks: dict[Any, Any] = {}
"""C functions that stand for Python functions, for as long as the process lives: C code may hold them."""


def c_callback(type: Any, function: Any, body: Any) -> Any:
    """A Python function as a C function; NULL for None."""
    if function is None:
        return c.ffi.NULL
    return _callbacks.setdefault((str(type), function), c.ffi.callback(type, body))


_ENCODERS: dict[str, Callable[[Any], Any]] = {
    "odla_value_id": _text,
    "const odla_char*": _text,
    "odla_value_ids": _ids,
    "odla_values": _values,
    "odla_value_shape": lambda value: tuple(int(dim) for dim in value),
    "odla_value_type": _value_type,
    "odla_element_type": lambda value: int(_element(value)),
    "odla_resource_location": _location,
    "odla_float32": float,
    "odla_bool": bool,
    "odla_item_value": item_pointer,
    "odla_void*": lambda value: data_pointer(value, writable=True),
    "const odla_void*": lambda value: data_pointer(value, writable=False),
    "odla_device_config_item": _c_string,
    "odla_device_trace_item": _c_string,
    "odla_logging_func": lambda value: c_callback("odla_logging_func", value, _logger(value)),
    "odla_async_executor": lambda value: c_callback("odla_async_executor", value, value),
    "odla_task": _task,
}


def keep(function: str, values: Sequence[Any], made: Sequence[Any]) -> None:
    """Let memory that a context uses live as long as it is bound or set."""
    context = next((each for each in values if isinstance(each, Context)), None)
    if context is not None and function.startswith(("odla_Bind", "odla_SetContextItem")):
        first = values[0] if not isinstance(values[0], Context) else values[1]
        key = first if isinstance(first, str | int) else getattr(first, "key", None)
        context.memory[function.removesuffix("ById"), key] = (*values, *made)
