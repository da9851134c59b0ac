"""The post-processing of YOLOv3 as one op: boxes decoded from three grids, then non-maximum suppression per class.

The formulas are those of J. Redmon, A. Farhadi, 2018, "YOLOv3: An Incremental Improvement", with the nine anchors of
its training on COCO for images of 416 x 416, into which the original image was fitted with its aspect ratio kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, op
from halo_py.ops.dims import unknown_dim
from halo_py.ops.regions import suppress
from halo_py.ops.sampling import floats
from halo_py.types import Dim, DType, TensorType, Type

Numbers = NDArray[Any]

IMAGE = 416
"""Pixels along each side of the network's input."""

ANCHORS = (
    ((116, 90), (156, 198), (373, 326)),
    ((30, 61), (62, 45), (59, 119)),
    ((10, 13), (16, 30), (33, 23)),
)
"""Width and height in pixels of the three boxes of every cell, for the coarse, middle and fine grid."""

_BOX = 5
"""Numbers before the classes' scores: x, y, width, height, confidence."""


@op("yolo_boxes", odla="odla_PostProcess", host_only="how many boxes stay depends on data")
class YoloBoxes(Op):
    """Boxes (top, left, bottom, right in pixels of the original image, score) per class, best first, and how many.

    Operands: width and height of the original image, then the grids [1, 3 (5 + classes), n, n] from coarse to fine.
    Results: [classes, places, 5], zero beyond the boxes kept, and the number kept [classes]. There is a place for every
    cell of the coarse grid's share of all boxes: 63 for grids of 13, 26 and 52.
    """

    iou_threshold: float = 0.45
    score_threshold: float = 0.3

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shapes = [args.shape(number) for number in (2, 3, 4)]
        for shape in shapes:
            if shape is not None and (len(shape) != 4 or shape[2] != shape[3]):
                raise args.error(f"a grid is [1, 3 (5 + classes), n, n], found {list(shape)}")
        channels = shapes[0][1] if shapes[0] is not None else None
        sizes = [shape[2] for shape in shapes if shape is not None and isinstance(shape[2], int)]
        classes: Dim = unknown_dim(args, "classes")
        if isinstance(channels, int):
            if channels % 3 or channels // 3 <= _BOX:
                raise args.error(f"{channels} channels are not three boxes of 5 numbers and classes")
            classes = channels // 3 - _BOX
        places: Dim = _places(sizes) if len(sizes) == 3 else unknown_dim(args, "places")
        return (TensorType(args.dtype(2), (classes, places, _BOX)), TensorType(DType.UINT32, (classes,)))

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        width, height = (float(args.array(number).reshape(-1)[0]) for number in (0, 1))
        grids = [args.array(number) for number in (2, 3, 4)]
        parts = [decode(grid, anchors, width, height) for grid, anchors in zip(grids, ANCHORS, strict=True)]
        boxes = np.concatenate([part[0] for part in parts])
        scores = np.concatenate([part[1] for part in parts])
        places = _places([grid.shape[2] for grid in grids])
        kept: Numbers = np.zeros((scores.shape[1], places, _BOX), grids[0].dtype)
        counts = np.zeros(scores.shape[1], np.uint32)
        for number, column in enumerate(scores.T):
            chosen = suppress(boxes, column, places, self.iou_threshold, self.score_threshold, centred=False)
            kept[number, : len(chosen), :4] = boxes[chosen]
            kept[number, : len(chosen), 4] = column[chosen]
            counts[number] = len(chosen)
        return kept, counts

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for seed, classes, sizes in ((1, 2, (2, 4, 8)), (2, 1, (1, 2, 4)), (3, 3, (3, 6, 12))):
            grids = [
                floats(10 * seed + number, 1, 3 * (_BOX + classes), size, size) for number, size in enumerate(sizes)
            ]
            image = (np.asarray([640], np.uint32), np.asarray([480], np.uint32))
            yield Sample(cls(), (*image, *grids), outputs=2)


def _places(sizes: Sequence[int]) -> int:
    return 3 * sum(size * size for size in sizes) // (sizes[0] * sizes[0])


def decode(grid: Numbers, anchors: tuple[tuple[int, int], ...], width: float, height: float) -> tuple[Numbers, Numbers]:
    """Boxes [cells x 3, 4] (top, left, bottom, right) and scores [cells x 3, classes] of a grid [1, channels, n, n]."""
    size = grid.shape[2]
    cells = grid[0].astype(np.float32).transpose(1, 2, 0).reshape(size, size, 3, -1)
    scale = min(IMAGE / height, IMAGE / width)
    fitted = np.floor(np.asarray([width, height]) * scale + 0.5)
    margin = (IMAGE - fitted) / 2 / IMAGE
    stretch = IMAGE / fitted
    corner: Numbers = np.indices((size, size))[::-1].transpose(1, 2, 0)[:, :, None, :]
    centre = ((_sigmoid(cells[..., 0:2]) + corner) / size - margin) * stretch
    extent = np.exp(cells[..., 2:4]) * np.asarray(anchors) / IMAGE * stretch
    image = np.asarray([width, height])
    low, high = (centre - extent / 2) * image, (centre + extent / 2) * image
    boxes = np.stack([low[..., 1], low[..., 0], high[..., 1], high[..., 0]], -1).reshape(-1, 4)
    scores = _sigmoid(cells[..., _BOX:]) * _sigmoid(cells[..., 4:5])
    return np.asarray(boxes, np.float32), np.asarray(scores, np.float32).reshape(-1, cells.shape[-1] - _BOX)


def _sigmoid(x: Numbers) -> Numbers:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-x)))
