"""Writes what a node comes down to as a formula: operators by name, over values and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_frontends.onnx.attributes import AttributeValue
from halo_frontends.onnx.draft import Draft, Maker, constant_like
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType, TensorType

Array = NDArray[Any]
Term = Value | Array


@dataclass(frozen=True, slots=True)
class Formula:
    """The expansion of one node. An array among the operands of a call becomes a constant of the node's."""

    draft: Draft
    maker: Maker

    def __call__(self, op: str, *operands: Term | None, **attributes: AttributeValue) -> Value:
        """The first result of an operator of ONNX (`domain.Name`: of another domain)."""
        return self.maker.make(op, self._values(op, operands), self.draft, **attributes)

    def end(self, op: str, *operands: Term | None, **attributes: AttributeValue) -> tuple[Value, ...]:
        """The results of an operator that are those of the node."""
        return self.maker.finish(op, self._values(op, operands), self.draft, **attributes)

    def _values(self, op: str, operands: tuple[Term | None, ...]) -> list[Value | None]:
        return [
            self.constant(np.asarray(term), op) if isinstance(term, (np.ndarray, np.generic)) else term
            for term in operands
        ]

    def constant(self, contents: Array, suffix: str) -> Value:
        """A constant of the node's."""
        return constant_like(self.maker, self.draft, contents, suffix)

    # -- attributes -----------------------------------------------------------------------------------------------

    def allow(self, *names: str) -> None:
        """Refuse any attribute that is not named here. Raises UnsupportedError."""
        for name in self.draft.attributes:
            if name not in names:
                raise UnsupportedError(f"attribute {name!r} is not known to this operator", self.draft.where)

    def floats(self, name: str) -> Array:
        """A list of numbers, or a tensor of them given as `<name>_as_tensor`; empty if it is absent."""
        found = self.draft.attributes.get(f"{name}_as_tensor", self.draft.attributes.get(name, ()))
        if isinstance(found, np.ndarray):
            return found.reshape(-1)
        if not isinstance(found, tuple) or any(isinstance(item, str) for item in found):
            raise self.error(f"attribute {name!r} must be a list of numbers")
        return np.asarray(found, np.float32)

    def ints(self, name: str) -> tuple[int, ...]:
        """A list of integers; empty if it is absent."""
        found = self.draft.attributes.get(name, ())
        if not isinstance(found, tuple) or not all(isinstance(item, int) for item in found):
            raise self.error(f"attribute {name!r} must be a list of integers")
        return tuple(int(item) for item in found)

    def strings(self, name: str) -> tuple[str, ...]:
        """A list of strings; empty if it is absent."""
        found = self.draft.attributes.get(name, ())
        if not isinstance(found, tuple) or not all(isinstance(item, str) for item in found):
            raise self.error(f"attribute {name!r} must be a list of strings")
        return tuple(str(item) for item in found)

    def choice(self, name: str, default: str, *others: str) -> str:
        """A text that is one of these. Raises ModelError."""
        found = self.draft.text(name, default)
        if found not in (default, *others):
            raise self.error(f"{name} must be one of {', '.join((default, *others))}, found {found!r}")
        return found

    # -- operands -------------------------------------------------------------------------------------------------

    def real(self, index: int = 0) -> Value:
        """A numeric operand in the type that arithmetic is done in: float64 if it has that, else float32."""
        value = self.draft.value(index)
        return self.cast(value, DType.FLOAT64 if self.draft.dtype(index) is DType.FLOAT64 else DType.FLOAT32)

    def rows(self, index: int = 0) -> Value:
        """`real` as a matrix [items, features]; a vector is one item. Raises ModelError for another rank."""
        value, rank = self.real(index), self.rank(index)
        if rank == 1:
            return self("Unsqueeze", value, np.asarray([0], np.int64))
        if rank != 2:
            raise self.error(f"operand {index} must have 1 or 2 dimensions, found {rank}")
        return value

    def rank(self, index: int = 0) -> int:
        """Raises UnsupportedError if it is unknown."""
        found = self.draft.rank(index)
        if found is None:
            raise UnsupportedError(f"needs to know the rank of operand {index}", self.draft.where)
        return found

    def last_extent(self, index: int = 0) -> int | None:
        """The last dimension of an operand, None if it is not a known number."""
        shape = self.draft.shape(index)
        last = shape[-1] if shape else None
        return last if isinstance(last, int) else None

    def cast(self, value: Value, dtype: DType) -> Value:
        """The value in another type."""
        if isinstance(value.type, TensorType) and value.type.dtype is dtype:
            return value
        return self("Cast", value, to=dtype.onnx_number)

    def like(self, number: float | Array, value: Value) -> Array:
        """Numbers in the element type of a value."""
        assert isinstance(value.type, TensorType)
        return np.asarray(number).astype(value.type.dtype.numpy)

    def error(self, message: str) -> ModelError:
        """An error at the node."""
        return ModelError(message, self.draft.where)
