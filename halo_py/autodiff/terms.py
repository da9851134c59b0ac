"""Values with arithmetic, so that a gradient rule reads like its formula; every operation adds a node to a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.errors import UnsupportedError, Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value
from halo_py.ir.op import Op
from halo_py.ops import elementwise as math
from halo_py.ops.activation import Sigmoid
from halo_py.ops.contraction import MatMul
from halo_py.ops.conversion import Cast
from halo_py.ops.logic import Equal, Greater, GreaterOrEqual, Less, LessOrEqual
from halo_py.ops.logic import Where as Choose
from halo_py.ops.movement import Expand, Transpose
from halo_py.ops.padding import Pad
from halo_py.ops.reduction import ReduceMean, ReduceSum
from halo_py.ops.reshaping import Reshape, Squeeze, Unsqueeze
from halo_py.ops.shape import Shape as ShapeOp
from halo_py.ops.slicing import Concat, Slice
from halo_py.types import Dim, DType, Shape, TensorType

if TYPE_CHECKING:
    Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Writer:
    """Adds nodes that stand at the place `where`, under names that begin with `name`."""

    builder: GraphBuilder
    where: Where
    name: str

    def add(self, op: Op, *inputs: Term | None, outputs: int = 1) -> tuple[Term, ...]:
        """The results of an added node."""
        values = [None if term is None else term.value for term in inputs]
        made = self.builder.add(op, values, outputs=outputs, name=self.name, where=self.where)
        return tuple(Term(self, value) for value in made)

    def term(self, value: Value) -> Term:
        """A value that arithmetic can be done on."""
        return Term(self, value)

    def constant(self, contents: Numbers, dtype: DType | None = None) -> Term:
        """A constant."""
        return Term(self, self.builder.constant(contents, f"{self.name}.constant", dtype))

    def number(self, value: float, dtype: DType) -> Term:
        """A scalar constant of an element type."""
        return self.constant(np.asarray(value, np.float64).astype(dtype.numpy), dtype)

    def ints(self, *numbers: int) -> Term:
        """A rank-1 int64 constant."""
        return self.constant(np.asarray(numbers, np.int64))

    def zeros(self, dtype: DType, *dims: int) -> Term:
        """Zeros of this shape."""
        return self.number(0, dtype).expanded(*dims)


@dataclass(frozen=True, slots=True)
class Term:
    """A tensor value. Operands of arithmetic broadcast; a Python number is a constant of the other's type."""

    writer: Writer
    value: Value

    # -- types ------------------------------------------------------------------------------------------------

    @property
    def type(self) -> TensorType:
        """The type. Raises UnsupportedError for a sequence or an optional."""
        if not isinstance(self.value.type, TensorType):
            raise UnsupportedError(f"{self.value.type} has no gradient", self.writer.where)
        return self.value.type

    @property
    def dtype(self) -> DType:
        """Element type."""
        return self.type.dtype

    @property
    def shape(self) -> Shape:
        """The shape. Raises UnsupportedError if the rank is unknown."""
        if self.type.shape is None:
            raise UnsupportedError(f"the gradient needs the rank of {self.value.name!r}", self.writer.where)
        return self.type.shape

    @property
    def rank(self) -> int:
        """Number of dimensions. Raises UnsupportedError if it is unknown."""
        return len(self.shape)

    @property
    def extents(self) -> tuple[int, ...]:
        """The shape as numbers. Raises UnsupportedError if a dimension is not known."""
        shape = self.shape
        numbers = tuple(dim for dim in shape if isinstance(dim, int))
        if len(numbers) < len(shape):
            raise UnsupportedError(
                f"the gradient needs the shape of {self.value.name!r}, found {self.type}", self.writer.where
            )
        return numbers

    # -- arithmetic -------------------------------------------------------------------------------------------

    def apply(self, op: Op, *others: Term | float | None) -> Term:
        """The result of an op on this and other operands."""
        return self.writer.add(op, self, *(self._operand(other) for other in others))[0]

    def _operand(self, other: Term | float | None) -> Term | None:
        return other if other is None or isinstance(other, Term) else self.writer.number(other, self.dtype)

    def _number(self, value: float) -> Term:
        return self.writer.number(value, self.dtype)

    def __add__(self, other: Term | float) -> Term:
        return self.apply(math.Add(), other)

    def __radd__(self, other: float) -> Term:
        return self._number(other) + self

    def __sub__(self, other: Term | float) -> Term:
        return self.apply(math.Sub(), other)

    def __rsub__(self, other: float) -> Term:
        return self._number(other) - self

    def __mul__(self, other: Term | float) -> Term:
        return self.apply(math.Mul(), other)

    def __rmul__(self, other: float) -> Term:
        return self._number(other) * self

    def __truediv__(self, other: Term | float) -> Term:
        return self.apply(math.Div(), other)

    def __rtruediv__(self, other: float) -> Term:
        return self._number(other) / self

    def __neg__(self) -> Term:
        return self.apply(math.Neg())

    def __pow__(self, other: Term | float) -> Term:
        return self.apply(math.Pow(), other)

    def __matmul__(self, other: Term) -> Term:
        return self.apply(MatMul(), other)

    def squared(self) -> Term:
        """This times itself."""
        return self * self

    def exp(self) -> Term:
        return self.apply(math.Exp())

    def log(self) -> Term:
        return self.apply(math.Log())

    def sqrt(self) -> Term:
        return self.apply(math.Sqrt())

    def abs(self) -> Term:
        return self.apply(math.Abs())

    def sign(self) -> Term:
        return self.apply(math.Sign())

    def sin(self) -> Term:
        return self.apply(math.Sin())

    def cos(self) -> Term:
        return self.apply(math.Cos())

    def tanh(self) -> Term:
        return self.apply(math.Tanh())

    def sigmoid(self) -> Term:
        return self.apply(Sigmoid())

    # -- conditions -------------------------------------------------------------------------------------------

    def greater(self, other: Term | float) -> Term:
        return self.apply(Greater(), other)

    def at_least(self, other: Term | float) -> Term:
        return self.apply(GreaterOrEqual(), other)

    def less(self, other: Term | float) -> Term:
        return self.apply(Less(), other)

    def at_most(self, other: Term | float) -> Term:
        return self.apply(LessOrEqual(), other)

    def equals(self, other: Term | float) -> Term:
        return self.apply(Equal(), other)

    def choose(self, this: Term, other: Term | float) -> Term:
        """`this` where the condition holds, else `other`."""
        second = other if isinstance(other, Term) else self.writer.number(other, this.dtype)
        return self.apply(Choose(), this, second)

    def cast(self, dtype: DType) -> Term:
        """In another element type; itself if it has that type."""
        return self if self.dtype is dtype else self.apply(Cast(to=dtype))

    # -- shapes -----------------------------------------------------------------------------------------------

    def sum(self, axes: Sequence[int], *, keep: bool = True) -> Term:
        """The sum over axes, which keep extent 1 or are dropped. Itself without axes."""
        return self.apply(ReduceSum(keepdims=int(keep)), self.writer.ints(*axes)) if axes else self

    def mean(self, axes: Sequence[int]) -> Term:
        """The mean over axes, which keep extent 1. Itself without axes."""
        return self.apply(ReduceMean(), self.writer.ints(*axes)) if axes else self

    def shape_term(self) -> Term:
        """The shape as a rank-1 integer tensor: a constant if it is known."""
        if self.type.is_static:
            return self.writer.ints(*self.extents)
        return self.apply(ShapeOp())

    def reshaped(self, *dims: Dim) -> Term:
        """The elements in another shape; -1 stands for what is left.

        Raises UnsupportedError if more than one dimension is not a number.
        """
        if self.type.shape == dims:
            return self
        numbers = [dim if isinstance(dim, int) else -1 for dim in dims]
        if numbers.count(-1) > 1:
            raise UnsupportedError(f"the gradient needs the shape of {self.value.name!r}", self.writer.where)
        return self.apply(Reshape(allowzero=int(0 in numbers)), self.writer.ints(*numbers))

    def reshaped_like(self, other: Term) -> Term:
        """The elements in the shape of another tensor."""
        if self.type.shape is not None and self.type.shape == other.type.shape:
            return self
        return self.apply(Reshape(allowzero=1), other.shape_term())

    def expanded(self, *dims: int) -> Term:
        """Repeated along dimensions of extent 1."""
        return self.apply(Expand(), self.writer.ints(*dims))

    def expanded_like(self, other: Term) -> Term:
        """Broadcast to the shape of another tensor."""
        if self.type.shape is not None and self.type.shape == other.type.shape:
            return self
        return self.apply(Expand(), other.shape_term())

    def transposed(self, *order: int) -> Term:
        """Dimension d of the result is dimension order[d]."""
        return self if order == tuple(range(len(order))) else self.apply(Transpose(order))

    def swapped(self) -> Term:
        """With the last two dimensions exchanged."""
        *batch, row, column = range(self.rank)
        return self.transposed(*batch, column, row)

    def unsqueezed(self, *axes: int) -> Term:
        """With dimensions of extent 1 at these positions of the result."""
        return self.apply(Unsqueeze(), self.writer.ints(*axes)) if axes else self

    def squeezed(self, *axes: int) -> Term:
        """Without these dimensions, which have extent 1."""
        return self.apply(Squeeze(), self.writer.ints(*axes)) if axes else self

    def part(self, axis: int, start: int, end: int, step: int = 1) -> Term:
        """Every `step`-th index from `start` (inclusive) to `end` (exclusive) along an axis."""
        numbers = (self.writer.ints(number) for number in (start, end, axis, step))
        return self.apply(Slice(), *numbers)

    def flipped(self, axis: int) -> Term:
        """In reverse order along an axis."""
        return self.part(axis, -1, -(1 << 62), -1)

    def padded(self, before: Sequence[int], after: Sequence[int]) -> Term:
        """With zeros before and after each dimension; negative numbers cut."""
        return self.apply(Pad(), self.writer.ints(*before, *after)) if any((*before, *after)) else self

    def fitted(self, operand: Term) -> Term:
        """The gradient of a result that `operand` was broadcast to, as that of the operand: repeated elements add up.

        Raises UnsupportedError if a dimension may or may not have been repeated.
        """
        if self.type.shape is not None and self.type.shape == operand.type.shape:
            return self
        extra = self.rank - operand.rank
        repeated = [axis for axis, dim in enumerate(operand.shape) if self._repeats(self.shape[axis + extra], dim)]
        return self.sum([*range(extra), *(axis + extra for axis in repeated)]).reshaped_like(operand)

    def _repeats(self, wide: Dim, dim: Dim) -> bool:
        if wide == dim:
            return False
        if dim == 1:
            return True
        if isinstance(wide, int) and isinstance(dim, int):
            return False
        raise UnsupportedError(
            f"the gradient cannot tell whether dimension {dim} is repeated to {wide}",
            self.writer.where,
            "fix the shapes of the model's inputs",
        )


def concatenated(terms: Sequence[Term], axis: int) -> Term:
    """Terms one after another along an axis."""
    return terms[0] if len(terms) == 1 else terms[0].apply(Concat(axis), *terms[1:])


def total(terms: Sequence[Term]) -> Term:
    """The sum of terms of one shape."""
    return terms[0] if len(terms) == 1 else terms[0].apply(math.Sum(), *terms[1:])
