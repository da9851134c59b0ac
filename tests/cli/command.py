"""Runs the installed commands as a user does, and compares their messages with golden files."""

from __future__ import annotations

import os
import resource
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden" / "cli"
LONGEST_GOLDEN = 15
DIGITS = Path(__file__).parents[2] / "examples" / "digits.onnx"
TIME_LIMIT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


def script(name: str) -> str:
    """The installed command."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def run(
    *arguments: str | Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    limit_file_bytes: int | None = None,
    stdout: int | None = None,
) -> Ran:
    """Run a command (`halo` or `halo-compile` first) in a folder."""
    changes = dict(environment or {})
    if limit_file_bytes is not None:
        changes["PYTHONDONTWRITEBYTECODE"] = "1"  # Python keeps a truncated file of bytecode for whole
    program, *rest = map(str, arguments)
    done = subprocess.run(
        [script(program), *rest],
        cwd=folder,
        env=command_environment(changes),
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=None if limit_file_bytes is None else partial(_limit_files, limit_file_bytes),
        timeout=TIME_LIMIT_SECONDS,
        check=False,
    )
    return Ran(done.returncode, done.stdout or "", done.stderr)


def _limit_files(size: int) -> None:
    """No file of this process may grow beyond `size` bytes: as on a full disk, but for this process alone."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def command_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what changes the look of output or slows every start."""
    dropped = ("COLUMNS", "HALO_TRACEBACK", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "TERM": "dumb", "PYTHONPYCACHEPREFIX": _bytecode_folder(), **(changes or {})}


@cache
def _bytecode_folder() -> str:
    """Where commands keep compiled modules, as an installed package has them, whatever the surroundings say."""
    return tempfile.mkdtemp(prefix="halo-bytecode-")


def message(ran: Ran, folder: Path) -> str:
    """What stderr says from `error:` on, with the folder called FOLDER."""
    _phases, marker, text = ran.err.partition("error: ")
    return (marker + text).replace(str(folder), "FOLDER")


def check_golden(name: str, text: str) -> None:
    """The text equals `tests/golden/cli/NAME.txt` (written anew with HALO_UPDATE_GOLDEN=1)."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("HALO_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_GOLDEN
    assert text == path.read_text(encoding="utf-8")
