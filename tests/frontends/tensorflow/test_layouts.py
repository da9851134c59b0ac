"""Networks whose channels come last need at most one transpose per input or output after the passes."""

from __future__ import annotations

import pytest

from tests.frontends.tensorflow.made import FORMS
from tests.frontends.tensorflow.networks import EVERY_WAY
from tests.frontends.tensorflow.running import transposes

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("form", [*FORMS, *EVERY_WAY])
@pytest.mark.parametrize("name", ["keyword_spotter", "segmenter", "two_inputs"])
def test_transposes_are_left_at_the_ends_only(name: str, form: str) -> None:
    left, ends = transposes(name, form)

    assert left <= ends
