"""Images sampled at given positions and regions: GridSample, AffineGrid, RoiAlign, Col2Im."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.contraction import widened
from halo_py.ops.dims import integers, known_dims, unknown_dim
from halo_py.ops.forms import EMPTY, has_no_elements, one_kernel
from halo_py.ops.kernels.points import (
    AffineGridCodelet,
    FoldCodelet,
    GridSampleCodelet,
    RoiAlignCodelet,
    affine_grid_kernel,
    fold_kernel,
    grid_line,
    grid_sample_kernel,
    roi_align_kernel,
)
from halo_py.ops.point_sampling import PaddingMode, SamplingMode, denormalize, roi_align, sample_points
from halo_py.ops.sampling import axes as ints
from halo_py.ops.sampling import floats
from halo_py.types import Dim, TensorType, Type, divide_dim

Numbers = NDArray[Any]


@op("grid_sample", onnx="GridSample", since=22)
class GridSample(Op):
    """The field X [N, C, ...] at the normalized positions of operand 1 [N, ..., r]."""

    align_corners: int = 0
    mode: SamplingMode = "linear"
    padding_mode: PaddingMode = "zeros"

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        x, grid = args.shape(0), args.shape(1)
        if x is None or grid is None:
            return (TensorType(args.dtype(0), None),)
        if len(x) != len(grid) or len(x) < 3:
            raise args.error(f"X of rank {len(x)} does not fit a grid of rank {len(grid)}")
        return (TensorType(args.dtype(0), (*x[:2], *grid[1:-1])),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x, grid = args.array(0), args.array(1)
        points = denormalize(widened(grid), x.shape[2:], bool(self.align_corners))
        points = points.reshape(x.shape[0], -1, points.shape[-1])
        made = sample_points(widened(x), points, self.mode, self.padding_mode, bool(self.align_corners))
        return (made.reshape(*x.shape[:2], *grid.shape[1:-1]).astype(x.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        x, grid = args.tensor(0), args.tensor(1)
        codelet = GridSampleCodelet(self.mode, self.padding_mode, bool(self.align_corners))
        kernel = grid_sample_kernel(x.static_shape, grid.static_shape, (x.dtype, grid.dtype), codelet)
        return one_kernel(args, kernel)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = floats(1, 2, 3, 4, 5)
        grid = floats(2, 2, 3, 2, 2, low=-1.4, high=1.4)
        paddings: tuple[PaddingMode, ...] = ("zeros", "border", "reflection")
        for number, padding in enumerate(paddings):
            yield Sample(cls(padding_mode=padding), (x, grid))
            yield Sample(cls(1, "nearest" if number else "linear", padding), (x, grid))
            yield Sample(cls(number % 2, "cubic", padding), (x, grid), tolerance=4)
        yield Sample(cls(), (floats(3, 1, 2, 3, 4, 2), floats(4, 1, 2, 2, 3, 3, low=-1.2, high=1.2)))


@op("affine_grid", onnx="AffineGrid", since=20)
class AffineGrid(Op):
    """Positions of an evenly spaced grid (of the sizes in operand 1) under the affine matrices of operand 0."""

    align_corners: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        size = known_dims(args, 1)
        if size is None:
            return (TensorType(args.dtype(0), None),)
        return (TensorType(args.dtype(0), (size[0], *size[2:], len(size) - 2)),)

    def _grid(self, sizes: tuple[int, ...]) -> Numbers:
        """Homogeneous positions [..., r + 1] in the order x, y, ..., 1."""
        lines = [grid_line(size, bool(self.align_corners)) for size in sizes]
        mesh = np.meshgrid(*lines, indexing="ij")
        return np.stack([*reversed(mesh), np.ones(sizes)], axis=-1)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        theta, size = args.array(0), tuple(int(number) for number in args.array(1))
        wide = widened(theta)
        made = np.einsum("...k,nrk->n...r", self._grid(size[2:]).astype(wide.dtype), wide)
        return (made.astype(theta.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        out = args.output_types[0]
        codelet = AffineGridCodelet(bool(self.align_corners))
        return one_kernel(args, affine_grid_kernel(out.static_shape, out.dtype, codelet), skipped=(1,))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 2, 2, 3), ints(2, 3, 4, 5)), constant=(1,))
        yield Sample(cls(align_corners=1), (floats(2, 1, 2, 3), ints(1, 1, 3, 2)), constant=(1,))
        yield Sample(cls(), (floats(3, 1, 3, 4), ints(1, 2, 2, 3, 4)), constant=(1,))


@op("roi_align", onnx="RoiAlign", since=22)
class RoiAlign(Op):
    """Regions (x1, y1, x2, y2) of images pooled to a fixed size by bilinear samples."""

    coordinate_transformation_mode: Literal["half_pixel", "output_half_pixel"] = "half_pixel"
    mode: Literal["avg", "max"] = "avg"
    output_height: int = 1
    output_width: int = 1
    sampling_ratio: int = 0
    spatial_scale: float = 1.0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        x, rois = args.shape(0), args.shape(1)
        channels: Dim = unknown_dim(args, "channels") if x is None else x[1]
        count: Dim = unknown_dim(args, "regions") if rois is None else rois[0]
        return (TensorType(args.dtype(0), (count, channels, self.output_height, self.output_width)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x, rois, numbers = args.array(0), args.array(1), args.array(2)
        out = (self.output_height, self.output_width)
        half, average = self.coordinate_transformation_mode == "half_pixel", self.mode == "avg"
        made: Numbers = np.zeros((len(rois), x.shape[1], *out), x.dtype)
        for number, (roi, image) in enumerate(zip(widened(rois), numbers.tolist(), strict=True)):
            made[number] = roi_align(
                widened(x[image]), roi, out, self.sampling_ratio, self.spatial_scale, half, average
            )
        return (made,)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        x, rois = args.tensor(0), args.tensor(1)
        codelet = RoiAlignCodelet(
            (self.output_height, self.output_width),
            self.sampling_ratio,
            self.spatial_scale,
            self.coordinate_transformation_mode == "half_pixel",
            self.mode == "avg",
        )
        types = (x.dtype, args.tensor(2).dtype)
        return one_kernel(args, roi_align_kernel(x.static_shape, rois.static_shape[0], types, codelet))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = floats(1, 2, 3, 8, 10, low=0.1)
        rois = np.asarray([[0, 0, 9, 7], [1.5, 2.5, 6, 5], [-3, 4, 12, 9.5]], np.float32)
        images = np.asarray([0, 1, 1], np.int64)
        yield Sample(cls(output_height=3, output_width=2), (x, rois, images))
        yield Sample(cls("output_half_pixel", "avg", 2, 3, 2, 0.5), (x, rois * np.float32(2), images))
        yield Sample(cls(mode="max", output_height=2, output_width=2, sampling_ratio=2), (x, rois, images))


@op("col2im", onnx="Col2Im", since=18)
class Col2Im(Op):
    """Blocks [N, C x block, count] added up to images of the field in operand 1."""

    dilations: tuple[int, ...] | None = None
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, field, block = args.shape(0), known_dims(args, 1, "field"), integers(args, 2)
        if shape is None or field is None:
            return (TensorType(args.dtype(0), None),)
        channels = None if block is None else divide_dim(shape[1], prod(block))
        if channels is None:
            channels = unknown_dim(args, "channels")
        return (TensorType(args.dtype(0), (shape[0], channels, *field)),)

    def _codelet(self, rank: int) -> FoldCodelet:
        pads = self.pads or (0,) * (2 * rank)
        return FoldCodelet(self.strides or (1,) * rank, self.dilations or (1,) * rank, pads[:rank])

    def _counts(self, field: tuple[int, ...], block: tuple[int, ...]) -> tuple[int, ...]:
        rank = len(field)
        pads, how = self.pads or (0,) * (2 * rank), self._codelet(rank)
        return tuple(
            (size + pads[d] + pads[rank + d] - how.dilations[d] * (block[d] - 1) - 1) // how.strides[d] + 1
            for d, size in enumerate(field)
        )

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        blocks = args.array(0)
        field, block = (tuple(int(size) for size in args.array(number)) for number in (1, 2))
        how, rank = self._codelet(len(field)), len(field)
        pads = self.pads or (0,) * (2 * rank)
        grown = [size + pads[d] + pads[rank + d] for d, size in enumerate(field)]
        columns = widened(blocks).reshape(blocks.shape[0], -1, prod(block), blocks.shape[2])
        made: Numbers = np.zeros((*columns.shape[:2], *grown), columns.dtype)
        for number, start in enumerate(np.ndindex(*self._counts(field, block))):
            for position, offset in enumerate(np.ndindex(*block)):
                at = tuple(s * i + d * k for s, i, d, k in zip(how.strides, start, how.dilations, offset, strict=True))
                made[(slice(None), slice(None), *at)] += columns[:, :, position, number]
        return (made[(..., *(slice(p, p + size) for p, size in zip(pads, field, strict=False)))].astype(blocks.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        block = args.constant(2)
        if block is None:
            return Refusal("the block shape must be a constant")
        blocks, out = args.tensor(0), args.output_types[0].static_shape
        sizes = tuple(int(size) for size in block)
        view = (*out[:2], *sizes, *self._counts(out[2:], sizes))
        kernel = fold_kernel(view, out[2:], blocks.dtype, self._codelet(len(sizes)))
        return one_kernel(args, kernel, skipped=(1, 2))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 1, 5, 5), ints(5, 5), ints(1, 5)), constant=(1, 2))
        yield Sample(cls(strides=(2, 1), pads=(1, 0, 1, 1)), (floats(2, 2, 12, 15), ints(5, 5), ints(2, 2)), (1, 2))
        yield Sample(cls(dilations=(1, 2)), (floats(3, 1, 8, 12), ints(4, 6), ints(2, 2)), constant=(1, 2))
