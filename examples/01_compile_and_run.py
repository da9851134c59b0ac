"""Compile a trained model for sixteen IPUs, run it on real inputs, and see what it read and how long it took.

python examples/01_compile_and_run.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import halo_py
import odla

FOLDER = Path(__file__).parent


def main() -> None:
    """Reads sixteen handwritten digits that the network has never seen."""
    with np.load(FOLDER / "digits_samples.npz", allow_pickle=False) as samples:
        images, labels = samples["image"], samples["label"]

    executable = halo_py.compile(FOLDER / "digits.onnx", target="ipu-pod16", batch_size=len(images))
    result = odla.execute(executable, {"image": images})

    read = np.asarray(result["logits"]).argmax(axis=1)
    print("true digits", *labels)
    print("read digits", *read)
    print(f"{int((read == labels).sum())} of {len(labels)} right")

    time = result.profile.time
    pessimistic, likely, optimistic = sorted(time.items_per_second)
    print(f"{likely:,.0f} items/s ({pessimistic:,.0f} to {optimistic:,.0f}), bound by {time.binds}")
    print(f"{time.latency_seconds[1] * 1e6:.1f} us for one request of {len(images)} items")


if __name__ == "__main__":
    main()
