"""Ops along one whole axis: positions of extrema, running sums and products."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.broadcast import normalize_axes, normalize_axis, reduced_shape
from halo_py.ops.dims import integers
from halo_py.ops.kernels.reduce import ArgReduceCodelet, CumulativeCodelet, along_kernel, cumulate, extreme_index
from halo_py.ops.phases import Phases
from halo_py.ops.sampling import floats, numbers
from halo_py.ops.scalar import widen
from halo_py.ops.scalar_op import refuse_types
from halo_py.types import DType, TensorType, Type


@dataclass(frozen=True)
class ArgReduce(Op):
    """Position of an extremum along one axis, as int64."""

    axis: int = 0
    keepdims: int = 1
    select_last_index: int = 0

    function: ClassVar[Literal["argmax", "argmin"]]

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is None:
            return (TensorType(DType.INT64),)
        axis = normalize_axis(self.axis, len(shape))
        return (TensorType(DType.INT64, reduced_shape(shape, (axis,), bool(self.keepdims))),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = widen(args.array(0))
        axis = self.axis % array.ndim
        found = extreme_index(array, axis, self.function, self.select_last_index)
        return (found if self.keepdims else found.squeeze(axis),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refusal = refuse_types(args)
        if refusal is not None:
            return refusal
        phases = Phases()
        (source,) = phases.inputs(args)
        type = args.tensor(0)
        kernel = along_kernel(
            ArgReduceCodelet(self.function, self.select_last_index),
            type,
            self.axis % len(type.static_shape),
            DType.INT64,
        )
        result = phases.form.value(DType.INT64, kernel.writes[0].shape)
        phases.form.call(kernel, (source,), (result,))
        return phases.finish(args, result)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(0, 3, 7),))
        yield Sample(cls(axis=-1, keepdims=0), (floats(1, 2, 3, 5),))
        repeated = numbers(2, DType.INT32, 4, 9, low=-1, high=1)
        yield Sample(cls(axis=1), (repeated,))
        yield Sample(cls(axis=1, select_last_index=1), (repeated,))
        yield Sample(cls(axis=-2, keepdims=0), (floats(3, 2, 6, 3, dtype=DType.FLOAT16),))


@op("arg_max", onnx="ArgMax", since=13, odla="odla_ArgMax")
class ArgMax(ArgReduce):
    """Position of the largest element."""

    function = "argmax"


@op("arg_min", onnx="ArgMin", since=13, odla="odla_ArgMin")
class ArgMin(ArgReduce):
    """Position of the smallest element."""

    function = "argmin"


@dataclass(frozen=True)
class Cumulative(Op):
    """Running sum or product along the axis that operand 1 names."""

    exclusive: int = 0
    reverse: int = 0

    function: ClassVar[Literal["add", "mul"]]

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, listed = args.shape(0), integers(args, 1)
        if shape is not None and listed is not None:
            normalize_axes(listed, len(shape))
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        axis = int(args.array(1).reshape(-1)[0]) % array.ndim
        result = cumulate(widen(array), axis, self.function, self.exclusive, self.reverse)
        return (result.astype(array.dtype, copy=False),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refusal = refuse_types(args)
        if refusal is not None:
            return refusal
        contents = args.constant(1)
        if contents is None:
            return Refusal("the axis is not constant")
        phases = Phases()
        source = phases.inputs(args, skip=(1,))[0]
        type = args.tensor(0)
        axis = int(contents.reshape(-1)[0]) % len(type.static_shape)
        codelet = CumulativeCodelet(self.function, self.exclusive, self.reverse)
        result = phases.form.value(type.dtype, type.static_shape)
        phases.form.call(along_kernel(codelet, type, axis, type.dtype), (source,), (result,))
        return phases.finish(args, result)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        axis = np.asarray(1, np.int64)
        yield Sample(cls(), (floats(0, 3, 7), axis), constant=(1,))
        yield Sample(cls(exclusive=1), (floats(1, 2, 5, 3), axis), constant=(1,))
        yield Sample(cls(reverse=1), (floats(2, 4, 5), np.asarray(-2, np.int32)), constant=(1,))
        yield Sample(cls(exclusive=1, reverse=1), (floats(3, 3, 9), np.asarray([-1], np.int64)), constant=(1,))
        yield Sample(cls(), (numbers(4, DType.INT32, 3, 6), np.asarray(0, np.int64)), constant=(1,))
        yield Sample(cls(), (floats(5, 2, 20, dtype=DType.FLOAT16), axis), constant=(1,))


@op("cum_sum", onnx="CumSum", since=14, odla="odla_CumSum")
class CumSum(Cumulative):
    """Running sum."""

    function = "add"


@op("cum_prod", onnx="CumProd", since=26)
class CumProd(Cumulative):
    """Running product."""

    function = "mul"
