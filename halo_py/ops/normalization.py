"""Normalisations: statistics over some dimensions, then a shift and a scale.

Statistics are kept in float32 for narrower floats. On tiles the variance is the mean square of the centred values, as
in the definition, not a difference of two sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.broadcast import normalize_axes, normalize_axis
from halo_py.ops.phases import Phases, check_float, start_phases
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import ProgramBuilder, arithmetic_dtype, widen
from halo_py.types import DType, Shape, TensorType, Type

Numbers = NDArray[Any]


def _along_channels(vector: Numbers, rank: int) -> Numbers:
    """A vector [C] as [C, 1, ...], to broadcast over [N, C, ...]."""
    return vector.reshape(vector.shape[0], *(1,) * (rank - 2))


def _standardized(array: Numbers, axes: tuple[int, ...], epsilon: float) -> tuple[Numbers, Numbers, Numbers]:
    """(x - mean) / sqrt(variance + epsilon), the mean and the inverse deviation (`axes` kept)."""
    mean = np.mean(array, axis=axes, keepdims=True)
    centred = array - mean
    inverse = 1 / np.sqrt(np.mean(np.square(centred), axis=axes, keepdims=True) + np.asarray(epsilon, array.dtype))
    return np.asarray(centred * inverse), np.asarray(mean), np.asarray(inverse)


def _inverse_deviation(phases: Phases, source: int, axes: Sequence[int], epsilon: float) -> int:
    """1 / sqrt(mean square + epsilon)."""
    mean_square = phases.mean(source, axes, function="square_add")
    dtype = phases.form.type(mean_square).dtype
    build = ProgramBuilder(1, dtype)
    build.call("rsqrt", build.call("add", 0, float(epsilon)))
    return phases.map(build.finish(dtype), [mean_square], phases.shape(mean_square))


def _scale_and_shift(phases: Phases, source: int, factors: Sequence[int], shift: int | None, dtype: DType) -> int:
    """Source times every factor, plus the shift, in one pass."""
    reads = [source, *factors, *(() if shift is None else (shift,))]
    build = ProgramBuilder(len(reads), dtype)
    result = 0
    for number in range(1, len(factors) + 1):
        result = build.call("mul", result, number)
    if shift is not None:
        build.call("add", result, len(reads) - 1)
    return phases.map(build.finish(dtype), reads, phases.shape(source))


def _channel_view(phases: Phases, vector: int, rank: int) -> int:
    return phases.view(vector, (*phases.shape(vector), *(1,) * (rank - 2)))


@op("batch_normalization", onnx="BatchNormalization", since=15, odla="odla_BatchNormalization")
class BatchNormalization(Op):
    """Per-channel normalisation with given statistics, or (training_mode) with those of the batch.

    Operands: x [N, C, ...], scale, bias, mean, variance [C]. In training mode results 1 and 2 are the running
    statistics.
    """

    epsilon: float = 1e-5
    momentum: float = 0.9
    training_mode: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type = check_float(args)
        return (type, args.tensor(3), args.tensor(4))

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        x, rank = widen(array), array.ndim
        scale, bias, mean, variance = (widen(args.array(index)) for index in range(1, 5))
        running: tuple[RuntimeValue, ...] = ()
        if self.training_mode:
            axes = (0, *range(2, rank))
            batch_mean, batch_variance = x.mean(axis=axes), x.var(axis=axes)
            keep = self.momentum
            running = (
                np.asarray(mean * keep + batch_mean * (1 - keep)).astype(args.array(3).dtype),
                np.asarray(variance * keep + batch_variance * (1 - keep)).astype(args.array(4).dtype),
            )
            mean, variance = batch_mean, batch_variance
        inverse = 1 / np.sqrt(variance + np.asarray(self.epsilon, x.dtype))
        y = (x - _along_channels(mean, rank)) * _along_channels(scale * inverse, rank) + _along_channels(bias, rank)
        return (y.astype(array.dtype), *running)[: args.outputs]

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        started = start_phases(args)
        if isinstance(started, Refusal):
            return started
        phases, (x, scale, bias, mean, variance) = started
        if self.training_mode:
            return self._training_form(args, phases, (x, scale, bias, mean, variance))
        rank = len(phases.shape(x))
        dtype = args.tensor(0).dtype
        wide = arithmetic_dtype(dtype)
        build = ProgramBuilder(2, wide)
        build.call("mul", 0, build.call("rsqrt", build.call("add", 1, float(self.epsilon))))
        factor = phases.map(build.finish(wide), [scale, variance], phases.shape(scale))
        build = ProgramBuilder(3, wide)
        build.call("sub", 0, build.call("mul", 1, 2))
        shift = phases.map(build.finish(wide), [bias, mean, factor], phases.shape(scale))
        y = _scale_and_shift(
            phases, x, [_channel_view(phases, factor, rank)], _channel_view(phases, shift, rank), dtype
        )
        return phases.finish(args, y, mean, variance) if len(args.output_types) > 1 else phases.finish(args, y)

    def _training_form(self, args: TileArgs, phases: Phases, locals_: tuple[int, ...]) -> TileForm:
        x, scale, bias, mean, variance = locals_
        rank = len(phases.shape(x))
        axes = (0, *range(2, rank))
        dtype = args.tensor(0).dtype
        batch_mean = phases.mean(x, axes)
        centred = phases.apply("sub", [x, batch_mean], dtype)
        batch_variance = phases.mean(centred, axes, function="square_add")
        wide = phases.form.type(batch_variance).dtype
        build = ProgramBuilder(1, wide)
        build.call("rsqrt", build.call("add", 0, float(self.epsilon)))
        inverse = phases.map(build.finish(wide), [batch_variance], phases.shape(batch_variance))
        factors = [inverse, _channel_view(phases, scale, rank)]
        y = _scale_and_shift(phases, centred, factors, _channel_view(phases, bias, rank), dtype)
        outputs = [y]
        for old, new in ((mean, batch_mean), (variance, batch_variance)):
            build = ProgramBuilder(2, wide)
            kept = build.call("mul", 0, float(self.momentum))
            build.call("add", kept, build.call("mul", 1, 1.0 - self.momentum))
            reads = [old, phases.view(new, phases.shape(old))]
            outputs.append(phases.map(build.finish(phases.form.type(old).dtype), reads, phases.shape(old)))
        return phases.finish(args, *outputs[: len(args.output_types)])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        def operands(seed: int, *shape: int, dtype: DType = DType.FLOAT32) -> tuple[RuntimeValue, ...]:
            channels = shape[1] if len(shape) > 1 else 1
            vectors = [floats(seed + number, channels, dtype=dtype) for number in range(1, 4)]
            return (floats(seed, *shape, dtype=dtype), *vectors, floats(seed + 4, channels, low=0.2, dtype=dtype))

        yield Sample(cls(), operands(0, 2, 5, 3, 4))
        yield Sample(cls(epsilon=0.01), operands(10, 4, 3))
        yield Sample(cls(), operands(20, 1, 4, 7, dtype=DType.FLOAT16))
        yield Sample(cls(training_mode=1), operands(30, 3, 2, 5), outputs=3)
        yield Sample(cls(training_mode=1, momentum=0.5, epsilon=0.1), operands(40, 4, 6), outputs=3)


@op("layer_normalization", onnx="LayerNormalization", since=17)
class LayerNormalization(Op):
    """Normalisation over the dimensions from `axis` on; results: y, mean and inverse deviation in `stash_type`."""

    axis: int = -1
    epsilon: float = 1e-5
    stash_type: DType = DType.FLOAT32

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type = check_float(args, 1)
        statistics: Shape | None = None
        if type.shape is not None:
            axis = normalize_axis(self.axis, len(type.shape))
            statistics = (*type.shape[:axis], *(1,) * (len(type.shape) - axis))
        return (type, TensorType(self.stash_type, statistics), TensorType(self.stash_type, statistics))

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        axes = tuple(range(self.axis % array.ndim, array.ndim))
        y, mean, inverse = _standardized(widen(array), axes, self.epsilon)
        y = y * widen(args.array(1))
        bias = args.optional(2)
        if bias is not None:
            y = y + widen(bias)
        stash = self.stash_type.numpy
        return (y.astype(array.dtype), mean.astype(stash), inverse.astype(stash))[: args.outputs]

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        started = start_phases(args)
        if isinstance(started, Refusal):
            return started
        phases, found = started
        x, scale = found[:2]
        bias = found[2] if args.has(2) else None
        dtype = args.tensor(0).dtype
        rank = len(phases.shape(x))
        axes = range(self.axis % rank, rank)
        mean = phases.mean(x, axes)
        centred = phases.apply("sub", [x, mean], dtype)
        inverse = _inverse_deviation(phases, centred, axes, self.epsilon)
        y = _scale_and_shift(phases, centred, [inverse, scale], bias, dtype)
        outputs = [y]
        for statistic in (mean, inverse)[: len(args.output_types) - 1]:
            same = phases.form.type(statistic).dtype is self.stash_type
            outputs.append(statistic if same else phases.apply("identity", [statistic], self.stash_type))
        return phases.finish(args, *outputs)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(0, 3, 7), floats(1, 7), floats(2, 7)))
        yield Sample(cls(axis=1, epsilon=1e-3), (floats(3, 2, 3, 5), floats(4, 3, 5), floats(5, 3, 5)), outputs=3)
        yield Sample(cls(axis=-2), (floats(6, 2, 4, 3), floats(7, 4, 3)))
        half = DType.FLOAT16
        yield Sample(cls(), (floats(8, 5, 32, dtype=half), floats(9, 32, dtype=half), floats(10, 32, dtype=half)))
        wide = DType.FLOAT64
        yield Sample(cls(), (floats(11, 5, 9, dtype=wide), floats(12, 9, dtype=wide)))


@op("rms_normalization", onnx="RMSNormalization", since=23)
class RMSNormalization(Op):
    """x / sqrt(mean(x²) + epsilon) times scale, over the dimensions from `axis` on; the result has the scale's type."""

    axis: int = -1
    epsilon: float = 1e-5
    stash_type: DType = DType.FLOAT32

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type = check_float(args, 1)
        if type.shape is not None:
            normalize_axis(self.axis, len(type.shape))
        return (TensorType(args.dtype(1), type.shape),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array, scale = args.array(0), args.array(1)
        x = widen(array)
        axes = tuple(range(self.axis % x.ndim, x.ndim))
        mean_square = np.mean(np.square(x), axis=axes, keepdims=True)
        y = x / np.sqrt(mean_square + np.asarray(self.epsilon, x.dtype)) * widen(scale)
        return (np.asarray(y).astype(scale.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        started = start_phases(args)
        if isinstance(started, Refusal):
            return started
        phases, (x, scale) = started
        rank = len(phases.shape(x))
        inverse = _inverse_deviation(phases, x, range(self.axis % rank, rank), self.epsilon)
        return phases.finish(args, _scale_and_shift(phases, x, [inverse, scale], None, args.output_types[0].dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(0, 3, 7), floats(1, 7)))
        yield Sample(cls(axis=1, epsilon=1e-3), (floats(2, 2, 3, 5), floats(3, 3, 5)))
        yield Sample(cls(), (floats(4, 4, 16, dtype=DType.FLOAT16), floats(5, 16, dtype=DType.FLOAT16)))


@op("instance_normalization", onnx="InstanceNormalization", since=22, odla="odla_InstanceNormalization")
class InstanceNormalization(Op):
    """Normalisation of every channel of every image over its positions."""

    epsilon: float = 1e-5

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (check_float(args, 3),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        y, _, _ = _standardized(widen(array), tuple(range(2, array.ndim)), self.epsilon)
        scale, bias = (_along_channels(widen(args.array(index)), array.ndim) for index in (1, 2))
        return ((y * scale + bias).astype(array.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        started = start_phases(args)
        if isinstance(started, Refusal):
            return started
        phases, (x, scale, bias) = started
        rank = len(phases.shape(x))
        dtype = args.tensor(0).dtype
        axes = range(2, rank)
        centred = phases.apply("sub", [x, phases.mean(x, axes)], dtype)
        inverse = _inverse_deviation(phases, centred, axes, self.epsilon)
        factors = [inverse, _channel_view(phases, scale, rank)]
        return phases.finish(args, _scale_and_shift(phases, centred, factors, _channel_view(phases, bias, rank), dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(0, 2, 3, 4, 5), floats(1, 3), floats(2, 3)))
        yield Sample(cls(epsilon=0.01), (floats(3, 1, 4, 9), floats(4, 4), floats(5, 4)))
        half = DType.FLOAT16
        yield Sample(cls(), (floats(6, 2, 2, 5, 3, dtype=half), floats(7, 2, dtype=half), floats(8, 2, dtype=half)))


@op("group_normalization", onnx="GroupNormalization", since=21, odla="odla_GroupNormalization")
class GroupNormalization(Op):
    """Normalisation over groups of channels and all positions; scale and bias are per channel."""

    num_groups: int
    epsilon: float = 1e-5
    stash_type: DType = DType.FLOAT32

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type = check_float(args, 2)
        if type.shape is not None and isinstance(type.shape[1], int) and type.shape[1] % self.num_groups:
            raise args.error(f"{type.shape[1]} channels do not divide into {self.num_groups} groups")
        return (type,)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        grouped = widen(array).reshape(array.shape[0], self.num_groups, -1)
        y, _, _ = _standardized(grouped, (2,), self.epsilon)
        scale, bias = (_along_channels(widen(args.array(index)), array.ndim) for index in (1, 2))
        return ((y.reshape(array.shape) * scale + bias).astype(array.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        started = start_phases(args)
        if isinstance(started, Refusal):
            return started
        phases, (x, scale, bias) = started
        batch, channels, *field = phases.shape(x)
        per_group = channels // self.num_groups
        grouped = phases.view(x, (batch, self.num_groups, per_group, *field))
        vectors = [phases.view(vector, (self.num_groups, per_group, *(1,) * len(field))) for vector in (scale, bias)]
        dtype = args.tensor(0).dtype
        axes = range(2, 3 + len(field))
        centred = phases.apply("sub", [grouped, phases.mean(grouped, axes)], dtype)
        inverse = _inverse_deviation(phases, centred, axes, self.epsilon)
        return phases.finish(args, _scale_and_shift(phases, centred, [inverse, vectors[0]], vectors[1], dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(2), (floats(0, 2, 6, 3, 4), floats(1, 6), floats(2, 6)))
        yield Sample(cls(4, epsilon=0.01), (floats(3, 1, 4, 9), floats(4, 4), floats(5, 4)))
        yield Sample(cls(1), (floats(6, 3, 4, 5), floats(7, 4), floats(8, 4)))
        half = DType.FLOAT16
        yield Sample(cls(3), (floats(9, 2, 6, 5, dtype=half), floats(10, 6, dtype=half), floats(11, 6, dtype=half)))


@op("mean_variance_normalization", onnx="MeanVarianceNormalization", since=13)
class MeanVarianceNormalization(Op):
    """(x - mean) / (deviation + 1e-9) over `axes`."""

    axes: tuple[int, ...] = (0, 2, 3)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type = check_float(args)
        if type.shape is not None:
            normalize_axes(self.axes, len(type.shape))
        return (type,)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        x = widen(array)
        axes = normalize_axes(self.axes, x.ndim)
        centred = x - x.mean(axis=axes, keepdims=True)
        deviation = np.sqrt(np.mean(np.square(centred), axis=axes, keepdims=True))
        return ((centred / (deviation + np.asarray(1e-9, x.dtype))).astype(array.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        started = start_phases(args)
        if isinstance(started, Refusal):
            return started
        phases, (x,) = started
        dtype = args.tensor(0).dtype
        axes = normalize_axes(self.axes, len(phases.shape(x)))
        centred = phases.apply("sub", [x, phases.mean(x, axes)], dtype)
        variance = phases.mean(centred, axes, function="square_add")
        wide = phases.form.type(variance).dtype
        build = ProgramBuilder(1, wide)
        build.call("reciprocal", build.call("add", build.call("sqrt", 0), 1e-9))
        inverse = phases.map(build.finish(wide), [variance], phases.shape(variance))
        return phases.finish(args, _scale_and_shift(phases, centred, [inverse], None, dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(0, 3, 2, 4, 5),))
        yield Sample(cls(axes=(-1,)), (floats(1, 4, 9),))
        yield Sample(cls(axes=(0, 2)), (floats(2, 2, 3, 8, dtype=DType.FLOAT16),))
