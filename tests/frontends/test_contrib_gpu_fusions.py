"""Operators that ONNX Runtime has for GPUs only and that its optimiser writes: judged by what they were fused from."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halo_py.errors import ModelError
from halo_py.frontend import load_model
from tests.frontends.contrib_nodes import Call, assert_all_equal
from tests.frontends.onnx_models import Array, judge, random, write

_X, _BIAS = random(1, 2, 5, 6, 4), random(2, 6)
_FIRST, _LAST = (0, 3, 1, 2), (0, 2, 3, 1)
_CONV = {"group": 2, "pads": [1, 1, 1, 1], "strides": [2, 1], "kernel_shape": [3, 3]}
_KERNELS = random(3, 6, 2, 3, 3)


def _convolved(op: str, attributes: Mapping[str, Any], *more: Array) -> Array:
    operands = [_X.transpose(_FIRST), _KERNELS, _BIAS, *more]
    call = Call(op, op, operands, attributes, domain="" if op == "Conv" else "com.microsoft")
    return judge(call.model(), call.feeds)[0].transpose(_LAST)


def test_convolution_with_channels_last(tmp_path: Path) -> None:
    """Its kernels have their channels last too."""
    call = Call("NhwcConv", "NhwcConv", [_X, _KERNELS.transpose(_LAST), _BIAS], _CONV)
    assert_all_equal(call, tmp_path, [_convolved("Conv", _CONV)])


def test_fused_convolution_with_channels_last(tmp_path: Path) -> None:
    """Its kernels are those of Conv; the addend has channels last."""
    attributes = {"activation": "Relu", **_CONV}
    addend = random(4, 2, 3, 6, 6)
    call = Call("NhwcFusedConv", "NhwcFusedConv", [_X, _KERNELS, _BIAS, addend], attributes)
    assert_all_equal(call, tmp_path, [_convolved("FusedConv", attributes, addend.transpose(_FIRST))])


def _group_norm(x: Array, scale: Array, shift: Array, groups: int, silu: bool) -> Array:
    """Of an image with channels last."""
    parts = x.astype(np.float64).reshape(x.shape[0], -1, groups, x.shape[-1] // groups)
    mean, variance = parts.mean((1, 3), keepdims=True), parts.var((1, 3), keepdims=True)
    made = ((parts - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape) * scale + shift
    return (made / (1 + np.exp(-made)) if silu else made).astype(x.dtype)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("activation", [0, 1])
def test_group_normalisation(activation: int, last: int, tmp_path: Path) -> None:
    scale, shift = random(5, 4), random(6, 4)
    attributes = {"groups": 2, "activation": activation, **({} if last else {"channels_last": 0})}
    expected = _group_norm(_X, scale, shift, 2, bool(activation))
    x, wanted = (_X, expected) if last else (_X.transpose(_FIRST), expected.transpose(_FIRST))
    assert_all_equal(Call("GroupNorm", "GroupNorm", [x, scale, shift], attributes), tmp_path, [wanted])


@pytest.mark.parametrize("shape", [(2, 5, 6, 4), (2, 1, 1, 4), (2, 4)])
@pytest.mark.parametrize("bias", [None, random(8, 4)])
def test_group_normalisation_of_a_sum(shape: tuple[int, ...], bias: Array | None, tmp_path: Path) -> None:
    scale, shift, skip = random(5, 4), random(6, 4), random(7, *shape)
    total = _X + (skip[:, None, None] if len(shape) == 2 else skip) + (0 if bias is None else bias)
    call = Call(
        "SkipGroupNorm", "SkipGroupNorm", [_X, scale, shift, skip, bias], {"groups": 4, "activation": 1},
        outputs=(True, True),
    )  # fmt: skip
    assert_all_equal(call, tmp_path, [_group_norm(total, scale, shift, 4, True), total.astype(np.float32)])


def test_an_activation_that_is_not_known(tmp_path: Path) -> None:
    call = Call("GroupNorm", "GroupNorm", [_X, random(5, 4), random(6, 4)], {"groups": 2, "activation": 2})
    with pytest.raises(ModelError, match="activation 2"):
        load_model(write(call.model(), tmp_path))


def _bucket(distance: int, buckets: int, most: int, both: bool) -> int:
    """As T5 says it, one distance (key minus query) at a time."""
    first = 0
    if both:
        buckets //= 2
        first = buckets if distance > 0 else 0
        distance = abs(distance)
    else:
        distance = max(-distance, 0)
    exact = buckets // 2
    if distance < exact:
        return first + distance
    ratio = np.log(np.float32(distance) / np.float32(exact)) / np.float32(log(most / exact))
    return first + min(exact + int(ratio * np.float32(buckets - exact)), buckets - 1)


@pytest.mark.parametrize("both", [False, True])
def test_bias_by_relative_position(both: bool, tmp_path: Path) -> None:
    length, most = 40, 32
    table, count = random(9, 16, 3), np.asarray([length], np.int64)
    attributes = {"max_distance": most, "is_bidirectional": int(both)}
    call = Call("bias", "RelativePositionBias", [table, count, count], attributes, constant=(1, 2))
    found = [[_bucket(key - query, 16, most, both) for key in range(length)] for query in range(length)]
    expected = table.reshape(3, 16)[:, np.asarray(found)][None]
    assert_all_equal(call, tmp_path, [expected])


def test_gated_bias_by_relative_position(tmp_path: Path) -> None:
    batch, steps, heads, size = 2, 5, 3, 4
    query, bias = random(1, batch, steps, heads * size), random(2, heads * size)
    position, weight, shift = random(3, 1, heads, steps, steps), random(4, size, 8), random(5, 8)
    constant = random(6, 1, heads, 1, 1)
    call = Call(
        "gated", "GatedRelativePositionBias", [query, bias, position, weight, shift, constant], {"num_heads": heads}
    )
    split = (query + bias).reshape(batch, steps, heads, size).transpose(0, 2, 1, 3)
    sums = (split @ weight + shift).reshape(batch, heads, steps, 2, 4).sum(-1)
    update, reset = np.split(1 / (1 + np.exp(-sums)), 2, axis=-1)
    expected = ((update * (reset * constant - 1) + 2) * position).astype(np.float32)
    assert_all_equal(call, tmp_path, [expected])


def test_products_with_activations(tmp_path: Path) -> None:
    a, b, bias = random(1, 5, 7), random(2, 7, 3), random(3, 3)
    attributes = {"activation": "LeakyRelu", "activation_alpha": 0.2, "alpha": 0.5, "transB": 1}
    product = 0.5 * (a @ b)
    wanted = np.where(product > 0, product, 0.2 * product).astype(np.float32)
    assert_all_equal(Call("product", "FusedMatMulActivation", [a, b.T.copy()], attributes), tmp_path, [wanted])
    product = (a @ b + bias).astype(np.float64)
    inner = np.sqrt(2 / np.pi) * (product + 0.044715 * product**3)
    wanted = (product / 2 * (1 + np.tanh(inner))).astype(np.float32)
    assert_all_equal(Call("gelu", "GemmFastGelu", [a, b, bias]), tmp_path, [wanted])
