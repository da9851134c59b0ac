"""Files made by TensorFlow in the virtual environment that the tests keep for it. Tests never import TensorFlow."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.frontends.tensorflow.networks import networks
from tests.frontends.tensorflow.packaged import pitch_lite, pitch_saved_model
from tests.models.cache import cache_root, locked
from tests.models.environments import environment_python, run_maker

# Raise when what is made changes, so that no cache keeps the old files.
_RECIPES = {"networks": 2, "pixels": 1, "operators": 6, "lite": 5, "packaged": 1}
_HERE = Path(__file__).parent
_MAKERS = {
    "networks": _HERE / "make_networks.py",
    "operators": _HERE / "make_operators.py",
    "lite": _HERE.parent / "tflite" / "make_operators.py",
    "packaged": _HERE / "make_packaged.py",
}
FORMS = ("saved", "frozen")

Arrays = list[NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Made:
    """A model that TensorFlow made, where its inputs and outputs are stored, and what its outputs are called."""

    path: Path
    arrays: Path
    output_names: tuple[str, ...] = ()

    def inputs(self) -> dict[str, NDArray[Any]]:
        """Inputs by what stands behind `in__`: a name or a number."""
        with np.load(self.arrays) as stored:
            return {key.removeprefix("in__"): stored[key] for key in stored.files if key.startswith("in__")}

    def outputs(self, prefix: str = "out__") -> Arrays:
        """Outputs in order: TensorFlow's, or those of another way to compute them."""
        with np.load(self.arrays) as stored:
            count = sum(key.startswith(prefix) for key in stored.files)
            return [stored[f"{prefix}{number}"] for number in range(count)]


def _make(kind: str, folder: Path, names: Sequence[str] = ()) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    python = environment_python("tensorflow", "judge-tensorflow")
    run_maker([str(python), str(_MAKERS[kind]), str(folder), *names], {**os.environ, "OMP_NUM_THREADS": "2"})


@cache
def folder_of(kind: str) -> Path:
    """The folder of the cases of operators ("operators" or "lite") or of outputs of published networks ("packaged").

    It is made on first use. Raises MakeError.
    """
    folder = cache_root() / f"tensorflow-{kind}" / str(_RECIPES[kind])
    done = folder / "complete"
    if not done.exists():
        with locked(f"tensorflow-{kind}"):
            if not done.exists():
                _make(kind, folder, _packaged() if kind == "packaged" else ())
                done.touch()
    return folder


@cache
def network_folder(name: str) -> Path:
    """The folder of a network, made on first use; those of the test run are made together. Raises MakeError."""
    kind = "pixels" if any(entry.most > 1 for entry in networks()[name].inputs.values()) else "networks"
    root = cache_root() / f"tensorflow-{kind}" / str(_RECIPES[kind])
    if not (root / name / "complete").exists():
        with locked("tensorflow-networks"):
            together = small_networks() if name in small_networks() else [name]
            missing = [entry for entry in together if not (root / entry / "complete").exists()]
            if missing:
                _make("networks", root, missing)
    return root / name


def _packaged() -> tuple[str, str]:
    return str(pitch_saved_model()), str(pitch_lite())


def packaged_outputs(form: str) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """The input of basic-pitch, and the framework's outputs of its SavedModel or its TFLite file ("lite")."""
    with np.load(folder_of("packaged") / f"{form}.npz") as stored:
        return stored["in__0"], {key: stored[key] for key in stored.files if key != "in__0"}


def small_networks() -> list[str]:
    """The networks of the test run."""
    return [name for name, network in networks().items() if network.small]


def network_file(name: str, form: str) -> Made:
    """A network in one form: "saved", "frozen", or a way of TFLite."""
    folder = network_folder(name)
    if form == "saved":
        return Made(folder / "saved", folder / "tensorflow.npz")
    if form == "frozen":
        return Made(folder / "frozen.pb", folder / "tensorflow.npz", _names(folder / "outputs.json"))
    return Made(folder / f"{form}.tflite", folder / f"{form}.npz", _names(folder / f"{form}.json"))


def _names(path: Path) -> tuple[str, ...]:
    return tuple(json.loads(path.read_text(encoding="utf-8")))


def operator_index(kind: str) -> list[dict[str, Any]]:
    """Every case of an operator: its name, its operators, its outputs."""
    return json.loads((folder_of(kind) / "index.json").read_text(encoding="utf-8"))


def operator_case(kind: str, name: str) -> Made:
    """One case of an operator."""
    folder = folder_of(kind)
    suffix = ".pb" if kind == "operators" else ".tflite"
    saved = folder / name
    return Made(saved if saved.is_dir() else folder / f"{name}{suffix}", folder / f"{name}.npz")
