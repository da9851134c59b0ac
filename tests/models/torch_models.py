"""Hugging Face networks as ONNX files, exported by PyTorch in a virtual environment of its own.

Tests never import PyTorch. The environment and the files are made on first use and kept in the cache.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tomllib
import venv
from pathlib import Path

from tests.models.cache import cache_root, locked

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"
# Raise when the made files change, so that no cache keeps the old ones.
_RECIPE = 3
_MAKER = Path(__file__).with_name("make_torch_models.py")


class MakeError(Exception):
    """PyTorch could not be installed, or the export failed."""


def torch_model(file_name: str) -> Path:
    """The exported file of that name; all files are made together on first use.

    Raises:
        MakeError: the environment could not be built, or the maker failed.
    """
    return _made_folder() / file_name


def _made_folder() -> Path:
    folder = cache_root() / "torch" / str(_RECIPE)
    done = folder / "complete"
    if not done.exists():
        with locked("torch"):
            if not done.exists():
                folder.mkdir(parents=True, exist_ok=True)
                offline = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
                run_maker([str(torch_python()), str(_MAKER), str(folder)], offline)
                done.touch()
    return folder


def torch_python() -> Path:
    """The interpreter of the environment that holds PyTorch."""
    requirements = _requirements()
    recipe = hashlib.sha256(" ".join(requirements).encode()).hexdigest()[:12]
    folder = cache_root() / f"torch-venv-{recipe}"
    python = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        run_maker([str(python), "-m", "pip", "install", "--quiet", *requirements], dict(os.environ))
        done.touch()
    return python


def _requirements() -> list[str]:
    """The distribution's extra `judge`."""
    project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    return sorted(project["optional-dependencies"]["judge"])


def run_maker(command: list[str], environment: dict[str, str]) -> None:
    """Runs a program that makes models or what they need. Raises MakeError with what it said."""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise MakeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).strip()[-3000:]}")
