"""Hugging Face networks as ONNX files, exported by PyTorch in a virtual environment of its own.

Tests never import PyTorch. The environment and the files are made on first use and kept in the cache.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import venv
from pathlib import Path

from tests.models.cache import cache_root, locked

_REQUIREMENTS = ("torch==2.13.0", "transformers==5.23.0", "onnxscript==0.7.2", "onnx==1.23.2")
# Raise when the made files change, so that no cache keeps the old ones.
_RECIPE = 1
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
                _run([str(_torch_python()), str(_MAKER), str(folder)], offline)
                done.touch()
    return folder


def _torch_python() -> Path:
    """The interpreter of the environment that holds PyTorch."""
    recipe = hashlib.sha256(repr(_REQUIREMENTS).encode()).hexdigest()[:12]
    folder = cache_root() / f"torch-venv-{recipe}"
    python = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        _run([str(python), "-m", "pip", "install", "--quiet", *_REQUIREMENTS], dict(os.environ))
        done.touch()
    return python


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise MakeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).strip()[-3000:]}")
