"""A node on its way into the graph: operands are values already, attributes are still those of the file's opset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from halo_frontends.onnx.attributes import AttributeValue
from halo_py.errors import ModelError, Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value
from halo_py.types import DType, Shape, TensorType

if TYPE_CHECKING:
    Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Draft:
    """An operator application; `outputs` are the wanted names (empty: nobody reads it)."""

    op: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]
    name: str
    where: Where
    domain: str = ""

    def value(self, index: int) -> Value:
        """Operand `index`. Raises ModelError if it is not given."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise ModelError(f"operand {index} is missing", self.where)
        return found

    def has(self, index: int) -> bool:
        """Whether operand `index` is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def dtype(self, index: int) -> DType:
        """Element type of tensor operand `index`. Raises ModelError."""
        found = self.value(index).type
        if not isinstance(found, TensorType):
            raise ModelError(f"operand {index} must be a tensor, found {found}", self.where)
        return found.dtype

    def shape(self, index: int) -> Shape | None:
        """Shape of operand `index`, None if its rank is unknown."""
        found = self.value(index).type
        return found.shape if isinstance(found, TensorType) else None

    def rank(self, index: int) -> int | None:
        """Rank of operand `index`, None if it is unknown."""
        shape = self.shape(index)
        return None if shape is None else len(shape)

    def ints(self, name: str) -> tuple[int, ...] | None:
        """A list attribute, or None if it is absent."""
        found = self.attributes.get(name)
        if not isinstance(found, tuple):
            return None
        return tuple(int(item) for item in found)

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        found = self.attributes.get(name)
        return found if isinstance(found, int) else default

    def number(self, name: str) -> float | None:
        """A number attribute, or None if it is absent."""
        found = self.attributes.get(name)
        return found if isinstance(found, (int, float)) else None

    def text(self, name: str, default: str) -> str:
        """A text attribute."""
        found = self.attributes.get(name)
        return found if isinstance(found, str) else default

    def without(self, *names: str) -> Draft:
        """The same without these attributes."""
        return replace(self, attributes={key: value for key, value in self.attributes.items() if key not in names})

    def setting(self, **attributes: AttributeValue) -> Draft:
        """The same with these attributes."""
        return replace(self, attributes={**self.attributes, **attributes})

    def reading(self, *inputs: Value | None) -> Draft:
        """The same with these operands."""
        return replace(self, inputs=inputs)

    def renamed(self, op: str, domain: str = "") -> Draft:
        """The same as another operator, of the default domain if no other is given."""
        return replace(self, op=op, domain=domain)


class Maker(Protocol):
    """What an upgrade rule may add to the graph: constants, and nodes of the newest operators.

    An operator is written as in ONNX; one of another domain as `domain.Name`.
    """

    @property
    def builder(self) -> GraphBuilder:
        """The builder of the graph that the node goes into."""
        ...

    def find(self, name: str) -> Value | None:
        """The value of this name where the node stands, None if there is none."""
        ...

    def make(self, op: str, inputs: Sequence[Value | None], like: Draft, **attributes: AttributeValue) -> Value:
        """The first result of an added node that stands at the place of `like`."""
        ...

    def make_several(
        self, op: str, inputs: Sequence[Value | None], like: Draft, count: int, **attributes: AttributeValue
    ) -> tuple[Value, ...]:
        """The first `count` results of such a node."""
        ...

    def finish(
        self, op: str, inputs: Sequence[Value | None], like: Draft, **attributes: AttributeValue
    ) -> tuple[Value, ...]:
        """The results of an added node that takes over the output names of `like`."""
        ...


def constant_like(maker: Maker, draft: Draft, contents: Array, suffix: str) -> Value:
    """A constant that belongs to this node."""
    return maker.builder.constant(contents, f"{draft.name}.{suffix}")
