"""Keras networks that files are made of: what they are called, what they read, how they are built.

Tests read this table without TensorFlow; `make_networks.py` builds the networks with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.frontends.tensorflow import networks_of_images, networks_of_sequences

EVERY_WAY = ("float", "float16", "dynamic", "int8", "int8_per_tensor")
"""How TFLite files are made: float, weights in float16, weights in int8, all in int8 (scales per channel or tensor)."""
NO_INTEGERS = ("float", "float16", "dynamic")


@dataclass(frozen=True, slots=True)
class Input:
    """An input: its shape with the batch, and for integers the number they stay below, for floats the largest."""

    shape: tuple[int, ...]
    below: int | None = None
    most: float = 1.0


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the test run (`small`) or of the benchmark only; `lite` says which TFLite files are made of it.

    None where TFLite lacks an operator (bicubic resizing, pools of three dimensions).
    """

    build: Callable[[Any], Any]
    inputs: Mapping[str, Input]
    small: bool = False
    lite: tuple[str, ...] = ("float",)


def _image(side: int, build: Callable[[Any], Any], *lite: str, small: bool = False) -> Network:
    return Network(build, {"x": Input((1, side, side, 3))}, small=small, lite=lite or ("float",))


def _pixels(side: int, build: Callable[[Any], Any], *lite: str) -> Network:
    """A network that brings pixels from 0 to 255 into a range of its own.

    Given smaller numbers it would subtract nearly equal ones first, and their rounding would be all that is left.
    """
    return Network(build, {"x": Input((1, side, side, 3), most=255.0)}, lite=lite or ("float",))


def networks() -> dict[str, Network]:
    """All networks by name."""
    return {**_small(), **_images(), **_applications(), **_sequences()}


def _small() -> dict[str, Network]:
    sequences, images = networks_of_sequences, networks_of_images
    text = {"x": Input((1, 12), below=50)}
    return {
        "attention": Network(sequences.attention, {"x": Input((1, 16, 32))}, True, EVERY_WAY),
        "lstm": Network(sequences.lstm, {"x": Input((1, 20, 8))}, True, ("float", "dynamic")),
        "gru_bidirectional": Network(sequences.gru, {"x": Input((1, 20, 8))}, True, ("float",)),
        "simple_rnn": Network(sequences.simple_rnn, {"x": Input((1, 30, 8))}, True, ("float",)),
        "masked_text": Network(sequences.masked_text, text, True, ("float",)),
        "decoder": Network(sequences.decoder, text, True, NO_INTEGERS),
        "dilated_audio": Network(sequences.dilated_audio, {"x": Input((1, 64, 4))}, True, EVERY_WAY),
        "keyword_spotter": Network(images.keyword_spotter, {"x": Input((1, 49, 10, 1))}, True, EVERY_WAY),
        "segmenter": Network(images.segmenter, {"x": Input((1, 32, 32, 3))}, True, EVERY_WAY),
        "two_inputs": Network(
            images.two_inputs, {"image": Input((1, 12, 12, 3)), "number": Input((1, 4))}, True, EVERY_WAY
        ),
    }


def _images() -> dict[str, Network]:
    images = networks_of_images
    return {
        "unet": _image(64, images.unet, *EVERY_WAY),
        "separable": _image(48, images.separable, *EVERY_WAY),
        "patches": _image(32, images.patches, *NO_INTEGERS),
        "normalisations": _image(32, images.normalisations, *NO_INTEGERS),
        "volume": Network(images.volume, {"x": Input((1, 8, 12, 12, 2))}, lite=()),
        "convolutional_lstm": Network(images.convolutional_lstm, {"x": Input((1, 5, 12, 12, 2))}, lite=("float",)),
        "resizer": Network(images.resizer, {"x": Input((1, 32, 32, 3))}, lite=()),
        "detector": _image(64, images.detector, "float"),
    }


def _applications() -> dict[str, Network]:
    def built(name: str, side: int, **options: Any) -> Callable[[Any], Any]:
        return lambda tf: networks_of_images.application(tf, name, side, **options)

    return {
        "mobilenet": _image(96, built("MobileNet", 96, alpha=0.25), "float", "int8_per_tensor"),
        "mobilenet_v2": _image(96, built("MobileNetV2", 96, alpha=0.35), "float", "int8"),
        "mobilenet_v3_small": _pixels(96, built("MobileNetV3Small", 96), "float", "int8"),
        "mobilenet_v3_large": _pixels(96, built("MobileNetV3Large", 96, alpha=0.75, minimalistic=True)),
        "efficientnet_b0": _pixels(64, built("EfficientNetB0", 64)),
        "efficientnet_v2_b0": _pixels(64, built("EfficientNetV2B0", 64)),
        "resnet50": _image(64, built("ResNet50", 64)),
        "resnet50_v2": _image(64, built("ResNet50V2", 64)),
        "densenet121": _image(64, built("DenseNet121", 64)),
        "inception_v3": _image(96, built("InceptionV3", 96)),
        "inception_resnet_v2": _image(96, built("InceptionResNetV2", 96)),
        "xception": _image(96, built("Xception", 96)),
        "nasnet_mobile": _image(96, built("NASNetMobile", 96)),
        "vgg16": _image(64, built("VGG16", 64)),
        "convnext_tiny": _pixels(64, built("ConvNeXtTiny", 64)),
    }


def _sequences() -> dict[str, Network]:
    sequences = networks_of_sequences
    text = {"x": Input((1, 24), below=200)}
    return {
        "lstm_last": Network(sequences.lstm_last, {"x": Input((1, 60, 12))}),
        "lstm_bidirectional_text": Network(sequences.bidirectional_text, text),
        "gru_old": Network(sequences.gru_old, {"x": Input((1, 16, 8))}),
        "encoder_decoder": Network(
            sequences.encoder_decoder, {"source": Input((1, 10, 6)), "target": Input((1, 8, 5))}
        ),
        "transformer_text": Network(sequences.transformer_text, text, lite=NO_INTEGERS),
        "audio_classifier": Network(sequences.audio_classifier, {"x": Input((1, 400, 1))}, lite=EVERY_WAY),
        "mixer": Network(sequences.mixer, {"x": Input((1, 16, 24))}, lite=EVERY_WAY),
        "time_distributed": Network(sequences.time_distributed, {"x": Input((1, 6, 12, 12, 3))}),
        "old_attention": Network(sequences.old_attention, {"x": Input((1, 12, 16)), "y": Input((1, 9, 16))}),
    }
