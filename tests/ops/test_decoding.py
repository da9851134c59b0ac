"""What the samples of ImageDecoder leave out: files that cannot be decoded, deep and paletted samples, no Pillow."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from halo_py.errors import HaloError, UnsupportedError
from halo_py.ir.op import InferArgs
from halo_py.ops import decoding
from halo_py.ops.decoding import ImageDecoder
from halo_py.types import DType, tensor
from tests.ops.operators import evaluated

Pixels = NDArray[Any]


def _decoded(content: bytes, pixel_format: Any = "RGB") -> Pixels:
    (found,) = evaluated(ImageDecoder(pixel_format), np.frombuffer(content, np.uint8))
    assert isinstance(found, np.ndarray)
    return found


def _saved(pixels: Pixels, format: str, mode: str | None = None) -> bytes:
    pillow: Any = importlib.import_module("PIL.Image")
    stream = io.BytesIO()
    picture = pillow.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(stream, format)
    return stream.getvalue()


@pytest.mark.parametrize("pixel_format", ["RGB", "BGR", "Grayscale"])
def test_what_cannot_be_decoded_is_an_empty_picture(pixel_format: str) -> None:
    whole = _saved(np.full((8, 8, 3), 7, np.uint8), "PNG")
    channels = 1 if pixel_format == "Grayscale" else 3
    for content in (b"", b"no picture", whole[: len(whole) // 2], whole[:40] + b"\0" * 20 + whole[60:]):
        found = _decoded(content, pixel_format)
        assert found.shape == (0, 0, channels)
        assert found.dtype == np.uint8


def test_a_picture_that_claims_a_huge_size_is_empty() -> None:
    assert _decoded(b"P6 100000 100000 255\n" + bytes(64)).shape == (0, 0, 3)


def test_a_format_that_onnx_does_not_name_is_not_tried() -> None:
    assert _decoded(_saved(np.zeros((4, 4, 3), np.uint8), "GIF")).shape == (0, 0, 3)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_samples_of_16_bits_keep_their_upper_half(format: str) -> None:
    deep = np.asarray([[0, 255, 256], [0x1234, 0x8000, 0xFFFF]], np.uint16)

    found = _decoded(_saved(deep, format), "Grayscale")

    np.testing.assert_array_equal(found[:, :, 0], deep >> 8)


def test_palettes_and_transparency_become_plain_colours() -> None:
    colours = np.asarray([[[255, 0, 0], [0, 0, 255]]], np.uint8)
    with_alpha = np.concatenate([colours, np.full((1, 2, 1), 40, np.uint8)], axis=2)

    np.testing.assert_array_equal(_decoded(_saved(colours, "PNG", "P")), colours)
    np.testing.assert_array_equal(_decoded(_saved(with_alpha, "PNG")), colours)
    np.testing.assert_array_equal(_decoded(_saved(with_alpha, "PNG"), "BGR"), colours[:, :, ::-1])


def test_without_pillow_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(decoding, "import_module", missing)
    with pytest.raises(UnsupportedError, match="Pillow") as caught:
        ImageDecoder().infer(InferArgs((tensor(DType.UINT8, 9),), (None,), (None,)))
    assert caught.value.hint == "pip install 'halo-py[images]'"


@pytest.mark.parametrize("type", [tensor(DType.FLOAT32, 9), tensor(DType.UINT8, 3, 3)])
def test_only_vectors_of_bytes_are_picture_files(type: Any) -> None:
    with pytest.raises(HaloError, match="vector of uint8"):
        ImageDecoder().infer(InferArgs((type,), (None,), (None,)))
