"""Reductions along axes, positions of extrema, running sums and products."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, ShapeValue, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.broadcast import normalize_axes, reduced_shape
from halo_py.ops.dims import integers, unknown_dim
from halo_py.ops.forms import one_kernel
from halo_py.ops.kernels.generate import fill_kernel
from halo_py.ops.literal import TensorLiteral
from halo_py.ops.phases import Phases
from halo_py.ops.sampling import axes as axes_operand
from halo_py.ops.sampling import floats, numbers
from halo_py.ops.scalar import ProgramBuilder, widen
from halo_py.ops.scalar_op import refuse_types
from halo_py.types import Dim, DType, Shape, TensorType, Type, add_dims, multiply_dims

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Reduce(Op):
    """Reduces the axes that operand 1 names (negative ones count from the end), or all of them."""

    keepdims: int = 1
    noop_with_empty_axes: int = 0

    sample_low: ClassVar[float] = -2.0
    sample_types: ClassVar[tuple[DType, ...]] = (DType.FLOAT16, DType.INT32, DType.BFLOAT16)

    def axes_of(self, contents: Numbers | None, rank: int) -> tuple[int, ...]:
        """The axes that are reduced, in order, for these contents of operand 1."""
        listed = [] if contents is None else [int(axis) % max(rank, 1) for axis in contents.reshape(-1)]
        if listed:
            return tuple(sorted(listed))
        return () if self.noop_with_empty_axes else tuple(range(rank))

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type = args.tensor(0)
        if type.dtype is DType.STRING or type.dtype.is_complex:
            raise args.error(f"{type.dtype.text} elements cannot be reduced")
        shape = type.shape
        if shape is None:
            return (type,) if self.keepdims else (TensorType(type.dtype),)
        if not args.has(1):
            return (TensorType(type.dtype, reduced_shape(shape, self.axes_of(None, len(shape)), bool(self.keepdims))),)
        listed = integers(args, 1)
        if listed is None:
            return (TensorType(type.dtype, self._unknown_axes(args, shape)),)
        found = normalize_axes(listed, len(shape))
        axes = found or self.axes_of(None, len(shape))
        return (TensorType(type.dtype, reduced_shape(shape, axes, bool(self.keepdims))),)

    def _unknown_axes(self, args: InferArgs, shape: Shape) -> Shape | None:
        if not self.keepdims:
            return None
        dims: list[Dim] = [
            dim if dim == 1 else unknown_dim(args, f"reduced{number}") for number, dim in enumerate(shape)
        ]
        return tuple(dims)

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        """The result for a vector known as dimensions, None if it is not a linear expression."""
        return None

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        dims, shape = args.dims(0), args.shape(0)
        if dims is None or shape is None or len(shape) != 1 or not args.dtype(0).is_integer:
            return None
        if args.has(1) and integers(args, 1) is None:
            return None
        if self.noop_with_empty_axes and not (args.has(1) and integers(args, 1)):
            return None
        found = self.combine_dims(dims)
        return None if found is None else (found,)

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        """The reduction of an array in the type arithmetic is done in; axes are kept with extent 1."""
        raise NotImplementedError

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        """The reduction as kernels."""
        raise NotImplementedError

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        axes = self.axes_of(args.optional(1), array.ndim)
        with np.errstate(all="ignore"):
            result = self.meaning(widen(array), axes).astype(array.dtype, copy=False)
        shape = tuple(result.shape[axis] for axis in range(array.ndim) if self.keepdims or axis not in axes)
        return (result.reshape(shape),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        contents = args.constant(1)
        if args.has(1) and contents is None:
            return Refusal("the axes are not constant")
        if args.tensor(0).elements == 0 and args.output_types[0].elements:
            return self._of_nothing(args, contents)
        refusal = refuse_types(args)
        if refusal is not None:
            return refusal
        phases = Phases()
        source = phases.inputs(args, skip=(1,))[0]
        type = args.tensor(0)
        axes = self.axes_of(contents, len(type.static_shape))
        return phases.finish(args, self.phases(phases, source, axes, type.dtype))

    def _of_nothing(self, args: TileArgs, axes: Numbers | None) -> TileForm | Refusal:
        """Elements that nothing is reduced to are all the same number."""
        x, out = args.tensor(0), args.output_types[0]
        empty = np.zeros(x.static_shape, x.dtype.numpy)
        operands = (empty,) if axes is None else (empty, axes)
        (found,) = self.evaluate(EvaluateArgs(operands, lambda _number, _operands: []))
        assert isinstance(found, np.ndarray)
        kernel = fill_kernel(out.static_shape, TensorLiteral.of(found.reshape(-1)[0].reshape(())))
        return one_kernel(args, kernel, skipped=range(len(args.types)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        low = cls.sample_low
        yield Sample(cls(), (floats(0, 3, 7, low=low),))
        yield Sample(cls(keepdims=0), (floats(1, 2, 3, 5, low=low), axes_operand(-2)), constant=(1,))
        yield Sample(cls(), (floats(2, 2, 3, 4, 5, low=low), axes_operand(1, -1)), constant=(1,))
        yield Sample(cls(keepdims=0), (floats(3, 4, 33, low=low), axes_operand(1)), constant=(1,))
        yield Sample(cls(noop_with_empty_axes=1), (floats(4, 3, 4, low=low), axes_operand()), constant=(1,))
        yield Sample(cls(keepdims=0), (floats(5, 3, 4, low=low), axes_operand()), constant=(1,))
        yield Sample(cls(), (floats(6, low=low),))
        for number, dtype in enumerate(cls.sample_types):
            contents = numbers(7 + number, dtype, 3, 50, low=low)
            yield Sample(cls(), (contents, axes_operand(-1)), constant=(1,))
        if DType.INT32 in cls.sample_types:
            yield Sample(cls(keepdims=0), (numbers(12, DType.INT64, 4, low=low, high=4),))
            yield Sample(cls(), (numbers(13, DType.INT64, 3, low=low, high=4), axes_operand(0)), constant=(1,))


@op("reduce_sum", onnx="ReduceSum", since=13, odla="odla_ReduceSum")
class ReduceSum(Reduce):
    """Sum."""

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        return functools.reduce(add_dims, dims, 0)

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray(np.sum(array, axis=axes, keepdims=True, dtype=array.dtype))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        return phases.reduce("add", source, axes, dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(), (floats(7, 2, 0, 3), axes_operand(1)), constant=(1,))


@op("reduce_mean", onnx="ReduceMean", since=18, odla="odla_ReduceMean")
class ReduceMean(Reduce):
    """Mean; of integers, truncated toward zero."""

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray(np.mean(array, axis=axes, keepdims=True))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        if dtype.is_float:
            return phases.mean(source, axes, dtype)
        count = prod(phases.shape(source)[axis] for axis in axes)
        if dtype.numpy.itemsize < DType.INT32.numpy.itemsize:  # their sums need more room than they do
            wide = phases.apply("identity", [source], DType.INT32)
            mean = phases.apply("div", [phases.reduce("add", wide, axes)], DType.INT32, float(count))
            return phases.apply("identity", [mean], dtype)
        return phases.apply("div", [phases.reduce("add", source, axes)], dtype, float(count))


@op("reduce_max", onnx="ReduceMax", since=20, odla="odla_ReduceMax")
class ReduceMax(Reduce):
    """Largest element."""

    sample_types = (DType.FLOAT16, DType.INT32, DType.UINT8, DType.INT8, DType.BOOL)

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        known = [dim for dim in dims if isinstance(dim, int)]
        return max(known) if known and len(known) == len(dims) else None

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray(np.max(array, axis=axes, keepdims=True, initial=_lowest(array.dtype)))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        return phases.reduce("max", source, axes, dtype)


@op("reduce_min", onnx="ReduceMin", since=20, odla="odla_ReduceMin")
class ReduceMin(Reduce):
    """Smallest element."""

    sample_types = (DType.FLOAT16, DType.INT32, DType.UINT8, DType.INT8, DType.BOOL)

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        known = [dim for dim in dims if isinstance(dim, int)]
        return min(known) if known and len(known) == len(dims) else None

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray(np.min(array, axis=axes, keepdims=True, initial=_highest(array.dtype)))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        return phases.reduce("min", source, axes, dtype)


def _lowest(dtype: np.dtype[Any]) -> Any:
    """The maximum of no elements: the smallest value of the type."""
    if dtype.kind == "b":
        return False
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _highest(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "b":
        return True
    return np.iinfo(dtype).max if dtype.kind in "iu" else np.inf


@op("reduce_prod", onnx="ReduceProd", since=18, odla="odla_ReduceProd")
class ReduceProd(Reduce):
    """Product."""

    sample_low = 0.6

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        return multiply_dims(dims)

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray(np.prod(array, axis=axes, keepdims=True, dtype=array.dtype))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        return phases.reduce("mul", source, axes, dtype)


@op("reduce_sum_square", onnx="ReduceSumSquare", since=18, odla="odla_ReduceSumSquare")
class ReduceSumSquare(Reduce):
    """Sum of squares."""

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray(np.sum(np.square(array), axis=axes, keepdims=True, dtype=array.dtype))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        return phases.reduce("square_add", source, axes, dtype)


@op("reduce_l1", onnx="ReduceL1", since=18, odla="odla_ReduceL1")
class ReduceL1(Reduce):
    """Sum of magnitudes."""

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray(np.sum(np.abs(array), axis=axes, keepdims=True, dtype=array.dtype))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        return phases.reduce("add", phases.apply("abs", [source], dtype), axes, dtype)


@op("reduce_l2", onnx="ReduceL2", since=18, odla="odla_ReduceL2")
class ReduceL2(Reduce):
    """Square root of the sum of squares."""

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray(np.sqrt(np.sum(np.square(array), axis=axes, keepdims=True, dtype=array.dtype)))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        return phases.apply("sqrt", [phases.reduce("square_add", source, axes)], dtype)


@op("reduce_log_sum", onnx="ReduceLogSum", since=28, odla="odla_ReduceLogSum")
class ReduceLogSum(Reduce):
    """Logarithm of the sum."""

    sample_low = 0.1
    sample_types = (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64)

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray(np.log(np.sum(array, axis=axes, keepdims=True)))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        return phases.apply("log", [phases.reduce("add", source, axes)], dtype)


@op("reduce_log_sum_exp", onnx="ReduceLogSumExp", since=28, odla="odla_ReduceLogSumExp")
class ReduceLogSumExp(Reduce):
    """Logarithm of the sum of exponentials, with the maximum taken out first."""

    sample_types = (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64)

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        largest = np.max(array, axis=axes, keepdims=True, initial=-np.inf)
        shift = np.where(np.isfinite(largest), largest, 0)
        return np.asarray(np.log(np.sum(np.exp(array - shift), axis=axes, keepdims=True)) + shift).astype(array.dtype)

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        largest = phases.reduce("max", source, axes, dtype)
        low = float(np.finfo(np.float32).min)
        shift = phases.apply("clip", [largest], dtype, max(low, -_largest(dtype)), min(-low, _largest(dtype)))
        build = ProgramBuilder(2, dtype)
        build.call("exp", build.call("sub", *build.inputs))
        terms = phases.map(build.finish(dtype), [source, shift], phases.shape(source))
        total = phases.reduce("add", terms, axes)
        build = ProgramBuilder(2, dtype)
        build.call("add", build.call("log", 0), 1)
        return phases.map(build.finish(dtype), [total, shift], phases.shape(total))


def _largest(dtype: DType) -> float:
    """Largest finite value of an arithmetic type (bfloat16 has float32's range)."""
    return 65504.0 if dtype is DType.FLOAT16 else float(np.finfo(np.float32).max)
