"""Every operator that the data files list gives the framework's values in as many cases as the files say."""

from __future__ import annotations

import warnings

import pytest

from halo_frontends.tensorflow.mappings import load_mappings as load_tensorflow
from halo_frontends.tensorflow.operation import MAPPINGS as TENSORFLOW
from halo_frontends.tensorflow.survey import PARTS_OF_LOOPS
from halo_frontends.tflite.mappings import load_mappings as load_tflite
from halo_frontends.tflite.operation import MAPPINGS as TFLITE
from tests.frontends.tensorflow.operators import COUNTS, count, recorded

FLOORS = {"operators": 260, "lite": 130}


@pytest.mark.slow
@pytest.mark.parametrize("kind", COUNTS)
def test_counts_are_those_recorded(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {operator: [good, total] for operator, (good, total) in count(kind).items() if good}

    assert found == recorded(kind)


@pytest.mark.parametrize("kind", COUNTS)
def test_no_case_of_a_checked_operator_fails(kind: str) -> None:
    assert {operator: pair for operator, pair in recorded(kind).items() if pair[0] < pair[1]} == {}


@pytest.mark.parametrize("kind", COUNTS)
def test_as_many_operators_as_promised_are_checked(kind: str) -> None:
    assert len(recorded(kind)) >= FLOORS[kind]


def test_every_checked_operator_is_mapped() -> None:
    load_tensorflow()
    load_tflite()
    assert [name for name in recorded("operators") if name not in TENSORFLOW and name not in PARTS_OF_LOOPS] == []
    assert [name for name in recorded("lite") if name not in TFLITE] == []
