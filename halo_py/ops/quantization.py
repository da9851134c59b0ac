"""QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import FormBuilder, Refusal, TileForm
from halo_py.ops.dims import normalize_axis
from halo_py.ops.forms import EMPTY, declare_operands, has_no_elements
from halo_py.ops.kernels.map import broadcast_kernel
from halo_py.ops.limits import integer_limits
from halo_py.ops.phases import Phases
from halo_py.ops.sampling import floats, integers, numbers
from halo_py.ops.scalar import ProgramBuilder, ScalarProgram, ScalarStep, constant_step
from halo_py.ops.scalar_functions import cast
from halo_py.types import DType, TensorType, Type

Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Granularity:
    """What part of a tensor one scale serves: views of the tensor and of the scales that broadcast."""

    data: tuple[int, ...]
    scale: tuple[int, ...]


def granularity(data: tuple[int, ...], scale: tuple[int, ...], axis: int, block: int) -> Granularity | None:
    """Per tensor, per entry of `axis`, or per block along it; None for blocks that do not divide the axis.

    Raises ValueError if the scale fits none of the three.
    """
    if int(np.prod(scale)) == 1 and len(scale) <= 1:
        return Granularity(data, ())
    at = normalize_axis(axis, len(data))
    if len(scale) == 1 and not block:
        if scale[0] != data[at]:
            raise ValueError(f"{scale[0]} scales do not fit axis {at} of {data[at]}")
        return Granularity(data, (scale[0], *(1,) * (len(data) - at - 1)))
    if len(scale) != len(data):
        raise ValueError(f"scales of shape {scale} do not fit data of shape {data}")
    size = block or -(-data[at] // scale[at])
    if -(-data[at] // size) != scale[at]:
        raise ValueError(f"{scale[at]} scales do not fit axis {at} of {data[at]} in blocks of {size}")
    if data[at] % size:
        return None
    return Granularity((*data[:at], scale[at], size, *data[at + 1 :]), (*scale[: at + 1], 1, *scale[at + 1 :]))


def spread(scale: Numbers, data: tuple[int, ...], axis: int, block: int) -> Numbers:
    """Scales (or zero points) as they broadcast over data of this shape."""
    if scale.size == 1 and scale.ndim <= 1:
        return scale.reshape(())
    at = normalize_axis(axis, len(data))
    if scale.ndim == 1 and not block:
        return scale.reshape(-1, *(1,) * (len(data) - at - 1))
    size = block or -(-data[at] // scale.shape[at])
    repeated = np.repeat(scale, size, axis=at)
    return repeated[(slice(None),) * at + (slice(data[at]),)]


def wide_floats(array: Numbers) -> Numbers:
    """The numbers in float32, or in float64 if they have it already."""
    return array if array.dtype == np.float64 else array.astype(np.float32)


def to_quantized(values: Numbers, zero: Numbers | None, dtype: DType, saturate: int) -> Numbers:
    """Quotients as elements of the quantized type."""
    if not dtype.is_integer:
        shifted = values if zero is None else values + zero.astype(values.dtype)
        return cast(shifted, dtype, saturate).astype(dtype.numpy)
    rounded = np.rint(values)
    shifted = rounded if zero is None else rounded + zero.astype(rounded.dtype)
    return np.clip(shifted, *integer_limits(dtype)).astype(np.int32).astype(dtype.numpy)


def quantize_program(source: DType, precision: DType, dtype: DType, saturate: int, *, has_zero: bool) -> ScalarProgram:
    """The element type conversion of QuantizeLinear: operands are x, the scale and the zero point."""
    wide = DType.FLOAT64 if DType.FLOAT64 in (source, precision) else DType.FLOAT32
    inputs = 3 if has_zero else 2
    steps: list[ScalarStep] = []

    def put(step: ScalarStep) -> int:
        steps.append(step)
        return inputs + len(steps) - 1

    def convert(operand: int, to: DType, keep: DType) -> int:
        parameters = (("to", to), ("saturate", saturate), ("round_mode", "up"))
        return put(ScalarStep("cast", (operand,), keep, parameters))

    x = convert(0, wide, wide) if source is not wide else 0
    made = put(ScalarStep("div", (x, 1), wide))
    if precision.bits < 32:
        made = convert(made, precision, precision)
    if dtype.is_integer:
        made = put(ScalarStep("round", (made,), wide))
    if has_zero:
        made = put(ScalarStep("add", (made, convert(2, wide, wide)), wide))
    if dtype.is_integer:
        low, high = (put(constant_step(float(bound), wide)) for bound in integer_limits(dtype))
        made = put(ScalarStep("clip", (made, low, high), wide))
    convert(made, dtype, dtype)
    return ScalarProgram(inputs, tuple(steps))


def dequantize_program(dtype: DType, *, has_zero: bool) -> ScalarProgram:
    """(x - zero point) * scale: operands are x, the scale and the zero point."""
    wide = DType.FLOAT64 if dtype is DType.FLOAT64 else DType.FLOAT32
    inputs = 3 if has_zero else 2
    parameters = (("to", wide), ("saturate", 1), ("round_mode", "up"))
    steps = [ScalarStep("cast", (0,), wide, parameters)]
    if has_zero:
        steps.append(ScalarStep("cast", (2,), wide, parameters))
        steps.append(ScalarStep("sub", (inputs, inputs + 1), wide))
    steps.append(ScalarStep("mul", (inputs + len(steps) - 1, 1), dtype))
    return ScalarProgram(inputs, tuple(steps))


def scaled_form(args: TileArgs, program: ScalarProgram, axis: int, block: int) -> TileForm | Refusal:
    """The form that maps `program` over the data, its scales and its zero points."""
    if has_no_elements(args):
        return EMPTY
    data, out = args.tensor(0).static_shape, args.output_types[0]
    views = granularity(data, args.tensor(1).static_shape, axis, block)
    if views is None:
        return Refusal("the last block is shorter than the others")
    form = FormBuilder()
    locals_ = [local for local in declare_operands(form, args) if local is not None]
    shapes = (views.data, views.scale, views.scale)
    viewed = [
        local if form.type(local).static_shape == shape else form.view(local, shape)
        for local, shape in zip(locals_, shapes, strict=False)
    ]
    made = form.value(out.dtype, views.data)
    reads = [form.type(local) for local in viewed]
    form.call(broadcast_kernel(program, reads, form.type(made)), tuple(viewed), (made,))
    return form.finish(made if views.data == data else form.view(made, data))


@op("quantize_linear", onnx="QuantizeLinear", since=28)
class QuantizeLinear(Op):
    """saturate(round(x / scale) + zero point), with one scale per tensor, per entry of `axis`, or per block."""

    axis: int = 1
    block_size: int = 0
    output_dtype: DType | None = None
    precision: DType | None = None
    saturate: int = 1

    def _dtype(self, zero: DType | None) -> DType:
        return zero or self.output_dtype or DType.UINT8

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        zero = args.dtype(2) if args.has(2) else None
        if zero is not None and self.output_dtype not in (None, zero):
            raise args.error(f"output_dtype {self.output_dtype} differs from the zero point's {zero.text}")
        return (TensorType(self._dtype(zero), args.shape(0)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x, scale, zero = args.array(0), args.array(1), args.optional(2)
        precision = self.precision or DType.from_numpy(scale.dtype)
        divisor = spread(wide_floats(scale), x.shape, self.axis, self.block_size)
        with np.errstate(all="ignore"):
            quotient = wide_floats(x) / divisor
        if precision.bits < 32:
            quotient = quotient.astype(precision.numpy).astype(np.float32)
        shift = None if zero is None else spread(wide_floats(zero), x.shape, self.axis, self.block_size)
        dtype = self._dtype(None if zero is None else DType.from_numpy(zero.dtype))
        return (to_quantized(quotient, shift, dtype, self.saturate),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        precision = self.precision or args.tensor(1).dtype
        dtype = args.output_types[0].dtype
        source = args.tensor(0).dtype
        program = quantize_program(source, precision, dtype, self.saturate, has_zero=args.has(2))
        return scaled_form(args, program, self.axis, self.block_size)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = floats(1, 2, 3, 4, low=-30, high=30)
        scale, zero = np.asarray(0.15, np.float32), np.asarray(130, np.uint8)
        yield Sample(cls(), (x, scale, zero))
        yield Sample(cls(), (x, scale))
        scales = np.asarray([0.5, 0.25, 0.1], np.float32)
        yield Sample(cls(), (x, scales, np.asarray([-5, 0, 7], np.int8)))
        yield Sample(cls(axis=-1), (x, np.asarray([0.5, 1, 2, 0.1], np.float32), np.asarray([1, 2, 3, 4], np.int16)))
        yield Sample(
            cls(axis=2, block_size=2), (x, floats(2, 2, 3, 2, low=0.1, high=0.4), numbers(3, DType.UINT8, 2, 3, 2))
        )
        yield Sample(cls(output_dtype=DType.FLOAT8E4M3FN), (x, np.asarray(0.02, np.float32)))
        yield Sample(cls(output_dtype=DType.INT8), (x, scale))
        yield Sample(cls(output_dtype=DType.UINT16), (floats(4, 3, 5, high=60), np.asarray([0.001], np.float32)))
        half = (x.astype(np.float16), np.asarray(0.15, np.float16), np.asarray(-3, np.int8))
        yield Sample(cls(), half)


@op("dequantize_linear", onnx="DequantizeLinear", since=28)
class DequantizeLinear(Op):
    """(x - zero point) * scale, with one scale per tensor, per entry of `axis`, or per block."""

    axis: int = 1
    block_size: int = 0
    output_dtype: DType | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (TensorType(self.output_dtype or args.dtype(1), args.shape(0)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x, scale, zero = args.array(0), args.array(1), args.optional(2)
        dtype = scale.dtype if self.output_dtype is None else self.output_dtype.numpy
        exact = np.float64 if dtype == np.float64 else np.float32
        centred = x.astype(exact)
        if zero is not None:
            centred = centred - spread(zero.astype(exact), x.shape, self.axis, self.block_size)
        factor = spread(scale.astype(exact), x.shape, self.axis, self.block_size)
        return (np.asarray(centred * factor).astype(dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        program = dequantize_program(args.output_types[0].dtype, has_zero=args.has(2))
        return scaled_form(args, program, self.axis, self.block_size)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = integers(1, 2, 3, 4, low=0, high=256, dtype=DType.UINT8)
        scale = np.asarray(0.15, np.float32)
        yield Sample(cls(), (x, scale, np.asarray(130, np.uint8)))
        yield Sample(cls(), (integers(2, 5, low=-9999, high=9999), np.asarray([0.5], np.float32)))
        scales = np.asarray([0.5, 0.25, 0.1], np.float32)
        yield Sample(cls(), (x.astype(np.int8), scales, np.asarray([-5, 0, 7], np.int8)))
        yield Sample(
            cls(axis=2, block_size=2), (x, floats(2, 2, 3, 2, low=0.1, high=0.4), numbers(3, DType.UINT8, 2, 3, 2))
        )
        yield Sample(cls(), (floats(4, 3, 4, dtype=DType.FLOAT8E4M3FN), scale))
        yield Sample(
            cls(), (numbers(5, DType.INT4, 3, 4, low=-7, high=7), scale, np.asarray(1).astype(DType.INT4.numpy))
        )
        yield Sample(cls(axis=0), (x[:, 0, :2].astype(np.int16), np.asarray([0.5, 2.5], np.float16)))


def dynamic_parameters(x: Numbers) -> tuple[Numbers, Numbers]:
    """The scale (float32) and zero point (uint8) that the extrema of float32 data, and zero, ask for."""
    low, high = np.minimum(x.min(initial=0), np.float32(0)), np.maximum(x.max(initial=0), np.float32(0))
    scale = np.asarray(1 if high == low else (high - low) / np.float32(255), np.float32)
    return scale, np.asarray(np.clip(np.rint(-low / scale), 0, 255), np.uint8)


@op("dynamic_quantize_linear", onnx="DynamicQuantizeLinear", since=11)
class DynamicQuantizeLinear(Op):
    """uint8 with the scale and zero point that the extrema of the data (and zero) ask for; both are results."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return TensorType(DType.UINT8, args.shape(0)), TensorType(DType.FLOAT32, ()), TensorType(DType.UINT8, ())

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x = args.array(0)
        scale, zero = dynamic_parameters(x)
        y = to_quantized(np.divide(x, scale), zero.astype(np.float32), DType.UINT8, 1)
        return y, scale, zero

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        phases = Phases()
        x = phases.inputs(args)[0]
        rank = len(phases.shape(x))
        axes = tuple(range(rank))
        high, low = (phases.reduce("max", x, axes), phases.reduce("min", x, axes)) if rank else (x, x)
        ones = phases.shape(high)
        scale = phases.map(dynamic_scale_program(), [high, low], ones)
        zero = phases.map(dynamic_zero_program(), [low, scale], ones)
        program = quantize_program(DType.FLOAT32, DType.FLOAT32, DType.UINT8, 1, has_zero=True)
        y = phases.map(program, [x, scale, zero], phases.shape(x))
        return phases.finish(args, y, scale, zero)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 3, 4, low=-2, high=5),), outputs=3)
        yield Sample(cls(), (floats(2, 7, low=1, high=5),), outputs=3)
        yield Sample(cls(), (floats(3, 2, 3, low=-5, high=-1),), outputs=3)
        yield Sample(cls(), (np.zeros((2, 2), np.float32),), outputs=3)


def dynamic_scale_program() -> ScalarProgram:
    """(max(high, 0) - min(low, 0)) / 255, or 1 if that is 0; operands are high and low."""
    build = ProgramBuilder(2, DType.FLOAT32)
    reach = build.call("sub", build.call("max", 0, 0.0), build.call("min", 1, 0.0))
    scale = build.call("div", reach, 255.0)
    nothing = build.call("equal", scale, 0.0)
    build.call("where", nothing, 1.0, scale)
    return build.finish(DType.FLOAT32)


def dynamic_zero_program() -> ScalarProgram:
    """The rounded and limited -min(low, 0) / scale; operands are low and the scale."""
    build = ProgramBuilder(2, DType.FLOAT32)
    ratio = build.call("div", build.call("neg", build.call("min", 0, 0.0)), 1)
    limited = build.call("clip", build.call("round", ratio), 0.0, 255.0)
    build.call("cast", limited, to=DType.UINT8, saturate=1, round_mode="up")
    return build.finish(DType.UINT8)
