"""Transposed convolution."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import FormBuilder, Refusal, TileForm
from halo_py.ops.contraction import widened
from halo_py.ops.convolution import bias_program, channel_view, static_dims
from halo_py.ops.dims import unknown_dim
from halo_py.ops.epilogue import apply, chain, finish_form, result_type
from halo_py.ops.forms import EMPTY, declare_operands, given, has_no_elements
from halo_py.ops.kernels.convolve import ConvGeometry, WindowView, conv_kernel
from halo_py.ops.kernels.copy import interleave_kernel, slice_kernel
from halo_py.ops.kernels.deconvolve import deconvolve_kernel
from halo_py.ops.scalar import ScalarProgram
from halo_py.ops.windows import Window, make_window
from halo_py.types import Dim, DType, Shape, TensorType, Type, add_dims, scale_dim

Numbers = NDArray[Any]

MOST_PHASES = 16
"""With more combinations of output phases than this, one kernel that holds the whole input field replaces them."""


@dataclass(frozen=True, slots=True)
class _Phase:
    """The outputs step*q + phase along one dimension are a plain convolution with every `step`-th weight."""

    phase: int
    weights: int
    first_weight: int
    weight_step: int
    dilation: int
    pad: int


def _phase(phase: int, stride: int, dilation: int, kernel: int, pad: int) -> _Phase | None:
    """Solve stride*i + dilation*k - pad = stride*q + phase for i and k; None if no weight contributes."""
    common = gcd(dilation, stride)
    period = stride // common
    first = next((k for k in range(min(period, kernel)) if (phase + pad - dilation * k) % stride == 0), None)
    if first is None:
        return None
    count = -(-(kernel - first) // period)
    step = dilation // common
    shift = (phase + pad - dilation * first) // stride
    return _Phase(phase, count, first + period * (count - 1), -period, step, step * (count - 1) - shift)


def _spread(x: Numbers, w: Numbers, window: Window, group: int) -> Numbers:
    """Every x[i] times every w[k], added at stride*i + dilation*k: the transposed convolution before cropping."""
    images, channels, *field = x.shape
    columns = x.reshape(images, group, channels // group, prod(field))
    w = w.reshape(group, w.shape[0] // group, *w.shape[1:])
    sizes = [s * (size - 1) + window.reach(d) for d, (s, size) in enumerate(zip(window.strides, field, strict=True))]
    made: Numbers = np.zeros((images, group, w.shape[2], *sizes), x.dtype)
    for position in np.ndindex(*window.kernel):
        region = tuple(
            slice(k * d, k * d + (size - 1) * s + 1, s)
            for k, d, s, size in zip(position, window.dilations, window.strides, field, strict=True)
        )
        weights = w[(..., *position)].swapaxes(1, 2)
        made[(..., *region)] += np.matmul(weights, columns).reshape(images, group, w.shape[2], *field)
    return made.reshape(images, group * w.shape[2], *sizes)


def _crop(array: Numbers, before: tuple[int, ...], out: tuple[int, ...]) -> Numbers:
    """The field of size `out` that starts at `before`, continued with zeros."""
    grown = [max(0, first + size - have) for first, size, have in zip(before, out, array.shape[2:], strict=True)]
    array = np.pad(array, [(0, 0), (0, 0), *((0, more) for more in grown)])
    return array[(..., *(slice(first, first + size) for first, size in zip(before, out, strict=True)))]


@op("conv_transpose", onnx="ConvTranspose", since=22, odla="odla_DeConv")
class ConvTranspose(Op):
    """Transposed convolution of X [N, C, field...] with W [C, O/group, kernel...] plus bias B [O].

    Output o collects x[i] * w[k] for every stride*i + dilation*k - pad = o. `epilogue` as in Conv.
    """

    auto_pad: str = "NOTSET"
    dilations: tuple[int, ...] | None = None
    group: int = 1
    kernel_shape: tuple[int, ...] | None = None
    output_padding: tuple[int, ...] | None = None
    output_shape: tuple[int, ...] | None = None
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None
    epilogue: ScalarProgram | None = None

    def _window(self, kernel: Sequence[int]) -> Window:
        return make_window(tuple(kernel), self.strides, self.dilations, self.pads, self.auto_pad)

    def _out_dims(self, field: Shape, window: Window) -> list[Dim]:
        extra = self.output_padding or (0,) * window.rank
        if self.output_shape:
            return list(self.output_shape[-window.rank :])
        if window.pads is None:
            return [scale_dim(dim, stride) for dim, stride in zip(field, window.strides, strict=True)]
        rank, pads = window.rank, window.pads
        return [
            add_dims(
                scale_dim(dim, window.strides[d]),
                extra[d] + window.reach(d) - window.strides[d] - pads[d] - pads[rank + d],
            )
            for d, dim in enumerate(field)
        ]

    def geometry(
        self, field: tuple[int, ...], kernel: Sequence[int]
    ) -> tuple[Window, tuple[int, ...], tuple[int, ...]]:
        """Window, output field and padding before the field, for an input field and kernel of these sizes."""
        window = self._window(kernel)
        out = tuple(int(dim) for dim in self._out_dims(field, window) if isinstance(dim, int))
        if window.pads is not None and not self.output_shape:
            return window, out, window.pads[: window.rank]
        extra = self.output_padding or (0,) * window.rank
        before: list[int] = []
        for d, size in enumerate(field):
            total = max(0, window.strides[d] * (size - 1) + extra[d] + window.reach(d) - out[d])
            before.append(total // 2 if self.auto_pad == "SAME_UPPER" else total - total // 2)
        return window, out, tuple(before)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        dtype = result_type(args.dtype(0), self.epilogue)
        x, w = args.shape(0), args.shape(1)
        kernel = (static_dims(w[2:]) if w is not None else None) or self.kernel_shape
        if x is None or w is None or kernel is None:
            return (TensorType(dtype, None),)
        if len(x) != len(w) or len(x) < 3:
            raise args.error(f"X of rank {len(x)} and W of rank {len(w)} do not make a convolution")
        if isinstance(x[1], int) and isinstance(w[0], int) and (x[1] != w[0] or x[1] % self.group):
            raise args.error(f"{x[1]} channels do not fit W of shape {w} in {self.group} groups")
        out = self._out_dims(x[2:], self._window(kernel))
        if any(isinstance(dim, int) and dim < 0 for dim in out):
            raise args.error(f"the output field {tuple(out)} is negative")
        channels = scale_dim(w[1], self.group) if isinstance(w[1], int) else unknown_dim(args, "channels")
        return (TensorType(dtype, (x[0], channels, *out)),)

    def _program(self, dtype: DType, has_bias: bool) -> ScalarProgram | None:
        return chain(bias_program(dtype) if has_bias else None, self.epilogue)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x, w, bias = args.array(0), args.array(1), args.optional(2)
        dtype = DType.from_numpy(x.dtype)
        window, out, before = self.geometry(x.shape[2:], w.shape[2:])
        made = _spread(widened(x), widened(w), window, self.group)
        made = _crop(made, before, out)
        extra = [args.array(number) for number in range(3, len(args))]
        if bias is not None:
            extra.insert(0, bias.reshape(-1, *(1,) * window.rank))
        made = apply(self._program(dtype, bias is not None), made, extra)
        return (made.astype(result_type(dtype, self.epilogue).numpy, copy=False),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        form = FormBuilder()
        locals_ = given(declare_operands(form, args))
        x, w = args.tensor(0), args.tensor(1)
        window, out, before = self.geometry(x.static_shape[2:], w.static_shape[2:])
        geometry = ConvGeometry(
            images=x.static_shape[0],
            groups=self.group,
            in_channels=w.static_shape[0] // self.group,
            out_channels=w.static_shape[1],
            field_in=x.static_shape[2:],
            field_out=out,
            window=window.kernel,
            strides=window.strides,
            dilations=window.dilations,
            pads=before,
        )
        if prod(window.strides) > MOST_PHASES:
            made = form.value(x.dtype, args.output_types[0].static_shape)
            kernel = deconvolve_kernel(geometry, (x.dtype, w.dtype, x.dtype), args.partials_type)
            form.call(kernel, (locals_[0], locals_[1]), (made,))
        else:
            made = _phases(form, (locals_[0], locals_[1]), geometry, args.partials_type)
        extra = list(locals_[2:])
        if args.has(2):
            extra[0] = channel_view(form, extra[0], 2 + window.rank)
        return finish_form(form, args, made, self._program(x.dtype, args.has(2)), extra)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        random = np.random.default_rng(7)

        def floats(*shape: int) -> Numbers:
            return random.standard_normal(shape).astype(np.float32)

        yield Sample(cls(), (floats(1, 3, 4, 5), floats(3, 4, 3, 2), floats(4)))
        yield Sample(cls(), (floats(0, 3, 4, 5), floats(3, 4, 3, 2), floats(4)))
        yield Sample(cls(strides=(2, 2)), (floats(1, 3, 4, 5), floats(3, 4, 2, 2)))
        yield Sample(
            cls(strides=(2, 3), pads=(1, 0, 2, 1), output_padding=(1, 2), group=2),
            (floats(2, 4, 5, 3), floats(4, 3, 3, 4), floats(6)),
        )
        yield Sample(cls(strides=(2, 2), auto_pad="SAME_UPPER"), (floats(1, 2, 3, 4), floats(2, 3, 3, 3)))
        yield Sample(cls(strides=(3,), auto_pad="SAME_LOWER"), (floats(1, 2, 5), floats(2, 3, 4)))
        yield Sample(cls(strides=(3, 2), output_shape=(10, 8)), (floats(1, 1, 3, 3), floats(1, 2, 3, 3)))
        yield Sample(cls(dilations=(2, 2), strides=(3, 2), pads=(1, 1, 1, 1)), (floats(1, 2, 4, 3), floats(2, 3, 3, 3)))
        yield Sample(cls(dilations=(3,), strides=(1,)), (floats(2, 2, 6), floats(2, 2, 4)))
        yield Sample(cls(strides=(3,)), (floats(2, 2, 6), floats(2, 2, 2)))
        yield Sample(cls(strides=(8, 8), pads=(4, 4, 4, 4), group=2), (floats(1, 2, 3, 3), floats(2, 1, 16, 16)))
        yield Sample(cls(strides=(2, 1, 1)), (floats(1, 2, 2, 3, 2), floats(2, 1, 2, 2, 3)))
        half = tuple(floats(*shape).astype(np.float16) for shape in ((1, 4, 3, 3), (4, 2, 4, 4), (2,)))
        yield Sample(cls(strides=(2, 2), pads=(1, 1, 1, 1)), half)


def _phases(form: FormBuilder, operands: tuple[int, int], geometry: ConvGeometry, partials_type: DType) -> int:
    """One plain convolution per output phase, woven together and cut to size; answers the result's local value."""
    types = (form.type(operands[0]).dtype, form.type(operands[1]).dtype, form.type(operands[0]).dtype)
    strides, out = geometry.strides, geometry.field_out
    field = tuple(-(-size // stride) for size, stride in zip(out, strides, strict=True))
    lead = (geometry.images, geometry.groups * geometry.out_channels)
    parts: list[int] = []
    numbers: list[tuple[int, ...]] = []
    for combination in itertools.product(*(range(stride) for stride in strides)):
        solved = [
            _phase(phase, stride, dilation, kernel, pad)
            for phase, stride, dilation, kernel, pad in zip(
                combination, strides, geometry.dilations, geometry.window, geometry.pads, strict=True
            )
        ]
        found = [phase for phase in solved if phase is not None]
        if len(found) < len(solved):
            continue
        part = form.value(types[2], (*lead, *field))
        kernel = conv_kernel(
            _phase_geometry(geometry, found, field),
            types,
            window_view=WindowView(
                geometry.window,
                tuple(phase.weight_step for phase in found),
                tuple(phase.first_weight for phase in found),
                transposed=True,
            ),
            partials_type=partials_type,
        )
        form.call(kernel, operands, (part,))
        parts.append(part)
        numbers.append(combination)
    if all(stride == 1 for stride in strides):
        return parts[0]
    grown = tuple(size * stride for size, stride in zip(field, strides, strict=True))
    woven = form.value(types[2], (*lead, *grown))
    form.call(interleave_kernel(lead, field, strides, numbers, types[2]), tuple(parts), (woven,))
    if grown == out:
        return woven
    made = form.value(types[2], (*lead, *out))
    rank = 2 + len(out)
    form.call(slice_kernel((*lead, *grown), (0,) * rank, (1,) * rank, (*lead, *out), types[2]), (woven,), (made,))
    return made


def _phase_geometry(geometry: ConvGeometry, phases: Sequence[_Phase], field: tuple[int, ...]) -> ConvGeometry:
    return ConvGeometry(
        geometry.images,
        geometry.groups,
        geometry.in_channels,
        geometry.out_channels,
        geometry.field_in,
        field,
        tuple(phase.weights for phase in phases),
        (1,) * len(phases),
        tuple(phase.dilation for phase in phases),
        tuple(phase.pad for phase in phases),
    )
