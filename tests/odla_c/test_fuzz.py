"""Calls at random with bad handles, sizes and orders: nothing crashes, and much of it even works."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.odla_c.fuzzer import fuzzer_source
from tests.odla_c.programs import compile_program, run_program

SECONDS = float(os.environ.get("ODLA_FUZZ_SECONDS", "3"))
"""For how long each seed goes on."""


@pytest.mark.parametrize("seed", [1, 2])
def test_no_call_crashes(seed: int, library: Path, tmp_path: Path) -> None:
    program = compile_program(fuzzer_source(), "c", tmp_path, library)
    done = run_program(program, str(seed), str(SECONDS), device="reference", seconds=SECONDS + 60)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
    calls, succeeded, refused = map(int, done.stdout.split())

    assert calls > 1000
    assert succeeded > calls / 20
    assert refused > calls / 20
