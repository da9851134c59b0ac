"""Compressed pictures."""

from __future__ import annotations

import io
import warnings
from base64 import b64decode
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.errors import UnsupportedError, Where
from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, op
from halo_py.ops.dims import unknown_dim
from halo_py.types import DType, TensorType, Type

Numbers = NDArray[Any]

FORMATS = ("BMP", "JPEG", "JPEG2000", "TIFF", "PNG", "WEBP", "PPM")
"""What ONNX names, by Pillow's words; no other decoder is ever tried."""

_CHANNELS = {"RGB": 3, "BGR": 3, "Grayscale": 1}


@op("image_decoder", onnx="ImageDecoder", since=20, host_only="pictures are decoded on the host")
class ImageDecoder(Op):
    """The pixels [height, width, channels] of a picture file's bytes; none if it cannot be decoded.

    Chroma is upsampled as libjpeg-turbo does by default, as ONNX wants. Samples of 16 bits keep their upper half.
    """

    pixel_format: Literal["RGB", "BGR", "Grayscale"] = "RGB"

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type, channels = args.tensor(0), _CHANNELS.get(self.pixel_format)
        if channels is None:
            raise args.error(f"pixel_format must be one of {', '.join(_CHANNELS)}, found {self.pixel_format!r}")
        if type.dtype is not DType.UINT8 or (type.shape is not None and len(type.shape) != 1):
            raise args.error(f"a picture file is a vector of uint8, found {type}")
        _pillow(args.where)
        return (TensorType(DType.UINT8, (unknown_dim(args, "height"), unknown_dim(args, "width"), channels)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        pillow = _pillow(Where())
        try:
            pixels = _pixels(pillow, args.array(0).tobytes(), "L" if self.pixel_format == "Grayscale" else "RGB")
        except Exception:  # noqa: BLE001 -- a decoder may raise anything; ONNX answers an empty picture then
            return (np.zeros((0, 0, _CHANNELS[self.pixel_format]), np.uint8),)
        return (np.ascontiguousarray(pixels[:, :, ::-1]) if self.pixel_format == "BGR" else pixels,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for pixel_format in ("RGB", "BGR", "Grayscale"):
            yield Sample(cls(pixel_format), (_bytes(b64decode(_PNG)),))
        yield Sample(cls(), (_bytes(_PPM),))


def _pillow(where: Where) -> Any:
    """Pillow's module of images. Raises UnsupportedError if it is not installed."""
    try:
        return import_module("PIL.Image")
    except ImportError as error:
        hint = "pip install 'halo-py[images]'"
        raise UnsupportedError("decoding pictures needs Pillow", where, hint) from error


def _pixels(pillow: Any, content: bytes, mode: Literal["L", "RGB"]) -> Numbers:
    """The picture as [height, width, channels]. Raises whatever Pillow raises for what it cannot decode."""
    with warnings.catch_warnings():
        # Pictures of 2^26 pixels warn, those of twice as many are refused.
        warnings.simplefilter("ignore", pillow.DecompressionBombWarning)
        picture = pillow.open(io.BytesIO(content), formats=FORMATS)
        if picture.mode == "F":
            raise ValueError("samples are floats")
        if picture.mode.startswith("I"):
            # Pillow would clip samples of 16 bits instead of scaling them.
            picture = pillow.fromarray((np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
        pixels = np.asarray(picture.convert(mode))
    return pixels.reshape(*pixels.shape[:2], -1)


def _bytes(content: bytes) -> Numbers:
    return np.frombuffer(content, np.uint8)


_PPM = b"P6 3 2 255\n" + bytes(range(0, 180, 10))
_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAHElEQVR42mP4"
    "z8DFcEKOneMXQ1R0DCMT8/9/fwE7GAcKdmXLQwAAAABJRU5ErkJggg=="
)
"""A picture of 3 x 2 coloured pixels."""
