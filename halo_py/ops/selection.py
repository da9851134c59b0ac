"""Ops whose results' sizes depend on data: NonZero, Compress, Unique. They run on the host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, op
from halo_py.ops.dims import axis_index, unknown_dim
from halo_py.ops.sampling import booleans, floats, integers
from halo_py.types import Dim, DType, TensorType, Type

Numbers = NDArray[Any]
DATA_DEPENDENT = "the size of its result depends on data"


@op("non_zero", onnx="NonZero", since=13, host_only=DATA_DEPENDENT)
class NonZero(Op):
    """Coordinates of elements that are not zero, one row per dimension."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        rank: Dim = unknown_dim(args, "rank") if shape is None else len(shape)
        return (TensorType(DType.INT64, (rank, unknown_dim(args, "count"))),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        if data.ndim == 0:
            return (np.zeros((0, int(bool(data))), np.int64),)
        return (np.asarray(np.nonzero(data), np.int64),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (integers(1, 3, 4, low=0, high=2),))
        yield Sample(cls(), (booleans(2, 7),))
        yield Sample(cls(), (floats(3, 2, 1, 3),))


@op("compress", onnx="Compress", since=28, host_only=DATA_DEPENDENT)
class Compress(Op):
    """The slices along `axis` (or elements, without it) where the condition holds."""

    axis: int | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, dtype, condition = args.shape(0), args.dtype(0), args.constant(1)
        count: Dim = unknown_dim(args, "count") if condition is None else int(np.count_nonzero(condition))
        if self.axis is None:
            return (TensorType(dtype, (count,)),)
        if shape is None:
            return (TensorType(dtype, None),)
        axis = axis_index(self.axis, len(shape), args)
        return (TensorType(dtype, (*shape[:axis], count, *shape[axis + 1 :])),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, condition = args.array(0), args.array(1).astype(np.bool_)
        return (np.compress(condition, data, axis=self.axis),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(axis=1), (floats(1, 3, 4), np.asarray([True, False, True])))
        yield Sample(cls(axis=-2), (floats(2, 3, 4), np.asarray([False, True, True])), constant=(1,))
        yield Sample(cls(), (floats(3, 3, 2), np.asarray([False, True, False, False, True])))


@op("unique", onnx="Unique", since=28, host_only=DATA_DEPENDENT)
class Unique(Op):
    """Distinct elements (or slices along `axis`), where each first occurs, where each went, and how many there are."""

    axis: int | None = None
    sorted: int = 1

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, dtype, count = args.shape(0), args.dtype(0), unknown_dim(args, "count")
        numbers = TensorType(DType.INT64, (count,))
        inverse = TensorType(DType.INT64, (unknown_dim(args, "elements"),))
        values = TensorType(dtype, (count,))
        if shape is not None and self.axis is not None:
            axis = axis_index(self.axis, len(shape), args)
            values = TensorType(dtype, (*shape[:axis], count, *shape[axis + 1 :]))
            inverse = TensorType(DType.INT64, (shape[axis],))
        elif self.axis is not None:
            values = TensorType(dtype, None)
        return (values, numbers, inverse, numbers)[: max(args.outputs, 1)]

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        values, first, inverse, counts = np.unique(
            data, return_index=True, return_inverse=True, return_counts=True, axis=self.axis
        )
        inverse = inverse.reshape(-1)
        if not self.sorted:
            order = np.argsort(first)
            place = np.empty_like(order)
            place[order] = np.arange(len(order))
            values = np.take(values, order, axis=self.axis or 0)
            first, inverse, counts = first[order], place[inverse], counts[order]
        results: list[Numbers] = [values, *(part.astype(np.int64) for part in (first, inverse, counts))]
        return tuple(results[: max(args.outputs, 1)])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.asarray([2, 1, 1, 3, 4, 3], np.float32)
        yield Sample(cls(), (x,), outputs=4)
        yield Sample(cls(sorted=0), (x,), outputs=4)
        yield Sample(cls(axis=0), (np.asarray([[1, 0, 0], [1, 0, 0], [2, 3, 4]], np.float32),), outputs=4)
        yield Sample(cls(axis=-1), (integers(4, 2, 5, low=0, high=2),), outputs=2)
