"""An operator on its way into the graph, and the table of what every operator becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow_ops.complex_numbers import Complex, pair_of
from halo_frontends.tflite.model import OperatorInfo, TensorInfo, TfliteModel
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value

Integers: TypeAlias = Literal["numbers", "stored", "own"]
"""What a mapping does with quantised operands: it wants the numbers they stand for and its results are quantised
again; or it only moves what is stored; or it sees to them itself."""


Operand: TypeAlias = "Value | Complex | None"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator whose operands are values already."""

    info: OperatorInfo
    inputs: tuple[Operand, ...]
    input_tensors: tuple[TensorInfo | None, ...]
    output_tensors: tuple[TensorInfo, ...]
    emit: Emitter
    model: TfliteModel
    nest: Nest
    """The graph under construction."""

    def value(self, index: int) -> Value:
        """Operand `index`. Raises ModelError if it is not given."""
        found = self.optional(index)
        if found is None:
            raise ModelError(f"operand {index} is missing", self.emit.where)
        return found

    def optional(self, index: int) -> Value | None:
        """Operand `index`, or None if it is omitted. Raises UnsupportedError if it is complex."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if isinstance(found, Complex):
            raise UnsupportedError(f"operand {index} is complex, which is not supported here", self.emit.where)
        return found

    def pair(self, index: int) -> Complex:
        """Operand `index`, a complex tensor."""
        found = self.inputs[index] if index < len(self.inputs) else None
        return pair_of(self.value(index) if found is None else found, self.emit)

    def values(self) -> tuple[Value, ...]:
        """All operands. Raises ModelError if one is omitted."""
        return tuple(self.value(index) for index in range(len(self.inputs)))

    def reading(self, first: Value) -> Operation:
        """The same with another operand 0."""
        return replace(self, inputs=(first, *self.inputs[1:]))

    def integer(self, name: str) -> int:
        """An integer option."""
        return self.info.options.integer(name)

    def flag(self, name: str) -> bool:
        """A boolean option."""
        return self.info.options.flag(name)

    def number(self, name: str) -> float:
        """A number option."""
        return float(self.info.options.number_of(name))

    def ints(self, index: int, what: str) -> tuple[int, ...]:
        """The contents of an integer operand that must be constant."""
        return self.emit.must_know_ints(self.value(index), what)


Results: TypeAlias = "Value | Complex | Sequence[Value | Complex]"
MapFunction: TypeAlias = Callable[[Operation], Results]


@dataclass(frozen=True, slots=True)
class Mapping:
    """How an operator is imported."""

    function: MapFunction
    integers: Integers


APART = frozenset(
    (
        *("RESHAPE", "EXPAND_DIMS", "SQUEEZE", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "CONCATENATION", "GATHER"),
        *("PACK", "UNPACK", "SPLIT", "SPLIT_V"),
    )
)
"""Operators that move the real and the imaginary parts of complex operands alike."""

MAPPINGS: dict[str, Mapping] = {}
"""Operator -> its mapping. `load_mappings` of the package's `mappings` fills it."""


def maps(*operators: str, integers: Integers = "numbers") -> Callable[[MapFunction], MapFunction]:
    """Declare what these operators become. Raises ValueError if one is declared twice."""

    def declare(function: MapFunction) -> MapFunction:
        for operator in operators:
            if operator in MAPPINGS:
                raise ValueError(f"{operator} is mapped twice")
            MAPPINGS[operator] = Mapping(function, integers)
        return function

    return declare
