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
class ValueType:
    """An `odla_value_type`: the enumerator of the element type, and dimensions."""

    element: Name
    dims: Dims


@dataclass(frozen=True, slots=True)
class Text:
    """A `const odla_char*`."""

    text: str


Argument: TypeAlias = (
    "Value | tuple[Value, ...] | bool | int | float | Dims | Unsigned | Signed | Name | ValueType | Text | None"
)
"""An argument; None is a null pointer. Ids are not among them: each call ends with those of its results."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """`results` is one value, or several where the function answers `odla_values`."""

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
