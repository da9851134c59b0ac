"""ONNX Runtime's gates, routers, branch-wise normalisations and mixtures of experts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from halo_py.errors import HaloError
from halo_py.frontend import load_model
from tests.frontends.contrib_nodes import Call, assert_all_equal, halves
from tests.frontends.onnx_models import Array, judge, random, write

_BRANCHES, _SIZE = 3, 8
_GROUPED, _FLAT = random(1, 2, 4, _BRANCHES, _SIZE), random(2, 2, 4, _BRANCHES * _SIZE)


def _call(name: str, op: str, *operands: Array | None, outputs: tuple[bool, ...] = (True,), **given: Any) -> Call:
    types = dict.fromkeys(range(3), TensorProto.FLOAT) if op == "MoEGroupRouter" else {}
    return Call(name, op, operands, given, outputs, types=types)


NORMS = [
    _call("branches", "BranchwiseRMSNorm", _GROUPED),
    _call("branches-scale", "BranchwiseRMSNorm", _GROUPED, random(3, _BRANCHES, _SIZE), epsilon=0.1),
    _call("branches-flat", "BranchwiseRMSNorm", _FLAT, random(4, _BRANCHES * _SIZE), num_branches=_BRANCHES),
    _call("branches-row", "BranchwiseRMSNorm", _FLAT, random(5, _SIZE), num_branches=_BRANCHES),
    _call("branches-half", "BranchwiseRMSNorm", halves(6, 4, _BRANCHES, _SIZE), random(7, _SIZE)),
    _call("gated", "GatedRMSNorm", _FLAT, random(8, _SIZE), random(9, 2, 4, _BRANCHES * _SIZE)),
    _call("gated-one", "GatedRMSNorm", _GROUPED, random(10, _SIZE), _GROUPED + 1, activation="sigmoid", epsilon=0.1),
    _call("gated-half", "GatedRMSNorm", halves(11, 5, 8), halves(12, 4), halves(13, 5, 8), activation="swish"),
]
_ROWS = random(14, 2, 4, 1)
GATES = [
    _call("gated-add", "GatedAdd", _FLAT, _FLAT * 2 + 1, _ROWS),
    _call("silu", "ScaledSiLU", _FLAT, alpha=0.7),
    _call("silu-scale", "ScaledSiLU", _FLAT, np.asarray(1.3, np.float32)),
    _call("silu-half", "ScaledSiLU", halves(15, 5, 8), np.asarray(1.3, np.float32)),
    _call("decay", "LinearAttentionGate", random(16, 2, 4, 3), random(17, 3), random(18, 3)),
    _call(
        "decay-beta", "LinearAttentionGate", random(19, 2, 4, 3), random(20, 3), random(21, 3), random(22, 2, 4, 3),
        outputs=(True, True),
    ),
    _call(
        "engram", "EngramGate", _GROUPED, random(23, *_GROUPED.shape), random(24, 2, 4, _SIZE),
        random(25, _BRANCHES, _SIZE), random(26, _BRANCHES, _SIZE),
    ),
    _call(
        "engram-normed", "EngramGate", _GROUPED, random(27, *_GROUPED.shape), random(28, 2, 4, _SIZE),
        *(random(29 + number, _BRANCHES, _SIZE) for number in range(3)), outputs=(True, True), epsilon=0.05,
    ),
]  # fmt: skip
_OUTPUT = random(32, 2, 4, _SIZE)
MIXES = [
    _call("pre", "HyperConnectionPreMix", _GROUPED, random(33, 2, 4, _BRANCHES)),
    _call("pre-column", "HyperConnectionPreMix", _GROUPED, random(34, 2, 4, _BRANCHES, 1), reduction_scale=0.5),
    _call("pre-features", "HyperConnectionPreMix", _GROUPED, random(35, *_GROUPED.shape)),
    _call("pre-flat", "HyperConnectionPreMix", _FLAT, random(36, *_FLAT.shape), num_branches=_BRANCHES),
    _call("pre-flat-gates", "HyperConnectionPreMix", _FLAT, random(37, 2, 4, _BRANCHES), num_branches=_BRANCHES),
    _call("post", "HyperConnectionPostMix", _GROUPED, _OUTPUT, random(38, 2, 4, _BRANCHES)),
    _call(
        "post-mixed", "HyperConnectionPostMix", _GROUPED, _OUTPUT, random(39, 2, 4, _BRANCHES, 1),
        random(40, 2, 4, _BRANCHES, _BRANCHES),
    ),
    _call(
        "post-flat", "HyperConnectionPostMix", _FLAT, _OUTPUT, random(41, 2, 4, _BRANCHES, _SIZE),
        random(42, 2, 4, _BRANCHES, _BRANCHES), num_branches=_BRANCHES,
    ),
]  # fmt: skip
_LOGITS, _EXPERT_BIAS = random(43, 5, 12), random(44, 12)
ROUTERS = [
    _call("router", "MoEGroupRouter", _LOGITS, _EXPERT_BIAS, top_k=3),
    _call("router-groups", "MoEGroupRouter", _LOGITS, _EXPERT_BIAS, top_k=4, n_group=4, topk_group=2),
    _call("router-one", "MoEGroupRouter", _LOGITS[None], _EXPERT_BIAS, top_k=2, n_group=3, topk_group=1, group_topk=9),
    _call("router-sentinel", "MoEGroupRouter", _LOGITS, _EXPERT_BIAS, top_k=1, router_sentinel=-3.0),
    _call("router-scores", "MoEGroupRouter", _LOGITS, _EXPERT_BIAS, top_k=3, outputs=(False, True, True)),
]


@pytest.mark.parametrize("call", [*NORMS, *GATES, *MIXES, *ROUTERS], ids=lambda call: call.name)
def test_devices_equal_onnx_runtime(call: Call, tmp_path: Path) -> None:
    assert_all_equal(call, tmp_path)


# -- mixtures of experts: forms that ONNX Runtime has for GPUs only are judged in the form that it has for CPUs --------

_TOKENS, _SCORES = random(50, 5, 8), random(51, 5, 4)
_GATE, _VALUE = (random(52, 4, 6, 8), random(53, 4, 6)), (random(54, 4, 6, 8), random(55, 4, 6))
_OUT = (random(56, 4, 8, 6), random(57, 4, 8))
_TURNS = [np.stack(pair, axis=2).reshape(4, 12, *pair[0].shape[2:]) for pair in zip(_GATE, _VALUE, strict=True)]
_SWIGLU: dict[str, Any] = {"k": 2, "activation_type": "swiglu", "activation_alpha": 1.3, "activation_beta": 0.5}


def _experts(name: str, *layers: Array, **given: Any) -> Call:
    return _call(name, "MoE", _TOKENS, _SCORES, *layers, **given)


@pytest.mark.parametrize("limit", [{}, {"swiglu_limit": 0.8}])
def test_gates_and_values_may_lie_one_after_the_other_or_apart(limit: dict[str, float], tmp_path: Path) -> None:
    by_turns = _experts("turns", *_TURNS, *_OUT, swiglu_fusion=1, **_SWIGLU, **limit)
    expected = judge(by_turns.model(), by_turns.feeds)
    joined = [np.concatenate(pair, axis=1) for pair in zip(_GATE, _VALUE, strict=True)]
    calls = [
        by_turns,
        _experts("joined", *joined, *_OUT, swiglu_fusion=2, **_SWIGLU, **limit),
        _experts("apart", *_GATE, *_OUT, *_VALUE, **_SWIGLU, **limit),
    ]
    for call in calls:
        assert_all_equal(call, tmp_path, expected)


def _dense(function: Callable[[Array, Array], Array]) -> Array:
    """Every expert on every token, weighted by its probability if it is one of the two best."""
    powers = np.exp(_SCORES.astype(np.float64))
    probable = powers / powers.sum(axis=1, keepdims=True)
    probable *= probable >= np.sort(probable, axis=1)[:, -2:-1]
    first, third = (np.einsum("th,eih->eti", _TOKENS, layer[0]) + layer[1][:, None] for layer in (_GATE, _VALUE))
    second = np.einsum("eti,ehi->eth", function(first, third), _OUT[0]) + _OUT[1][:, None]
    return np.einsum("te,eth->th", probable, second).astype(np.float32)


def test_squared_relu(tmp_path: Path) -> None:
    def squared(first: Array, _third: Array) -> Array:
        return np.maximum(first, 0) ** 2

    call = _experts("relu2", *_GATE, *_OUT, k=2, activation_type="relu2")
    assert_all_equal(call, tmp_path, [_dense(squared)])


def test_gated_gelu(tmp_path: Path) -> None:
    def gated(x: Array, third: Array) -> Array:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) * third

    call = _experts("geglu", *_TURNS, *_OUT, k=2, activation_type="geglu", swiglu_fusion=1)
    assert_all_equal(call, tmp_path, [_dense(gated)])


def test_a_limit_after_the_activation(tmp_path: Path) -> None:
    def limited(first: Array, third: Array) -> Array:
        opened = np.minimum(first / (1 + np.exp(-1.3 * first)), 0.8)
        return opened * (np.clip(third, -0.8, 0.8) + 0.5)

    given = {**_SWIGLU, "swiglu_limit": 0.8, "swiglu_limit_after_activation": 1}
    call = _experts("limited", *_TURNS, *_OUT, swiglu_fusion=1, **given)
    assert_all_equal(call, tmp_path, [_dense(limited)])


@pytest.mark.parametrize(
    ("given", "reason"), [({"activation_type": "wiggle"}, "wiggle"), ({"k": 5}, "cannot be chosen")]
)
def test_what_experts_cannot_do_is_said(given: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(HaloError, match=reason):
        load_model(write(_experts("refused", *_GATE, *_OUT, **given).model(), tmp_path))
