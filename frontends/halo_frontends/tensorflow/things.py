"""What a result of a node can be while importing: a value of the graph, a complex tensor, a variable, a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from halo_frontends.tensorflow_ops.complex_numbers import Complex
from halo_py.errors import ModelError, UnsupportedError, Where
from halo_py.ir.graph import Value
from halo_py.types import DType

Element: TypeAlias = "tuple[int | None, ...] | None"
"""The shape of the entries of a list, as far as it is known."""


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A handle of a variable; `key` is its name in the checkpoint, None if the checkpoint lacks it."""

    name: str
    key: str | None


@dataclass(frozen=True, slots=True, eq=False)
class TensorList:
    """A list of tensors of one shape, as one tensor [length, *element].

    `items` is None for a list that has only been reserved: what it holds is not known yet.
    """

    items: Value | None
    length: int | Value | None
    dtype: DType
    element: Element = None


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """The list that a counted loop fills entry by entry: its entries become a result of the loop."""

    dtype: DType


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """A handle of something else (a table, an iterator): it may be passed on, nothing can be done with it."""

    kind: str


Thing: TypeAlias = Value | Complex | Variable | TensorList | Collected | Opaque


def as_value(thing: Thing | None, what: str, where: Where) -> Value:
    """The value that a thing is. Raises UnsupportedError for complex numbers, ModelError for anything else."""
    if isinstance(thing, Value):
        return thing
    if isinstance(thing, Complex):
        raise UnsupportedError(
            f"{what} is complex, which is not supported here", where, "the real and the imaginary part are, one by one"
        )
    found = "nothing" if thing is None else thing.kind if isinstance(thing, Opaque) else type(thing).__name__
    raise ModelError(f"{what} must be a tensor, found {found}", where)
