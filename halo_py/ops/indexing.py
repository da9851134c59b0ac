"""Reads and writes addressed by data: the Gather and Scatter families."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, ShapeValue, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.dims import axis_index, integers, normalize_axis
from halo_py.ops.forms import EMPTY, has_no_elements, one_kernel, untileable
from halo_py.ops.kernels.gather import (
    Reduction,
    gather_elements_kernel,
    gather_kernel,
    gather_tuples_kernel,
    scatter_elements_kernel,
    scatter_tuples_kernel,
)
from halo_py.ops.sampling import floats, numbers
from halo_py.ops.sampling import integers as some_integers
from halo_py.types import DType, TensorType, Type

Numbers = NDArray[Any]


def _index(*values: Any) -> Numbers:
    return np.asarray(values, np.int64)


@op("gather", onnx="Gather", since=13, odla="odla_Gather")
class Gather(Op):
    """Slices of the data along `axis`, chosen by operand 1 (negative numbers count from the end)."""

    axis: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        data, index = args.shape(0), args.shape(1)
        if data is None or index is None:
            return (TensorType(args.dtype(0), None),)
        axis = axis_index(self.axis, len(data), args)
        return (TensorType(args.dtype(0), (*data[:axis], *index, *data[axis + 1 :])),)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        dims, index, shape = args.dims(0), integers(args, 1), args.shape(1)
        if dims is None or index is None or shape is None or len(shape) > 1 or args.shape(0) == ():
            return None
        if any(not -len(dims) <= number < len(dims) for number in index):
            raise args.error(f"index {index} is out of range for {len(dims)} entries")
        return tuple(dims[number] for number in index)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (np.asarray(np.take(args.array(0), args.array(1).astype(np.int64), axis=self.axis)),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        data, index = args.tensor(0), args.tensor(1)
        axis = normalize_axis(self.axis, len(data.static_shape))
        kernel = gather_kernel(data.static_shape, index.static_shape, axis, data.dtype, index.dtype)
        return untileable(args) or one_kernel(args, kernel)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 7, 3), _index([0, 6, -1], [3, 3, -7])))
        yield Sample(cls(axis=1), (floats(2, 2, 5, 3), _index(4, 0, 2, 2)))
        yield Sample(cls(axis=-1), (numbers(3, DType.INT8, 3, 4), np.asarray(-2, np.int32)))
        yield Sample(cls(), (numbers(4, DType.BOOL, 9), np.asarray([[8], [1]], np.int32)))
        yield Sample(cls(), (numbers(5, DType.INT64, 4), np.asarray(3, np.int64)))


@op("gather_elements", onnx="GatherElements", since=13)
class GatherElements(Op):
    """Single elements chosen along `axis`; the other coordinates are those of the result."""

    axis: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (TensorType(args.dtype(0), args.shape(1)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, index = args.array(0), args.array(1).astype(np.int64)
        axis = normalize_axis(self.axis, data.ndim)
        cut = tuple(slice(None) if dim == axis else slice(size) for dim, size in enumerate(index.shape))
        index = np.where(index < 0, index + data.shape[axis], index)
        return (np.take_along_axis(data[cut], index, axis=axis),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        data, index = args.tensor(0), args.tensor(1)
        axis = normalize_axis(self.axis, len(data.static_shape))
        kernel = gather_elements_kernel(data.static_shape, index.static_shape, axis, data.dtype, index.dtype)
        return untileable(args) or one_kernel(args, kernel)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(axis=1), (floats(1, 3, 4), _index([0, -1, 2, 2, 1], [3, 3, 0, 1, 2])))
        yield Sample(cls(), (floats(2, 5, 3, 2), some_integers(3, 4, 2, 2, low=-5, high=5, dtype=DType.INT64)))
        yield Sample(cls(axis=-1), (numbers(4, DType.INT32, 6), np.asarray([5, 0, -6], np.int32)))


@op("gather_nd", onnx="GatherND", since=13)
class GatherND(Op):
    """Slices chosen by index tuples (the last dimension of operand 1), after `batch_dims` shared dimensions."""

    batch_dims: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        data, index = args.shape(0), args.shape(1)
        if data is None or index is None or not index or not isinstance(index[-1], int):
            return (TensorType(args.dtype(0), None),)
        if self.batch_dims + index[-1] > len(data):
            raise args.error(f"tuples of {index[-1]} after {self.batch_dims} dimensions do not fit rank {len(data)}")
        return (TensorType(args.dtype(0), (*index[:-1], *data[self.batch_dims + index[-1] :])),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, index = args.array(0), args.array(1)
        where: list[Numbers] = list(np.moveaxis(index, -1, 0))
        for dim in reversed(range(self.batch_dims)):
            spread = [size if number == dim else 1 for number, size in enumerate(index.shape[:-1])]
            where.insert(0, np.arange(spread[dim], dtype=np.int64).reshape(spread))
        return (np.asarray(data[tuple(where)]),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        data, index = args.tensor(0), args.tensor(1)
        kernel = gather_tuples_kernel(data.static_shape, index.static_shape, self.batch_dims, data.dtype, index.dtype)
        return untileable(args) or one_kernel(args, kernel)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 3, 4, 2), _index([0, 1], [2, -1], [-3, 3])))
        yield Sample(cls(), (floats(2, 3, 4), _index([[2], [0]], [[-1], [1]])))
        yield Sample(cls(batch_dims=1), (floats(3, 2, 3, 4), _index([[1], [2]], [[0], [-1]])))
        yield Sample(
            cls(batch_dims=2),
            (numbers(4, DType.INT32, 2, 3, 5), some_integers(5, 2, 3, 1, low=0, high=5).astype(np.int64)),
        )
        yield Sample(cls(), (numbers(6, DType.UINT8, 3, 4), _index(2, 3)))


_MEANINGS = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _combined(made: Numbers, where: tuple[Any, ...], values: Numbers, reduction: Reduction) -> None:
    """Put or combine one value at a time, in row-major order of the updates."""
    if reduction == "none":
        made[where] = values
        return
    meaning = _MEANINGS[reduction]
    for number, value in enumerate(values.reshape(len(where[0]), *values.shape[1:])):
        at = tuple(coordinates[number] for coordinates in where)
        made[at] = meaning(made[at], value)


@op("scatter_elements", onnx="ScatterElements", since=18)
class ScatterElements(Op):
    """The data with single elements replaced (or combined by `reduction`) at indices along `axis`."""

    axis: int = 0
    reduction: Reduction = "none"

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, index, values = args.array(0), args.array(1).astype(np.int64), args.array(2)
        axis = normalize_axis(self.axis, data.ndim)
        where: list[Numbers] = [part.reshape(-1) for part in np.indices(index.shape)]
        where[axis] = np.where(index < 0, index + data.shape[axis], index).reshape(-1)
        made = data.copy()
        _combined(made, tuple(where), values.reshape(-1), self.reduction)
        return (made,)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        data, index = args.tensor(0), args.tensor(1)
        axis = normalize_axis(self.axis, len(data.static_shape))
        types = (data.dtype, index.dtype)
        kernel = scatter_elements_kernel(data.static_shape, index.static_shape, axis, self.reduction, types)
        return untileable(args) or one_kernel(args, kernel)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        index = _index([0, -1, 2], [3, 3, 0])
        yield Sample(cls(axis=1), (floats(1, 3, 4), _index([0, -1, 2], [3, 1, 0]), floats(2, 2, 3)))
        yield Sample(cls(), (floats(3, 5, 3), _index([4, 0, -3]), floats(4, 1, 3)))
        for number, reduction in enumerate(("add", "mul", "max", "min")):
            yield Sample(cls(axis=-1, reduction=reduction), (floats(5, 3, 4), index, floats(6 + number, 2, 3)))


@op("scatter_nd", onnx="ScatterND", since=18)
class ScatterND(Op):
    """The data with slices replaced (or combined by `reduction`) at index tuples."""

    reduction: Reduction = "none"

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, index, values = args.array(0), args.array(1), args.array(2)
        depth = index.shape[-1]
        where = tuple(index.reshape(-1, depth).T)
        made = data.copy()
        _combined(made, where, values.reshape(-1, *data.shape[depth:]), self.reduction)
        return (made,)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        data, index = args.tensor(0), args.tensor(1)
        kernel = scatter_tuples_kernel(data.static_shape, index.static_shape, self.reduction, data.dtype, index.dtype)
        return untileable(args) or one_kernel(args, kernel)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 4, 5, 2), _index([0, 1], [3, -1]), floats(2, 2, 2)))
        yield Sample(cls(), (numbers(3, DType.INT64, 8), _index([4], [-1]), numbers(4, DType.INT64, 2)))
        yield Sample(cls(), (floats(5, 4, 3, 2), _index([[2], [0]]), floats(6, 1, 2, 3, 2)))
        for number, reduction in enumerate(("add", "mul", "max", "min")):
            values = floats(8 + number, 3, 3)
            yield Sample(cls(reduction=reduction), (floats(7, 4, 3), _index([1], [3], [1]), values))
