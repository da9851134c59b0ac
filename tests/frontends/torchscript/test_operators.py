"""Every ATen op that the data file lists gives Torch's values for as many of Torch's own samples as the file says."""

from __future__ import annotations

import pytest

from halo_frontends.torchscript.survey import is_known
from tests.frontends.torchscript.operators import count, failing, recorded, recorded_failing

FLOOR = 300
PARTS = 24
"""Samples are spread over this many tests, so that workers share them."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_no_other_samples_fail_than_recorded(part: int) -> None:
    assert sorted(set(failing(part, PARTS)) - set(recorded_failing())) == []


@pytest.mark.slow
def test_counts_are_those_of_the_failing_samples() -> None:
    assert recorded() == {kind: list(counts) for kind, counts in count(recorded_failing()).items()}


def test_as_many_ops_as_promised_are_checked() -> None:
    assert sum(good > 0 for good, _ in recorded().values()) >= FLOOR


def test_every_checked_op_is_in_the_table() -> None:
    assert [kind for kind in recorded() if not is_known(kind)] == []
