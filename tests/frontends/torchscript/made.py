"""TorchScript files made by Torch, in the virtual environment that the tests keep for it. Tests never import Torch."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.models.cache import cache_root, locked
from tests.models.environments import run_maker
from tests.models.fetch import PackagedFile
from tests.models.torch_models import torch_python

# Raise when what is made changes, so that no cache keeps the old files.
_RECIPES = {"samples": 2, "programs": 2, "networks": 2, "exports": 1, "large": 1, "zoo": 2}
_HERE = Path(__file__).parent
_MAKERS = {"exports": _HERE.parent / "torch_export"}

SILERO = PackagedFile(
    "pypi",
    "silero-vad",
    "6.2.3",
    "silero_vad/data/silero_vad.jit",
    "e1122837f4154c511485fe0b9c64455f7b929c96fbb8d79fbdb336383ebd3720",
)
FACE_NETS = {
    name: PackagedFile("pypi", "facenet-pytorch", "2.6.0", f"facenet_pytorch/data/{name}.pt", digest)
    for name, digest in {
        "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
        "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
        "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
    }.items()
}
FACE_SOURCE = PackagedFile(
    "pypi",
    "facenet-pytorch",
    "2.6.0",
    "facenet_pytorch/models/mtcnn.py",
    "29a965963337313068ab335cbc48f4a4facc2e5857756ef7b9ab11e5c1d6b620",
)


@dataclass(frozen=True, slots=True)
class MadeProgram:
    """A TorchScript file with inputs, and the outputs that Torch gives for them."""

    path: Path

    @property
    def name(self) -> str:
        """What the tests call it."""
        return self.path.stem

    def inputs(self) -> list[NDArray[Any]]:
        """The inputs in order."""
        return self._arrays("in__")

    def outputs(self) -> list[NDArray[Any]]:
        """Torch's outputs in order, those inside of lists and dictionaries one after another."""
        return self._arrays("out__")

    def _arrays(self, prefix: str) -> list[NDArray[Any]]:
        with np.load(self.path.with_suffix(".npz")) as stored:
            count = sum(name.startswith(prefix) for name in stored.files)
            return [stored[f"{prefix}{number}"] for number in range(count)]


@cache
def folder_of(kind: str) -> Path:
    """The folder of files of this kind, made on first use. Raises MakeError."""
    folder = cache_root() / f"torchscript-{kind}" / str(_RECIPES[kind])
    done = folder / "complete"
    if not done.exists():
        with locked(f"torchscript-{kind}"):
            if not done.exists():
                folder.mkdir(parents=True, exist_ok=True)
                _make(kind, folder)
                done.touch()
    return folder


def program(kind: str, name: str, suffix: str | None = None) -> MadeProgram:
    """One made file: exported if its kind is, else TorchScript; `suffix` says which where there are both."""
    return MadeProgram(folder_of(kind) / f"{name}{suffix or ('.pt2' if kind in _MAKERS else '.pt')}")


def sample_index() -> list[dict[str, Any]]:
    """Every operator sample: its name, its op, and the ATen ops of its trace."""
    return json.loads((folder_of("samples") / "index.json").read_text(encoding="utf-8"))


def _make(kind: str, folder: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    maker = _MAKERS.get(kind, _HERE) / f"make_{kind}.py"
    run_maker([str(torch_python()), str(maker), str(folder), *_packaged(kind)], environment)


def _packaged(kind: str) -> list[str]:
    """Files of packages that a maker reads."""
    if kind != "networks":
        return []
    return [str(file.fetch()) for file in (SILERO, FACE_SOURCE, *FACE_NETS.values())]
