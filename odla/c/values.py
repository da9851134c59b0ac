"""What an `odla_value` stands for: a value of a computation's graph, or an eager one that holds its contents."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.errors import UsageError
from halo_py.types import DType, TensorType
from odla.c.binding import address_of, c, c_text, is_memory, text_at
from odla.c.element_types import ElementType, element_of
from odla.c.handles import Handled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Value as Node
    from odla.c.scope import Scope

    Array = NDArray[Any]


class Role(Enum):
    """What a value is to its computation."""

    RESULT = "result"
    ARGUMENT = "argument"
    CONSTANT = "constant"
    VARIABLE = "variable"
    LOOP_VARIABLE = "loop variable"
    EAGER = "eager value"


class Value(Handled):
    """A value. `node` and `scope` say where in a graph it stands; eager values and variables hold `array`."""

    noun = "value"

    def __init__(
        self,
        type: TensorType,
        id: str | None,
        role: Role,
        *,
        node: Node | None = None,
        scope: Scope | None = None,
        array: Array | None = None,
        element: ElementType | None = None,
    ) -> None:
        super().__init__()
        self._type = type
        self.id = id
        self.role = role
        self.node = node
        self.scope = scope
        self.array = array
        self.element = element or element_of(type.dtype)
        self._text: Any = None

    @property
    def type(self) -> TensorType:
        """Element type and shape; unknown dimensions are symbols."""
        if self.node is not None and isinstance(self.node.type, TensorType):
            return self.node.type
        return self._type if self.array is None else TensorType(self._type.dtype, self.array.shape)

    @property
    def key(self) -> str | Value:
        """What bindings are kept under: the id, so that they mean the same in another computation; else the value."""
        return self if self.id is None else self.id

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.role.value} {self.id!r}" if self.id else f"{self.role.value} without id"

    def id_text(self) -> Any:
        """The id as a C string that lives as long as the value; NULL if it has none."""
        if self.id is None:
            return c.ffi.NULL
        if self._text is None:
            self._text = c_text(self.id)
        return self._text

    def contents(self) -> Array:
        """The contents it holds. Raises UsageError if it holds none."""
        if self.array is None:
            raise UsageError(f"{self.label} has no contents yet")
        return self.array

    def become_eager(self, array: Array) -> None:
        """Hold these contents and belong to no graph any more."""
        self.node, self.scope, self.role = None, None, Role.EAGER
        self._type = TensorType(DType.from_numpy(array.dtype), array.shape)
        self.array = array


def static_shape(type: TensorType, label: str) -> tuple[int, ...]:
    """The shape as numbers. Raises UsageError if it is not known."""
    if not type.is_static:
        raise UsageError(f"the shape of {label} is not known: it is {type}")
    return type.static_shape


_MOST_BYTES = 1 << 46
"""More than any memory: a product of dimensions beyond it is nonsense."""


def read_array(pointer: Any, type: TensorType, label: str) -> Array:
    """A copy of the elements at an address. Raises UsageError if they are not in memory."""
    shape = static_shape(type, label)
    view = view_array(pointer, type.dtype, shape, label)
    return view if type.dtype is DType.STRING else view.copy()


def view_array(pointer: Any, dtype: DType, shape: tuple[int, ...], label: str) -> Array:
    """The elements at an address, in place (strings are copied). Raises UsageError if they are not in memory."""
    count = 1
    for size in shape:
        count *= size
    if not count:
        return np.empty(shape, dtype.numpy)
    bytes = count * (8 if dtype is DType.STRING else dtype.numpy.itemsize)
    if bytes > _MOST_BYTES or not is_memory(pointer, bytes):
        raise UsageError(f"the {bytes} bytes of {label} are not in memory at {address_of(pointer):#x}")
    if dtype is DType.STRING:
        return _read_strings(pointer, count, label).reshape(shape)
    return np.frombuffer(c.ffi.buffer(c.ffi.cast("char*", pointer), bytes), dtype.numpy).reshape(shape)


def _read_strings(pointer: Any, count: int, label: str) -> Array:
    texts = c.ffi.cast("char**", pointer)
    found = np.empty(count, object)
    for number in range(count):
        if not is_memory(texts[number]):
            raise UsageError(f"element {number} of {label} is no C string")
        found[number] = text_at(texts[number])
    return found


def write_array(array: Array, pointer: Any, label: str) -> list[Any]:
    """Copy elements to an address; answers what must be kept alive for them (C strings).

    Raises UsageError if there is no memory.
    """
    if not array.size:
        return []
    kept: list[Any] = []
    if array.dtype == object:
        kept = [c_text(str(text)) for text in array.reshape(-1)]
        array = np.asarray([address_of(text) for text in kept], np.uint64)
    if not is_memory(pointer, array.nbytes):
        raise UsageError(f"there is no memory for the {array.nbytes} bytes of {label} at {address_of(pointer):#x}")
    contiguous = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    c.ffi.memmove(c.ffi.cast("char*", pointer), c.ffi.from_buffer(contiguous), array.nbytes)
    return kept
