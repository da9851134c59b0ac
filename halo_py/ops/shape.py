"""Ops that ask for shapes or make values from them: Shape, Size, ConstantOfShape, Range, EyeLike."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, ShapeValue, TileArgs, op
from halo_py.ir.space import FormBuilder, Refusal, TileForm
from halo_py.ops.dims import floor_divide, known_dims, unknown_dim
from halo_py.ops.forms import declare_operands, given, one_kernel, result, untileable
from halo_py.ops.kernels.generate import eye_kernel, fill_kernel, range_kernel
from halo_py.ops.literal import TensorLiteral
from halo_py.ops.sampling import axes as ints
from halo_py.ops.sampling import floats
from halo_py.types import Dim, DType, TensorType, Type, add_dims, multiply_dims, scale_dim

Numbers = NDArray[Any]
KNOWN = Refusal("its result is known as soon as shapes are: constant folding replaces it")


@op("shape", onnx="Shape", since=25, odla="odla_Shape")
class Shape(Op):
    """Dimensions start to end of the data's shape."""

    end: int | None = None
    start: int = 0

    def _range(self, rank: int) -> slice:
        first, last, _ = slice(self.start, self.end).indices(rank)
        return slice(first, max(first, last))

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is None:
            return (TensorType(DType.INT64, (unknown_dim(args, "rank"),)),)
        return (TensorType(DType.INT64, (len(shape[self._range(len(shape))]),)),)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        shape = args.shape(0)
        return None if shape is None else shape[self._range(len(shape))]

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        shape = args.array(0).shape
        return (np.asarray(shape[self._range(len(shape))], np.int64),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        return KNOWN

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for start, end in ((0, None), (1, None), (-2, None), (0, -1), (1, 2), (-10, 10)):
            yield Sample(cls(start=start, end=end), (floats(1, 3, 1, 5),))


@op("size", onnx="Size", since=25)
class Size(Op):
    """Number of elements."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (TensorType(DType.INT64, ()),)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        shape = args.shape(0)
        count = None if shape is None else multiply_dims(shape)
        return None if count is None else (count,)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (np.asarray(args.array(0).size, np.int64),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        return KNOWN

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for shape in ((3, 4), (), (0, 5)):
            yield Sample(cls(), (floats(1, *shape),))


@op("constant_of_shape", onnx="ConstantOfShape", since=25, odla="odla_Fill")
class ConstantOfShape(Op):
    """A tensor of the shape in operand 0, filled with one number (float32 zero if none is given)."""

    value: TensorLiteral | None = None

    def __post_init__(self) -> None:
        found: object = self.value
        if isinstance(found, np.ndarray):
            object.__setattr__(self, "value", TensorLiteral.of(found))

    @property
    def fill(self) -> TensorLiteral:
        """The number every element has."""
        return self.value or TensorLiteral(DType.FLOAT32, (1,), (0.0,))

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        if len(self.fill.values) != 1 + self.fill.dtype.is_complex:
            raise args.error(f"the value must be one number, found shape {self.fill.shape}")
        dims = known_dims(args, 0)
        if dims is not None and any(isinstance(dim, int) and dim < 0 for dim in dims):
            raise args.error(f"the shape {dims} is negative")
        return (TensorType(self.fill.dtype, dims),)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        dims, fill = args.dims(0), self.fill
        if dims is None or len(dims) > 1 or not fill.dtype.is_integer:
            return None
        count = dims[0] if dims else 1
        return (int(fill.values[0]),) * count if isinstance(count, int) and count <= 64 else None

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        shape = tuple(int(size) for size in args.array(0))
        return (np.full(shape, self.fill.array().reshape(()), self.fill.dtype.numpy),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        shape = args.output_types[0].static_shape
        return untileable(args) or one_kernel(args, fill_kernel(shape, self.fill), skipped=(0,))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (ints(2, 3),), constant=(0,))
        yield Sample(cls(TensorLiteral(DType.INT64, (1,), (7,))), (ints(5),), constant=(0,))
        yield Sample(cls(TensorLiteral(DType.BOOL, (1,), (True,))), (ints(2, 1, 3),), constant=(0,))
        yield Sample(cls(TensorLiteral(DType.FLOAT16, (1,), (0.5,))), (ints(),), constant=(0,))


@op("range", onnx="Range", since=27)
class Range(Op):
    """Start, start + delta, ... up to limit (not included)."""

    stash_type: DType = DType.FLOAT32

    def _count(self, args: InferArgs) -> Dim | None:
        start, limit, delta = (args.constant(number) for number in range(3))
        if start is not None and limit is not None and delta is not None:
            return range_count(start, limit, delta)
        bounds = [args.dims(number) for number in range(3)]
        if any(bound is None for bound in bounds):
            return None
        first, last, step = (bound[0] for bound in bounds if bound is not None)
        if not isinstance(step, int) or step < 1:
            return None
        return floor_divide(add_dims(add_dims(last, scale_dim(first, -1)), step - 1), step)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        count = self._count(args)
        return (TensorType(args.dtype(0), (unknown_dim(args, "count") if count is None else count,)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        start, limit, delta = (args.array(number).reshape(()) for number in range(3))
        dtype = DType.from_numpy(start.dtype)
        exact = np.dtype(np.float32) if dtype.is_float and dtype.bits < 32 else start.dtype
        index: Numbers = np.arange(range_count(start, limit, delta)).astype(exact)
        return (np.add(start.astype(exact), index * delta.astype(exact)).astype(start.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refused = untileable(args)
        if refused:
            return refused
        out = args.output_types[0]
        form = FormBuilder()
        start, delta = given(declare_operands(form, args, skipped=(1,)))
        made = result(form, out)
        form.call(range_kernel(out.elements, out.dtype), (start, delta), (made,))
        return form.finish(made)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype, numbers in (
            (np.int64, (3, 17, 4)),
            (np.int32, (10, -5, -3)),
            (np.float32, (0.5, 4.25, 0.5)),
            (np.float32, (1, 1, 1)),
        ):
            yield Sample(cls(), tuple(np.asarray(number, dtype) for number in numbers), constant=(0, 1, 2))


def range_count(start: Numbers, limit: Numbers, delta: Numbers) -> int:
    """How many numbers a range has. Raises ValueError for a delta of 0."""
    first, last, step = (number.reshape(()).item() for number in (start, limit, delta))
    if step == 0:
        raise ValueError("a range needs a delta other than 0")
    if isinstance(first, int) and isinstance(last, int) and isinstance(step, int):
        return len(range(first, last, step))
    return max(0, ceil((float(last) - float(first)) / float(step)))


@op("eye_like", onnx="EyeLike", since=22)
class EyeLike(Op):
    """Ones on diagonal `k` of a matrix of the operand's shape."""

    dtype: DType | None = None
    k: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is not None and len(shape) != 2:
            raise args.error(f"a matrix expected, found rank {len(shape)}")
        return (TensorType(self.dtype or args.dtype(0), shape),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        dtype = data.dtype if self.dtype is None else self.dtype.numpy
        return (np.eye(*data.shape, k=self.k).astype(dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        out = args.output_types[0]
        kernel = eye_kernel(out.static_shape, self.k, out.dtype)
        return untileable(args) or one_kernel(args, kernel, skipped=(0,))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 4, 3),))
        yield Sample(cls(k=1, dtype=DType.INT32), (floats(2, 3, 5),))
        yield Sample(cls(k=-2), (floats(3, 5, 5),))
