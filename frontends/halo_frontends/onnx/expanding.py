"""Writes the nodes that one node is expanded into: operators by name, constants, shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_frontends.onnx.attributes import AttributeValue
from halo_frontends.onnx.draft import Draft, Maker
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import Dim, DType, Shape, TensorType

if TYPE_CHECKING:
    Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class NodeWriter:
    """Adds nodes that stand at the place of `draft`; calling it with an operator and operands answers the result."""

    draft: Draft
    maker: Maker

    def __call__(self, op: str, *inputs: Value | None, **attributes: AttributeValue) -> Value:
        return self.maker.make(op, inputs, self.draft, **attributes)

    def several(self, count: int, op: str, *inputs: Value | None, **attributes: AttributeValue) -> tuple[Value, ...]:
        """The first `count` results of an added node."""
        return self.maker.make_several(op, inputs, self.draft, count, **attributes)

    def result(self, index: int, op: str, *inputs: Value | None, **attributes: AttributeValue) -> Value:
        """The result of an added node that takes over the name of the draft's output `index`."""
        wanted = self.draft.outputs[index] if self.wants(index) else f"{self.draft.name}:{index}"
        return self.maker.finish(op, inputs, replace(self.draft, outputs=(wanted,)), **attributes)[0]

    def wants(self, index: int) -> bool:
        """Whether anything reads the draft's output `index`."""
        return index < len(self.draft.outputs) and bool(self.draft.outputs[index])

    def optional(self, index: int) -> Value | None:
        """Operand `index`, or None if it is left out."""
        return self.draft.inputs[index] if self.draft.has(index) else None

    # -- constants --------------------------------------------------------------------------------------------

    def constant(self, contents: Numbers, dtype: DType | None = None) -> Value:
        """A constant of this node."""
        return self.maker.builder.constant(contents, f"{self.draft.name}.constant", dtype)

    def ints(self, *numbers: int) -> Value:
        """A rank-1 int64 constant."""
        return self.constant(np.asarray(numbers, np.int64))

    def integer(self, number: int) -> Value:
        """A scalar int64 constant."""
        return self.constant(np.asarray(number, np.int64))

    def number(self, value: float, like: Value) -> Value:
        """A scalar constant of the element type of `like`."""
        dtype = self.dtype(like)
        return self.constant(np.asarray(value, np.float64).astype(dtype.numpy), dtype)

    # -- types ------------------------------------------------------------------------------------------------

    def dtype(self, value: Value) -> DType:
        """Element type of a tensor. Raises ModelError."""
        if not isinstance(value.type, TensorType):
            raise ModelError(f"a tensor is needed, found {value.type}", self.draft.where)
        return value.type.dtype

    def shape(self, value: Value) -> Shape:
        """Shape of a tensor. Raises UnsupportedError if its rank is unknown."""
        if not isinstance(value.type, TensorType) or value.type.shape is None:
            raise UnsupportedError(f"the rank of {value.name!r} must be known", self.draft.where)
        return value.type.shape

    def rank(self, value: Value) -> int:
        """Rank of a tensor. Raises UnsupportedError if it is unknown."""
        return len(self.shape(value))

    def size(self, value: Value, axis: int) -> int:
        """An extent that must be a number. Raises UnsupportedError if it is not."""
        shape = self.shape(value)
        dim: Dim | None = shape[axis] if -len(shape) <= axis < len(shape) else None
        if not isinstance(dim, int):
            raise UnsupportedError(f"dimension {axis} of {value.name!r} must be known, found {dim}", self.draft.where)
        return dim

    def known_ints(self, index: int, meaning: str) -> tuple[int, ...]:
        """The contents of integer operand `index`. Raises UnsupportedError if they are not known."""
        known = self.maker.builder.known(self.draft.value(index))
        if known is None:
            raise UnsupportedError(
                f"{meaning} (operand {index}) must be known when the model is read", self.draft.where
            )
        return tuple(int(number) for number in known.reshape(-1))

    # -- shapes of values -------------------------------------------------------------------------------------

    def reshaped(self, value: Value, *dims: int) -> Value:
        """The elements in another shape: 0 keeps a dimension, -1 stands for what is left."""
        return self("Reshape", value, self.ints(*dims))

    def unsqueezed(self, value: Value, *axes: int) -> Value:
        """With dimensions of extent 1 at these positions of the result."""
        return self("Unsqueeze", value, self.ints(*axes))

    def part(self, value: Value, axis: int, start: int, end: int) -> Value:
        """Indices `start` (inclusive) to `end` (exclusive) along an axis."""
        return self("Slice", value, self.ints(start), self.ints(end), self.ints(axis))

    def split(self, value: Value, axis: int, sizes: Sequence[int]) -> tuple[Value, ...]:
        """Consecutive parts along an axis."""
        return self.several(len(sizes), "Split", value, self.ints(*sizes), axis=axis)

    def extent(self, value: Value, axis: int) -> Value:
        """The extent of a dimension as an int64 scalar."""
        axis %= self.rank(value)
        return self("Squeeze", self("Shape", value, start=axis, end=axis + 1), self.ints(0))

    def cast(self, value: Value, dtype: DType) -> Value:
        """The value in another element type; itself if it has that type."""
        return value if self.dtype(value) is dtype else self("Cast", value, to=dtype.onnx_number)


def check_attributes(draft: Draft, *known: str) -> None:
    """Raises UnsupportedError for an attribute that the expansion of this operator does not know."""
    for name in draft.attributes:
        if name not in known:
            raise UnsupportedError(f"attribute {name!r} is not known to this operator", draft.where)
