"""Resize."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import floor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import FormBuilder, Refusal, TileForm
from halo_py.ops.dims import axis_indices, normalize_axes, unknown_dim
from halo_py.ops.forms import EMPTY, declare_operands, given
from halo_py.ops.interpolation import USES_LENGTH, ResizeTable, matrix
from halo_py.ops.kernels.table import from_wide, table_kernel
from halo_py.ops.sampling import axes as ints
from halo_py.ops.sampling import floats, numbers
from halo_py.types import Dim, DType, Shape, TensorType, Type, divide_dim, scale_dim

Numbers = NDArray[Any]


def _scales(*values: float) -> Numbers:
    return np.asarray(values, np.float32)


@op("resize", onnx="Resize", since=19, odla="odla_Resize")
class Resize(Op):
    """The data resampled along `axes` by the scales in operand 2 or to the sizes in operand 3."""

    antialias: int = 0
    axes: tuple[int, ...] | None = None
    coordinate_transformation_mode: str = "half_pixel"
    cubic_coeff_a: float = -0.75
    exclude_outside: int = 0
    extrapolation_value: float = 0.0
    keep_aspect_ratio_policy: Literal["stretch", "not_larger", "not_smaller"] = "stretch"
    mode: Literal["nearest", "linear", "cubic"] = "nearest"
    nearest_mode: str = "round_prefer_floor"

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, dtype = args.shape(0), args.dtype(0)
        if shape is None:
            return (TensorType(dtype, None),)
        axes = tuple(range(len(shape))) if self.axes is None else axis_indices(self.axes, len(shape), args)
        scales, sizes = args.constant(2), args.dims(3)
        dims = list(shape)
        if scales is not None and scales.size:
            self._check(args, len(scales), len(axes))
            for axis, scale in zip(axes, scales.tolist(), strict=True):
                dims[axis] = _scaled(args, shape[axis], scale, axis)
        elif sizes is not None:
            self._check(args, len(sizes), len(axes))
            known = [size for size in sizes if isinstance(size, int)]
            extents = [dim for dim in (shape[axis] for axis in axes) if isinstance(dim, int)]
            if self.keep_aspect_ratio_policy != "stretch":
                sizes = tuple(unknown_dim(args, f"dim{axis}") for axis in axes)
                if len(known) == len(extents) == len(axes):
                    sizes = tuple(_kept_aspect(extents, known, self.keep_aspect_ratio_policy)[1])
            for axis, size in zip(axes, sizes, strict=True):
                dims[axis] = size
        else:
            for axis in axes:
                dims[axis] = unknown_dim(args, f"dim{axis}")
        return (TensorType(dtype, tuple(dims)),)

    def _check(self, args: InferArgs, count: int, axes: int) -> None:
        if count != axes:
            raise args.error(f"{count} scales or sizes do not fit {axes} axes")

    def tables(
        self, shape: Sequence[int], roi: Numbers | None, scales: Numbers | None, sizes: Numbers | None
    ) -> list[tuple[int, ResizeTable]]:
        """The axes that change and how."""
        axes = tuple(range(len(shape))) if self.axes is None else normalize_axes(self.axes, len(shape))
        extents = [shape[axis] for axis in axes]
        lengths: list[float] | None = None
        if scales is not None and scales.size:
            factors = [float(scale) for scale in scales]
            outs = [floor(size * scale) for size, scale in zip(extents, factors, strict=True)]
            lengths = _lengths(extents, factors)
        elif sizes is not None:
            outs = [int(size) for size in sizes]
            factors = [float(np.float32(out) / np.float32(size)) for out, size in zip(outs, extents, strict=True)]
            if self.keep_aspect_ratio_policy != "stretch":
                factor, outs = _kept_aspect(extents, outs, self.keep_aspect_ratio_policy)
                factors = [factor] * len(outs)
                lengths = _lengths(extents, factors)
        else:
            raise ValueError("neither scales nor sizes are given")
        crop = self.coordinate_transformation_mode == "tf_crop_and_resize"
        found: list[tuple[int, ResizeTable]] = []
        for number, axis in enumerate(axes):
            if factors[number] == 1.0 and outs[number] == extents[number] and not crop:
                continue
            bounds = (0.0, 1.0)
            if crop and roi is not None and roi.size:
                bounds = (float(roi[number]), float(roi[len(axes) + number]))
            length = float(outs[number]) if lengths is None else lengths[number]
            found.append((axis, self._table(extents[number], outs[number], factors[number], length, bounds)))
        return found

    def _table(self, size: int, out: int, scale: float, length: float, roi: tuple[float, float]) -> ResizeTable:
        return ResizeTable(
            self.mode,
            self.coordinate_transformation_mode,
            self.nearest_mode,
            size,
            out,
            scale,
            length,
            roi,
            self.cubic_coeff_a,
            bool(self.exclude_outside) and self.mode == "cubic",
            bool(self.antialias),
        )

    def may_have_fractional_lengths(self, shape: Shape | None, scales: Numbers | None) -> bool:
        """Whether coordinates may depend on a length, made by scaling, that is not a whole number.

        `scales` is None where they are not known before the run.
        """
        if self.coordinate_transformation_mode not in USES_LENGTH:
            return False
        if scales is None or shape is None:
            return True
        axes = tuple(range(len(shape))) if self.axes is None else normalize_axes(self.axes, len(shape))
        for axis, scale in zip(axes, scales.tolist(), strict=False):
            dim = shape[axis]
            if not float(scale).is_integer() and not (
                isinstance(dim, int) and _lengths([dim], [scale])[0].is_integer()
            ):
                return True
        return False

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        roi, scales, sizes = (args.optional(number) for number in (1, 2, 3))
        exact = np.float64 if data.dtype == np.float64 else np.float32
        made: Numbers = data if self.mode == "nearest" else data.astype(exact)
        for axis, table in self.tables(data.shape, roi, scales, sizes):
            taps = table.taps()
            if self.mode == "nearest":
                made = np.take(made, taps.positions[:, 0], axis=axis)
            else:
                weights = matrix(taps, table.size).astype(exact)
                made = np.moveaxis(np.tensordot(weights, made, axes=(1, axis)), 0, axis)
            outside = taps.positions[:, 0] < 0
            if outside.any():
                made[(slice(None),) * axis + (outside,)] = self.extrapolation_value
        return (from_wide(made, DType.from_numpy(data.dtype)),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements_in_data(args):
            return EMPTY
        values = [args.constant(number) for number in (1, 2, 3)]
        if any(args.has(number) and values[number - 1] is None for number in (1, 2, 3)):
            return Refusal("roi, scales and sizes must be constants")
        data = args.tensor(0)
        form = FormBuilder()
        made = given(declare_operands(form, args, skipped=(1, 2, 3)))[0]
        tables = self.tables(data.static_shape, *values)
        wide = DType.FLOAT32 if data.dtype.is_integer and self.mode != "nearest" else data.dtype
        for number, (axis, table) in enumerate(tables):
            now = form.type(made)
            shape = now.static_shape
            dtype = data.dtype if number == len(tables) - 1 else wide
            resized = form.value(dtype, (*shape[:axis], table.out, *shape[axis + 1 :]))
            kernel = table_kernel(shape, axis, table, (now.dtype, dtype), fill=self.extrapolation_value)
            form.call(kernel, (made,), (resized,))
            made = resized
        return form.finish(made if tables else form.view(made, data.static_shape))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        image = floats(1, 1, 2, 4, 5)
        up, odd, down = _scales(1, 1, 2, 2), _scales(1, 1, 1.5, 2.5), _scales(1, 1, 0.6, 0.7)
        for mode in ("asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"):
            yield Sample(cls(coordinate_transformation_mode=mode, mode="linear"), (image, None, odd), constant=(2,))
            yield Sample(cls(coordinate_transformation_mode=mode, mode="cubic"), (image, None, down), constant=(2,))
        for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
            yield Sample(cls(nearest_mode=nearest), (image, None, odd), constant=(2,))
        yield Sample(cls(coordinate_transformation_mode="asymmetric", nearest_mode="floor"), (image, None, up), (2,))
        sized = ints(7, 3)
        yield Sample(cls(mode="linear", axes=(2, 3)), (image, None, None, sized), constant=(3,))
        yield Sample(
            cls(mode="linear", axes=(3, 2), keep_aspect_ratio_policy="not_larger"),
            (image, None, None, sized),
            constant=(3,),
        )
        yield Sample(cls(keep_aspect_ratio_policy="not_smaller", axes=(2, 3)), (image, None, None, sized), (3,))
        yield Sample(cls(mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1), (image, None, up), constant=(2,))
        yield Sample(cls(mode="linear", antialias=1), (floats(2, 1, 1, 9, 8), None, down), constant=(2,))
        yield Sample(cls(mode="cubic", antialias=1), (floats(2, 1, 1, 9, 8), None, down), constant=(2,))
        roi = np.asarray([0, 0, 0.4, 0.6, 1, 1, 0.9, 1.3], np.float32)
        yield Sample(
            cls(mode="linear", coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=10.0),
            (image, roi, None, ints(1, 2, 3, 4)),
            constant=(1, 3),
        )
        yield Sample(cls(mode="linear"), (numbers(3, DType.UINT8, 1, 1, 3, 4, high=250), None, up), constant=(2,))
        yield Sample(cls(mode="linear"), (floats(4, 1, 1, 3, 4, dtype=DType.FLOAT16), None, up), constant=(2,))


def has_no_elements_in_data(args: TileArgs) -> bool:
    """Whether the data or the result is empty (roi and scales often are)."""
    return any(type.elements == 0 for type in (args.tensor(0), *args.output_types))


def _scaled(args: InferArgs, dim: Dim, scale: float, axis: int) -> Dim:
    if isinstance(dim, int):
        return floor(dim * scale)
    if scale == int(scale):
        return scale_dim(dim, int(scale))
    part = divide_dim(dim, round(1 / scale)) if scale > 0 and 1 / scale == round(1 / scale) else None
    return unknown_dim(args, f"dim{axis}") if part is None else part


def _lengths(extents: Sequence[int], scales: Sequence[float]) -> list[float]:
    """Scaled lengths as ONNX's coordinates count them: in float32, not rounded down."""
    return [float(np.float32(size) * np.float32(scale)) for size, scale in zip(extents, scales, strict=True)]


def _kept_aspect(extents: Sequence[int], sizes: Sequence[int], policy: str) -> tuple[float, list[int]]:
    """One scale for all axes, and the sizes it gives (halves are rounded up)."""
    factors = [size / extent for size, extent in zip(sizes, extents, strict=True)]
    scale = min(factors) if policy == "not_larger" else max(factors)
    return scale, [floor(scale * extent + 0.5) for extent in extents]
