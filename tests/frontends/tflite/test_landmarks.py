"""MediaPipe's operators around landmarks, against what they mean written out; operands that fit no custom operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import odla
from halo_py.errors import ModelError, UnsupportedError
from halo_py.frontend import load_model
from tests.frontends.tflite.test_mediapipe import custom_file

# Maps as flatbuffers 25.12.19 (flexbuffers.Builder) writes them.
MATRIX = bytes.fromhex(
    "6c6566745f726f746174696f6e5f6964780072696768745f726f746174696f6e5f696478006f75747075745f686569676874006f757470"
    "75745f7769647468007363616c655f78007363616c655f79007375627365745f69647873000500020304057461726765745f726f746174"
    "696f6e5f72616469616e7300087b574a6c3f38312000090000000100000008000000010000000400000005000000030000000000c03f00"
    "00a03f4b0000000000803e060606060e0e2c0e282601"
)
"""Rotation by landmarks 1 and 3 to 0.25 rad, around landmarks 0, 2, 3, 4, 5, 4 x 5 pixels, scales 1.5 and 1.25."""
CUTTING = bytes.fromhex("6f75747075745f686569676874006f75747075745f776964746800021c0f02010204050404042401")
"""4 x 5 pixels."""
DEVICES = ("cpu", "ipu-tiny")
Floats = NDArray[np.float64]


def turn(angle: float) -> Floats:
    return np.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def surrounding(points: Floats) -> Floats:
    """The matrix from a cutting of 4 x 5 pixels to the image."""
    along = points[3] - points[1]
    angle = 0.25 - np.arctan2(along[1], along[0])
    upright = points[[0, 2, 3, 4, 5]] @ turn(angle).T
    high, low = upright.max(axis=0), upright.min(axis=0)
    scale = np.asarray([1.5, 1.25]) * (high - low) / (5, 4)
    found = np.eye(4)
    found[:2, :2] = turn(-angle) * scale
    found[:2, 3] = turn(-angle) @ (high + low) / 2 - found[:2, :2] @ (2.5, 2.0)
    return found


def cut_out(image: Floats, matrix: Floats) -> Floats:
    """Bilinear, pixel by pixel."""
    found = np.zeros((4, 5, image.shape[2]))
    last = np.asarray(image.shape[:2]) - 1
    for row in range(4):
        for column in range(5):
            x, y = matrix[:2, :2] @ (column + 0.5, row + 0.5) + matrix[:2, 3] - 0.5
            if 0 <= y <= last[0] and 0 <= x <= last[1]:
                top, left = int(y), int(x)
                below, right = min(top + 1, last[0]), min(left + 1, last[1])
                down, along = y - top, x - left
                upper = (1 - along) * image[top, left] + along * image[top, right]
                lower = (1 - along) * image[below, left] + along * image[below, right]
                found[row, column] = (1 - down) * upper + down * lower
    return found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [2, 3])
def test_the_matrix_of_a_cutting(size: int, device: str, tmp_path: Path) -> None:
    points = np.random.default_rng(size).uniform(0, 40, (1, 7, size)).astype(np.float32)
    path = custom_file(tmp_path / "m.tflite", "Landmarks2TransformMatrix", MATRIX, [points.shape], (1, 4, 4))
    found = odla.execute(path, {"x0": points}, device=device)["y"]
    np.testing.assert_allclose(np.asarray(found)[0], surrounding(points[0, :, :2].astype(float)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_pixels_of_a_cutting(device: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    image = rng.standard_normal((1, 9, 11, 3), np.float32)
    matrix = np.eye(4, dtype=np.float32)
    matrix[:2] = [[1.7, -0.6, 9, 1.3], [0.8, 1.4, 9, -0.9]]
    path = custom_file(
        tmp_path / "c.tflite", "TransformTensorBilinear", CUTTING, [image.shape, (1, 4, 4)], (1, 4, 5, 3)
    )
    found = np.asarray(odla.execute(path, {"x0": image, "x1": matrix[None]}, device=device)["y"])
    expected = cut_out(image[0].astype(float), matrix.astype(float))
    outside = (expected == 0).all(axis=-1)
    assert 0 < outside.sum() < outside.size, "some pixels lie outside"
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [2, 3])
def test_landmarks_of_a_cutting_in_the_image(size: int, device: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    points, matrix = rng.standard_normal((1, 5, size), np.float32), rng.standard_normal((1, 4, 4), np.float32)
    path = custom_file(tmp_path / "l.tflite", "TransformLandmarks", b"", [points.shape, (1, 4, 4)], points.shape)
    found = np.asarray(odla.execute(path, {"x0": points, "x1": matrix}, device=device)["y"])
    expected = points[0].copy()
    expected[:, :2] = points[0, :, :2] @ matrix[0, :2, :2].T + matrix[0, :2, 3]
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "shapes", "says"),
    [
        ("Landmarks2TransformMatrix", MATRIX, [(1, 1, 1, 21)], "version 1"),
        ("Landmarks2TransformMatrix", MATRIX, [(1, 3, 3)], "for 3 landmarks"),
        ("Landmarks2TransformMatrix", CUTTING, [(1, 7, 3)], "rotation_idx"),
        ("Landmarks2TransformMatrix", MATRIX[:-3], [(1, 7, 3)], "cannot be read"),
        ("TransformTensorBilinear", CUTTING, [(2, 9, 11, 3), (1, 4, 4)], r"\[1, height, width, channels\]"),
        ("TransformTensorBilinear", CUTTING, [(7,), (1, 4, 4)], "must have 4 dimensions, found 1"),
        ("TFLite_Detection_PostProcess", CUTTING, [(4,), (3,), (4,)], "must have 3 dimensions, found 1"),
        ("TransformLandmarks", b"", [(1, 5, 3), (1, 3, 3)], "the matrix has the shape"),
    ],
)
def test_what_does_not_fit_is_refused(
    name: str, options: bytes, shapes: list[tuple[int, ...]], says: str, tmp_path: Path
) -> None:
    path = custom_file(tmp_path / "bad.tflite", name, options, shapes, (1, 4, 4))
    with pytest.raises((ModelError, UnsupportedError), match=says):
        load_model(path)
