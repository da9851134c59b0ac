"""Constants of TFLite files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import odla
from tests.frontends.tflite.flatbuffer import (
    INT32,
    RESHAPE,
    flatbuffer,
    model,
    operator,
    subgraph,
    tensor,
)


def test_a_constant_without_elements_takes_no_bytes(tmp_path: Path) -> None:
    """The shape of a scalar."""
    tensors = [tensor("x", (1,)), tensor("shape", (0,), INT32, buffer=1), tensor("y", ())]
    path = tmp_path / "scalar.tflite"
    path.write_bytes(flatbuffer(model([subgraph(tensors, [0], [2], [operator(0, [0, 1], [2])])], [RESHAPE], [b""])))

    found = odla.execute(path, {"x": np.asarray([2.5], np.float32)}, device="cpu")["y"]

    np.testing.assert_array_equal(np.asarray(found), np.asarray(2.5, np.float32))
