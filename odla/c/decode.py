"""From C arguments to Python ones, by their C types.

Every handle is looked up, every enumerator and pointer checked. What an implementation declares as `X | None` may be
NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from halo_py.errors import UsageError
from halo_py.types import DType, TensorType, symbol
from odla.api.table import Parameter, standard
from odla.c.binding import FIRST_ADDRESS, address_of, c, is_memory, text_at
from odla.c.computation import Computation
from odla.c.constants import ConstantsArray
from odla.c.context import Context
from odla.c.device import Device, DeviceConfig, Vendor
from odla.c.element_types import ElementType, dtype_of
from odla.c.executable import Executable
from odla.c.handles import Handled, HandledKind, find
from odla.c.log import Level, log
from odla.c.trace import DeviceTrace
from odla.c.values import Value

if TYPE_CHECKING:
    from halo_py.types import Dim

Decoder = Callable[[Any], Any]

MOST_DIMENSIONS = 10
MOST_VALUES = 64
KINDS: dict[str, type[Handled]] = {
    "odla_value": Value,
    "odla_computation": Computation,
    "odla_context": Context,
    "odla_executable": Executable,
    "odla_device": Device,
    "odla_device_config": DeviceConfig,
    "odla_vendor": Vendor,
    "odla_constants_array": ConstantsArray,
    "odla_device_trace": DeviceTrace,
}
"""Handle type -> the class of its objects."""

_NUMBERS = {
    "odla_int32": int,
    "odla_int64": int,
    "odla_uint32": int,
    "odla_size_t": int,
    "odla_float32": float,
    "odla_bool": bool,
}
_RAW = {
    "odla_item_value",
    "odla_device_config_item",
    "odla_device_trace_item",
    "odla_void*",
    "const odla_void*",
    "odla_logging_func",
    "odla_async_executor",
    "odla_task",
    "halo_arguments*",
}
"""Types that implementations read themselves."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """A decoded `odla_value_type`."""

    element: ElementType
    type: TensorType


@dataclass(frozen=True, slots=True)
class Location:
    """A decoded `odla_resource_location`."""

    kind: int
    pointer: Any
    size: int

    def text(self) -> str:
        """The path or URI. Raises UsageError if it is no C string."""
        if not is_memory(self.pointer):
            raise UsageError("the location is no C string")
        return text_at(self.pointer)


class Numbers:
    """An array of integers whose length the function knows."""

    __slots__ = ("_name", "_pointer", "_type")

    def __init__(self, pointer: Any, type: str, name: str) -> None:
        self._pointer = pointer
        self._type = type
        self._name = name

    def take(self, count: int) -> tuple[int, ...]:
        """The first `count` numbers. Raises UsageError if they are not in memory."""
        if not 0 <= count <= 1 << 16 or not is_memory(self._pointer, max(1, count * 4)):
            raise UsageError(f"{self._name} has no {count} entries")
        return tuple(int(number) for number in self._pointer[0:count])


class Out:
    """Where a function writes what it answers."""

    __slots__ = ("_pointer", "name")

    def __init__(self, pointer: Any, name: str) -> None:
        self._pointer = pointer
        self.name = name

    def set(self, value: Any) -> None:
        """Write a number, a pointer, or an object's handle (None: NULL)."""
        ffi = c.ffi
        if value is None:
            self._pointer[0] = ffi.NULL
        elif isinstance(value, Handled):
            self._pointer[0] = ffi.cast(ffi.typeof(self._pointer).item, value.handle)
        else:
            self._pointer[0] = value

    def set_type(self, type: TensorType, element: ElementType) -> None:
        """Write an `odla_value_type`."""
        self._pointer.element_type = int(element)
        write_shape(self._pointer.shape, type)

    def set_shape(self, type: TensorType) -> None:
        """Write an `odla_value_shape`."""
        write_shape(self._pointer, type)

    def handled(self, kind: type[HandledKind]) -> HandledKind | None:
        """The object whose handle stands there already, if it is one of this kind."""
        try:
            return find(address_of(self._pointer[0]), kind, self.name)
        except UsageError:
            return None

    @property
    def pointer(self) -> Any:
        """Where it points, for structs that are filled field by field."""
        return self._pointer


def write_shape(shape: Any, type: TensorType) -> None:
    """Fill an `odla_value_shape`: -1 where nothing is known."""
    dims = type.shape
    shape.size = -1 if dims is None or len(dims) > MOST_DIMENSIONS else len(dims)
    for axis in range(MOST_DIMENSIONS):
        known = dims is not None and axis < len(dims)
        dim: Dim = dims[axis] if known and dims is not None else 0
        shape.dims[axis] = dim if isinstance(dim, int) else -1


def read_shape(shape: Any) -> tuple[int, ...] | None:
    """The dimensions of an `odla_value_shape`; None if its rank is unknown or makes no sense."""
    size: int = shape.size
    if not 0 <= size <= MOST_DIMENSIONS:
        return None
    return tuple(int(dim) for dim in shape.dims[0:size])


