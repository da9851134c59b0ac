"""The functions that are no operators: programs in C that check their effects, each compiled as C and as C++."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.odla_c.programs import HERE, compile_program, run_program

PROGRAMS = sorted(path.stem for path in (HERE / "programs_c").glob("*.c"))


@pytest.mark.parametrize("language", ["c", "cc"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, language: str, library: Path, tmp_path: Path) -> None:
    source = (HERE / "programs_c" / f"{name}.c").read_text()
    program = compile_program(source, language, tmp_path, library, "-lm")
    done = run_program(program, str(tmp_path))
    assert done.returncode == 0, done.stderr[:4000]
