"""Files made by TensorFlow in the virtual environment that the tests keep for it. Tests never import TensorFlow."""

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
from tests.models.environments import environment_python, run_maker

# Raise when what is made changes, so that no cache keeps the old files.
_RECIPES = {"networks": 1, "operators": 2, "lite": 1}
_HERE = Path(__file__).parent
_MAKERS = {
    "networks": _HERE / "make_networks.py",
    "operators": _HERE / "make_operators.py",
    "lite": _HERE.parent / "tflite" / "make_operators.py",
}

Arrays = list[NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Made:
    """A model that TensorFlow made, and where its inputs and outputs are stored."""

    path: Path
    arrays: Path

    def inputs(self) -> dict[str, NDArray[Any]]:
        """Inputs by what stands behind `in__`: a name or a number."""
        with np.load(self.arrays) as stored:
            return {key.removeprefix("in__"): stored[key] for key in stored.files if key.startswith("in__")}

    def outputs(self, prefix: str = "out__") -> Arrays:
        """Outputs in order: TensorFlow's, or those of another way to compute them."""
        with np.load(self.arrays) as stored:
            count = sum(key.startswith(prefix) for key in stored.files)
            return [stored[f"{prefix}{number}"] for number in range(count)]


@cache
def folder_of(kind: str) -> Path:
    """The folder of files of this kind, made on first use. Raises MakeError."""
    folder = cache_root() / f"tensorflow-{kind}" / str(_RECIPES[kind])
    done = folder / "complete"
    if not done.exists():
        with locked(f"tensorflow-{kind}"):
            if not done.exists():
                folder.mkdir(parents=True, exist_ok=True)
                python = environment_python("tensorflow", "judge-tensorflow")
                run_maker([str(python), str(_MAKERS[kind]), str(folder)], {**os.environ, "OMP_NUM_THREADS": "2"})
                done.touch()
    return folder


def saved_model(name: str) -> Made:
    """A network as a SavedModel."""
    folder = folder_of("networks")
    return Made(folder / name, folder / f"{name}.npz")


def frozen_graph(name: str) -> Made:
    """A network as a frozen graph."""
    folder = folder_of("networks")
    return Made(folder / f"{name}_frozen.pb", folder / f"{name}.npz")


def lite_model(name: str) -> Made:
    """A network as a TFLite file; the name says how it is quantised."""
    path = folder_of("networks") / f"{name}.tflite"
    return Made(path, path.with_name(f"{path.name}.npz"))


def lite_names() -> list[str]:
    """All TFLite files of networks."""
    return sorted(path.stem for path in folder_of("networks").glob("*.tflite"))


def operator_index(kind: str) -> list[dict[str, Any]]:
    """Every case of an operator: its name, its operators, its outputs."""
    return json.loads((folder_of(kind) / "index.json").read_text(encoding="utf-8"))


def operator_case(kind: str, name: str) -> Made:
    """One case of an operator."""
    folder = folder_of(kind)
    suffix = ".pb" if kind == "operators" else ".tflite"
    saved = folder / name
    return Made(saved if saved.is_dir() else folder / f"{name}{suffix}", folder / f"{name}.npz")
