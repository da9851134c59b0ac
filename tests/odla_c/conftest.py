"""What all tests of the C API share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.odla_c.programs import shared_library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds `libodla.so`."""
    return shared_library(tmp_path_factory)
