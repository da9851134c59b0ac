"""ONNX Runtime's attention operators: forms of masks, packed operands, past keys and values, buffers of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from tests.frontends.contrib_nodes import Call, assert_all_equal, assert_free_dimensions_change_nothing
from tests.frontends.onnx_models import Array, judge, random

_BATCH, _STEPS, _HEADS, _SIZE, _PAST = 2, 5, 2, 4, 3
_TOTAL = _PAST + _STEPS
_HIDDEN = _HEADS * _SIZE

# -- Attention ----------------------------------------------------------------------------------------------------

_X, _W, _B = random(1, _BATCH, _STEPS, 6), random(2, 6, 3 * _HIDDEN), random(3, 3 * _HIDDEN)
_PAIR = random(4, 2, _BATCH, _HEADS, _PAST, _SIZE)
_FLOAT = {3: TensorProto.FLOAT}


def _ints(*values: Any) -> Array:
    return np.asarray(values, np.int32)


def _zero_one(seed: int, *shape: int) -> Array:
    """A random mask in which one query of the last batch entry sees only padding."""
    found = np.random.default_rng(seed).integers(0, 2, shape).astype(np.int32)
    (found if len(shape) == 2 else found[..., 0, :])[-1] = 0
    return found


def _merged(name: str, *rest: Array | None, outputs: tuple[bool, ...] = (True,), **attributes: Any) -> Call:
    operands = [_X, _W, _B, *rest]
    return Call(f"Attention-{name}", "Attention", operands, {"num_heads": _HEADS, **attributes}, outputs)


_BOTH = (True, True)
MERGED = [
    _merged("plain"),
    _merged("present", outputs=_BOTH),
    _merged("causal", unidirectional=1),
    _merged("lengths", _ints(3, 5)),
    _merged("ends-starts", _ints(4, 5, 1, 2)),
    _merged("more-lengths", _ints(3, 5, 0, 5, 10, 0, 5, 10)),
    _merged("keys", _zero_one(5, _BATCH, _STEPS)),
    _merged("keys-causal", _zero_one(6, _BATCH, _STEPS), unidirectional=1),
    _merged("keys-lowest", _zero_one(7, _BATCH, _STEPS), unidirectional=1, mask_filter_value=-3.4028234663852886e38),
    _merged("one-key", _ints([1], [1])),
    _merged("queries", _zero_one(8, _BATCH, _STEPS, _STEPS)),
    _merged("queries-causal", _zero_one(9, _BATCH, _STEPS, _STEPS), unidirectional=1, mask_filter_value=-1.5),
    _merged("scale", _ints(3, 5), scale=0.3, mask_filter_value=-2.5),
    _merged("bias", None, None, random(10, _BATCH, _HEADS, _STEPS, _STEPS)),
    _merged("bias-broadcast", _ints(3, 5), None, random(11, 1, 1, _STEPS, _STEPS), unidirectional=1),
    _merged("past", None, _PAIR, outputs=_BOTH),
    _merged("past-causal", None, _PAIR, outputs=_BOTH, unidirectional=1),
    _merged("past-keys", _zero_one(12, _BATCH, _TOTAL), _PAIR, outputs=_BOTH, unidirectional=1),
    _merged("past-queries", _zero_one(13, _BATCH, _STEPS, _TOTAL), _PAIR, outputs=_BOTH),
    Call("Attention-no-bias", "Attention", [_X, _W], {"num_heads": _HEADS}),
    Call(
        "Attention-sizes", "Attention", [_X, random(14, 6, 28), random(15, 28)],
        {"num_heads": _HEADS, "qkv_hidden_sizes": [8, 8, 12]}, constant=(1, 2),
    ),
]  # fmt: skip

# -- MultiHeadAttention -------------------------------------------------------------------------------------------

_Q, _K, _V = random(20, _BATCH, _STEPS, _HIDDEN), random(21, _BATCH, 7, _HIDDEN), random(22, _BATCH, 7, 12)
_K5, _V5 = random(23, _BATCH, _STEPS, _HIDDEN), random(24, _BATCH, _STEPS, _HIDDEN)
_PAST_KEY, _PAST_VALUE = random(25, _BATCH, _HEADS, _PAST, _SIZE), random(26, _BATCH, _HEADS, _PAST, _SIZE)
_KEY_BY_HEAD, _VALUE_BY_HEAD = random(27, _BATCH, _HEADS, 7, _SIZE), random(28, _BATCH, _HEADS, 7, _SIZE)
_ALL = (True, True, True, True)


def _heads(
    name: str,
    *operands: Array | None,
    outputs: tuple[bool, ...] = (True,),
    op: str = "MultiHeadAttention",
    **given: Any,
) -> Call:
    return Call(f"{op}-{name}", op, operands, {"num_heads": _HEADS, **given}, outputs, types=_FLOAT)


_WITH_PAST = (_Q, _K5, _V5, random(29, 3 * _HIDDEN))
_BUFFERS = (random(30, _BATCH, _HEADS, 9, _SIZE), random(31, _BATCH, _HEADS, 9, _SIZE))
SEPARATE = [
    _heads("plain", _Q, _K, _V),
    _heads("all", _Q, _K, _V, random(32, 28), outputs=_ALL),
    _heads("causal", _Q, _K5, _V5, unidirectional=1),
    _heads("causal-scores", _Q, _K5, _V5, unidirectional=1, outputs=_ALL),
    _heads("lengths", _Q, _K, _V, None, _ints(4, 7), scale=0.4),
    _heads("more-lengths", _Q, _K, _V, None, _ints(4, 7, 0, 5, 10, 0, 7, 14)),
    _heads("keys", _Q, _K, _V, None, _zero_one(33, _BATCH, 7), outputs=_ALL),
    _heads(
        "queries", _Q, _K, _V, None, _zero_one(34, _BATCH, _STEPS, 7), random(35, 1, _HEADS, _STEPS, 7),
        mask_filter_value=-20.5,
    ),
    _heads("bias", _Q, _K, _V, None, None, random(36, _BATCH, 1, _STEPS, 7), outputs=_ALL),
    _heads("by-head", _Q, _KEY_BY_HEAD, _VALUE_BY_HEAD),
    _heads("by-head-mask", _Q, _KEY_BY_HEAD, _VALUE_BY_HEAD, None, _zero_one(37, _BATCH, 7), outputs=_ALL),
    _heads("by-head-biased", _Q, _KEY_BY_HEAD, _VALUE_BY_HEAD, random(38, 3 * _HIDDEN)),
    _heads("past", *_WITH_PAST, None, None, _PAST_KEY, _PAST_VALUE, outputs=_ALL),
    _heads("past-causal", *_WITH_PAST, None, None, _PAST_KEY, _PAST_VALUE, outputs=_ALL[:3], unidirectional=1),
    _heads(
        "past-keys", *_WITH_PAST, _zero_one(39, _BATCH, _TOTAL), random(40, 1, 1, _STEPS, _TOTAL), _PAST_KEY,
        _PAST_VALUE, outputs=_ALL, unidirectional=1, mask_filter_value=-20.5,
    ),
    _heads("buffer", *_WITH_PAST, None, None, *_BUFFERS, _ints(3), outputs=_ALL[:3]),
    _heads("buffer-causal", *_WITH_PAST, None, None, *_BUFFERS, _ints(2), outputs=_ALL[:3], unidirectional=1),
    _heads("buffer-keys", *_WITH_PAST, _zero_one(41, _BATCH, 8), None, *_BUFFERS, _ints(3), outputs=_ALL[:3]),
]  # fmt: skip

# -- DecoderMaskedMultiHeadAttention ------------------------------------------------------------------------------

_ONE = (random(42, _BATCH, 1, _HIDDEN), random(43, _BATCH, 1, _HIDDEN), random(44, _BATCH, 1, _HIDDEN))
_SHARED: dict[str, Any] = {"op": "DecoderMaskedMultiHeadAttention", "past_present_share_buffer": 1}
_CROSS: dict[str, Any] = {"op": "DecoderMaskedMultiHeadAttention"}
_CROSS_VALUE = random(45, _BATCH, _HEADS, 7, _SIZE)
DECODERS = [
    _heads("self", *_ONE, None, None, *_BUFFERS, _ints(4), outputs=_ALL[:3], **_SHARED),
    _heads(
        "masked", *_ONE, _zero_one(46, _BATCH, 5), random(47, _BATCH, _HEADS, 1, 5), *_BUFFERS, _ints(4), None, None,
        random(48, 3 * _HIDDEN), outputs=_ALL, output_qk=1, scale=0.4, mask_filter_value=-20.5, **_SHARED,
    ),
    _heads(
        "beams", *_ONE, None, random(49, 1, _HEADS, 1, 5), *_BUFFERS, _ints(4), _ints(2),
        _ints([[0, 1, 0, 1, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0, 0, 0, 0]]), outputs=_ALL[:3], **_SHARED,
    ),
    _heads("cross", _ONE[0], _KEY_BY_HEAD, _CROSS_VALUE, **_CROSS),
    _heads(
        "cross-masked", _ONE[0], _KEY_BY_HEAD, _CROSS_VALUE, _zero_one(50, _BATCH, 7), None, None, None, None, None,
        None, random(51, 3 * _HIDDEN), outputs=(True, False, False, True), output_qk=1, **_CROSS,
    ),
]  # fmt: skip


@pytest.mark.parametrize("call", [*MERGED, *SEPARATE, *DECODERS], ids=lambda call: call.name)
def test_devices_equal_onnx_runtime(call: Call, tmp_path: Path) -> None:
    assert_all_equal(call, tmp_path)


# -- forms that ONNX Runtime runs on GPUs only: judged in the form that it runs on a CPU -------------------------------


def test_a_square_mask_is_the_rows_of_the_queries(tmp_path: Path) -> None:
    square = _zero_one(60, _BATCH, 1, 9, 9)
    rows = square[:, 0, _PAST:_TOTAL, :_TOTAL]
    expected = _merged("rows", rows, _PAIR, outputs=_BOTH)
    assert_all_equal(_merged("square", square, _PAIR, outputs=_BOTH), tmp_path, judge(expected.model(), expected.feeds))


def test_packed_keys_and_values_are_planes(tmp_path: Path) -> None:
    packed = random(61, _BATCH, 7, _HEADS, 2, _SIZE)
    key, value = (packed[:, :, :, plane].reshape(_BATCH, 7, _HIDDEN) for plane in range(2))
    expected = _heads("planes", _Q, key, value)
    assert_all_equal(_heads("packed-kv", _Q, packed), tmp_path, judge(expected.model(), expected.feeds))


@pytest.mark.parametrize("bias", [None, random(63, 3 * _HIDDEN)])
def test_packed_queries_keys_and_values_are_planes(bias: Array | None, tmp_path: Path) -> None:
    packed = random(62, _BATCH, _STEPS, _HEADS, 3, _SIZE)
    planes = [packed[:, :, :, plane].reshape(_BATCH, _STEPS, _HIDDEN) for plane in range(3)]
    expected = _heads("planes", *planes, bias, unidirectional=1)
    call = _heads("packed-qkv", packed, None, None, bias, unidirectional=1)
    assert_all_equal(call, tmp_path, judge(expected.model(), expected.feeds))


def test_a_decoder_with_packed_operands(tmp_path: Path) -> None:
    rest = (None, None, *_BUFFERS, _ints(4))
    expected = _heads("parts", *_ONE, *rest, outputs=_ALL[:3], **_SHARED)
    call = _heads("packed", np.concatenate(_ONE, axis=2), None, None, *rest, outputs=_ALL[:3], **_SHARED)
    assert_all_equal(call, tmp_path, judge(expected.model(), expected.feeds))


_STEPS_FREE: list[str | None] = ["batch", "steps"]
_CACHED: list[str | None] = ["batch", None, "cached"]


@pytest.mark.parametrize("name", ["plain", "causal", "lengths", "keys-causal", "bias", "past-causal"])
def test_batch_and_steps_of_attention_may_be_free(name: str, tmp_path: Path) -> None:
    call = next(call for call in MERGED if call.name == f"Attention-{name}")
    free: dict[int, list[str | None]] = {0: _STEPS_FREE, 3: ["batch"], 4: [None, "batch", None, "cached"]}
    given = {index: names for index, names in free.items() if index < len(call.inputs)}
    assert_free_dimensions_change_nothing(replace(call, constant=(1, 2)), given, tmp_path)


@pytest.mark.parametrize("name", ["causal-scores", "past", "past-causal", "buffer", "buffer-causal"])
def test_batch_and_steps_of_separate_operands_may_be_free(name: str, tmp_path: Path) -> None:
    call = next(call for call in SEPARATE if call.name == f"MultiHeadAttention-{name}")
    free = {**dict.fromkeys(range(3), _STEPS_FREE), **dict.fromkeys((6, 7), _CACHED)}
    given = {index: names for index, names in free.items() if index < len(call.inputs)}
    assert_free_dimensions_change_nothing(call, given, tmp_path)
