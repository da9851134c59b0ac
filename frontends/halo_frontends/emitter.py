"""Adds ops to a graph at one place of the user's model, written by their ONNX names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.importer import make_op
from halo_py.errors import ModelError, UnsupportedError, Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import REGISTRY, ShapeValue
from halo_py.ops.limits import integer_limits
from halo_py.types import Dim, DType, Shape, TensorType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

WHOLE = (1 << 63) - 1
"""An `ends` of Slice that reaches to the end of the dimension."""


@dataclass(frozen=True, slots=True)
class Emitter:
    """What a node of the user's model becomes goes through here: `where` is that node, `name` begins all names."""

    builder: GraphBuilder
    where: Where
    name: str

    # -- ops --------------------------------------------------------------------------------------------------

    def op(self, kind: str, *inputs: Value | None, **attributes: object) -> Value:
        """The first result of an op of ONNX's default domain. Raises ShapeError if the operands do not fit."""
        return self._add(kind, inputs, 1, f"{self.name}.{kind}", attributes)[0]

    def several(self, kind: str, inputs: Sequence[Value | None], count: int, **attributes: object) -> tuple[Value, ...]:
        """The first `count` results of such an op."""
        return self._add(kind, inputs, count, f"{self.name}.{kind}", attributes)

    def direct(self, kind: str, *inputs: Value | None, **attributes: object) -> Value:
        """The same for a node that is just this op: the result has the node's own name."""
        return self._add(kind, inputs, 1, self.name, attributes)[0]

    def with_bodies(
        self, kind: str, inputs: Sequence[Value | None], bodies: tuple[Graph, ...], count: int, **attributes: object
    ) -> tuple[Value, ...]:
        """The results of a control-flow op with these nested graphs."""
        return self._add(kind, inputs, count, self.name, attributes, bodies)

    def _add(
        self,
        kind: str,
        inputs: Sequence[Value | None],
        count: int,
        name: str,
        attributes: Mapping[str, object],
        bodies: tuple[Graph, ...] = (),
    ) -> tuple[Value, ...]:
        op = make_op(REGISTRY.by_onnx["", kind], attributes, self.where)
        return self.builder.add(op, inputs, outputs=count, name=name, bodies=bodies, where=self.where)

    # -- constants --------------------------------------------------------------------------------------------

    def constant(self, contents: Array, suffix: str = "constant") -> Value:
        """A constant that belongs to this node."""
        return self.builder.constant(contents, f"{self.name}.{suffix}")

    def ints(self, *numbers: int) -> Value:
        """A rank-1 int64 constant."""
        return self.constant(np.asarray(numbers, np.int64), "ints")

    def scalar(self, number: float, like: Value | DType) -> Value:
        """A scalar of an element type, or of the element type of a value."""
        dtype = like if isinstance(like, DType) else self.dtype(like)
        return self.constant(np.asarray(number).astype(dtype.numpy), "scalar")

    # -- what is known ----------------------------------------------------------------------------------------

    def known(self, value: Value | None) -> Array | None:
        """Contents of a value, if they are known while importing."""
        return None if value is None else self.builder.known(value)

    def dims_of(self, value: Value) -> ShapeValue | None:
        """Contents of a small integer value as dimensions, symbolic ones included, if known."""
        return self.builder.shape_value(value)

    def must_know(self, value: Value | None, what: str) -> Array:
        """Contents of a value that decides what the node means. Raises UnsupportedError if they are not known."""
        contents = self.known(value)
        if contents is None:
            raise UnsupportedError(f"{what} must be constant", self.where)
        return contents

    def must_know_ints(self, value: Value | None, what: str) -> tuple[int, ...]:
        """The same for integers, flattened."""
        return tuple(int(number) for number in self.must_know(value, what).reshape(-1).tolist())

    def dtype(self, value: Value) -> DType:
        """Element type of a tensor. Raises ModelError for anything else."""
        return self._tensor(value).dtype

    def _tensor(self, value: Value) -> TensorType:
        if not isinstance(value.type, TensorType):
            raise ModelError(f"an operand must be a tensor, found {value.type}", self.where)
        return value.type

    def shape(self, value: Value) -> Shape:
        """Dimensions of a tensor. Raises UnsupportedError if not even the rank is known."""
        shape = self._tensor(value).shape
        if shape is None:
            raise UnsupportedError(f"the rank of {value.name!r} must be known", self.where)
        return shape

    def rank(self, value: Value) -> int:
        """Rank of a tensor. Raises UnsupportedError if it is not known."""
        return len(self.shape(value))

    def static_shape(self, value: Value, rank: int | None = None) -> tuple[int, ...]:
        """Dimensions of a tensor as numbers.

        Raises UnsupportedError if one is not known, ModelError if there are not `rank` of them.
        """
        shape = self.shape(value)
        if rank is not None and len(shape) != rank:
            raise ModelError(f"{value.name!r} must have {rank} dimensions, found {len(shape)}", self.where)
        return self.numbers(shape, f"the shape of {value.name!r}")

    def numbers(self, dims: Sequence[Dim], what: str) -> tuple[int, ...]:
        """Dimensions that must be numbers. Raises UnsupportedError."""
        found = tuple(dim for dim in dims if isinstance(dim, int))
        if len(found) != len(dims):
            raise UnsupportedError(f"{what} must be known", self.where, "fix the input shapes with --shape")
        return found

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front. Raises ModelError if it is outside of the rank."""
        if not -rank <= axis < rank:
            raise ModelError(f"axis {axis} is outside of rank {rank}", self.where)
        return axis % rank

    # -- frequent ops -----------------------------------------------------------------------------------------

    def cast(self, value: Value, dtype: DType) -> Value:
        """The value in another element type."""
        if self.dtype(value) is dtype:
            return value
        contents = self.builder.known(value)
        plain = dtype.is_integer and self.dtype(value).is_integer
        if contents is not None and plain and contents.size:
            low, high = integer_limits(dtype)
            if low <= int(contents.min()) and int(contents.max()) <= high:
                return self.constant(contents.astype(dtype.numpy), "cast")
        return self.op("Cast", value, to=dtype)

    def int64(self, value: Value) -> Value:
        """Indices, axes or sizes as ONNX wants them."""
        return self.cast(value, DType.INT64)

    def transpose(self, value: Value, perm: Sequence[int]) -> Value:
        """The value with its axes in another order; a constant is turned here and now, without a copy."""
        if tuple(perm) == tuple(range(len(perm))):
            return value
        contents = self.builder.known(value)
        if contents is not None and contents.ndim == len(perm):
            return self.builder.constant(contents.transpose(perm), f"{value.name}.turned", self.dtype(value))
        return self.op("Transpose", value, perm=tuple(perm))

    def reshape(self, value: Value, dims: Sequence[Dim]) -> Value:
        """The value with other dimensions, of which at most one is not a number."""
        if tuple(dims) == self._tensor(value).shape:
            return value
        sizes = [dim if isinstance(dim, int) else -1 for dim in dims]
        if sizes.count(-1) > 1:
            raise UnsupportedError("more than one dimension of a reshaped value is not known", self.where)
        contents = self.builder.known(value)
        if contents is not None and -1 not in sizes and contents.size == int(np.prod(sizes)):
            return self.builder.constant(contents.reshape(sizes), f"{value.name}.shaped", self.dtype(value))
        return self.op("Reshape", value, self.ints(*sizes), allowzero=int(0 in sizes))

    def unsqueeze(self, value: Value, *axes: int) -> Value:
        """The value with axes of size 1 at these places of the result."""
        return self.op("Unsqueeze", value, self.ints(*axes))

    def squeeze(self, value: Value, *axes: int) -> Value:
        """The value without these axes of size 1."""
        return self.op("Squeeze", value, self.ints(*axes))

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """The values one after another along an axis."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=axis)

    def slice(self, value: Value, axis: int, start: int, end: int = WHOLE, step: int = 1) -> Value:
        """Part of one axis."""
        return self.op("Slice", value, self.ints(start), self.ints(end), self.ints(axis), self.ints(step))

    def item(self, vector: Value, index: int) -> Value:
        """Entry `index` of a vector, as a vector of one."""
        return self.slice(vector, 0, index, index + 1)
