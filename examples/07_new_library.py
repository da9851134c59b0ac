"""Write an ODLA library in C and run a model on it: no Python of one's own, no registration.

`07_tiny_odla.c` has seven operators. It is compiled, becomes the device `odla:/path/to/libtiny_odla.so`, and runs what
it can of the digits network in a process of its own; the CPU runs the rest.

    python examples/07_new_library.py
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import odla
from odla.api.headers import INCLUDE

FOLDER = Path(__file__).parent


def build(folder: Path) -> Path:
    """The library, compiled."""
    made = folder / "libtiny_odla.so"
    compiler = os.environ.get("CC", "gcc")
    options = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-shared", f"-I{INCLUDE}"]
    source = str(FOLDER / "07_tiny_odla.c")
    subprocess.run([compiler, *options, source, "-lm", "-o", str(made)], check=True)  # noqa: S603
    return made


def main() -> None:
    """Runs the digits network on the new library and on the CPU, which must agree."""
    with np.load(FOLDER / "digits_samples.npz", allow_pickle=False) as samples:
        images = samples["image"]
    with tempfile.TemporaryDirectory() as folder:
        result = odla.execute(FOLDER / "digits.onnx", [images], device=f"odla:{build(Path(folder))}")
    expected = odla.execute(FOLDER / "digits.onnx", [images], device="cpu")

    np.testing.assert_allclose(result["logits"], expected["logits"], rtol=1e-3, atol=1e-4)
    for refused in result.fallbacks:
        print(f"on the CPU: {refused.op:20} {refused.node:24} {refused.reason}")


if __name__ == "__main__":
    main()
