"""Calls at random with bad handles, sizes and orders: nothing crashes, and much of it even works."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.odla_c.fuzzer import fuzzer_source
from tests.odla_c.programs import compile_program, run_program

CALLS = 8000
"""How many calls each seed makes: as many on every machine, so that a seed finds the same everywhere."""
SECONDS = float(os.environ.get("ODLA_FUZZ_SECONDS", "0"))
"""For how long each seed goes on instead, if given."""


@pytest.mark.parametrize("seed", [1, 2])
def test_no_call_crashes(seed: int, library: Path, tmp_path: Path) -> None:
    program = compile_program(fuzzer_source(), "c", tmp_path, library)
    calls, seconds = (10**12, SECONDS) if SECONDS else (CALLS, 600)
    done = run_program(program, str(seed), str(calls), str(seconds), device="reference", seconds=seconds + 120)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
    made, succeeded, refused = map(int, done.stdout.split())

    assert made >= min(calls, 1000)
    assert succeeded > made / 20
    assert refused > made / 20
