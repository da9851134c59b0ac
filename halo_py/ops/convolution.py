"""Convolutions: Conv, ConvTranspose and the integer form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import FormBuilder, Kernel, Refusal, TileForm
from halo_py.ops.contraction import widened
from halo_py.ops.epilogue import apply, chain, finish_form, result_type
from halo_py.ops.forms import EMPTY, declare_operands, given, has_no_elements
from halo_py.ops.kernels.convolve import ConvGeometry, conv_kernel
from halo_py.ops.scalar import ScalarProgram, ScalarStep, single
from halo_py.ops.windows import Window, make_window
from halo_py.types import DType, Shape, TensorType, Type

Numbers = NDArray[Any]


def window_of(
    weights: Sequence[int],
    strides: tuple[int, ...] | None,
    dilations: tuple[int, ...] | None,
    pads: tuple[int, ...] | None,
    auto_pad: str,
) -> Window:
    """The window of a convolution with weights of this shape."""
    return make_window(tuple(weights[2:]), strides, dilations, pads, auto_pad)


def infer_conv(args: InferArgs, x: Shape | None, w: Shape | None, window: Window | None, group: int) -> Shape | None:
    """Shape of a convolution of x [N, C, field...] and w [O, C/group, kernel...]. Raises ShapeError."""
    if x is None or w is None or window is None:
        return None
    if len(x) != len(w) or len(x) < 3:
        raise args.error(f"X of rank {len(x)} and W of rank {len(w)} do not make a convolution")
    if isinstance(x[1], int) and isinstance(w[1], int) and x[1] != w[1] * group:
        raise args.error(f"{x[1]} channels do not fit {group} groups of {w[1]} channels")
    if isinstance(w[0], int) and w[0] % group:
        raise args.error(f"{w[0]} output channels do not fit {group} groups")
    return (x[0], w[0], *window.out_dims(x[2:], args))


def static_dims(shape: Shape | None) -> tuple[int, ...] | None:
    """The shape if every dimension is a number."""
    numbers = [dim for dim in shape or () if isinstance(dim, int)]
    return tuple(numbers) if shape is not None and len(numbers) == len(shape) else None


def correlate(x: Numbers, w: Numbers, window: Window, group: int) -> Numbers:
    """Convolution as ONNX means it: a sum over kernel positions of products over channels, in x's type."""
    before, after = window.padding(x.shape[2:])
    out = window.out_sizes(x.shape[2:])
    x = np.pad(x, ((0, 0), (0, 0), *zip(before, after, strict=True)))
    images, channels = x.shape[:2]
    x = x.reshape(images, group, channels // group, *x.shape[2:])
    w = w.reshape(group, w.shape[0] // group, *w.shape[1:])
    made: Numbers = np.zeros((images, group, w.shape[1], prod(out)), np.result_type(x, w))
    for position in np.ndindex(*window.kernel):
        region = tuple(
            slice(k * d, k * d + (size - 1) * s + 1, s)
            for k, d, s, size in zip(position, window.dilations, window.strides, out, strict=True)
        )
        shifted = x[(..., *region)].reshape(images, group, channels // group, prod(out))
        made += np.matmul(w[(..., *position)], shifted)
    return made.reshape(images, group * w.shape[1], *out)


def conv_geometry(x: tuple[int, ...], w: tuple[int, ...], window: Window, group: int) -> ConvGeometry:
    """Shapes of the convolution of x [N, C, field...] and w [O, C/group, kernel...]."""
    return ConvGeometry(
        images=x[0],
        groups=group,
        in_channels=w[1],
        out_channels=w[0] // group,
        field_in=x[2:],
        field_out=window.out_sizes(x[2:]),
        window=window.kernel,
        strides=window.strides,
        dilations=window.dilations,
        pads=window.padding(x[2:])[0],
    )


def bias_program(dtype: DType) -> ScalarProgram:
    """The result plus its bias."""
    return single("add", 2, dtype)


def channel_view(form: FormBuilder, local: int, rank: int) -> int:
    """A vector over channels as a value that broadcasts over [N, C, field...] of this rank."""
    return form.view(local, (form.type(local).elements, *(1,) * (rank - 2)))


@op("conv", onnx="Conv", since=22, odla="odla_Conv")
class Conv(Op):
    """Convolution (correlation) of X [N, C, field...] with W [O, C/group, kernel...] plus bias B [O].

    `epilogue`: its operand 0 is the result with bias, the others are the node's operands after B.
    """

    auto_pad: str = "NOTSET"
    dilations: tuple[int, ...] | None = None
    group: int = 1
    kernel_shape: tuple[int, ...] | None = None
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None
    epilogue: ScalarProgram | None = None

    def window(self, weights: Sequence[int]) -> Window:
        """The window for weights of this shape."""
        return window_of(weights, self.strides, self.dilations, self.pads, self.auto_pad)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        w = args.shape(1)
        kernel = static_dims(w[2:]) if w is not None else None
        kernel = self.kernel_shape if kernel is None else kernel
        if self.kernel_shape is not None and kernel != tuple(self.kernel_shape):
            raise args.error(f"kernel_shape {self.kernel_shape} does not fit W of shape {w}")
        window = None if kernel is None else self.window((0, 0, *kernel))
        shape = infer_conv(args, args.shape(0), w, window, self.group)
        return (TensorType(result_type(args.dtype(0), self.epilogue), shape),)

    def _program(self, dtype: DType, has_bias: bool) -> ScalarProgram | None:
        return chain(bias_program(dtype) if has_bias else None, self.epilogue)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x, w, bias = args.array(0), args.array(1), args.optional(2)
        dtype = DType.from_numpy(x.dtype)
        made = correlate(widened(x), widened(w), self.window(w.shape), self.group)
        extra = [args.array(number) for number in range(3, len(args))]
        if bias is not None:
            extra.insert(0, bias.reshape(-1, *(1,) * (x.ndim - 2)))
        made = apply(self._program(dtype, bias is not None), made, extra)
        return (made.astype(result_type(dtype, self.epilogue).numpy, copy=False),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        form = FormBuilder()
        locals_ = given(declare_operands(form, args))
        x, w, out = args.tensor(0), args.tensor(1), args.output_types[0].static_shape
        geometry = conv_geometry(x.static_shape, w.static_shape, self.window(w.static_shape), self.group)
        made = form.value(x.dtype, out)
        kernel = conv_kernel(geometry, (x.dtype, w.dtype, x.dtype), partials_type=args.partials_type)
        form.call(kernel, (locals_[0], locals_[1]), (made,))
        extra = list(locals_[2:])
        if args.has(2):
            extra[0] = channel_view(form, extra[0], len(out))
        return finish_form(form, args, made, self._program(x.dtype, args.has(2)), extra)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        random = np.random.default_rng(5)

        def floats(*shape: int) -> Numbers:
            return random.standard_normal(shape).astype(np.float32)

        yield Sample(cls(), (floats(2, 3, 7, 6), floats(5, 3, 3, 2), floats(5)))
        yield Sample(
            cls(strides=(2, 3), pads=(1, 0, 2, 1), dilations=(2, 1)), (floats(1, 4, 11, 9), floats(6, 4, 3, 3))
        )
        yield Sample(cls(group=2, auto_pad="SAME_UPPER", strides=(2, 2)), (floats(2, 4, 8, 7), floats(6, 2, 3, 3)))
        yield Sample(cls(group=6, pads=(1, 1, 1, 1)), (floats(1, 6, 5, 5), floats(6, 1, 3, 3), floats(6)))
        yield Sample(cls(auto_pad="SAME_LOWER", strides=(3,)), (floats(2, 3, 13), floats(4, 3, 4)))
        yield Sample(cls(auto_pad="VALID"), (floats(1, 2, 4, 5, 6), floats(3, 2, 2, 3, 2)))
        yield Sample(cls(pads=(4, 4, 4, 4)), (floats(1, 1, 3, 3), floats(2, 1, 2, 2)))
        yield Sample(cls(group=2), (floats(0, 4, 5, 5), floats(6, 2, 3, 3), floats(6)))
        yield Sample(cls(), tuple(floats(*s).astype(np.float16) for s in ((1, 8, 6, 6), (4, 8, 1, 1), (4,))))
        add_relu = ScalarProgram(2, (ScalarStep("add", (0, 1), DType.FLOAT32), ScalarStep("relu", (2,), DType.FLOAT32)))
        yield Sample(
            cls(epilogue=add_relu, pads=(1, 1, 1, 1)),
            (floats(1, 3, 5, 5), floats(4, 3, 3, 3), floats(4), floats(1, 4, 5, 5)),
        )


def scalar_zero(zero: Numbers | None) -> Numbers:
    """A zero point of one element as an int32 scalar; 0 when it is omitted."""
    return np.zeros((), np.int32) if zero is None else zero.astype(np.int32).reshape(())


def channel_zero(zero: Numbers | None, rank: int) -> Numbers:
    """A zero point of weights: one number, or one per output channel, as it broadcasts over the weights."""
    if zero is None or zero.size == 1:
        return scalar_zero(zero)
    return zero.astype(np.int32).reshape(-1, *(1,) * (rank - 1))


def integer_conv_kernel(
    x: TensorType,
    w: TensorType,
    window: Window,
    group: int,
    zeros: tuple[TensorType | None, TensorType | None],
) -> Kernel:
    """The kernel that convolves 8-bit integers less their zero points into int32."""
    geometry = conv_geometry(x.static_shape, w.static_shape, window, group)

    def zero(type: TensorType | None) -> tuple[DType, tuple[int, ...]] | None:
        if type is None:
            return None
        return type.dtype, () if type.elements == 1 else (geometry.groups, geometry.out_channels)

    return conv_kernel(geometry, (x.dtype, w.dtype, DType.INT32), zeros=(zero(zeros[0]), zero(zeros[1])))


@op("conv_integer", onnx="ConvInteger", since=10)
class ConvInteger(Op):
    """Convolution of 8-bit integers less their zero points, in int32; padding is the zero point."""

    auto_pad: str = "NOTSET"
    dilations: tuple[int, ...] | None = None
    group: int = 1
    kernel_shape: tuple[int, ...] | None = None
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        w = args.shape(1)
        kernel = static_dims(w[2:] if w is not None else None) or self.kernel_shape
        window = None if kernel is None else self._window((0, 0, *kernel))
        return (TensorType(DType.INT32, infer_conv(args, args.shape(0), w, window, self.group)),)

    def _window(self, weights: Sequence[int]) -> Window:
        return window_of(weights, self.strides, self.dilations, self.pads, self.auto_pad)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x = args.array(0).astype(np.int32) - scalar_zero(args.optional(2))
        w = args.array(1).astype(np.int32)
        w = w - channel_zero(args.optional(3), w.ndim)
        return (correlate(x, w, self._window(w.shape), self.group),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        form = FormBuilder()
        locals_ = given(declare_operands(form, args))
        x, w = args.tensor(0), args.tensor(1)
        zeros = (args.tensor(2) if args.has(2) else None, args.tensor(3) if args.has(3) else None)
        kernel = integer_conv_kernel(x, w, self._window(w.static_shape), self.group, zeros)
        made = form.value(DType.INT32, args.output_types[0].static_shape)
        form.call(kernel, locals_, (made,))
        return form.finish(made)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        random = np.random.default_rng(6)
        x = random.integers(0, 256, (2, 4, 6, 5)).astype(np.uint8)
        w = random.integers(0, 256, (6, 2, 3, 3)).astype(np.uint8)
        yield Sample(cls(group=2), (x, w))
        yield Sample(cls(group=2, pads=(1, 1, 1, 1)), (x, w, np.asarray(7, np.uint8)))
        yield Sample(
            cls(group=2, strides=(2, 1), auto_pad="SAME_UPPER"),
            (x, w, np.asarray(200, np.uint8), np.asarray([1, 2, 3, 4, 5, 255], np.uint8)),
        )
        yield Sample(cls(), (x[:, :, :, 0], w.reshape(3, 4, 9)[:, :, :3], None, np.asarray([128], np.uint8)))
