"""How hostile files are refused: with one error, quickly, in little memory."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from halo_py.errors import HaloError
from halo_py.frontend import ImportOptions, load_model
from halo_py.ops import load_ops

MOST_SECONDS, MOST_BYTES = 1.0, 200 << 20


def refused_within_bounds(
    path: Path, kind: type[HaloError], message: str, good: Path, options: ImportOptions | None = None
) -> None:
    """The file is refused with this message, within the bounds.

    `good` is read first: parsers and tables of ops are made once. The seconds are those that the processor works for
    this process, the fewest of a few tries.
    """
    load_ops()
    load_model(good, options)
    seconds: list[float] = []
    while not seconds or (min(seconds) >= MOST_SECONDS and len(seconds) < 3):
        begin = time.process_time()
        with pytest.raises(kind, match=message):
            load_model(path, options)
        seconds.append(time.process_time() - begin)
    tracemalloc.start()
    try:
        with pytest.raises(kind, match=message):
            load_model(path, options)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert min(seconds) < MOST_SECONDS
    assert peak < MOST_BYTES
