"""Operators on images and on boxes in them, and quantisation that training simulates."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

cases: Any = importlib.import_module("operator_cases")
f, k, s = cases.f, cases.k, cases.s


def all_cases() -> Iterator[Any]:
    """Every case; the numbers go on behind those of `operator_cases`."""
    yield from _resizing()
    yield from _quantisation()
    yield from _boxes()
    yield from _boxes_of_classes()


def _resizing() -> Iterator[Any]:
    x = f(2, 5, 7, 3)
    for op in ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic"):
        for height, width in ((10, 14), (3, 4), (8, 8)):
            for flags in ({}, {"align_corners": True}, {"half_pixel_centers": True}):
                yield cases.Case(op, {"images": x, "size": k(height, width), **flags})


def _quantisation() -> Iterator[Any]:
    yield cases.Case("FakeQuantWithMinMaxArgs", {"inputs": f(40, low=-8, high=8)})
    yield cases.Case(
        "FakeQuantWithMinMaxArgs", {"inputs": f(40), "min": -0.7, "max": 1.9, "num_bits": 4, "narrow_range": True}
    )
    yield cases.Case("FakeQuantWithMinMaxVars", {"inputs": f(40), "min": s(-1, np.float32), "max": s(1.7, np.float32)})
    yield cases.Case("FakeQuantWithMinMaxVars", {"inputs": f(9), "min": s(0, np.float32), "max": s(0, np.float32)})
    low, high = k(-1, -0.3, 0, 0, dtype=np.float32), k(1.7, 2, 0.9, 0, dtype=np.float32)
    for shape in ((9, 4), (2, 3, 3, 4)):
        for flags in ({}, {"num_bits": 4, "narrow_range": True}):
            arguments = {"inputs": f(*shape), "min": low, "max": high, **flags}
            yield cases.Case("FakeQuantWithMinMaxVarsPerChannel", arguments)


def _corners(*shape: int) -> NDArray[Any]:
    """Boxes inside of the unit square, many of which overlap; of some the corners are the other way round."""
    least = f(*shape, 2, low=0, high=0.6)
    made = np.concatenate([least, least + f(*shape, 2, low=0.1, high=0.4)], -1)
    made.reshape(-1, 4)[::5] = made.reshape(-1, 4)[::5][:, [2, 3, 0, 1]]
    return made


def _boxes() -> Iterator[Any]:
    given = {"boxes": _corners(30), "scores": f(30, low=0), "max_output_size": s(8)}
    overlap, least = s(0.4, np.float32), s(0.5, np.float32)
    yield cases.Case("NonMaxSuppression", {**given, "iou_threshold": 0.4})
    yield cases.Case("NonMaxSuppressionV2", {**given, "iou_threshold": overlap})
    limits = {"iou_threshold": overlap, "score_threshold": least}
    yield cases.Case("NonMaxSuppressionV3", {**given, **limits})
    yield cases.Case("NonMaxSuppressionV3", {**given, "iou_threshold": overlap, "score_threshold": s(1.9, np.float32)})
    for most in (6, 25):
        for padded in (True, False):
            padding = {"max_output_size": s(most), "pad_to_max_output_size": padded}
            yield cases.Case("NonMaxSuppressionV4", {**given, **limits, **padding})
            hard = {"soft_nms_sigma": s(0, np.float32)}
            yield cases.Case("NonMaxSuppressionV5", {**given, **limits, **hard, **padding})


def _boxes_of_classes() -> Iterator[Any]:
    for sets in (1, 3):
        for of_class, total, flags in ((4, 7, {}), (5, 40, {"pad_per_class": True}), (3, 90, {"clip_boxes": False})):
            arguments = {
                "boxes": 1.3 * _corners(2, 20, sets),
                "scores": f(2, 20, 3, low=0, high=1),
                "max_output_size_per_class": s(of_class),
                "max_total_size": s(total),
                "iou_threshold": s(0.3, np.float32),
                "score_threshold": s(0.2, np.float32),
            }
            yield cases.Case("CombinedNonMaxSuppression", {**arguments, **flags})
