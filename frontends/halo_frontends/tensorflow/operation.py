"""A node on its way into the graph, and the table of what every operator becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.graph import Attributes, NodeInfo, Ref
from halo_frontends.tensorflow.things import TensorList, Thing, Variable, as_value
from halo_py.errors import ModelError
from halo_py.ir.graph import Value

if TYPE_CHECKING:
    from halo_frontends.tensorflow.frame import Frame


@dataclass(frozen=True, slots=True)
class Operation:
    """A node whose operands are known already; `frame` is the graph or function call it belongs to."""

    node: NodeInfo
    inputs: tuple[Thing, ...]
    emit: Emitter
    frame: Frame

    @property
    def attributes(self) -> Attributes:
        """The node's attributes."""
        return self.node.attributes

    def thing(self, index: int) -> Thing:
        """Operand `index`. Raises ModelError if it is not given."""
        if index >= len(self.inputs):
            raise ModelError(f"operand {index} is missing", self.emit.where)
        return self.inputs[index]

    def value(self, index: int) -> Value:
        """Operand `index`, a tensor. Raises ModelError if it is not given or something else."""
        return as_value(self.thing(index), f"operand {index}", self.emit.where)

    def has(self, index: int) -> bool:
        """Whether operand `index` is given."""
        return index < len(self.inputs)

    def values(self, first: int = 0, last: int | None = None) -> tuple[Value, ...]:
        """Operands as tensors."""
        return tuple(self.value(index) for index in range(len(self.inputs))[first:last])

    def variable(self, index: int) -> Variable:
        """Operand `index`, a variable. Raises ModelError for anything else."""
        found = self.thing(index)
        if not isinstance(found, Variable):
            raise ModelError(f"operand {index} must be a variable", self.emit.where)
        return found

    def tensor_list(self, index: int) -> TensorList:
        """Operand `index`, a list of tensors. Raises ModelError for anything else."""
        found = self.thing(index)
        if not isinstance(found, TensorList):
            raise ModelError(f"operand {index} must be a list of tensors", self.emit.where)
        return found

    def ints(self, index: int, what: str) -> tuple[int, ...]:
        """The contents of an integer operand that must be constant."""
        return self.emit.must_know_ints(self.value(index), what)

    def integer(self, index: int, what: str) -> int:
        """The same for one number. Raises ModelError if there are several."""
        found = self.ints(index, what)
        if len(found) != 1:
            raise ModelError(f"{what} must be one number, found {len(found)}", self.emit.where)
        return found[0]


Results: TypeAlias = "Thing | Sequence[Thing]"
MapFunction: TypeAlias = Callable[[Operation], Results]


Needs: TypeAlias = "Callable[[Frame, NodeInfo], Sequence[Ref]]"


@dataclass(frozen=True, slots=True)
class Mapping:
    """How an operator is imported.

    `results` names its results where it has several of different kinds. `needs` answers what must be imported before it
    if that is not simply its operands; it is asked again when that has been imported, and may then want more.
    """

    function: MapFunction
    results: tuple[str, ...] = ()
    needs: Needs | None = None


MAPPINGS: dict[str, Mapping] = {}
"""Operator -> its mapping. `load_mappings` of the package's `mappings` fills it."""


ON_PAIRS: dict[str, MapFunction] = {}
"""Operator -> what it becomes where an operand is complex, if that is something else."""


def maps_pairs(*operators: str) -> Callable[[MapFunction], MapFunction]:
    """Declare what these operators become where an operand is complex."""

    def declare(function: MapFunction) -> MapFunction:
        ON_PAIRS.update(dict.fromkeys(operators, function))
        return function

    return declare


def maps(*operators: str, results: str = "", needs: Needs | None = None) -> Callable[[MapFunction], MapFunction]:
    """Declare what these operators become; `results` are names with blanks between.

    Raises ValueError if one is declared twice.
    """

    def declare(function: MapFunction) -> MapFunction:
        for operator in operators:
            if operator in MAPPINGS:
                raise ValueError(f"{operator} is mapped twice")
            MAPPINGS[operator] = Mapping(function, tuple(results.split()), needs)
        return function

    return declare
