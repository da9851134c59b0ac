"""Products of quantized operands whose results are quantized again: QLinearConv and QLinearMatMul."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import FormBuilder, Refusal, TileForm
from halo_py.ops.contraction import infer_matmul, matmul_kernel
from halo_py.ops.convolution import (
    channel_zero,
    correlate,
    infer_conv,
    integer_conv_kernel,
    scalar_zero,
    static_dims,
    window_of,
)
from halo_py.ops.forms import EMPTY, declare_operands, has_no_elements
from halo_py.ops.kernels.map import broadcast_kernel
from halo_py.ops.limits import integer_limits
from halo_py.ops.quantization import to_quantized, wide_floats
from halo_py.ops.sampling import integers
from halo_py.ops.scalar import ScalarProgram, ScalarStep, constant_step
from halo_py.ops.windows import Window
from halo_py.types import DType, TensorType, Type

Numbers = NDArray[Any]


def requantize(total: Numbers, scales: Sequence[Numbers], zero: Numbers) -> Numbers:
    """Sums times (left scale x right scale / result scale), rounded, shifted, limited to the zero point's type."""
    left, right, result = (wide_floats(scale) for scale in scales)
    values = total.astype(np.float32) * (left * right / result)
    return to_quantized(values, zero.reshape(()), DType.from_numpy(zero.dtype), 1)


def requantize_program(dtype: DType, *, has_bias: bool) -> ScalarProgram:
    """The same as a program: operands are the sum, the three scales, the zero point and the bias."""
    inputs = 6 if has_bias else 5
    steps: list[ScalarStep] = []
    wide = DType.FLOAT32

    def put(function: str, *operands: int, kind: DType = wide) -> int:
        steps.append(ScalarStep(function, operands, kind))
        return inputs + len(steps) - 1

    def convert(operand: int, to: DType) -> int:
        steps.append(ScalarStep("cast", (operand,), to, (("to", to), ("saturate", 1), ("round_mode", "up"))))
        return inputs + len(steps) - 1

    total = put("add", 0, 5, kind=DType.INT32) if has_bias else 0
    factor = put("div", put("mul", 1, 2), 3)
    rounded = put("round", put("mul", convert(total, wide), factor))
    bounds: list[int] = []
    for bound in integer_limits(dtype):
        steps.append(constant_step(float(bound), wide))
        bounds.append(inputs + len(steps) - 1)
    convert(put("clip", put("add", rounded, convert(4, wide)), *bounds), dtype)
    return ScalarProgram(inputs, tuple(steps))


def finish_quantized(
    form: FormBuilder, args: TileArgs, total: int, operands: Sequence[int], *, has_bias: bool
) -> TileForm:
    """The form that requantizes local value `total` with three scales, a zero point and perhaps a bias."""
    out = args.output_types[0]
    program = requantize_program(out.dtype, has_bias=has_bias)
    made = form.value(out.dtype, out.static_shape)
    reads = (total, *operands)
    kernel = broadcast_kernel(program, [form.type(local) for local in reads], out)
    form.call(kernel, reads, (made,), follows=total)
    return form.finish(made)


def _scalar(form: FormBuilder, local: int) -> int:
    """A one-element operand as a scalar."""
    return local if form.type(local).static_shape == () else form.view(local, ())


