"""What every damaged or hostile file must give: one clear error, quickly, in little memory, with nothing written."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest

from halo_py.errors import HaloError
from halo_py.frontend import ImportOptions, load_model

MOST_SECONDS, MOST_BYTES = 1.0, 200 << 20


def check_refused(path: Path, good: Path, message: str, options: ImportOptions | None = None) -> None:
    """The file gives an error with this message. `good` is read before: tables and parsers are made once."""
    load_model(good)
    folder = sorted(os.listdir(path.parent))
    begin = time.process_time()
    with pytest.raises(HaloError, match=message) as raised:
        load_model(path, options)
    seconds = time.process_time() - begin
    tracemalloc.start()
    try:
        with pytest.raises(HaloError):
            load_model(path, options)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.name in str(raised.value) or path.parent.name in str(raised.value)
    assert seconds < MOST_SECONDS
    assert peak < MOST_BYTES
    assert sorted(os.listdir(path.parent)) == folder


def check_survives(path: Path) -> None:
    """The file is read or refused, in little memory: no other exception."""
    tracemalloc.start()
    try:
        load_model(path)
    except HaloError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < MOST_BYTES
