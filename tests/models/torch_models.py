"""Hugging Face networks as ONNX files, exported by PyTorch in a virtual environment of its own.

Tests never import PyTorch. The environment and the files are made on first use and kept in the cache.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.models.cache import cache_root, locked
from tests.models.environments import environment_python, run_maker

# Raise when the made files change, so that no cache keeps the old ones.
_RECIPE = 3
_MAKER = Path(__file__).with_name("make_torch_models.py")


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
    """The interpreter of the environment that holds PyTorch. Raises MakeError."""
    return environment_python("torch", "judge")
