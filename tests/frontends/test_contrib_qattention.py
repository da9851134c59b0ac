"""ONNX Runtime's attention with 8-bit projections: types, scales per column, zero points, masks, past."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.frontends.contrib_cases import integers, one
from tests.frontends.contrib_nodes import Call, assert_all_equal
from tests.frontends.onnx_models import Array, random

_BATCH, _STEPS, _HEADS, _SIZE, _PAST, _WIDTH = 2, 5, 2, 4, 3, 6
_HIDDEN = _HEADS * _SIZE
_X, _BIAS = integers(1, np.uint8, _BATCH, _STEPS, _WIDTH), random(2, 3 * _HIDDEN)
_PAIR = random(3, 2, _BATCH, _HEADS, _PAST, _SIZE)
_COLUMNS: Array = np.abs(random(4, 3 * _HIDDEN)) / 100
_LENGTHS: Array = np.asarray([3, 5], np.int32)
_BOTH = (True, True)


def _call(
    name: str,
    weights: type[np.integer[Any]] = np.int8,
    weight_scale: Array = _COLUMNS,
    *rest: Array | None,
    outputs: tuple[bool, ...] = (True,),
    **attributes: Any,
) -> Call:
    operands = [_X, integers(5, weights, _WIDTH, 3 * _HIDDEN), _BIAS, one(0.01), weight_scale, *rest]
    given = {"num_heads": _HEADS, **attributes}
    return Call(f"QAttention-{name}", "QAttention", operands, given, outputs, constant=(1, 2), tolerance=2e-5)


def _zeros(dtype: type[np.integer[Any]]) -> Array:
    return np.arange(3 * _HIDDEN).astype(dtype)


CALLS = [
    _call("columns"),
    _call("one-scale", np.int8, one(0.01)),
    _call("unsigned", np.uint8, one(0.01), None, one(120, np.uint8), one(110, np.uint8)),
    _call("zeros", np.int8, _COLUMNS, None, one(120, np.uint8), one(-3, np.int8)),
    _call("zeros-columns", np.uint8, _COLUMNS, None, one(7, np.uint8), _zeros(np.uint8)),
    _call("causal", np.int8, _COLUMNS, None, one(120, np.uint8), unidirectional=1),
    _call("lengths", np.int8, _COLUMNS, _LENGTHS, one(120, np.uint8)),
    _call("lowest", np.int8, _COLUMNS, _LENGTHS, one(120, np.uint8), mask_filter_value=-20.5, scale=0.4),
    _call("past", np.int8, _COLUMNS, None, one(120, np.uint8), None, _PAIR, outputs=_BOTH, unidirectional=1),
    _call("present", np.int8, _COLUMNS, _LENGTHS, one(120, np.uint8), outputs=_BOTH),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_equals_onnx_runtime(call: Call, tmp_path: Path) -> None:
    assert_all_equal(call, tmp_path)
