"""Virtual environments that hold other frameworks: built on first use, kept in the cache, never imported from."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tomllib
import venv
from pathlib import Path

from tests.models.cache import cache_root, locked

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


class MakeError(Exception):
    """A framework could not be installed, or a program that needs it failed."""


def environment_python(label: str, extra: str) -> Path:
    """The interpreter of the environment `label`, which holds what the distribution's extra `extra` lists.

    Raises:
        MakeError: the environment could not be built.
    """
    requirements = _requirements(extra)
    recipe = hashlib.sha256(" ".join(requirements).encode()).hexdigest()[:12]
    folder = cache_root() / f"{label}-venv-{recipe}"
    python = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        with locked(f"{label}-venv"):
            if not done.exists():
                venv.create(folder, with_pip=True, clear=True)
                run_maker([str(python), "-m", "pip", "install", "--quiet", *requirements], dict(os.environ))
                done.touch()
    return python


def _requirements(extra: str) -> list[str]:
    project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    return sorted(project["optional-dependencies"][extra])


def run_maker(command: list[str], environment: dict[str, str]) -> None:
    """Runs a program that makes models or what they need. Raises MakeError with what it said."""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise MakeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).strip()[-3000:]}")