def read_type(value_type: Any, name: str) -> ValueType:
    """An `odla_value_type`; unknown dimensions are symbols. Raises UsageError if the element type is none."""
    number: int = value_type.element_type
    dtype: DType = dtype_of(number, f"{name}.element_type")
    shape = read_shape(value_type.shape)
    dims = None if shape is None else tuple(dim if dim >= 0 else symbol(f"?{axis}") for axis, dim in enumerate(shape))
    return ValueType(ElementType(number), TensorType(dtype, dims))


def read_id(pointer: Any) -> str | None:
    """The text of an id; None for NULL. A small number stands for itself."""
    address = address_of(pointer)
    if address == 0:
        return None
    if address < FIRST_ADDRESS:
        return str(address)
    if not is_memory(pointer):
        raise UsageError(f"the id {address:#x} is no C string")
    return text_at(pointer)


def _read_ids(ids: Any) -> tuple[str | None, ...]:
    size: int = ids.size
    return tuple(read_id(ids.value_ids[number]) for number in range(size)) if size <= MOST_VALUES else ()


def _read_values(values: Any, name: str) -> tuple[Value, ...]:
    size: int = values.size
    if size > MOST_VALUES:
        raise UsageError(f"{name} has {size} values, at most {MOST_VALUES} are allowed")
    return tuple(find(address_of(values.values[each]), Value, f"{name}[{each}]") for each in range(size))


_OFTEN_UNSET = frozenset({"odla_memory_layout", "odla_resize_coordinate_mode"})
"""Enumerations that existing libraries ignore, so that existing clients pass variables nobody has set: 0 is meant."""


def _enumerators() -> dict[str, frozenset[int]]:
    return {item.name: frozenset(number for _, number, _ in item.values) for item in standard().enumerations}


_ENUMERATORS = _enumerators()


def decoder(parameter: Parameter, optional: bool) -> Decoder:
    """How a parameter is decoded; `optional`: NULL becomes None."""
    type, name = parameter.type, parameter.name
    if type in KINDS:
        return _handle_decoder(KINDS[type], name, optional)
    if type in _ENUMERATORS:
        return _enumerator_decoder(type, name)
    if type in _NUMBERS:
        return _NUMBERS[type]
    if type in _RAW:
        return lambda raw: raw
    match type:
        case "odla_value_id":
            return read_id
        case "odla_value_ids":
            return _read_ids
        case "odla_values":
            return lambda raw: _read_values(raw, name)
        case "odla_value_shape":
            return read_shape
        case "odla_value_type":
            return lambda raw: read_type(raw, name)
        case "odla_resource_location":
            return lambda raw: Location(raw.location_type, raw.location, raw.size)
        case "const odla_char*":
            return _text_decoder(name, optional)
        case "const odla_uint32*" | "const odla_int32*" | "const odla_loop_output_mode*":
            return _numbers_decoder(type.removeprefix("const "), name, optional)
        case _ if type.endswith("*"):
            return _out_decoder(type, name, optional)
        case _:
            raise AssertionError(f"no decoder for {type}")


def _handle_decoder(kind: type[Handled], name: str, optional: bool) -> Decoder:
    def decode(raw: Any) -> Handled | None:
        number = address_of(raw)
        return None if optional and number == 0 else find(number, kind, name)

    return decode


def _enumerator_decoder(type: str, name: str) -> Decoder:
    if type in ("odla_item_type", "odla_element_type"):
        return int  # the implementations know further items, and say more of element types
    known = _ENUMERATORS[type]

    def decode(raw: Any) -> int:
        number = int(raw)
        if number not in known and type in _OFTEN_UNSET:
            log(Level.WARN, f"{name} is {number}, which is no {type}: it is taken as 0")
            return 0
        if number not in known:
            raise UsageError(f"{name} is {number}, which is no {type}")
        return number

    return decode


def _text_decoder(name: str, optional: bool) -> Decoder:
    def decode(raw: Any) -> str | None:
        if optional and address_of(raw) == 0:
            return None
        if not is_memory(raw):
            raise UsageError(f"{name} is no C string")
        return text_at(raw)

    return decode


def _numbers_decoder(type: str, name: str, optional: bool) -> Decoder:
    def decode(raw: Any) -> Numbers | None:
        address = address_of(raw)
        if address == 0:
            if optional:
                return None
            raise UsageError(f"{name} is NULL")
        return Numbers(raw, type, name)

    return decode


def _out_decoder(type: str, name: str, optional: bool) -> Decoder:
    def decode(raw: Any) -> Out | None:
        if optional and address_of(raw) == 0:
            return None
        if not is_memory(raw, c.ffi.sizeof(type.removesuffix("*"))):
            raise UsageError(f"{name} is NULL or points to no memory")
        return Out(raw, name)

    return decode
