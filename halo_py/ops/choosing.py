"""OneHot and TopK."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.dims import axis_index, normalize_axis, unknown_dim
from halo_py.ops.forms import EMPTY, has_no_elements, one_kernel, untileable
from halo_py.ops.kernels.generate import one_hot_kernel
from halo_py.ops.kernels.sort import top_k_kernel
from halo_py.ops.sampling import axes as ints
from halo_py.ops.sampling import floats, integers, numbers
from halo_py.types import Dim, DType, TensorType, Type

Numbers = NDArray[Any]


@op("one_hot", onnx="OneHot", since=28)
class OneHot(Op):
    """A new dimension at `axis` of extent operand 1: values[1] at the index, values[0] elsewhere."""

    axis: int = -1

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, dtype = args.shape(0), args.dtype(2)
        if shape is None:
            return (TensorType(dtype, None),)
        axis = axis_index(self.axis, len(shape) + 1, args)
        depth, known = args.constant(1), args.dims(1)
        size: Dim = unknown_dim(args, "depth")
        if depth is not None:
            size = int(depth.reshape(-1)[0].item())
        elif known:
            size = known[0]
        return (TensorType(dtype, (*shape[:axis], size, *shape[axis:])),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        index, depth, values = args.array(0), int(args.array(1).reshape(-1)[0].item()), args.array(2)
        axis = normalize_axis(self.axis, index.ndim + 1)
        wide = index.astype(np.int64)
        wide = np.where(wide < 0, wide + depth, wide)
        hot = wide[..., np.newaxis] == np.arange(depth)
        return (np.moveaxis(np.where(hot, values[1:], values[:1]), -1, axis),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        out = args.output_types[0]
        axis = normalize_axis(self.axis, len(out.static_shape))
        kernel = one_hot_kernel(out.static_shape, axis, args.tensor(0).dtype, out.dtype)
        return untileable(args) or one_kernel(args, kernel, skipped=(1,))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        index = integers(1, 3, 4, low=-5, high=7, dtype=DType.INT64)
        depth = np.asarray(5, np.int64)
        yield Sample(cls(), (index, depth, np.asarray([0, 1], np.float32)), constant=(1,))
        yield Sample(cls(axis=0), (index, depth, np.asarray([-1.5, 2.5], np.float32)), constant=(1,))
        yield Sample(cls(axis=-2), (index, ints(7), np.asarray([3, 9], np.int64)), constant=(1,))


@op("top_k", onnx="TopK", since=24)
class TopK(Op):
    """The operand-1 largest (or smallest) along `axis`, best first, and their positions; of equals the lower first."""

    axis: int = -1
    largest: int = 1
    sorted: int = 1

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, dtype = args.shape(0), args.dtype(0)
        if shape is None:
            return TensorType(dtype, None), TensorType(DType.INT64, None)
        axis = axis_index(self.axis, len(shape), args)
        known = args.dims(1)
        count: Dim = known[0] if known else unknown_dim(args, "count")
        extent = shape[axis]
        if isinstance(count, int) and isinstance(extent, int) and not 0 <= count <= extent:
            raise args.error(f"{count} of dimension {axis} of {extent} cannot be chosen")
        out = (*shape[:axis], count, *shape[axis + 1 :])
        return TensorType(dtype, out), TensorType(DType.INT64, out)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, count = args.array(0), int(args.array(1).reshape(-1)[0])
        axis = normalize_axis(self.axis, data.ndim)
        rows: Numbers = np.moveaxis(data, axis, -1)
        order: Numbers = np.empty((*rows.shape[:-1], count), np.int64)
        for at in np.ndindex(*rows.shape[:-1]):
            row = rows[at].tolist() if data.dtype.kind in "iufb" else rows[at].astype(np.float32).tolist()
            ranked = sorted(range(len(row)), key=lambda position: -row[position] if self.largest else row[position])
            order[at] = ranked[:count]
        found = np.take_along_axis(rows, order, axis=-1)
        return np.moveaxis(found, -1, axis), np.moveaxis(order, -1, axis)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        data, out = args.tensor(0), args.output_types[0].static_shape
        axis = normalize_axis(self.axis, len(out))
        kernel = top_k_kernel(data.static_shape, axis, out[axis], data.dtype, largest=bool(self.largest))
        return untileable(args) or one_kernel(args, kernel, skipped=(1,))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 3, 7), ints(3)), constant=(1,), outputs=2)
        yield Sample(cls(axis=1, largest=0), (floats(2, 2, 5, 3), ints(2)), constant=(1,), outputs=2)
        yield Sample(cls(axis=0), (numbers(3, DType.INT64, 9, 2), ints(9)), constant=(1,), outputs=2)
        yield Sample(cls(), (integers(4, 4, 12, low=0, high=3), ints(5)), constant=(1,), outputs=2)