@op("qlinear_conv", onnx="QLinearConv", since=10)
class QLinearConv(Op):
    """Convolution of quantized x and w with an int32 bias, quantized by y's scale and zero point.

    Operands: x, its scale and zero point, w, its scale and zero point (one, or one per output channel), y's scale and
    zero point, bias.
    """

    auto_pad: str = "NOTSET"
    dilations: tuple[int, ...] | None = None
    group: int = 1
    kernel_shape: tuple[int, ...] | None = None
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def _window(self, weights: Sequence[int]) -> Window:
        return window_of(weights, self.strides, self.dilations, self.pads, self.auto_pad)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        w = args.shape(3)
        kernel = static_dims(w[2:] if w is not None else None) or self.kernel_shape
        window = None if kernel is None else self._window((0, 0, *kernel))
        return (TensorType(args.dtype(7), infer_conv(args, args.shape(0), w, window, self.group)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x = args.array(0).astype(np.int32) - scalar_zero(args.array(2))
        w = args.array(3).astype(np.int32)
        total = correlate(x, w - channel_zero(args.array(5), w.ndim), self._window(w.shape), self.group)
        across = (-1, *(1,) * (w.ndim - 2))
        bias = args.optional(8)
        if bias is not None:
            total = total + bias.reshape(across)
        scales = (args.array(1).reshape(()), args.array(4).reshape(across), args.array(6).reshape(()))
        return (requantize(total, scales, args.array(7)),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        form = FormBuilder()
        local = [number if number is not None else -1 for number in declare_operands(form, args)]
        x, w = args.tensor(0), args.tensor(3)
        kernel = integer_conv_kernel(x, w, self._window(w.static_shape), self.group, (args.tensor(2), args.tensor(5)))
        total = form.value(DType.INT32, args.output_types[0].static_shape)
        form.call(kernel, (local[0], local[3], local[2], local[5]), (total,))
        across = (1,) * (len(w.static_shape) - 2)
        scale = form.view(local[4], (form.type(local[4]).elements, *across))
        operands = [_scalar(form, local[1]), scale, _scalar(form, local[6]), _scalar(form, local[7])]
        if args.has(8):
            operands.append(form.view(local[8], (form.type(local[8]).elements, *across)))
        return finish_quantized(form, args, total, operands, has_bias=args.has(8))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = integers(1, 2, 4, 6, 5, low=0, high=256, dtype=DType.UINT8)
        w = integers(2, 6, 2, 3, 3, low=-128, high=128, dtype=DType.INT8)
        one = np.asarray
        x_side = (x, one(0.02, np.float32), one(120, np.uint8))
        y_side = (one(0.9, np.float32), one(131, np.uint8))
        w_side = (w, one(0.01, np.float32), one(0, np.int8))
        yield Sample(cls(group=2), (*x_side, *w_side, *y_side))
        scales = np.asarray([0.01, 0.02, 0.03, 0.04, 0.05, 0.06], np.float32)
        bias = integers(3, 6, low=-3000, high=3000)
        per_channel = (w, scales, np.zeros(6, np.int8))
        yield Sample(cls(group=2, pads=(1, 1, 1, 1), strides=(2, 1)), (*x_side, *per_channel, *y_side, bias))
        unsigned = (w.view(np.uint8), one(0.01, np.float32), one(101, np.uint8))
        yield Sample(cls(group=2, auto_pad="SAME_UPPER"), (*x_side, *unsigned, *y_side, bias))


@op("qlinear_matmul", onnx="QLinearMatMul", since=21)
class QLinearMatMul(Op):
    """Matrix product of quantized a and b, quantized by y's scale and zero point.

    Operands: a, its scale and zero point, b, its scale and zero point, y's scale and zero point. Scales and zero points
    are one number, or one per row of a or column of b.
    """

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (TensorType(args.dtype(7), infer_matmul(args, 0, 3)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        a = args.array(0).astype(np.int32) - _along(args.array(2).astype(np.int32), rows=True)
        b = args.array(3).astype(np.int32) - _along(args.array(5).astype(np.int32), rows=False)
        left, right = _along(args.array(1), rows=True), _along(args.array(4), rows=False)
        scales = (left, right, args.array(6).reshape(()))
        return (requantize(np.asarray(np.matmul(a, b)), scales, args.array(7)),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        form = FormBuilder()
        local = [number if number is not None else -1 for number in declare_operands(form, args)]
        out = args.output_types[0]
        total = form.value(DType.INT32, out.static_shape)
        zeros = (args.tensor(2), args.tensor(5))
        kernel = matmul_kernel(args.tensor(0), args.tensor(3), form.type(total), zeros=zeros)
        form.call(kernel, (local[0], local[3], local[2], local[5]), (total,))
        left, right = local[1], local[4]
        if form.type(left).elements > 1 and len(form.type(left).static_shape) == 1:
            left = form.view(left, (form.type(left).elements, 1))
        operands = [
            left if form.type(left).elements > 1 else _scalar(form, left),
            right if form.type(right).elements > 1 else _scalar(form, right),
            _scalar(form, local[6]),
            _scalar(form, local[7]),
        ]
        return finish_quantized(form, args, total, operands, has_bias=False)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        a = integers(1, 2, 5, 7, low=0, high=256, dtype=DType.UINT8)
        b = integers(2, 7, 3, low=0, high=256, dtype=DType.UINT8)
        one = np.asarray
        y_side = (one(1.3, np.float32), one(118, np.uint8))
        a_side = (a, one(0.02, np.float32), one(113, np.uint8))
        yield Sample(cls(), (*a_side, b, one(0.03, np.float32), one(114, np.uint8), *y_side))
        columns = (b.view(np.int8), np.asarray([0.02, 0.03, 0.04], np.float32), np.asarray([0, 0, 0], np.int8))
        yield Sample(cls(), (*a_side, *columns, *y_side))
        signed = (a[0].view(np.int8), np.asarray([0.02], np.float32), np.asarray([3], np.int8))
        yield Sample(cls(), (*signed, *columns, one(2.0, np.float32), one(-7, np.int8)))


def _along(values: Numbers, *, rows: bool) -> Numbers:
    """Scales or zero points as they broadcast: one number, one per row, one per column, or as they are."""
    if values.size == 1:
        return values.reshape(())
    return values[:, np.newaxis] if rows and values.ndim == 1 else values
