"""ODLA libraries made for the tests: the example library with some functions replaced, and libraries of other kinds."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from odla.api.headers import INCLUDE

TINY = Path(__file__).parents[2] / "examples" / "07_tiny_odla.c"
STRICT = ("-Wall", "-Wextra", "-Werror", "-fPIC", f"-I{INCLUDE}")
_HEAD = """#include <ODLA/odla.h>
#include <ODLA/odla_halo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
"""
COMPILERS = {"c": ("gcc", "-std=gnu99"), "cc": ("g++", "-std=c++11")}


def tiny(folder: Path) -> Path:
    """The example library itself."""
    return _link(folder, "libtiny.so", [_object(folder, TINY)])


def tiny_with(folder: Path, source: str, *replaced: str, language: str = "c", options: Sequence[str] = ()) -> Path:
    """The example library with other functions; those `replaced` are called `tiny_...` in the source."""
    renamed = [f"-D{name}={name.replace('odla_', 'tiny_')}" for name in replaced]
    added = folder / f"added.{language}"
    added.write_text(_HEAD + source)
    objects = [_object(folder, TINY, *renamed), _object(folder, added, language=language)]
    return _link(folder, "libchanged.so", objects, language, *options)


def library(folder: Path, source: str, language: str = "c", *options: str) -> Path:
    """A library of this source."""
    path = folder / f"own.{language}"
    path.write_text(_HEAD + source)
    return _link(folder, "libown.so", [_object(folder, path, language=language)], language, *options)


def _object(folder: Path, source: Path, *options: str, language: str = "c") -> Path:
    made = folder / f"{source.stem}.o"
    _run(*COMPILERS[language], *STRICT, *options, "-c", str(source), "-o", str(made))
    return made


def _link(folder: Path, name: str, objects: Sequence[Path], language: str = "c", *options: str) -> Path:
    made = folder / name
    _run(COMPILERS[language][0], "-shared", *map(str, objects), "-lm", *options, "-o", str(made))
    return made


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
