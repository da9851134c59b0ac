"""Ops over regions: NonMaxSuppression and MaxRoiPool, which the host runs, and DeformConv."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Axis, FormBuilder, Kernel, Refusal, TileForm
from halo_py.ops.contraction import widened
from halo_py.ops.convolution import bias_program, channel_view, infer_conv, static_dims, window_of
from halo_py.ops.dims import unknown_dim
from halo_py.ops.epilogue import finish_form
from halo_py.ops.forms import EMPTY, declare_operands, given, has_no_elements
from halo_py.ops.kernels.contract import ContractOperand, contract_kernel
from halo_py.ops.kernels.deform import DeformCodelet, deform_kernel
from halo_py.ops.point_sampling import sample_points
from halo_py.ops.sampling import floats
from halo_py.ops.windows import Window
from halo_py.types import Dim, DType, TensorType, Type

Numbers = NDArray[Any]


def _corners(boxes: Numbers, centred: bool) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Lower and upper edges along both dimensions of boxes [n, 4]."""
    a, b, c, d = boxes.T
    if centred:
        return a - c / 2, a + c / 2, b - d / 2, b + d / 2
    return np.minimum(a, c), np.maximum(a, c), np.minimum(b, d), np.maximum(b, d)


def suppress(
    boxes: Numbers, scores: Numbers, most: int, overlap: float, least: float | None, centred: bool
) -> list[int]:
    """Numbers of the boxes kept, best first: each one drops those that overlap it by more than `overlap` (IoU)."""
    low_a, high_a, low_b, high_b = _corners(boxes.astype(np.float32), centred)
    area = (high_a - low_a) * (high_b - low_b)
    candidates = np.arange(len(scores)) if least is None else np.flatnonzero(scores > least)
    order = candidates[np.argsort(-scores[candidates], kind="stable")]
    kept: list[int] = []
    while len(order) and len(kept) < most:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        across = np.minimum(high_a[order], high_a[best]) - np.maximum(low_a[order], low_a[best])
        along = np.minimum(high_b[order], high_b[best]) - np.maximum(low_b[order], low_b[best])
        shared = np.maximum(across, 0) * np.maximum(along, 0)
        union = area[order] + area[best] - shared
        with np.errstate(all="ignore"):
            ratio = np.where((shared > 0) & (union > 0), shared / union, 0)
        order = order[ratio <= overlap]
    return kept


