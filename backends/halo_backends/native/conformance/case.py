"""Cases of operator functions: a call with its arguments and the results expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op
from halo_py.types import DType, TensorType
from odla.api.table import Function, functions
from odla.c.element_types import ElementType

Array = NDArray[Any]
FUNCTIONS: dict[str, Function] = {function.name: function for function in functions()}


@dataclass(frozen=True)
class V:
    """An operand: an argument of the computation, or a constant."""

    contents: Any
    constant: bool = False

    @property
    def array(self) -> Array:
        """The contents as an array."""
        return np.asarray(self.contents)


@dataclass(frozen=True)
class Many:
    """An `odla_values`."""

    operands: tuple[V, ...]


@dataclass(frozen=True)
class E:
    """An enumerator, or any other expression in C."""

    text: str


@dataclass(frozen=True)
class Numbers:
    """An array of integers."""

    entries: tuple[int, ...]


@dataclass(frozen=True)
class Shape:
    """An `odla_value_shape`."""

    dims: tuple[int, ...]


@dataclass(frozen=True)
class Type:
    """An `odla_value_type`."""

    element: ElementType
    dims: tuple[int, ...] = ()


NULL = E("NULL")
GARBAGE = E("garbage()")
"""An `odla_value_shape` that nobody has set."""


def u(*entries: int) -> Numbers:
    """An array of integers."""
    return Numbers(entries)


@dataclass(frozen=True)
class Case:
    """A call and its results. `ids` is how many ids a function gets that answers several values."""

    function: str
    arguments: tuple[Any, ...]
    expected: tuple[Array, ...]
    ids: int = 0
    tolerance: float = 1e-5
    element: ElementType | None = None
    """The element type of the first result, where it is not that of the array."""


def one(
    function: str, *arguments: Any, expect: Any, tolerance: float = 1e-5, element: ElementType | None = None
) -> Case:
    """A case with one result."""
    return Case(function, arguments, (np.asarray(expect),), tolerance=tolerance, element=element)


def several(
    function: str, *arguments: Any, expect: Sequence[Any], ids: int | None = None, tolerance: float = 1e-5
) -> Case:
    """A case with several results."""
    results = tuple(np.asarray(each) for each in expect)
    return Case(function, arguments, results, len(results) if ids is None else ids, tolerance)


def reference(op: Op, *operands: Any, outputs: int = 1) -> Any:
    """What the op means: its result, or its results if there are several."""

    def no_bodies(_index: int, _operands: object) -> list[Any]:
        raise AssertionError

    arrays = tuple(None if operand is None else np.asarray(operand) for operand in operands)
    types = tuple(None if a is None else TensorType(DType.from_numpy(a.dtype), a.shape) for a in arrays)
    inferred = op.infer(InferArgs(types, arrays, (None,) * len(arrays), outputs=outputs))
    found = op.evaluate(EvaluateArgs(arrays, no_bodies, inferred, outputs))
    return found[0] if outputs == 1 else found[:outputs]
