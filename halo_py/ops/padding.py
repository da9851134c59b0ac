"""Pad, CenterCropPad, Trilu and ReverseSequence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import FormBuilder, Refusal, TileForm
from halo_py.ops.dims import axis_indices, integers, known_dims, normalize_axes, normalize_axis, unknown_dim
from halo_py.ops.forms import EMPTY, declare_operands, given, has_no_elements, one_kernel, untileable
from halo_py.ops.kernels.copy import assemble_kernel
from halo_py.ops.kernels.generate import triangle_kernel
from halo_py.ops.kernels.reverse import reverse_kernel
from halo_py.ops.kernels.table import Taps, table_kernel
from halo_py.ops.sampling import axes as ints
from halo_py.ops.sampling import floats, numbers
from halo_py.types import DType, TensorType, Type, add_dims

Numbers = NDArray[Any]
PadMode = Literal["constant", "reflect", "edge", "wrap"]


@dataclass(frozen=True, slots=True)
class PadTable:
    """Where each position of a dimension padded by its own contents comes from; negative padding crops."""

    mode: PadMode
    size: int
    before: int
    after: int

    def taps(self) -> Taps:
        """One input position per output position."""
        at = np.arange(-self.before, self.size + self.after)
        if self.mode == "edge":
            found = np.clip(at, 0, self.size - 1)
        elif self.mode == "wrap":
            found = at % self.size
        elif self.size == 1:
            found = np.zeros_like(at)
        else:
            period = 2 * (self.size - 1)
            folded = np.abs(at) % period
            found = np.where(folded >= self.size, period - folded, folded)
        return Taps(found[:, None])


@op("pad", onnx="Pad", since=25, odla="odla_Pad")
class Pad(Op):
    """The data with so many elements added (or removed) before and after each axis."""

    mode: PadMode = "constant"

    def pads_of(self, rank: int, pads: tuple[int, ...], axes: tuple[int, ...] | None) -> list[tuple[int, int]]:
        """Elements before and after each of `rank` dimensions."""
        along = tuple(range(rank)) if axes is None else normalize_axes(axes, rank)
        if len(pads) != 2 * len(along):
            raise ValueError(f"{len(pads)} pads do not fit {len(along)} axes")
        found = [(0, 0)] * rank
        for number, axis in enumerate(along):
            found[axis] = (pads[number], pads[len(along) + number])
        return found

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, pads = args.shape(0), integers(args, 1)
        axes = integers(args, 3) if args.has(3) else None
        if shape is None:
            return (TensorType(args.dtype(0), None),)
        if pads is None or (args.has(3) and axes is None):
            touched = range(len(shape)) if axes is None else axis_indices(axes, len(shape), args)
            dims = [unknown_dim(args, f"dim{number}") if number in touched else dim for number, dim in enumerate(shape)]
            return (TensorType(args.dtype(0), tuple(dims)),)
        found = self.pads_of(len(shape), pads, axes)
        grown = tuple(add_dims(dim, before + after) for dim, (before, after) in zip(shape, found, strict=True))
        if any(isinstance(dim, int) and dim < 0 for dim in grown):
            raise args.error(f"padding of {found} leaves nothing of shape {shape}")
        return (TensorType(args.dtype(0), grown),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        axes = args.optional(3)
        along = None if axes is None else tuple(int(axis) for axis in axes)
        pads = self.pads_of(data.ndim, tuple(int(pad) for pad in args.array(1)), along)
        if self.mode != "constant":
            return (_pad_with_itself(data, pads, self.mode),)
        fill = args.optional(2)
        value: Any = ("" if data.dtype == object else data.dtype.type(0)) if fill is None else fill.reshape(-1)[0]
        sizes = [size + sum(pair) for pair, size in zip(pads, data.shape, strict=True)]
        made: Numbers = np.full(sizes, value, data.dtype)
        kept = data[tuple(slice(max(0, -a), size - max(0, -b)) for (a, b), size in zip(pads, data.shape, strict=True))]
        made[tuple(slice(max(0, a), max(0, a) + size) for (a, _), size in zip(pads, kept.shape, strict=True))] = kept
        return (made,)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        pads, axes = args.constant(1), args.constant(3)
        if pads is None or (args.has(3) and axes is None):
            return Refusal("pads and axes must be constants")
        data = args.tensor(0)
        shape = data.static_shape
        along = None if axes is None else tuple(int(axis) for axis in axes)
        found = self.pads_of(len(shape), tuple(int(pad) for pad in pads), along)
        if self.mode == "constant":
            part = (shape, tuple(before for before, _ in found))
            out = args.output_types[0].static_shape
            kernel = assemble_kernel(out, [part], data.dtype, filled=args.has(2))
            return untileable(args) or one_kernel(args, kernel, skipped=(1, 3))
        form = FormBuilder()
        made = given(declare_operands(form, args, skipped=(1, 2, 3)))[0]
        for axis, (before, after) in enumerate(found):
            if before or after:
                now = form.type(made).static_shape
                grown = (*now[:axis], now[axis] + before + after, *now[axis + 1 :])
                padded = form.value(data.dtype, grown)
                table = PadTable(self.mode, now[axis], before, after)
                form.call(table_kernel(now, axis, table, (data.dtype, data.dtype)), (made,), (padded,))
                made = padded
        return untileable(args) or form.finish(made if any(map(any, found)) else form.view(made, shape))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        data = floats(1, 2, 3, 5)
        yield Sample(cls(), (data, ints(0, 1, 2, 1, 0, 3)), constant=(1,))
        yield Sample(cls(), (data, ints(1, -1, -2, 3), np.asarray(1.5, np.float32), ints(0, -1)), constant=(1, 3))
        yield Sample(cls("reflect"), (data, ints(1, 0, 2, 0, 2, 4)), constant=(1,))
        yield Sample(cls("edge"), (data, ints(2, 0, 1, 1, 3, 2)), constant=(1,))
        yield Sample(cls("wrap"), (data, ints(1, 2), None, ints(2)), constant=(1, 3))
        yield Sample(cls("edge"), (data, ints(0, 0, 0, 0, 0, 0)), constant=(1,))
        yield Sample(cls(), (numbers(2, DType.INT32, 4), ints(2, 1), np.asarray(-7, np.int32)), constant=(1,))


def _pad_with_itself(data: Numbers, pads: list[tuple[int, int]], mode: PadMode) -> Numbers:
    """np.pad of the part that negative padding leaves."""
    grown = [(max(0, before), max(0, after)) for before, after in pads]
    if mode == "wrap":
        made = np.pad(data, grown, mode="wrap")
    else:
        made = np.pad(data, grown, mode="edge" if mode == "edge" else "reflect")
    return made[tuple(slice(max(0, -a), size - max(0, -b)) for (a, b), size in zip(pads, made.shape, strict=True))]


@op("center_crop_pad", onnx="CenterCropPad", since=18)
class CenterCropPad(Op):
    """The centre of the data, cropped or padded with zeros to the sizes in operand 1 along `axes`."""

    axes: tuple[int, ...] | None = None

    def _axes(self, rank: int) -> tuple[int, ...]:
        return tuple(range(rank)) if self.axes is None else normalize_axes(self.axes, rank)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, wanted = args.shape(0), known_dims(args, 1)
        if shape is None:
            return (TensorType(args.dtype(0), None),)
        dims = list(shape)
        axes = self._axes(len(shape))
        for number, axis in enumerate(axes):
            dims[axis] = unknown_dim(args, f"dim{axis}") if wanted is None else wanted[number]
        return (TensorType(args.dtype(0), tuple(dims)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        for axis, size in zip(self._axes(data.ndim), args.array(1).tolist(), strict=True):
            have = data.shape[axis]
            lead = (slice(None),) * axis
            if size < have:
                first = (have - size) // 2
                data = data[(*lead, slice(first, first + size))]
            else:
                before = (size - have) // 2
                pads = [(0, 0)] * data.ndim
                pads[axis] = (before, size - have - before)
                data = np.pad(data, pads)
        return (data,)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        data, out = args.tensor(0), args.output_types[0].static_shape
        offsets = tuple(
            -((have - size) // 2) if size < have else (size - have) // 2
            for have, size in zip(data.static_shape, out, strict=True)
        )
        kernel = assemble_kernel(out, [(data.static_shape, offsets)], data.dtype)
        return untileable(args) or one_kernel(args, kernel, skipped=(1,))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 9, 4), ints(4, 7)), constant=(1,))
        yield Sample(cls(axes=(1, -1)), (floats(2, 3, 8, 5), ints(5, 8)), constant=(1,))
        yield Sample(cls(axes=(0,)), (numbers(3, DType.UINT8, 6), ints(3)), constant=(1,))


@op("trilu", onnx="Trilu", since=14)
class Trilu(Op):
    """The upper or lower triangle of every matrix, from diagonal operand 1; zero elsewhere."""

    upper: int = 1

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, offset = args.array(0), args.optional(1)
        k = 0 if offset is None else int(offset.reshape(-1)[0])
        return (np.triu(data, k) if self.upper else np.tril(data, k),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        data = args.tensor(0)
        if args.has(1) and args.tensor(1).elements != 1:
            return Refusal("k must be one number")
        has_offset = args.has(1)
        kernel = triangle_kernel(data.static_shape, bool(self.upper), data.dtype, has_offset=has_offset)
        return untileable(args) or one_kernel(args, kernel)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 4, 5),))
        yield Sample(cls(upper=0), (floats(2, 2, 5, 3), np.asarray(1, np.int64)))
        yield Sample(cls(), (numbers(3, DType.INT64, 4, 4), np.asarray(-2, np.int64)))
        yield Sample(cls(upper=0), (numbers(4, DType.BOOL, 3, 6), np.asarray(-1, np.int64)), constant=(1,))


@op("reverse_sequence", onnx="ReverseSequence", since=28)
class ReverseSequence(Op):
    """The first `sequence_lens[b]` entries along the time axis in reverse order, for every batch entry b."""

    batch_axis: int = 1
    time_axis: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, lengths = args.array(0), args.array(1)
        batch, time = (normalize_axis(axis, data.ndim) for axis in (self.batch_axis, self.time_axis))
        made = data.copy()
        source = np.moveaxis(data, (batch, time), (0, 1))
        target = np.moveaxis(made, (batch, time), (0, 1))
        for number, length in enumerate(lengths.tolist()):
            target[number, :length] = source[number, :length][::-1]
        return (made,)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        data, lengths = args.tensor(0), args.tensor(1)
        shape = data.static_shape
        batch, time = (normalize_axis(axis, len(shape)) for axis in (self.batch_axis, self.time_axis))
        return untileable(args) or one_kernel(args, reverse_kernel(shape, batch, time, data.dtype, lengths.dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 5, 3), ints(4, 1, 5)))
        yield Sample(cls(batch_axis=0, time_axis=1), (floats(2, 3, 6, 2), ints(0, 6, 3)))
        yield Sample(cls(batch_axis=0, time_axis=1), (numbers(3, DType.INT32, 2, 4), ints(2, 4)))
