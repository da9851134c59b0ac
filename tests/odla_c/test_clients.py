"""Programs in the styles of existing clients: unit tests of operators, generated models, calls that run at once.

They are compiled as their authors would, with GNU's dialects, and check themselves.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from odla.api.headers import INCLUDE
from tests.odla_c.programs import HERE, run_program

COMPILERS = {".c": ("gcc", "-std=gnu99"), ".cc": ("g++", "-std=gnu++11")}
CLIENTS = [
    ("generated_model.cc", None),
    ("interpreted.c", None),
    ("known_wrong_results.c", "cpu"),
    ("known_wrong_results.c", "ipu-tiny"),
    ("unit_tests.cc", None),
]


def test_every_client_is_listed() -> None:
    assert {name for name, _ in CLIENTS} == {path.name for path in (HERE / "clients").iterdir()}


@pytest.mark.parametrize(("name", "device"), CLIENTS)
def test_client(name: str, device: str | None, library: Path, tmp_path: Path) -> None:
    source = HERE / "clients" / name
    program = tmp_path / source.stem
    command = [
        *(*COMPILERS[source.suffix], "-pthread", f"-I{INCLUDE}", str(source), "-o", str(program)),
        *(f"-L{library}", "-lodla", "-lm", f"-Wl,-rpath,{library}"),
    ]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr[:4000]
    done = run_program(program, device=device)
    assert done.returncode == 0, done.stdout + done.stderr[:4000]
