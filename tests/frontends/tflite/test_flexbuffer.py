"""Options of custom operators: what FlatBuffers' own library wrote, and damaged bytes."""

from __future__ import annotations

import numpy as np
import pytest

from halo_frontends.tflite.flexbuffer import MalformedFlexBufferError, read_lists, read_numbers

# Written by flatbuffers 25.12.19: flexbuffers.Dumps, and a Builder with an IndirectFloat.
_WRITTEN = {
    "6100626300666c616700030b0a080000050000000100000003000000010000000000204001000000060e6a0f2601": {
        "a": 1,
        "bc": 2.5,
        "flag": 1,
    },
    "6e006e616d6500047465787400780003100f0500040000000100000003000000701101001c000000fdffffff0614060f2601": {
        "n": 70000,
        "x": -3,
    },
    "660000000000803e6900020b040201020c052204042401": {"f": 0.25, "i": 5},
}


_LISTS = (
    "61000000050000000100000090eefeff03000000090000000800000066000000050000000000003f0000803e0000803f00000040000040400239"
    "1e020102361b2e36042401"
)


def test_lists_are_read() -> None:
    data = bytes.fromhex(_LISTS)
    assert read_lists(data) == {"a": (1, -70000, 3, 9, 8), "f": (0.5, 0.25, 1, 2, 3)}
    assert read_numbers(data) == {}


@pytest.mark.parametrize("text", _WRITTEN)
def test_numbers_are_read(text: str) -> None:
    assert read_numbers(bytes.fromhex(text)) == _WRITTEN[text]


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x05\x04\x01", bytes(64), b"\xff" * 64, b"a\x00\x01\x02\x01\x24\x08"])
def test_what_is_no_map_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedFlexBufferError):
        read_numbers(data)


def test_damaged_bytes_give_no_other_error() -> None:
    rng, refused = np.random.default_rng(3), 0
    for text in (*_WRITTEN, _LISTS):
        good = bytes.fromhex(text)
        for _ in range(2000):
            data = bytearray(good[: rng.integers(len(good) // 2, len(good))] if rng.random() < 0.3 else good)
            data[rng.integers(len(data))] = rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))])
            try:
                read_numbers(bytes(data))
            except MalformedFlexBufferError:
                refused += 1
    assert refused > 1000
