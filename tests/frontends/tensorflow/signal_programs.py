"""Small programs on complex numbers and spectra, and one that is cut in its middle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Program = tuple[str, Callable[..., Any], dict[str, NDArray[Any]]]


def all_programs(tf: Any) -> Iterator[Program]:
    """Name, function and inputs of every program."""
    rng = np.random.default_rng(17)

    def f(*shape: int) -> NDArray[Any]:
        return rng.standard_normal(shape).astype(np.float32)

    for function in (*_transforms(tf), *_sounds(tf)):
        yield function.__name__, function, {"x": f(2, 6, 16)}
    for function in (*_arithmetic(tf), *_moving(tf)):
        yield function.__name__, function, {"x": f(2, 3, 4), "y": f(2, 3, 4)}
    yield "halves", _halves(tf, f), {"x": f(1, 9, 9, 3)}


def _parts(tf: Any, z: Any) -> tuple[Any, Any]:
    return tf.math.real(z), tf.math.imag(z)


def _transforms(tf: Any) -> Iterator[Callable[[Any], Any]]:
    signal = tf.signal

    def spectrum(x: Any) -> Any:
        return _parts(tf, signal.rfft(x))

    def spectrum_cut(x: Any) -> Any:
        return _parts(tf, signal.rfft(x, [10]))

    def spectrum_filled_up(x: Any) -> Any:
        return tf.abs(signal.rfft(x, [21]))

    def there_and_back(x: Any) -> Any:
        return signal.irfft(signal.rfft(x) * tf.complex(0.5, 0.25)), signal.irfft(signal.rfft(x), [13])

    def whole_spectrum(x: Any) -> Any:
        z = tf.complex(x, x * x)
        return *_parts(tf, signal.fft(z)), *_parts(tf, signal.ifft(z))

    def spectrum_of_image(x: Any) -> Any:
        return *_parts(tf, signal.rfft2d(x)), signal.irfft2d(signal.rfft2d(x, [5, 20]), [5, 20])

    def whole_spectrum_of_image(x: Any) -> Any:
        z = tf.complex(x, 1 - x)
        return *_parts(tf, signal.fft2d(z)), *_parts(tf, signal.ifft2d(z))

    yield from (spectrum, spectrum_cut, spectrum_filled_up, there_and_back, whole_spectrum)
    yield from (spectrum_of_image, whole_spectrum_of_image)


def _sounds(tf: Any) -> Iterator[Callable[[Any], Any]]:
    signal = tf.signal

    def mel(x: Any) -> Any:
        sound = tf.reshape(x, (2, 96))
        frames = tf.abs(signal.stft(sound, 32, 8, fft_length=32, pad_end=True))
        weights = signal.linear_to_mel_weight_matrix(8, 17, 8000, 100.0, 3800.0)
        return tf.math.log(tf.tensordot(frames, weights, 1) + 1e-3)

    def masked(x: Any) -> Any:
        sound = tf.reshape(x, (2, 96))
        frames = signal.stft(sound, 16, 8)
        kept = frames * tf.cast(tf.sigmoid(tf.abs(frames)), tf.complex64)
        window = signal.inverse_stft_window_fn(8)
        return signal.inverse_stft(kept, 16, 8, window_fn=window), tf.math.angle(frames)

    yield from (mel, masked)


def _arithmetic(tf: Any) -> Iterator[Callable[[Any, Any], Any]]:
    def products(x: Any, y: Any) -> Any:
        a, b = tf.complex(x, y), tf.complex(y, x + 1)
        found = [a * b, a / b, a + b, a - b, -a, tf.math.conj(a), tf.square(b), tf.reduce_sum(a, 1)]
        return [part for z in found for part in _parts(tf, z)]

    def constants(x: Any, y: Any) -> Any:
        z = tf.complex(x, y) * tf.constant([1 + 2j, -1j, 0.5, 3 - 1j], tf.complex64) + tf.cast(x, tf.complex64)
        return *_parts(tf, z), tf.abs(z), tf.math.angle(z), tf.cast(z, tf.float32)

    def chosen(x: Any, y: Any) -> Any:
        a, b = tf.complex(x, y), tf.complex(y, x)
        return *_parts(tf, tf.where(x > y, a, b)), *_parts(tf, tf.cond(x[0, 0, 0] > 9, lambda: a, lambda: b * a))

    yield from (products, constants)
    yield chosen


def _moving(tf: Any) -> Iterator[Callable[[Any, Any], Any]]:
    def moved(x: Any, y: Any) -> Any:
        z = tf.complex(x, y)
        found = [
            tf.reshape(z, (3, 8)), tf.transpose(z, (2, 0, 1)), z[:, 1:, ::2], tf.squeeze(tf.expand_dims(z, 1), 1),
            tf.concat([z, z * z], 1), tf.stack([z, z]), *tf.split(z, 2, -1), tf.tile(z, (1, 2, 1)),
            tf.gather(z, [2, 0], axis=1), tf.pad(z, ((0, 0), (1, 0), (0, 2))), tf.reverse(z, [1]), *tf.unstack(z),
        ]  # fmt: skip
        return [part for made in found for part in _parts(tf, made)], tf.shape(z)

    yield moved


def _halves(tf: Any, f: Callable[..., NDArray[Any]]) -> Callable[[Any], Any]:
    """A network whose middle, the second half of the channels, is an output too."""
    first, second = f(3, 3, 3, 8), f(3, 3, 4, 5)

    def halves(x: Any) -> Any:
        y = tf.nn.relu(tf.nn.conv2d(x, first, 2, "SAME"))
        _, middle = tf.split(y, 2, -1, name="parts")
        return middle, tf.nn.max_pool2d(tf.nn.conv2d(middle, second, 1, "SAME"), 2, 2, "SAME")

    return halves
