"""Every pass keeps every random graph's values.

Without narrow floats: fusion keeps them wide between steps, and an op such as Round then shows it by a whole unit.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from halo_py.passes.base import Pass
from halo_py.passes.pipelines import PASSES, pipeline
from tests.ir.graphs import Case, cases
from tests.passes.equality import check_pass

_SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@pytest.mark.parametrize("cls", PASSES, ids=lambda cls: cls.name)
@_SETTINGS
@given(case=cases(narrow=False))
def test_a_pass_keeps_values(cls: type[Pass], case: Case) -> None:
    check_pass(cls(), case)


@pytest.mark.parametrize("name", ["ipu", "cpu"])
@_SETTINGS
@given(case=cases(narrow=False))
def test_a_pipeline_keeps_values(name: str, case: Case) -> None:
    check_pass(pipeline(name), case)
