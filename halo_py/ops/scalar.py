"""Scalar programs: straight-line code over scalars that a fused element-wise node or an epilogue runs for every element."""

from __future__ import annotations

from dataclasses import dataclass

from halo_py.types import DType


@dataclass(frozen=True, slots=True)
class ScalarStep:
    """One scalar function. `operands` number the program's inputs first, then earlier steps' results.

    `function` is an element-wise op's registry name ('add', 'relu', 'clip', ...), `parameters` its attributes as
    (name, value) pairs, `dtype` the type of the result.
    """

    function: str
    operands: tuple[int, ...]
    dtype: DType
    parameters: tuple[tuple[str, float | int | str | DType], ...] = ()


@dataclass(frozen=True, slots=True)
class ScalarProgram:
    """Steps over `inputs` scalars; the last step's result is the program's result."""

    inputs: int
    steps: tuple[ScalarStep, ...]
