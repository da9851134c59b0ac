"""A call of the C API as data: the function, its arguments in order, and the values it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from halo_py.ir.graph import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Dims:
    """An `odla_value_shape`."""

    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A `const odla_uint32*`."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """A `const odla_int32*`."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """An enumerator, by its name in the headers."""

    text: str


@dataclass(frozen=True, slots=True)
class Names:
    """An array of `odla_loop_output_mode`: enumerators, by their names in the headers."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ValueType:
    """An `odla_value_type`: the enumerator of the element type, and dimensions."""

    element: Name
    dims: Dims


@dataclass(frozen=True, slots=True)
class Text:
    """A `const odla_char*`."""

    text: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """A name and a value among the variadic arguments of odla_CustomOp, which a null pointer ends.

    Integers and element types are `odla_int64`, floats `double`, texts C strings, lists a count (`odla_int64`) and a
    pointer to `odla_int64`, `double` or C strings.
    """

    name: str
    value: int | float | str | Name | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]


Argument: TypeAlias = (
    Value
    | tuple[Value, ...]
    | bool
    | int
    | float
    | Dims
    | Unsigned
    | Signed
    | Name
    | Names
    | ValueType
    | Text
    | Attribute
    | None
)
"""An argument; None is a null pointer. Ids are not among them: each call ends with those of its results, and those of
odla_CustomOp come after its third argument.
"""


ANSWERS_VALUES = frozenset(
    (
        *("odla_CustomOp", "odla_EndIf", "odla_EndLoop", "odla_GRU", "odla_LSTM", "odla_PostProcess", "odla_RNN"),
        *("odla_Split", "odla_TopK"),
    )
)
"""Functions that take `odla_value_ids` and answer `odla_values`, even if it is one value."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """`results` is one value, any number where the function `ANSWERS_VALUES`, none where it answers a status."""

    function: str
    arguments: tuple[Argument, ...]
    results: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """A whole graph: its inputs, constants (in the order of their creation), calls and outputs."""

    name: str
    inputs: tuple[Value, ...]
    constants: tuple[tuple[Value, Array], ...]
    calls: tuple[Call, ...]
    outputs: tuple[Value, ...]
    output_names: tuple[str, ...]