@op("non_max_suppression", onnx="NonMaxSuppression", since=11, host_only="how many boxes stay depends on data")
class NonMaxSuppression(Op):
    """Triples (image, class, box) of the boxes that no better box of their class overlaps too much."""

    center_point_box: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (TensorType(DType.INT64, (unknown_dim(args, "kept"), 3)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        boxes, scores = args.array(0), args.array(1)
        most, overlap, least = (args.optional(number) for number in (2, 3, 4))
        count = 0 if most is None else int(most.reshape(-1)[0])
        limit = 0.0 if overlap is None else float(overlap.reshape(-1)[0])
        floor = None if least is None else float(least.reshape(-1)[0])
        found: list[tuple[int, int, int]] = []
        for image, kind in np.ndindex(*scores.shape[:2]):
            chosen = suppress(boxes[image], scores[image, kind], count, limit, floor, bool(self.center_point_box))
            found += [(image, kind, box) for box in chosen]
        return (np.asarray(found, np.int64).reshape(-1, 3),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        spread: Numbers = floats(1, 2, 12, 4, low=0.0, high=5.0)
        corners = np.concatenate([spread[..., :2], spread[..., :2] + 3 + spread[..., 2:]], axis=-1)
        scores = floats(2, 2, 3, 12, low=0.0, high=1.0)
        most, overlap = np.asarray([4], np.int64), np.asarray([0.3], np.float32)
        yield Sample(cls(), (corners, scores, most, overlap))
        yield Sample(cls(), (corners, scores, most, overlap, np.asarray([0.6], np.float32)))
        yield Sample(cls(center_point_box=1), (corners, scores, most, overlap))


@op("max_roi_pool", onnx="MaxRoiPool", since=22, host_only="which positions each region covers is known at run time")
class MaxRoiPool(Op):
    """Maximum over the bins of regions (image, x1, y1, x2, y2); an empty bin is 0 (R. Girshick, 2015, "Fast R-CNN")."""

    pooled_shape: tuple[int, ...]
    spatial_scale: float = 1.0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        x, rois = args.shape(0), args.shape(1)
        channels: Dim = unknown_dim(args, "channels") if x is None else x[1]
        count: Dim = unknown_dim(args, "regions") if rois is None else rois[0]
        return (TensorType(args.dtype(0), (count, channels, *self.pooled_shape)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x, rois = args.array(0), args.array(1)
        made: Numbers = np.zeros((len(rois), x.shape[1], *self.pooled_shape), x.dtype)
        for number, roi in enumerate(rois):
            image = x[int(roi[0])]
            x1, y1, x2, y2 = (int(np.floor(float(edge) * self.spatial_scale + 0.5)) for edge in roi[1:])
            rows = _bins(y1, y2, self.pooled_shape[0], image.shape[1])
            columns = _bins(x1, x2, self.pooled_shape[1], image.shape[2])
            for i, (top, bottom) in enumerate(rows):
                for j, (left, right) in enumerate(columns):
                    part = image[:, top:bottom, left:right]
                    if part.size:
                        made[number, :, i, j] = part.max(axis=(1, 2))
        return (made,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = floats(1, 2, 3, 8, 10)
        rois = np.asarray([[0, 1, 2, 6, 5], [1, 0, 0, 9, 7], [0, 3, 3, 3, 3]], np.float32)
        yield Sample(cls((2, 3)), (x, rois))
        yield Sample(cls((1, 1)), (x, rois))
        yield Sample(cls((3, 2), 0.5), (x, rois))


def _bins(first: int, last: int, count: int, extent: int) -> list[tuple[int, int]]:
    """Start and end of each bin of a region that includes its last pixel."""
    size = max(last - first + 1, 1) / count
    edges = [
        (int(np.floor(number * size)) + first, int(np.ceil((number + 1) * size)) + first) for number in range(count)
    ]
    return [(min(max(start, 0), extent), min(max(end, 0), extent)) for start, end in edges]


@op("deform_conv", onnx="DeformConv", since=22)
class DeformConv(Op):
    """Convolution whose window positions are moved by offsets and weighted by a mask (J. Dai et al., 2017)."""

    dilations: tuple[int, ...] | None = None
    group: int = 1
    kernel_shape: tuple[int, ...] | None = None
    offset_group: int = 1
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def _window(self, weights: Sequence[int]) -> Window:
        return window_of(weights, self.strides, self.dilations, self.pads, "NOTSET")

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        w = args.shape(1)
        kernel = static_dims(w[2:] if w is not None else None) or self.kernel_shape
        window = None if kernel is None else self._window((0, 0, *kernel))
        return (TensorType(args.dtype(0), infer_conv(args, args.shape(0), w, window, self.group)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x, w, offset = (widened(args.array(number)) for number in range(3))
        bias, mask = args.optional(3), args.optional(4)
        window = self._window(w.shape)
        rank, positions = window.rank, int(np.prod(window.kernel))
        out = window.out_sizes(x.shape[2:])
        before = window.padding(x.shape[2:])[0]
        images, channels = x.shape[:2]
        groups = self.offset_group
        offsets = offset.reshape(images, groups, positions, rank, *out)
        masks = None if mask is None else widened(mask).reshape(images, groups, positions, *out)
        columns: Numbers = np.zeros((images, channels, positions, int(np.prod(out))), x.dtype)
        grid = np.stack(np.meshgrid(*(np.arange(size) for size in out), indexing="ij")).astype(x.dtype)
        spread = (rank, *(1,) * rank)
        base = grid * np.reshape(window.strides, spread) - np.reshape(before, spread)
        per = channels // groups
        for part in range(groups):
            channel = slice(part * per, (part + 1) * per)
            for number, position in enumerate(np.ndindex(*window.kernel)):
                moved = base + np.reshape([k * d for k, d in zip(position, window.dilations, strict=True)], spread)
                points = np.moveaxis((moved + offsets[:, part, number]).reshape(images, rank, -1), 1, -1)
                values = sample_points(x[:, channel], points.astype(x.dtype), "linear", "zeros")
                if masks is not None:
                    values = values * masks[:, part, number].reshape(images, 1, -1)
                columns[:, channel, number] = values
        grouped = columns.reshape(images, self.group, -1, columns.shape[-1])
        weights = w.reshape(self.group, w.shape[0] // self.group, -1)
        made: Numbers = np.matmul(weights, grouped).reshape(images, w.shape[0], *out)
        if bias is not None:
            made = made + widened(bias).reshape(-1, *(1,) * rank)
        return (made.astype(args.array(0).dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        """Patches at the moved positions, then a product with the weights, then the bias."""
        if has_no_elements(args):
            return EMPTY
        form = FormBuilder()
        x_local, w_local, offset_local, bias_local, mask_local = (*declare_operands(form, args), None, None)[:5]
        assert x_local is not None
        assert w_local is not None
        assert offset_local is not None
        x, w, dtype = args.tensor(0).static_shape, args.tensor(1).static_shape, args.tensor(0).dtype
        out = args.output_types[0].static_shape
        window = self._window(w)
        before = window.padding(x[2:])[0]
        codelet = DeformCodelet(window.kernel, window.strides, window.dilations, before)
        sampling = deform_kernel(x, self.offset_group, out[2:], dtype, codelet, masked=mask_local is not None)
        patches = form.value(dtype, (x[0], x[1], prod(window.kernel), *out[2:]))
        form.call(sampling, given([x_local, offset_local, mask_local]), (patches,))
        made = form.value(dtype, out)
        product = self._product(x, w, prod(out[2:]), dtype, args.partials_type)
        form.call(product, (w_local, patches), (made,))
        if bias_local is None:
            return form.finish(made)
        return finish_form(form, args, made, bias_program(dtype), [channel_view(form, bias_local, len(out))])

    def _product(self, x: tuple[int, ...], w: tuple[int, ...], places: int, dtype: DType, partials: DType) -> Kernel:
        """Weights times patches, image by image and group by group."""
        images, rows, depth = x[0], w[0] // self.group, prod(w[1:])
        axes = (
            Axis("image", images),
            Axis("group", self.group),
            Axis("row", rows),
            Axis("place", places),
            Axis("depth", depth, "reduce"),
        )
        weights = ContractOperand((self.group, rows, depth), (1, 2, 4), dtype)
        patches = ContractOperand((images, self.group, depth, places), (0, 1, 4, 3), dtype)
        result = ContractOperand((images, self.group, rows, places), (0, 1, 2, 3), dtype)
        return contract_kernel(axes, weights, patches, result, partials_type=partials)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, w = floats(1, 1, 4, 5, 6), floats(2, 2, 2, 2, 3)
        yield Sample(cls(group=2), (x, w, floats(3, 1, 12, 4, 4)))
        yield Sample(
            cls(group=2, pads=(1, 0, 1, 0), strides=(2, 1), offset_group=2),
            (x, w, floats(4, 1, 24, 3, 4), floats(5, 2), floats(6, 1, 12, 3, 4, low=0.0)),
        )
        yield Sample(cls(dilations=(2, 2)), (x, floats(7, 3, 4, 2, 2), floats(8, 1, 8, 3, 4), floats(9, 3)))
