"""ONNX Runtime's GroupQueryAttention: prompts, single tokens and chunks over growing and fixed caches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halo_py.errors import HaloError
from halo_py.frontend import load_model
from tests.frontends.contrib_nodes import Call, assert_all_equal, assert_free_dimensions_change_nothing
from tests.frontends.onnx_models import Array, judge, random, write

_HEADS, _GROUPS, _SIZE = 4, 2, 16
_COS, _SIN = random(1, 20, 8), random(2, 20, 8)
_SINKS = random(3, _HEADS)
_BOTH, _ALL = (True, True, True), (True, True, True, True)


def _parts(steps: int, batch: int = 2) -> tuple[Array, Array, Array]:
    query = random(4, batch, steps, _HEADS * _SIZE)
    return query, random(5, batch, steps, _GROUPS * _SIZE), random(6, batch, steps, _GROUPS * _SIZE)


def _caches(steps: int, batch: int = 2) -> tuple[Array, Array]:
    return random(7, batch, _GROUPS, steps, _SIZE), random(8, batch, _GROUPS, steps, _SIZE)


def _call(
    name: str,
    parts: tuple[Array | None, ...],
    caches: tuple[Array | None, ...],
    lengths: list[int],
    total: int,
    *rest: Array | None,
    **given: Any,
) -> Call:
    """A node; the greatest length and the tables are constants. Caches are compared up to the valid tokens."""
    known = np.asarray(lengths, np.int32) - 1
    operands = [*parts, *caches, known, np.asarray(total, np.int32), *rest]
    outputs = given.pop("outputs", _BOTH)
    kept = given.pop("kept", {})
    constant = [6, *(index for index in (7, 8) if len(operands) > index and operands[index] is not None)]
    attributes = {"num_heads": _HEADS, "kv_num_heads": _GROUPS, **given}
    return Call(name, "GroupQueryAttention", operands, attributes, outputs, constant, kept=kept)


_NONE = (None, None)
_PROMPT = _parts(5)
_TABLES = (_COS, _SIN)
_WIDE_TABLES = (random(9, 20, 8)[:, :8], random(10, 20, 8)[:, :8])
_POSITIONS = np.asarray([[3, 9, 1, 2, 8], [7, 4, 4, 5, 6]], np.int64)
_BIAS = random(11, 2, 1, 5, 5)


def _valid(lengths: list[int]) -> dict[int, Any]:
    """Only the first tokens of the caches that all batch entries have."""
    return {number: np.s_[:, :, : min(lengths)] for number in (1, 2)}


PROMPTS = [
    _call("plain", _PROMPT, _NONE, [5, 5], 5),
    _call("output-only", _PROMPT, _NONE, [5, 5], 5, outputs=(True,)),
    _call("padded", _PROMPT, _NONE, [3, 5], 5, kept={0: np.s_[:, :3]}),
    _call("rotary", _PROMPT, _NONE, [5, 5], 5, *_TABLES, do_rotary=1),
    _call("interleaved", _PROMPT, _NONE, [5, 5], 5, *_TABLES, do_rotary=1, rotary_interleaved=1),
    _call("positions", _PROMPT, _NONE, [5, 5], 5, *_TABLES, _POSITIONS, do_rotary=1),
    _call("window", _PROMPT, _NONE, [5, 5], 5, local_window_size=2),
    _call("softcap", _PROMPT, _NONE, [5, 5], 5, None, None, None, _BIAS, softcap=0.7, scale=0.4),
    _call("smooth", _PROMPT, _NONE, [5, 5], 5, smooth_softmax=1),
    _call("sinks", _PROMPT, _NONE, [5, 5], 5, None, None, None, _BIAS, _SINKS, local_window_size=3, softcap=2.0),
    _call("not-causal", _PROMPT, _NONE, [5, 5], 5, causal=0),
    _call("scores", _PROMPT, _NONE, [5, 5], 5, outputs=_ALL, qk_output=1),
    _call("probabilities", _PROMPT, _NONE, [5, 5], 5, None, None, None, _BIAS, outputs=_ALL, qk_output=2),
    _call("sink-scores", _PROMPT, _NONE, [5, 5], 5, None, None, None, None, _SINKS, outputs=_ALL, qk_output=1),
    _call("sink-probabilities", _PROMPT, _NONE, [5, 5], 5, None, None, None, None, _SINKS, outputs=_ALL, qk_output=2),
    _call("packed", (np.concatenate(_PROMPT, 2), None, None), _NONE, [5, 5], 5, *_TABLES, do_rotary=1),
    _call("into-buffers", _PROMPT, _caches(9), [5, 5], 5, *_TABLES, do_rotary=1, kept=_valid([5, 5])),
    _call("empty-caches", _PROMPT, _caches(0), [5, 5], 5, *_TABLES, do_rotary=1),
]  # fmt: skip

_TOKEN = _parts(1)
_ONE_POSITION = np.asarray([[3], [9]], np.int64)


TOKENS = [
    _call("growing", _TOKEN, _caches(7), [8, 8], 8, *_TABLES, do_rotary=1),
    _call("growing-ragged", _TOKEN, _caches(7), [4, 8], 8, *_TABLES, do_rotary=1, kept=_valid([4, 8])),
    _call("fixed", _TOKEN, _caches(7), [4, 6], 6, *_TABLES, do_rotary=1, kept=_valid([4, 6])),
    _call("fixed-full", _TOKEN, _caches(7), [7, 7], 7, kept=_valid([7, 7])),
    _call("token-window", _TOKEN, _caches(7), [4, 8], 8, local_window_size=3, kept=_valid([4, 8])),
    _call("token-positions", _TOKEN, _caches(7), [4, 8], 8, *_TABLES, _ONE_POSITION, do_rotary=1, kept=_valid([4, 8])),
    _call("token-bias", _TOKEN, _caches(7), [4, 6], 6, None, None, None, random(12, 2, 1, 1, 6), kept=_valid([4, 6])),
    _call(
        "token-sinks", _TOKEN, _caches(7), [4, 6], 6, None, None, None, random(13, 1, 4, 1, 6), _SINKS,
        outputs=_ALL, qk_output=2, softcap=1.5, kept=_valid([4, 6]),
    ),
    _call("token-scores", _TOKEN, _caches(7), [4, 6], 6, outputs=_ALL, qk_output=1, kept=_valid([4, 6])),
    _call("token-not-causal", _TOKEN, _caches(7), [4, 8], 8, causal=0, kept=_valid([4, 8])),
    _call("one-growing", _parts(1, 1), _caches(7, 1), [8], 8, *_TABLES, do_rotary=1),
    _call("one-growing-scores", _parts(1, 1), _caches(7, 1), [8], 8, outputs=_ALL, qk_output=1, local_window_size=3),
    _call("one-fixed", _parts(1, 1), _caches(7, 1), [5], 6, *_TABLES, do_rotary=1, kept=_valid([5])),
]  # fmt: skip

_CHUNK = _parts(3, 1)
CHUNKS = [
    _call("chunk-growing", _CHUNK, _caches(7, 1), [10], 10, *_TABLES, do_rotary=1, local_window_size=4),
    _call("chunk-fixed", _CHUNK, _caches(7, 1), [7], 7, *_TABLES, do_rotary=1, local_window_size=4),
    _call("chunk-early", _CHUNK, _caches(7, 1), [6], 6, *_TABLES, do_rotary=1, smooth_softmax=1, kept=_valid([6])),
    _call("chunk-positions", _CHUNK, _caches(7, 1), [10], 10, *_TABLES, _POSITIONS[:1, :3], do_rotary=1),
    _call("chunk-sinks", _CHUNK, _caches(7, 1), [10], 10, None, None, None, None, _SINKS),
    _call("chunk-not-causal", _CHUNK, _caches(7, 1), [10], 10, causal=0),
    _call(
        "chunk-lengths", _parts(4), _caches(12), [7, 4], 12, *_TABLES, *(None,) * 7, np.asarray([2, 4], np.int32),
        do_rotary=1, kept={0: np.s_[:, :2], 1: np.s_[:, :, :4], 2: np.s_[:, :, :4]},
    ),
]  # fmt: skip


@pytest.mark.parametrize("call", [*PROMPTS, *TOKENS, *CHUNKS], ids=lambda call: call.name)
def test_devices_equal_onnx_runtime(call: Call, tmp_path: Path) -> None:
    assert_all_equal(call, tmp_path)


_FREE: dict[int, list[str | None]] = {
    **{index: ["batch", "steps"] for index in (0, 1, 2)},
    **{index: ["batch", None, "cached"] for index in (3, 4)},
    5: ["batch"],
}


@pytest.mark.parametrize(
    "call", [PROMPTS[0], PROMPTS[3], PROMPTS[16], *TOKENS[:3], *CHUNKS[:3]], ids=lambda call: call.name
)
def test_dimensions_and_the_greatest_length_may_be_free(call: Call, tmp_path: Path) -> None:
    unknown_length = replace(call, constant=[index for index in call.constant if index != 6])
    free = {index: names for index, names in _FREE.items() if call.inputs[index] is not None}
    assert_free_dimensions_change_nothing(unknown_length, free, tmp_path)


def test_heads_are_normalised_before_they_are_turned(tmp_path: Path) -> None:
    """ONNX Runtime does it on GPUs only: judged by the same node after normalised operands."""
    scales = random(14, _SIZE), random(15, _SIZE)
    heads = (_HEADS, _GROUPS)
    normal = [_normalised(part, count, scale) for part, count, scale in zip(_PROMPT, heads, scales, strict=False)]
    plain = _call("plain", (*normal, _PROMPT[2]), _NONE, [5, 5], 5, *_TABLES, do_rotary=1)
    rest = (*_TABLES, *(None,) * 5, *scales)
    call = _call("normalised", _PROMPT, _NONE, [5, 5], 5, *rest, do_rotary=1, qk_norm_epsilon=0.1, k_norm_epsilon=0.2)
    assert_all_equal(call, tmp_path, judge(plain.model(), plain.feeds))


def _normalised(part: Array, heads: int, scale: Array) -> Array:
    wide = part.reshape(2, 5, heads, _SIZE).astype(np.float64)
    epsilon = 0.1 if heads == _HEADS else 0.2
    made = wide / np.sqrt((wide**2).mean(axis=-1, keepdims=True) + epsilon) * scale
    return made.reshape(part.shape).astype(np.float32)


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [("k_quant_type", "PER_TENSOR", "quantised"), ("sliding_window_cache", 1, "window"), ("kv_num_heads", 3, "share")],
)
def test_what_is_not_supported_is_said(attribute: str, value: int | str, reason: str, tmp_path: Path) -> None:
    call = _call("refused", _PROMPT, _NONE, [5, 5], 5, **{attribute: value})
    with pytest.raises(HaloError, match=reason):
        load_model(write(call.model(), tmp_path))
