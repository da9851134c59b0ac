"""What the ATen op table builds with: nodes, constants, numbers and sizes, at the place of the call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from halo_frontends.torchscript.emitter import Emitter, scalar
from halo_frontends.torchscript.memory import Layout, row_major
from halo_frontends.torchscript.unknown_rank import why_unknown
from halo_frontends.torchscript.values import Inject, Number, Project, Scalar, Tensor
from halo_py.errors import ModelError, ShapeError, UnsupportedError
from halo_py.types import Dim, DType, LinearDim, TensorType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Value

INT_MAX = 2**63 - 1
Size = int | Scalar


class Maker:
    """Builds with the emitter at hand; `version` is the file's operator version."""

    def __init__(self, emitter: Emitter, version: int) -> None:
        self.emitter = emitter
        self.version = version
        self.seed = 0

    # -- nodes ----------------------------------------------------------------------------------------------------

    def op(self, kind: str, *inputs: Value | None, **attributes: object) -> Value:
        """The only result of a node."""
        return self.emitter.add(kind, inputs, 1, (), **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[Value | None], outputs: int, **attributes: object) -> tuple[Value, ...]:
        """The results of a node."""
        return self.emitter.add(kind, inputs, outputs, (), **attributes)

    def const(self, contents: NDArray[Any], dtype: DType | None = None) -> Value:
        """A constant."""
        return self.emitter.constant(contents, dtype)

    def number(self, value: Number, dtype: DType) -> Value:
        """A number as a value of rank 0."""
        if isinstance(value, Scalar):
            return self.cast(value.value, dtype)
        if dtype.is_integer or dtype is DType.BOOL:
            value = int(value.real)
            if dtype.is_integer:
                least = -(1 << (dtype.bits - 1)) if dtype.is_signed else 0
                value = (value - least) % (1 << dtype.bits) + least
        elif not dtype.is_complex:
            value = float(value.real)
        with np.errstate(over="ignore"):
            return self.const(np.asarray(value).astype(dtype.numpy), dtype)

    def ints(self, numbers: Sequence[Size]) -> Value:
        """Sizes or positions as a rank-1 int64 value, run-time ones included."""
        known = [number for number in numbers if isinstance(number, int)]
        if len(known) == len(numbers):
            return self.const(np.asarray(known, np.int64).reshape(-1))
        parts = [
            self.op("Unsqueeze", number.value, self.const(np.asarray([0], np.int64)))
            if isinstance(number, Scalar)
            else self.const(np.asarray([number], np.int64))
            for number in numbers
        ]
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=0)

    def cast(self, value: Value, dtype: DType) -> Value:
        """The value with this element type; numbers are cut off towards zero where they become integers."""
        return value if self.dtype(value) is dtype else self.op("Cast", value, to=dtype)

    # -- what is known --------------------------------------------------------------------------------------------

    def type(self, value: Value) -> TensorType:
        """The type of a tensor value."""
        found = value.type
        if not isinstance(found, TensorType):
            raise ModelError(f"a tensor is wanted, found {found}", self.emitter.where)
        return found

    def dtype(self, value: Value) -> DType:
        """The element type."""
        return self.type(value).dtype

    def rank(self, value: Value) -> int:
        """The rank. Raises ShapeError if it depends on data."""
        shape = self.type(value).shape
        if shape is None:
            raise ShapeError(
                f"the rank of an operand depends on data: {why_unknown(self.emitter, value)}", self.emitter.where
            )
        return len(shape)

    def shape(self, value: Value) -> tuple[int, ...]:
        """The shape as numbers. Raises ShapeError if it depends on data."""
        found = self.type(value)
        if not found.is_static:
            raise ShapeError(f"the shape of an operand depends on data: {found}", self.emitter.where)
        return found.static_shape

    def length(self, value: Value, axis: int) -> int:
        """The size along an axis as a number. Raises ShapeError if it depends on data."""
        found = self.size_of(value, axis)
        if not isinstance(found, int):
            raise ShapeError(f"the size of axis {axis} depends on data: {self.type(value)}", self.emitter.where)
        return found

    def size_of(self, value: Value, axis: int) -> Dim:
        """A dimension as the type states it; a scalar has one of size 1."""
        shape = self.type(value).shape
        rank = self.rank(value)
        return (shape or (1,))[self.axis(axis, rank)]

    def is_static(self, value: Value) -> bool:
        """Whether the shape is known."""
        return self.type(value).is_static

    def sizes(self, value: Value) -> list[Size]:
        """The shape, run-time sizes included."""
        return [self.size(value, axis) for axis in range(self.rank(value))]

    def size(self, value: Value, axis: int) -> Size:
        """One dimension: a number, or a run-time one."""
        dim = (self.type(value).shape or ())[self.axis(axis, self.rank(value))]
        if not isinstance(dim, LinearDim):
            return dim
        axis = self.axis(axis, self.rank(value))
        part = self.op("Shape", value, start=axis, end=axis + 1)
        return self.to_size(self.op("Squeeze", part, self.const(np.asarray([0], np.int64))))

    def known(self, value: Value) -> NDArray[Any] | None:
        """The contents, if they are known now."""
        return self.emitter.known(value)

    def to_number(self, value: Value) -> Number:
        """A tensor of one element as a number, a run-time one if it depends on data."""
        dtype = self.dtype(value)
        contents = self.known(value)
        if contents is not None:
            found: Any = contents.reshape(-1)[0]
            if dtype is DType.BOOL:
                return bool(found)
            return int(found) if dtype.is_integer else complex(found) if dtype.is_complex else float(found)
        if self.rank(value):
            value = self.op("Reshape", value, self.const(np.asarray([], np.int64)))
        wide = DType.INT64 if dtype.is_integer else DType.BOOL if dtype is DType.BOOL else DType.FLOAT32
        return scalar(self.cast(value, wide), wide)

    def to_size(self, value: Value) -> Size:
        """A tensor of one element as a size or position."""
        found = self.to_number(value)
        return found if isinstance(found, Scalar) else int(found.real)

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front. Raises ShapeError if there is none such; a scalar has one."""
        limit = max(rank, 1)
        if not -limit <= axis < limit:
            raise ShapeError(f"axis {axis} is outside of rank {rank}", self.emitter.where)
        return axis % limit

    # -- tensors --------------------------------------------------------------------------------------------------

    def read(self, tensor: Tensor) -> Value:
        """The contents of a tensor now."""
        return self.emitter.read(tensor)

    def view(self, base: Tensor, project: Project, inject: Inject | None, layout: Layout | None = None) -> Tensor:
        """A view of a tensor. Without `inject` nothing can be written into it."""
        seen = self.read(base)
        return Tensor(project(seen), base, project, inject, seen, base.quantised, layout, base.is_pair)

    def layout(self, tensor: Tensor) -> Layout | None:
        """Where a tensor's elements lie in its outermost base; a new tensor's lie one after another."""
        if tensor.base is not None:
            return tensor.layout
        value = self.read(tensor)
        return row_major(self.shape(value)) if self.is_static(value) else None

    def is_row_major(self, tensor: Tensor) -> bool:
        """Whether a tensor's elements lie one after another, as far as that is known."""
        layout = self.layout(tensor)
        return layout is None or layout.is_row_major(self.shape(self.read(tensor)))

    # -- short forms ----------------------------------------------------------------------------------------------

    def reshape(self, value: Value, sizes: Sequence[Size]) -> Value:
        """The elements in another shape; one size may be -1. Nothing happens if it is the shape already."""
        if self.is_static(value) and tuple(sizes) == self.shape(value):
            return value
        return self.op("Reshape", value, self.ints(sizes), allowzero=1 if 0 in sizes and -1 not in sizes else None)

    def flat(self, value: Value) -> Value:
        """All elements along one axis."""
        return value if self.rank(value) == 1 else self.reshape(value, [-1] if not self.empty(value) else [0])

    def empty(self, value: Value) -> bool:
        """Whether there are no elements."""
        return self.is_static(value) and 0 in self.shape(value)

    def unsqueeze(self, value: Value, *axes: int) -> Value:
        """More axes of size 1."""
        return self.op("Unsqueeze", value, self.ints(axes)) if axes else value

    def squeeze(self, value: Value, *axes: int) -> Value:
        """Without these axes of size 1."""
        return self.op("Squeeze", value, self.ints(axes)) if axes else value

    def transpose(self, value: Value, perm: Sequence[int]) -> Value:
        """The axes in another order."""
        return value if list(perm) == list(range(len(perm))) else self.op("Transpose", value, perm=tuple(perm))

    def slice(self, value: Value, axis: int, start: Size, end: Size, step: Size = 1) -> Value:
        """A part along an axis."""
        return self.op("Slice", value, self.ints([start]), self.ints([end]), self.ints([axis]), self.ints([step]))

    def expand(self, value: Value, sizes: Sequence[Size]) -> Value:
        """Broadcast to these sizes."""
        if self.is_static(value) and tuple(sizes) == self.shape(value):
            return value
        return self.op("Expand", value, self.ints(sizes))

    def unsupported(self, message: str) -> UnsupportedError:
        """An error that says what is not supported here."""
        return UnsupportedError(message, self.emitter.where)

    def wrong(self, message: str) -> ModelError:
        """An error that says what does not fit here."""
        return ModelError(message, self.emitter.where)


def is_number(item: object) -> TypeGuard[Number]:
    """Whether an item is a number, run-time ones included."""
    return isinstance(item, (int, float, complex, Scalar))
