"""TensorScatter: new entries written into a cache; Det."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.contraction import widened
from halo_py.ops.dims import normalize_axis
from halo_py.ops.forms import EMPTY, has_no_elements, one_kernel
from halo_py.ops.kernels.cache import cache_kernel
from halo_py.ops.kernels.determinant import det_kernel
from halo_py.ops.sampling import axes as ints
from halo_py.ops.sampling import floats
from halo_py.types import DType, TensorType, Type

Numbers = NDArray[Any]


@op("tensor_scatter", onnx="TensorScatter", since=24)
class TensorScatter(Op):
    """A cache [batch, ...] with an update written along `axis` from the index of each batch entry (0 if omitted)."""

    axis: int = -2
    mode: Literal["linear", "circular"] = "linear"

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        cache, update, first = args.array(0), args.array(1), args.optional(2)
        axis = normalize_axis(self.axis, cache.ndim)
        made = cache.copy()
        for batch in range(len(cache)):
            start = 0 if first is None else int(first.reshape(-1)[batch])
            for step in range(update.shape[axis]):
                at = (start + step) % cache.shape[axis] if self.mode == "circular" else start + step
                lead = (batch, *(slice(None),) * (axis - 1))
                made[(*lead, at)] = update[(*lead, step)]
        return (made,)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        cache, update = args.tensor(0), args.tensor(1)
        axis = normalize_axis(self.axis, len(cache.static_shape))
        index = args.tensor(2).dtype if args.has(2) else None
        kernel = cache_kernel(cache.static_shape, update.static_shape[axis], axis, (cache.dtype, index), self.mode)
        return one_kernel(args, kernel)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 2, 3, 6, 4), floats(2, 2, 3, 2, 4), ints(1, 4)))
        yield Sample(cls(mode="circular"), (floats(3, 2, 5, 4), floats(4, 2, 3, 4), ints(4, 1)))
        yield Sample(cls(axis=1), (floats(5, 2, 5, 3), floats(6, 2, 3, 3)))


@op("det", onnx="Det", since=22)
class Det(Op):
    """Determinants of square matrices."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is not None and len(shape) < 2:
            raise args.error(f"matrices expected, found rank {len(shape)}")
        return (TensorType(args.dtype(0), None if shape is None else shape[:-2]),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x = args.array(0)
        return (np.asarray(np.linalg.det(widened(x))).astype(x.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        x = args.tensor(0)
        return one_kernel(args, det_kernel(x.static_shape, x.dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 3, 3),))
        yield Sample(cls(), (floats(2, 2, 4, 4),))
        yield Sample(cls(), (floats(3, 2, 3, 2, 2, dtype=DType.FLOAT64),))
