"""ONNX Runtime's rotary embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halo_py.errors import ModelError
from halo_py.frontend import load_model
from tests.frontends.contrib_nodes import Call, assert_all_equal, assert_free_dimensions_change_nothing, halves
from tests.frontends.onnx_models import Array, random, write

_HEADS, _SIZE = 4, 16
_FLAT, _BY_HEAD = random(1, 2, 3, _HEADS * _SIZE), random(2, 2, _HEADS, 3, _SIZE)
_IDS = np.asarray([[3, 0, 7], [9, 9, 1]], np.int64)
_START = np.asarray([4], np.int64)
_FULL, _PART = (random(3, 10, 8), random(4, 10, 8)), (random(5, 10, 4), random(6, 10, 4))
_PARTIAL: dict[str, Any] = {"num_heads": _HEADS, "rotary_embedding_dim": 8}


def _call(name: str, *operands: Array, op: str = "RotaryEmbedding", **attributes: Any) -> Call:
    return Call(f"{op}-{name}", op, operands, attributes, constant=(2, 3))


CALLS = [
    _call("flat", _FLAT, _IDS, *_FULL),
    _call("interleaved", _FLAT, _IDS, *_FULL, interleaved=1),
    _call("start", _FLAT, _START, *_FULL, scale=2.0),
    _call("by-head", _BY_HEAD, _IDS, *_FULL),
    _call("by-head-start", _BY_HEAD, _START, *_FULL, interleaved=1),
    _call("heads", _FLAT, _IDS, *_FULL, num_heads=_HEADS),
    _call("part", _FLAT, _IDS, *_PART, **_PARTIAL),
    _call("part-interleaved", _FLAT, _IDS, *_PART, interleaved=1, **_PARTIAL),
    _call("part-by-head", _BY_HEAD, _IDS, *_PART, is_packed_batching=1, **_PARTIAL),
    _call("half", halves(7, 2, 3, 64), _IDS, halves(8, 10, 8), halves(9, 10, 8)),
]

_THREE = np.random.default_rng(10).integers(0, 10, (3, 2, 3))
_M: dict[str, Any] = {"op": "MRotaryEmbedding"}
SECTIONS = [
    _call("sections", _FLAT, _THREE, *_FULL, mrope_section=[4, 2, 2], num_heads=_HEADS, rotary_embedding_dim=16, **_M),
    _call("threes", _BY_HEAD, _THREE, *_FULL, mrope_section=[3, 3, 2], mrope_layout=1, interleaved=1, **_M),
    _call("sections-part", _FLAT, _THREE, *_PART, mrope_section=[2, 1, 1], **_PARTIAL, **_M),
    _call("threes-short", _BY_HEAD, _THREE, *_FULL, mrope_section=[6, 1, 1], mrope_layout=1, **_M),
    _call("one-section", _BY_HEAD, _THREE, *_FULL, mrope_section=[8, 0, 0], **_M),
]


@pytest.mark.parametrize("call", [*CALLS, *SECTIONS], ids=lambda call: call.name)
def test_devices_equal_onnx_runtime(call: Call, tmp_path: Path) -> None:
    assert_all_equal(call, tmp_path)


@pytest.mark.parametrize("call", CALLS[:3], ids=lambda call: call.name)
def test_batch_and_steps_may_be_free(call: Call, tmp_path: Path) -> None:
    ids: list[str | None] = ["batch", "steps"] if call.inputs[1] is _IDS else []
    assert_free_dimensions_change_nothing(call, {0: ["batch", "steps"], 1: ids}, tmp_path)


def test_tables_must_fit_what_is_turned(tmp_path: Path) -> None:
    call = _call("wrong", _FLAT, _IDS, *_FULL, **_PARTIAL)
    with pytest.raises(ModelError, match="8 columns"):
        load_model(write(call.model(), tmp_path))
