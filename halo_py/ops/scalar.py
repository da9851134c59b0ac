"""Scalar programs: straight-line code that a fused element-wise node or an epilogue runs for every element."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ops.scalar_functions import SCALAR_FUNCTIONS, VARIADIC, Parameter, compute_dtype
from halo_py.types import DType

Array = NDArray[np.generic]


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

    @property
    def dtype(self) -> DType:
        """Element type of the program's result."""
        return self.steps[-1].dtype


def constant_step(value: float, dtype: DType) -> ScalarStep:
    """A step without operands whose result is `value`."""
    return ScalarStep("constant", (), dtype, (("value", value),))


def single(function: str, operands: int, dtype: DType, **parameters: Parameter) -> ScalarProgram:
    """The program of one step over all its `operands` inputs."""
    return ScalarProgram(operands, (ScalarStep(function, tuple(range(operands)), dtype, tuple(parameters.items())),))


class ProgramBuilder:
    """Writes a scalar program step by step; intermediate results have the type arithmetic is done in."""

    def __init__(self, inputs: int, dtype: DType) -> None:
        self.inputs = tuple(range(inputs))
        self.dtype = arithmetic_dtype(dtype)
        self._steps: list[ScalarStep] = []

    def call(self, function: str, *operands: float, **parameters: Parameter) -> int:
        """Append a step; a float operand is a constant. Answers the number of the result."""
        numbers = tuple(self.constant(value) if isinstance(value, float) else value for value in operands)
        self._steps.append(ScalarStep(function, numbers, self.dtype, tuple(parameters.items())))
        return len(self.inputs) + len(self._steps) - 1

    def constant(self, value: float) -> int:
        """Append a constant."""
        self._steps.append(constant_step(value, self.dtype))
        return len(self.inputs) + len(self._steps) - 1

    def finish(self, dtype: DType) -> ScalarProgram:
        """The program; the last step's result has this type."""
        *steps, last = self._steps
        return ScalarProgram(len(self.inputs), (*steps, replace(last, dtype=dtype)))


def arithmetic_dtype(dtype: DType) -> DType:
    """The element type arithmetic on `dtype` is done in: float32 for narrower floats."""
    return DType.FLOAT32 if dtype.is_float and dtype.bits < 32 else dtype


def program_functions(program: ScalarProgram) -> tuple[str, ...]:
    """What the program costs, in the vocabulary of `MapWork.functions`."""
    return tuple(name for step in program.steps for name in step_functions(step))


def step_functions(step: ScalarStep) -> tuple[str, ...]:
    """What one step costs: a function of n operands (sum, max) is n - 1 functions of two."""
    if step.function == "gelu" and ("approximate", "tanh") in step.parameters:
        return ("gelu_tanh",)
    work = SCALAR_FUNCTIONS[step.function].work
    if step.function in VARIADIC:
        return (work[0],) * max(1, len(step.operands) - 1) + work[1:]
    return work


BLOCK_ELEMENTS = 1 << 16
"""Large results are computed block by block, so that intermediate results stay in the cache."""


def run_program(program: ScalarProgram, operands: Sequence[Array]) -> Array:
    """Run a program over broadcasting arrays in their storage types; the result has the type of the last step.

    Types narrower than float32 are widened on entry, stay wide between steps and are rounded once, at the end: a
    vertex keeps intermediate results in registers.
    """
    shape = np.broadcast_shapes(*(operand.shape for operand in operands))
    with np.errstate(all="ignore"):
        if len(operands) == 1 and _is_tabulated(operands[0]):
            return _table(program, repr(program), operands[0].dtype).take(operands[0].view(np.uint16))
        if math.prod(shape) <= 2 * BLOCK_ELEMENTS or _is_one_pass(program, operands):
            return _run(program, operands)
        result = np.empty(shape, program.dtype.numpy)
        for block in _blocks(shape):
            result[block] = _run(program, [operand[_part(operand.shape, block, len(shape))] for operand in operands])
        return result


def _is_tabulated(operand: Array) -> bool:
    """Whether it is less work to find the results of all 65,536 operands of 16 bits than one for each element."""
    is_float16 = operand.dtype.itemsize == 2 and DType.from_numpy(operand.dtype).is_float
    return is_float16 and operand.size >= 2 * BLOCK_ELEMENTS and operand.flags.c_contiguous


@lru_cache(maxsize=32)
def _table(program: ScalarProgram, text: str, dtype: np.dtype[np.generic]) -> Array:
    """The program's results for every operand of that type, in the order of their bits."""
    del text  # a part of the key only: it keeps programs apart that compare equal and are not (0.0 and -0.0)
    return _run(program, [np.arange(1 << 16, dtype=np.uint16).view(dtype)])


def _run(program: ScalarProgram, operands: Sequence[Array]) -> Array:
    values: list[NDArray[Any]] = [widen(operand) for operand in operands]
    for step in program.steps:
        function = SCALAR_FUNCTIONS[step.function]
        found = function.apply([values[number] for number in step.operands], dict(step.parameters), step.dtype)
        values.append(np.asarray(found).astype(compute_dtype(step.dtype), copy=False))
    return values[-1].astype(program.dtype.numpy, copy=False)


_ONE_PASS = frozenset(
    {"abs", "add", "cos", "exp", "identity", "max", "min", "mul", "neg", "relu", "sin", "sub", "tanh"}
)


def _is_one_pass(program: ScalarProgram, operands: Sequence[Array]) -> bool:
    """Whether the program makes no intermediate arrays: one NumPy call in the storage types."""
    types = {program.dtype, *(DType.from_numpy(operand.dtype) for operand in operands)}
    plain = all(dtype.numpy == compute_dtype(dtype) for dtype in types)
    return plain and len(program.steps) == 1 and program.steps[0].function in _ONE_PASS


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Boxes of about `BLOCK_ELEMENTS` that cover the shape: whole inner dimensions, ranges of one, indices of outer."""
    inner, axis = 1, len(shape) - 1
    while axis > 0 and inner * shape[axis] <= BLOCK_ELEMENTS:
        inner *= shape[axis]
        axis -= 1
    count = max(1, BLOCK_ELEMENTS // inner)
    for outer in np.ndindex(shape[:axis]):
        fixed = tuple(slice(index, index + 1) for index in outer)
        for start in range(0, shape[axis], count):
            yield (*fixed, slice(start, start + count))


def _part(shape: tuple[int, ...], block: tuple[slice, ...], rank: int) -> tuple[slice, ...]:
    """What a block of a result of `rank` dimensions reads of an operand that broadcasts to it."""
    missing = rank - len(shape)
    return tuple(slice(None) if extent == 1 else wanted for extent, wanted in zip(shape, block[missing:], strict=False))


def widen(array: Array) -> NDArray[Any]:
    """An array in the type that arithmetic on it is done in (float32 for narrower floats)."""
    if array.dtype == object:
        return array
    return array.astype(compute_dtype(DType.from_numpy(array.dtype)), copy=False)


def rounded(array: NDArray[Any], dtype: DType) -> NDArray[Any]:
    """Numbers after a stay in elements of `dtype`, in the type that arithmetic on them is done in."""
    return widen(array.astype(dtype.numpy, copy=False))
