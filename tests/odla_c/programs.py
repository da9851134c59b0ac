"""Builds `libodla.so` once per test session, and compiles and runs C and C++ programs against it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from odla.api.headers import INCLUDE
from odla.build_library import LIBRARY, build_library

HERE = Path(__file__).parent
COMPILERS = {"c": ("gcc", "-std=c99"), "cc": ("g++", "-std=c++11")}
STRICT = ("-Wall", "-Wextra", "-Werror")
_WAIT_SECONDS = 120


def shared_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the session's library; with several workers, the first one builds it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "libodla"
    try:
        folder.mkdir()
    except FileExistsError:
        end = time.monotonic() + _WAIT_SECONDS
        while not (folder / LIBRARY).exists():
            assert time.monotonic() < end, "another worker does not build the library"
            time.sleep(0.1)
        return folder
    build_library(folder)
    return folder


def compile_program(
    source: str, language: str, folder: Path, library: Path, *options: str, name: str = "program"
) -> Path:
    """A program of this source, linked with the library. Fails the test on any warning."""
    path = folder / f"{name}.{language}"
    path.write_text(source)
    made = folder / f"{name}_{language}"
    command = [
        *COMPILERS[language],
        *(*STRICT, "-D_GNU_SOURCE", "-pthread", *options),
        *(f"-I{INCLUDE}", f"-I{HERE}", str(path), "-o", str(made)),
        *(f"-L{library}", "-lodla", f"-Wl,-rpath,{library}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return made


def run_program(
    program: Path, *arguments: str, device: str | None = None, seconds: float = 120.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The program run in its own folder, outside of any virtual environment, with no environment but what is given."""
    variables = {"ODLA_LOG_LEVEL": "off", "OMP_NUM_THREADS": "1", **environment}
    if device is not None:
        variables["ODLA_DEVICE"] = device
    return subprocess.run(
        [str(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=program.parent,
        env=variables,
        timeout=seconds,
    )
