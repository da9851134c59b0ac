"""Numbers with units."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halo_py.report.format import bytes_text, count_text, rate_text, seconds_text

SCALES = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


def _value(text: str) -> float:
    number, unit = text.replace(",", "").split()
    return float(number) * SCALES[unit]


@given(st.floats(1e-9, 900.0))
def test_seconds_keep_three_digits(seconds: float) -> None:
    assert math.isclose(_value(seconds_text(seconds)), seconds, rel_tol=6e-3)


@given(st.floats(1.0, 1e14))
def test_bytes_keep_three_digits(size: float) -> None:
    assert math.isclose(_value(bytes_text(size)), size, rel_tol=6e-3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (seconds_text(0), "0"),
        (seconds_text(0.0123), "12.3 ms"),
        (bytes_text(999), "999 B"),
        (bytes_text(999_700), "1 MB"),
        (bytes_text(638_976), "639 kB"),
        (count_text(25_557_032), "25.6 M"),
        (count_text(12), "12"),
        (rate_text(287_737.2), "287,737"),
        (rate_text(3.14159), "3.14"),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert text == expected
