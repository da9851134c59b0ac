"""ONNX Runtime's causal convolution with a carried state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halo_py.errors import HaloError
from halo_py.frontend import load_model
from tests.frontends.contrib_nodes import Call, assert_all_equal
from tests.frontends.onnx_models import Array, random, write

_X, _W, _B = random(1, 2, 3, 5), random(2, 3, 1, 4), random(3, 3)


def _call(name: str, *operands: Array | None, **attributes: Any) -> Call:
    return Call(name, "CausalConvWithState", operands, attributes, (True, True))


CALLS = [
    _call("plain", _X, _W),
    _call("state", _X, _W, _B, random(4, 2, 3, 3), activation="silu"),
    _call("dilated", _X, _W, None, random(5, 2, 3, 6), dilation=2, activation="swish"),
    _call("one-step", _X[:, :, :1], _W, _B, random(6, 2, 3, 3)),
    _call("channels-last", np.ascontiguousarray(_X.transpose(0, 2, 1)), _W, _B, random(7, 2, 3, 3), channels_last=1),
    _call("many-channels", random(8, 2, 5, 3, 4), random(9, 12, 1, 4), random(10, 12), channels_last=1),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_devices_equal_onnx_runtime(call: Call, tmp_path: Path) -> None:
    assert_all_equal(call, tmp_path)


@pytest.mark.parametrize(
    ("given", "reason"), [({"ndim": 2}, "ndim"), ({"activation": "relu"}, "relu"), ({"dilation": 0}, "no state")]
)
def test_what_is_not_supported_is_said(given: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(HaloError, match=reason):
        load_model(write(_call("refused", _X, _W, **given).model(), tmp_path))
