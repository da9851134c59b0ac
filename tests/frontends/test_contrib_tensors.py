"""ONNX Runtime's operators on shapes, indices and images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halo_py.errors import HaloError
from halo_py.frontend import load_model
from tests.frontends.contrib_nodes import Call, assert_all_equal
from tests.frontends.onnx_models import Array, random, write

_X = random(1, 2, 3, 4)


def _call(op: str, *operands: Array | None, constant: tuple[int, ...] = (), **attributes: Any) -> Call:
    given = "-".join(str(value) for value in attributes.values())
    shapes = "-".join("x".join(map(str, value.shape)) for value in operands if value is not None)
    return Call(f"{op}-{shapes}-{given}", op, operands, attributes, constant=constant)


def _ints(*values: Any) -> Array:
    return np.asarray(values, np.int64)


AXES = [
    Call(f"ExpandDims{axis}", "ExpandDims", [_X, np.asarray(axis, np.int32)], constant=(1,))
    for axis in (0, 2, 3, -1, -4)
]
INDICES = [
    _call("GatherND", _X, _ints([0, 1], [1, -1])),
    _call("GatherND", _X, np.asarray([[[0]], [[1]]], np.int32)),
    _call("Trilu", random(2, 2, 4, 5)),
    _call("Trilu", random(3, 4, 4), np.asarray(1), upper=0, constant=(1,)),
    Call("Unique", "Unique", [np.asarray([2, 1, 1, 3, 4, 3], np.float32)], outputs=(True, True, True), host=True),
    _call("SampleOp", _X),
    _call("Range", np.asarray(1, np.int32), np.asarray(7, np.int32), constant=(0, 1)),
    _call("Range", *(np.asarray([number], np.float32) for number in (1, 7, 1.5)), constant=(0, 1, 2)),
    _call("Range", *(np.asarray(number, np.int16) for number in (9, 1, -2)), constant=(0, 1, 2)),
    _call("UnfoldTensor", random(4, 2, 7), size=3, step=2),
    _call("UnfoldTensor", random(5, 7, 2, 3), size=3, dim=0),
    _call("UnfoldTensor", np.arange(36).reshape(2, 6, 3), size=2, step=3, dim=-2),
]
PADS = [
    _call("Pad", _X, _ints(0, 1, -1, 0, 0, 2), np.asarray([5], np.float32), constant=(1, 2)),
    _call("Pad", _X, _ints([0, 1, 1, 0, 0, 2]), mode="reflect", constant=(1,)),
    _call("Pad", _X, _ints(0, 1, 1, 0, 0, 2), mode="edge", constant=(1,)),
]
_IDS = _ints([1, 2, 3, 1, 2], [5, 5, 5, 5, 5], [0, 1, 2, 3, 4])
TOKENS = [_call("NGramRepeatBlock", _IDS, random(7, 3, 6), ngram_size=size) for size in (1, 2, 3, 5, 6)]
NUMBERS = [
    _call("CDist", random(8, 5, 3), random(9, 4, 3)),
    _call("CDist", random(10, 5, 3), random(11, 4, 3), metric="euclidean"),
    _call("CDist", random(12, 5, 3).astype(np.float64), random(13, 4, 3).astype(np.float64), metric="euclidean"),
    Call("Inverse", "Inverse", [random(14, 2, 3, 3) + 4 * np.eye(3, dtype=np.float32)], host=True),
    _call(
        "ConvTransposeWithDynamicPads", random(15, 1, 2, 4, 4), random(16, 2, 3, 3, 3), _ints(1, 0, 1, 1),
        random(17, 3), strides=[2, 2], output_padding=[1, 1], constant=(2,),
    ),
]  # fmt: skip

_IMAGES = random(18, 2, 3, 6, 5)
_BOXES = np.asarray([[0, 0, 1, 1], [0.2, 0.1, 0.7, 1.2], [0.8, 0.9, 0.1, 0.2], [0.1, 0.3, 0.5, 0.7]], np.float32)
_WHOSE = np.asarray([0, 1, 1, 0], np.int32)


def _crop(height: int, width: int, **attributes: Any) -> Call:
    return _call(
        "CropAndResize", _IMAGES, _BOXES, _WHOSE, np.asarray([height, width], np.int32), constant=(3,), **attributes
    )


CROPS = [
    _crop(4, 3),
    _crop(1, 1),
    _crop(3, 1, extrapolation_value=7.0),
    _crop(5, 6, mode="nearest", extrapolation_value=-1.5),
    _crop(1, 4, mode="nearest"),
]
_GRID = random(19, 2, 4, 3, 2)
GRIDS = [
    _call("GridSample", _IMAGES, _GRID),
    _call("GridSample", _IMAGES, _GRID, mode="bicubic", padding_mode="reflection", align_corners=1),
    _call("GridSample", _IMAGES, _GRID, mode="nearest", padding_mode="border"),
]


@pytest.mark.parametrize(
    "call", [*AXES, *INDICES, *PADS, *TOKENS, *NUMBERS, *CROPS, *GRIDS], ids=lambda call: call.name
)
def test_devices_equal_onnx_runtime(call: Call, tmp_path: Path) -> None:
    assert_all_equal(call, tmp_path)


def test_an_embedding_of_training_is_a_table(tmp_path: Path) -> None:
    """ONNX Runtime has no CPU kernel: judged as the rows that its documentation states."""
    table, index = random(20, 7, 3), _ints([1, 0], [6, 1])
    call = _call("TorchEmbedding", table, index, np.asarray(1), np.asarray(True))
    assert_all_equal(call, tmp_path, [table[index]])


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (_call("CDist", random(1, 2, 3), random(2, 2, 3), metric="cosine"), "cosine"),
        (_call("ExpandDims", _X, np.asarray(0, np.int32)), "must be known"),
        (_call("ComplexMul", _X, _X), "GPU"),
        (_call("MaxpoolWithMask", _X, np.ones((2, 3, 4), np.int32), kernel_shape=[2]), "not documented"),
        (_call("UnfoldTensor", _X, size=9), "do not fit"),
    ],
)
def test_what_is_not_supported_is_said(call: Call, reason: str, tmp_path: Path) -> None:
    with pytest.raises(HaloError, match=reason):
        load_model(write(call.model(), tmp_path))
