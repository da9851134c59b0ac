"""ONNX Runtime's fused normalisations and embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.frontends.contrib_nodes import Call, assert_all_equal, halves
from tests.frontends.onnx_models import Array, random

_X, _SKIP, _SCALE, _SHIFT, _BIAS = random(1, 2, 3, 8), random(2, 2, 3, 8), random(3, 8), random(4, 8), random(5, 8)
_ALL = (True, True, True, True)

SKIPS = [
    Call("skip", "SkipLayerNormalization", [_X, _SKIP, _SCALE, _SHIFT]),
    Call("skip-all", "SkipLayerNormalization", [_X, _SKIP, _SCALE, _SHIFT, _BIAS], {"epsilon": 1e-2}, _ALL),
    Call("skip-sum", "SkipLayerNormalization", [_X, _SKIP, _SCALE], outputs=(True, False, False, True)),
    Call("skip-rows", "SkipLayerNormalization", [_X, _SKIP[0], _SCALE, None, _BIAS], outputs=(True, False, True)),
    Call("skip-one", "SkipLayerNormalization", [_X, _SKIP[:1], _SCALE, _SHIFT]),
    Call("skip-tokens", "SkipLayerNormalization", [_X[0], _SKIP[0], _SCALE, _SHIFT]),
    Call(
        "skip-half", "SkipLayerNormalization",
        [halves(1, 2, 3, 8), halves(2, 2, 3, 8), halves(3, 8), halves(4, 8), halves(5, 8)],
        outputs=(True, False, False, True),
    ),
    Call("rms", "SkipSimplifiedLayerNormalization", [_X, _SKIP, _SCALE], {"epsilon": 1e-2}),
    Call("rms-all", "SkipSimplifiedLayerNormalization", [_X, _SKIP, _SCALE, _BIAS], outputs=_ALL),
    Call("rms-sum", "SkipSimplifiedLayerNormalization", [_X[0], _SKIP[0], _SCALE], outputs=(True, False, False, True)),
    Call("rms-half", "SkipSimplifiedLayerNormalization", [halves(1, 5, 8), halves(2, 5, 8), halves(3, 8)]),
]  # fmt: skip

_IDS = np.asarray([[1, 2, 0, 4], [3, 3, 1, 0]], np.int32)
_SEGMENTS = np.asarray([[0, 0, 1, 1], [0, 1, 0, 1]], np.int32)
_MASK = np.asarray([[1, 1, 0, 0], [1, 1, 1, 1]], np.int32)
_TABLES = [random(6, 5, 8), random(7, 6, 8), random(8, 2, 8)]
_THREE = (True, True, True)

EMBEDDINGS = [
    Call("embed", "EmbedLayerNormalization", [_IDS, _SEGMENTS, *_TABLES, _SCALE, _SHIFT], outputs=_THREE),
    Call(
        "embed-mask", "EmbedLayerNormalization", [_IDS, _SEGMENTS, *_TABLES, _SCALE, _SHIFT, _MASK],
        {"epsilon": 1e-3, "mask_index_type": 1}, _THREE, constant=(2, 3, 4, 5, 6),
    ),
    Call(
        "embed-words", "EmbedLayerNormalization", [_IDS, None, *_TABLES[:2], None, _SCALE, _SHIFT],
        {"mask_index_type": 0},
    ),
    Call(
        "embed-positions", "EmbedLayerNormalization",
        [_IDS, _SEGMENTS, *_TABLES, _SCALE, _SHIFT, _MASK, np.asarray([[2, 1, 0, 5], [5, 5, 4, 0]], np.int32)],
        outputs=_THREE,
    ),
    Call(
        "embed-one-row", "EmbedLayerNormalization",
        [_IDS, None, *_TABLES[:2], None, _SCALE, _SHIFT, None, np.asarray([[2, 1, 0, 5]], np.int32)],
        outputs=(True, False, True), types={},
    ),
]  # fmt: skip


@pytest.mark.parametrize("call", [*SKIPS, *EMBEDDINGS], ids=lambda call: call.name)
def test_devices_equal_onnx_runtime(call: Call, tmp_path: Path) -> None:
    assert_all_equal(call, tmp_path)


def _default(name: str, op: str, *operands: Array, outputs: tuple[bool, ...] = (True,), **attributes: Any) -> Call:
    standard = 20 if op == "SimplifiedLayerNormalization" else 9
    return Call(name, op, operands, attributes, outputs, domain="", standard=standard)


SIMPLIFIED = [
    _default("simplified", "SimplifiedLayerNormalization", _X, _SCALE),
    _default(
        "simplified-axis", "SimplifiedLayerNormalization", _X, random(9, 3, 8),
        outputs=(True, True), axis=1, epsilon=0.1, stash_type=1,
    ),
    _default("simplified-half", "SimplifiedLayerNormalization", halves(1, 2, 3, 8), halves(2, 8)),
]  # fmt: skip

_IMAGES = random(10, 2, 3, 6, 7)
RETIRED = [
    _default("affine", "Affine", _X, alpha=0.3, beta=-1.5),
    _default("affine-plain", "Affine", _X),
    _default("scale", "Scale", _X, scale=2.5),
    _default("scaled-tanh", "ScaledTanh", _X, alpha=0.7, beta=1.3),
    _default("parametric-softplus", "ParametricSoftplus", _X, alpha=0.7, beta=1.3),
    _default("image-scaler", "ImageScaler", _IMAGES, scale=0.5, bias=[0.1, -0.2, 3.0]),
    _default("crop", "Crop", _IMAGES, border=[1, 2, 3, 1]),
    _default("crop-size", "Crop", _IMAGES, border=[1, 2, 3, 1], scale=[3, 4]),
    Call(
        "dynamic-slice", "DynamicSlice", [_IMAGES, np.asarray([1, -3]), np.asarray([4, 100]), np.asarray([2, 3])],
        constant=(1, 2, 3), domain="", standard=9,
    ),
]  # fmt: skip


@pytest.mark.parametrize("call", [*SIMPLIFIED, *RETIRED], ids=lambda call: call.name)
def test_operators_of_the_default_domain_that_only_onnx_runtime_has(call: Call, tmp_path: Path) -> None:
    assert_all_equal(call, tmp_path)
