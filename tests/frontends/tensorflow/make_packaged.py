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


def main(folder: Path, saved: str, lite: str) -> None:
    signature = tf.saved_model.load(saved).signatures["serving_default"]
    ((name, spec),) = signature.structured_input_signature[1].items()
    x = np.random.default_rng(3).standard_normal([1, *spec.shape[1:]]).astype(np.float32)
    results = {key: value.numpy() for key, value in signature(**{name: tf.constant(x)}).items()}
    np.savez_compressed(folder / "saved.npz", in__0=x, **results)
    runner = tf.lite.Interpreter(model_path=lite).get_signature_runner()
    ((name, _),) = runner.get_input_details().items()
    np.savez_compressed(folder / "lite.npz", in__0=x, **runner(**{name: x}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
