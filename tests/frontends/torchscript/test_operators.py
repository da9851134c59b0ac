"""Every ATen op that the data file lists gives Torch's values for as many of Torch's own samples as the file says."""

from __future__ import annotations

import warnings
from functools import cache

import pytest

from halo_frontends.torchscript.survey import is_known
from tests.frontends.torchscript.operators import count, recorded

FLOOR = 300


@cache
def _counted() -> dict[str, tuple[int, int]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return count()


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(recorded()))
def test_as_many_samples_pass_as_recorded(kind: str) -> None:
    good, total = recorded()[kind]

    found = _counted()[kind]

    assert found[0] >= good
    assert found[1] == total


def test_as_many_ops_as_promised_are_checked() -> None:
    assert sum(good > 0 for good, _ in recorded().values()) >= FLOOR


def test_every_checked_op_is_in_the_table() -> None:
    assert [kind for kind in recorded() if not is_known(kind)] == []
