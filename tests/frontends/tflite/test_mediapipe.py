"""Custom operators of MediaPipe, against what they mean written out."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import odla
from halo_py.errors import ModelError
from halo_py.frontend import load_model
from tests.frontends.tflite.flatbuffer import Number, Table, flatbuffer, model, operator, subgraph, tensor

CUSTOM = 32
SAME, VALID = 1, 2
Floats = NDArray[np.float32]


def custom_file(path: Path, name: str, options: bytes, shapes: list[tuple[int, ...]], result: tuple[int, ...]) -> Path:
    """A model of one custom operator whose operands are its inputs."""
    operands = list(range(len(shapes)))
    tensors = [tensor(f"x{number}", shape) for number, shape in enumerate(shapes)]
    entry: Table = {**operator(0, operands, [len(shapes)]), 5: options}
    main = subgraph([*tensors, tensor("y", result)], operands, [len(shapes)], [entry])
    code: Table = {0: Number("b", CUSTOM), 1: name, 3: Number("i", CUSTOM)}
    path.write_bytes(flatbuffer({**model([main], []), 1: [code]}))
    return path


def _spread(x: Floats, weights: Floats, bias: Floats, strides: tuple[int, int], padding: int) -> Floats:
    """Every entry of the data adds the kernel times itself to the output; what sticks out is cut."""
    steps, sizes, kernel = strides, x.shape[1:3], weights.shape[1:3]
    whole = [step * (size - 1) + width for step, size, width in zip(steps, sizes, kernel, strict=True)]
    cut = [
        max(0, width - (size - 1) % step - 1) if padding == SAME else 0
        for step, size, width in zip(steps, sizes, kernel, strict=True)
    ]
    made = np.zeros((x.shape[0], *whole, weights.shape[0]), np.float32)
    for row in range(sizes[0]):
        for column in range(sizes[1]):
            top, left = row * steps[0], column * steps[1]
            part = np.einsum("nc,ohwc->nhwo", x[:, row, column], weights)
            made[:, top : top + kernel[0], left : left + kernel[1]] += part
    (top, left), (height, width) = (total // 2 for total in cut), (a - b for a, b in zip(whole, cut, strict=True))
    return made[:, top : top + height, left : left + width] + bias


@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize(("kernel", "strides"), [((2, 2), (2, 2)), ((3, 4), (2, 1)), ((5, 3), (3, 2))])
def test_transposed_convolution_with_bias(
    kernel: tuple[int, int], strides: tuple[int, int], padding: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    shapes = [(1, 4, 5, 3), (2, *kernel, 3), (2,)]
    arrays = [rng.standard_normal(shape, np.float32) for shape in shapes]
    expected = _spread(arrays[0], arrays[1], arrays[2], strides, padding)
    options = struct.pack("<3i", padding, strides[1], strides[0])
    path = custom_file(tmp_path / "conv.tflite", "Convolution2DTransposeBias", options, shapes, expected.shape)

    found = odla.execute(path, {f"x{n}": array for n, array in enumerate(arrays)}, device="cpu")["y"]

    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [b"", struct.pack("<3i", SAME, 0, 2)])
def test_transposed_convolution_without_strides_is_refused(options: bytes, tmp_path: Path) -> None:
    shapes = [(1, 4, 5, 3), (2, 2, 2, 3), (2,)]
    path = custom_file(tmp_path / "conv.tflite", "Convolution2DTransposeBias", options, shapes, (1, 8, 10, 2))

    with pytest.raises(ModelError, match="strides"):
        load_model(path)
