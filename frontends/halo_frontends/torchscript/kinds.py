"""The kinds of parameters that ops of the table have: their names in annotations say how an argument is read."""

from __future__ import annotations

from typing import TypeAlias

from halo_frontends.torchscript.maker import Size
from halo_frontends.torchscript.values import Item, Number, Scalar, Tensor
from halo_py.ir.graph import Value
from halo_py.types import DType

Operand: TypeAlias = Value | Number
"""A tensor's contents, or a number that stays one (it counts less when types are promoted)."""
Ints: TypeAlias = tuple[int, ...]
"""Integers that must be known; one alone is a list of one."""
Floats: TypeAlias = tuple[float, ...]
Flags: TypeAlias = list[bool]
Sizes: TypeAlias = list[Size]
"""Sizes or positions, run-time ones included."""
Values: TypeAlias = list[Value]
"""Contents of a list of tensors."""
OptionalValues: TypeAlias = list[Value | None]
Tensors: TypeAlias = list[Tensor]
"""Tensors themselves, to make views of."""

__all__ = [
    "DType",
    "Flags",
    "Floats",
    "Ints",
    "Item",
    "Number",
    "Operand",
    "OptionalValues",
    "Scalar",
    "Size",
    "Sizes",
    "Tensor",
    "Tensors",
    "Value",
    "Values",
]
