"""Pools over windows and over the whole field, and MaxUnpool."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.contraction import widened
from halo_py.ops.dims import known_dims
from halo_py.ops.forms import EMPTY, has_no_elements, one_kernel, untileable
from halo_py.ops.kernels.window import PoolCodelet, PoolFunction, lowest, pool_kernel
from halo_py.ops.phases import Phases
from halo_py.ops.sampling import axes as ints
from halo_py.ops.sampling import floats, numbers
from halo_py.ops.scalar import ProgramBuilder
from halo_py.ops.windows import Window, make_window
from halo_py.types import Dim, DType, TensorType, Type, add_dims, scale_dim

Numbers = NDArray[Any]


def infer_pool(args: InferArgs, window: Window, dtype: DType) -> TensorType:
    """Type of a pool over operand 0 [N, C, field...]. Raises ShapeError."""
    shape = args.shape(0)
    if shape is None:
        return TensorType(dtype, None)
    if len(shape) != 2 + window.rank:
        raise args.error(f"rank {2 + window.rank} expected, found {len(shape)}")
    return TensorType(dtype, (*shape[:2], *window.out_dims(shape[2:], args)))


def window_values(x: Numbers, window: Window, fill: Any) -> Numbers:
    """The padded window around every output position: [N, C, field..., kernel positions]."""
    field = x.shape[2:]
    before, after = window.padding(field)
    out = window.out_sizes(field)
    grown = [
        max(end, stride * (size - 1) + window.reach(d) - have - first)
        for d, (first, end, stride, size, have) in enumerate(
            zip(before, after, window.strides, out, field, strict=True)
        )
    ]
    padded = np.pad(x, [(0, 0), (0, 0), *zip(before, grown, strict=True)], constant_values=fill)
    reaches = tuple(window.reach(number) for number in range(window.rank))
    views: Numbers = sliding_window_view(padded, reaches, axis=tuple(range(2, 2 + window.rank)))
    steps = [slice(0, s * (size - 1) + 1, s) for s, size in zip(window.strides, out, strict=True)]
    views = views[(slice(None), slice(None), *steps, *(slice(None, None, d) for d in window.dilations))]
    return views.reshape(*views.shape[: 2 + window.rank], prod(window.kernel))


def pool_form(args: TileArgs, window: Window, function: PoolFunction, **options: Any) -> TileForm | Refusal:
    """The form of a pool over operand 0."""
    x = args.tensor(0)
    field = x.static_shape[2:]
    before, after = window.padding(field)
    if options.pop("count_padding", False):
        options["pads_after"] = after
    codelet = PoolCodelet(function, window.strides, window.dilations, before, **options)
    out = window.out_sizes(field)
    kernel = pool_kernel(codelet, x.static_shape, out, window.kernel, x.dtype, len(args.output_types))
    return untileable(args) or one_kernel(args, kernel)


@op("max_pool", onnx="MaxPool", since=22, odla="odla_MaxPool")
class MaxPool(Op):
    """Maximum over a window; the second result is where it lies in the flattened operand (the first of equal ones)."""

    kernel_shape: tuple[int, ...]
    auto_pad: str = "NOTSET"
    ceil_mode: int = 0
    dilations: tuple[int, ...] | None = None
    pads: tuple[int, ...] | None = None
    storage_order: int = 0
    strides: tuple[int, ...] | None = None

    def window(self) -> Window:
        """The window with defaults filled in."""
        ceil = bool(self.ceil_mode)
        return make_window(self.kernel_shape, self.strides, self.dilations, self.pads, self.auto_pad, ceil_mode=ceil)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        found = infer_pool(args, self.window(), args.dtype(0))
        return (found, TensorType(DType.INT64, found.shape))[: max(args.outputs, 1)]

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x, window = args.array(0), self.window()
        wide = widened(x)
        values = window_values(wide, window, lowest(wide.dtype))
        made = values.max(axis=-1).astype(x.dtype)
        if args.outputs < 2:
            return (made,)
        plane: Numbers = np.arange(int(np.prod(x.shape)), dtype=np.int64).reshape(x.shape)
        if self.storage_order:
            planes = int(np.prod(x.shape[2:]))
            columns = np.arange(planes, dtype=np.int64).reshape(x.shape[:1:-1]).transpose()
            channels = np.arange(x.shape[0] * x.shape[1], dtype=np.int64).reshape(*x.shape[:2], *(1,) * (x.ndim - 2))
            plane = np.add(columns, planes * channels)
        sources = window_values(plane, window, -1)
        best = np.where(sources >= 0, values, lowest(wide.dtype)).argmax(axis=-1, keepdims=True)
        return made, np.take_along_axis(sources, best, axis=-1)[..., 0]

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        return pool_form(args, self.window(), "max", column_major=bool(self.storage_order))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = floats(1, 2, 3, 9, 8)
        yield Sample(cls((3, 3), strides=(2, 2), pads=(1, 1, 1, 1)), (x,))
        yield Sample(cls((3, 2), strides=(2, 3), pads=(1, 0, 1, 1), dilations=(2, 1)), (x,), outputs=2)
        yield Sample(cls((2, 3), strides=(2, 2), storage_order=1), (x,), outputs=2)
        yield Sample(cls((3, 3), strides=(2, 2), ceil_mode=1), (x,))
        yield Sample(cls((3, 3), strides=(2, 2), auto_pad="SAME_UPPER"), (x,))
        yield Sample(cls((2, 2), strides=(2, 1), auto_pad="SAME_LOWER"), (x,))
        yield Sample(cls((3,), strides=(2,)), (floats(2, 1, 2, 11),))
        yield Sample(cls((2, 2, 3)), (floats(3, 1, 2, 3, 4, 5),), outputs=2)
        yield Sample(cls((2, 2), pads=(1, 1, 0, 0)), (numbers(4, DType.UINT8, 1, 2, 5, 5, high=200),))
        yield Sample(cls((2, 2)), (numbers(4, DType.FLOAT16, 1, 2, 5, 5),))
        yield Sample(cls((2, 2)), (floats(5, 0, 2, 5, 5),), outputs=2)


@op("average_pool", onnx="AveragePool", since=22, odla="odla_AveragePool")
class AveragePool(Op):
    """Mean over the window's positions inside the field (inside the padded field with `count_include_pad`)."""

    kernel_shape: tuple[int, ...]
    auto_pad: str = "NOTSET"
    ceil_mode: int = 0
    count_include_pad: int = 0
    dilations: tuple[int, ...] | None = None
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def window(self) -> Window:
        """The window with defaults filled in."""
        ceil = bool(self.ceil_mode)
        return make_window(self.kernel_shape, self.strides, self.dilations, self.pads, self.auto_pad, ceil_mode=ceil)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (infer_pool(args, self.window(), args.dtype(0)),)

    def counts(self, field: tuple[int, ...]) -> Numbers:
        """How many elements each mean is made of, [1, 1, field...], for an operand's field of this size."""
        window = self.window()
        ones: Numbers = np.ones((1, 1, *field), np.float64)
        if self.count_include_pad:
            before, after = window.padding(field)
            ones = np.pad(ones, [(0, 0), (0, 0), *zip(before, after, strict=True)], constant_values=1)
        return np.maximum(_counts(ones, window, field, bool(self.count_include_pad)), 1)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x = args.array(0)
        total = window_values(widened(x), self.window(), 0).sum(axis=-1)
        return ((total / self.counts(x.shape[2:])).astype(x.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        return pool_form(args, self.window(), "average", count_padding=bool(self.count_include_pad))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = floats(1, 2, 3, 9, 8)
        yield Sample(cls((3, 3), strides=(2, 2), pads=(1, 1, 1, 1)), (x,))
        yield Sample(cls((3, 3), strides=(2, 2), pads=(1, 1, 1, 1), count_include_pad=1), (x,))
        yield Sample(cls((3, 2), strides=(2, 3), pads=(1, 0, 1, 1), dilations=(2, 1)), (x,))
        yield Sample(cls((3, 3), strides=(2, 3), pads=(1, 1, 1, 1), ceil_mode=1), (x,))
        yield Sample(cls((3, 3), strides=(2, 3), pads=(1, 1, 1, 1), ceil_mode=1, count_include_pad=1), (x,))
        yield Sample(cls((3, 3), strides=(2, 2), auto_pad="SAME_UPPER"), (x,))
        yield Sample(cls((3,), auto_pad="SAME_LOWER", strides=(2,)), (floats(2, 1, 2, 11),))
        yield Sample(cls((2, 2, 3)), (floats(3, 1, 2, 3, 4, 5),))
        yield Sample(cls((2, 2)), (numbers(4, DType.FLOAT16, 1, 2, 5, 5),))
        yield Sample(cls((2, 2)), (floats(5, 0, 2, 5, 5),))


def _counts(ones: Numbers, window: Window, field: tuple[int, ...], padded: bool) -> Numbers:
    """Sum of ones under the window around every output position."""
    if not padded:
        return window_values(ones, window, 0).sum(axis=-1)
    out = window.out_sizes(field)
    reaches = tuple(window.reach(number) for number in range(window.rank))
    grown = [
        max(0, stride * (size - 1) + reach - have)
        for stride, size, reach, have in zip(window.strides, out, reaches, ones.shape[2:], strict=True)
    ]
    ones = np.pad(ones, [(0, 0), (0, 0), *((0, more) for more in grown)])
    bare = Window(window.kernel, window.strides, window.dilations, (0,) * (2 * window.rank))
    values = window_values(ones, bare, 0).sum(axis=-1)
    return values[(..., *(slice(size) for size in out))]


@op("lp_pool", onnx="LpPool", since=22)
class LpPool(Op):
    """The p-norm over a window."""

    kernel_shape: tuple[int, ...]
    auto_pad: str = "NOTSET"
    ceil_mode: int = 0
    dilations: tuple[int, ...] | None = None
    p: int = 2
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def window(self) -> Window:
        """The window with defaults filled in."""
        ceil = bool(self.ceil_mode)
        return make_window(self.kernel_shape, self.strides, self.dilations, self.pads, self.auto_pad, ceil_mode=ceil)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (infer_pool(args, self.window(), args.dtype(0)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x = args.array(0)
        values = np.abs(window_values(widened(x), self.window(), 0))
        return (((values**self.p).sum(axis=-1) ** (1 / self.p)).astype(x.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        return pool_form(args, self.window(), "lp", p=self.p)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = floats(1, 2, 3, 9, 8)
        yield Sample(cls((3, 3), strides=(2, 2), pads=(1, 1, 1, 1)), (x,))
        yield Sample(cls((3, 2), strides=(2, 3), p=3, dilations=(2, 1)), (x,))
        yield Sample(cls((3,), strides=(2,), p=1, auto_pad="SAME_UPPER"), (floats(2, 1, 2, 11),))
        yield Sample(cls((2, 2)), (floats(2, 1, 2, 5, 5),))


@op("max_unpool", onnx="MaxUnpool", since=22, host_only="where each value goes is known at run time")
class MaxUnpool(Op):
    """Values put back where MaxPool found them (flattened positions in operand 1), zero elsewhere."""

    kernel_shape: tuple[int, ...]
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def natural_field(self, field: tuple[Dim, ...]) -> list[Dim]:
        """The field that an operand's field of this size came from, as far as kernel and strides tell."""
        window = make_window(self.kernel_shape, self.strides, None, self.pads)
        pads = window.pads or ()
        return [
            add_dims(
                scale_dim(add_dims(dim, -1), window.strides[d]),
                window.kernel[d] - pads[d] - pads[window.rank + d],
            )
            for d, dim in enumerate(field)
        ]

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if args.has(2):
            return (TensorType(args.dtype(0), known_dims(args, 2)),)
        if shape is None:
            return (TensorType(args.dtype(0), None),)
        return (TensorType(args.dtype(0), (*shape[:2], *self.natural_field(shape[2:]))),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x, index = args.array(0), args.array(1).astype(np.int64)
        natural = (*x.shape[:2], *(int(dim) for dim in self.natural_field(x.shape[2:]) if isinstance(dim, int)))
        wanted = args.optional(2)
        shape = natural if wanted is None else tuple(int(size) for size in wanted)
        made: Numbers = np.zeros(int(np.prod(natural)), x.dtype)
        made[index.reshape(-1)] = x.reshape(-1)
        if shape == natural:
            return (made.reshape(shape),)
        grown: Numbers = np.zeros(shape, x.dtype)
        common = tuple(slice(min(a, b)) for a, b in zip(natural, shape, strict=True))
        grown[common] = made.reshape(natural)[common]
        return (grown,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.asarray([[[[1, 2], [3, 4]]]], np.float32)
        index = np.asarray([[[[5, 7], [13, 15]]]], np.int64)
        yield Sample(cls((2, 2), strides=(2, 2)), (x, index))
        yield Sample(cls((2, 2), strides=(2, 2)), (x, index, ints(1, 1, 5, 5)), constant=(2,))
        yield Sample(cls((3,), strides=(3,)), (floats(1, 1, 1, 2), np.asarray([[[2, 3]]], np.int64)))


class GlobalPool(Op):
    """Base of pools over the whole field: one number per image and channel."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, dtype = args.shape(0), args.dtype(0)
        if shape is None:
            return (TensorType(dtype, None),)
        if len(shape) < 2:
            raise args.error(f"rank 3 or more expected, found {len(shape)}")
        return (TensorType(dtype, (*shape[:2], *(1,) * (len(shape) - 2))),)

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        """The reference, on an array in the type arithmetic is done in; `axes` are kept with extent 1."""
        raise NotImplementedError

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        """The same over local values."""
        raise NotImplementedError

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x = args.array(0)
        made = self.meaning(widened(x), tuple(range(2, x.ndim)))
        return (made.astype(x.dtype, copy=False),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        x = args.tensor(0)
        phases = Phases()
        source = phases.inputs(args)[0]
        axes = tuple(range(2, len(x.static_shape)))
        return phases.finish(args, self.phases(phases, source, axes, x.dtype) if axes else source)


@op("global_average_pool", onnx="GlobalAveragePool", since=22)
class GlobalAveragePool(GlobalPool):
    """Mean over the field."""

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray(array.mean(axis=axes, keepdims=True))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        count = prod(phases.shape(source)[axis] for axis in axes)
        return phases.apply("mul", [phases.reduce("add", source, axes)], dtype, 1.0 / count)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 2, 3, 5, 4),))
        yield Sample(cls(), (floats(2, 1, 3, 7),))
        yield Sample(cls(), (floats(3, 2, 2, 3, 2, 4, dtype=DType.FLOAT16),))


@op("global_max_pool", onnx="GlobalMaxPool", since=22)
class GlobalMaxPool(GlobalPool):
    """Maximum over the field."""

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray(array.max(axis=axes, keepdims=True))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        return phases.reduce("max", source, axes, dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 2, 3, 5, 4),))
        yield Sample(cls(), (floats(2, 1, 3, 7, high=-1.0),))
        yield Sample(cls(), (floats(3, 2, 2, 3, 2, 4, dtype=DType.FLOAT16),))


@op("global_lp_pool", onnx="GlobalLpPool", since=22)
class GlobalLpPool(GlobalPool):
    """The p-norm over the field."""

    p: int = 2

    def meaning(self, array: Numbers, axes: tuple[int, ...]) -> Numbers:
        return np.asarray((np.abs(array) ** self.p).sum(axis=axes, keepdims=True) ** (1 / self.p))

    def phases(self, phases: Phases, source: int, axes: tuple[int, ...], dtype: DType) -> int:
        build = ProgramBuilder(1, dtype)
        build.call("pow", build.call("abs", 0), float(self.p))
        powers = phases.map(build.finish(build.dtype), [source], phases.shape(source))
        return phases.apply("pow", [phases.reduce("add", powers, axes)], dtype, 1.0 / self.p)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 2, 3, 5, 4),))
        yield Sample(cls(p=3), (floats(2, 1, 3, 7),))
        yield Sample(cls(p=1), (floats(3, 2, 2, 3, 2, 4),))
