"""TensorFlow's and TensorFlow Lite's own outputs of a published network.

Run by `made.py` in a virtual environment that holds TensorFlow:

    python make_packaged.py FOLDER SAVED_MODEL TFLITE

Writes `saved.npz` and `lite.npz`: the input `in__0`, and the outputs by name.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
tf: Any = importlib.import_module("tensorflow")


def saved_outputs(saved: str) -> tuple[Any, dict[str, Any]]:
    """The input and outputs of a SavedModel through the loader of version 1, which needs no class of its optimizer."""
    old = tf.compat.v1
    with tf.Graph().as_default() as graph, old.Session(graph=graph) as session:
        signature = old.saved_model.loader.load(session, ["serve"], saved).signature_def["serving_default"]
        (info,) = signature.inputs.values()
        x = np.random.default_rng(3).standard_normal([1, *(dim.size for dim in info.tensor_shape.dim[1:])])
        x = x.astype(np.float32)
        return x, session.run({key: entry.name for key, entry in signature.outputs.items()}, {info.name: x})


def main(folder: Path, saved: str, lite: str) -> None:
    x, results = saved_outputs(saved)
    np.savez_compressed(folder / "saved.npz", in__0=x, **results)
    runner = tf.lite.Interpreter(model_path=lite).get_signature_runner()
    ((name, _),) = runner.get_input_details().items()
    np.savez_compressed(folder / "lite.npz", in__0=x, **runner(**{name: x}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
