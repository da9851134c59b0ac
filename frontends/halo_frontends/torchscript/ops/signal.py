"""Windows, frames and Fourier transforms. Complex results have a last axis of real and imaginary parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.joining import roll
from halo_frontends.torchscript.ops.padding import padded
from halo_frontends.torchscript.table import aten
from halo_frontends.torchscript.values import Tensor
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_frontends.torchscript.kinds import Ints, Item, Value


def _window(m: Maker, length: int, periodic: bool, dtype: DType | None, coefficients: tuple[float, ...]) -> Value:
    """A sum of cosines over one period (or one less than its length)."""
    wanted = dtype or DType.FLOAT32
    if length == 1:
        return m.const(np.ones(1, wanted.numpy), wanted)
    angle = 2 * np.pi * np.arange(length) / (length if periodic else length - 1)
    found = sum(value * np.cos(number * angle) for number, value in enumerate(coefficients))
    return m.const(np.asarray(found).astype(wanted.numpy), wanted)


@aten("hann_window")
def hann_window(m: Maker, window_length: int, periodic: bool = True, dtype: DType | None = None) -> Value:
    return _window(m, window_length, periodic, dtype, (0.5, -0.5))


@aten("hamming_window")
def hamming_window(
    m: Maker,
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    dtype: DType | None = None,
) -> Value:
    return _window(m, window_length, periodic, dtype, (alpha, -beta))


@aten("blackman_window")
def blackman_window(m: Maker, window_length: int, periodic: bool = True, dtype: DType | None = None) -> Value:
    return _window(m, window_length, periodic, dtype, (0.42, -0.5, 0.08))


@aten("bartlett_window")
def bartlett_window(m: Maker, window_length: int, periodic: bool = True, dtype: DType | None = None) -> Value:
    wanted = dtype or DType.FLOAT32
    span = max(window_length if periodic else window_length - 1, 1)
    line = 1 - np.abs(2 * np.arange(window_length) / span - 1)
    return m.const((line if window_length > 1 else np.ones(1)).astype(wanted.numpy), wanted)


@aten("kaiser_window")
def kaiser_window(
    m: Maker, window_length: int, periodic: bool = True, beta: float = 12.0, dtype: DType | None = None
) -> Value:
    wanted = dtype or DType.FLOAT32
    found = np.kaiser(window_length + 1, beta)[:-1] if periodic else np.kaiser(window_length, beta)
    return m.const(found.astype(wanted.numpy), wanted)


@dataclass(frozen=True, slots=True)
class _Frames:
    """How a signal is cut into frames, and what of their spectra is kept."""

    size: int
    hop: int
    window_length: int
    center: bool
    pad_mode: str
    normalized: bool
    onesided: bool

    @property
    def bins(self) -> int:
        return self.size // 2 + 1 if self.onesided else self.size

    @property
    def scale(self) -> float:
        return 1 / math.sqrt(self.size) if self.normalized else 1.0


@aten("stft")
def stft(
    m: Maker,
    input: Value,
    n_fft: int,
    hop_length: int | None,
    win_length: int | None,
    window: Value | None,
    *rest: Item,
) -> object:
    """With center, pad_mode, normalized, onesided, return_complex; the older form lacks the first two."""
    settings = list(rest)
    center, mode = False, "reflect"
    if len(settings) > 1 and isinstance(settings[1], str):
        center, mode = bool(settings[0]), settings[1]
        settings = settings[2:]
    normalized, onesided, as_complex = [*settings, None, None, None][:3]
    frames = _Frames(
        n_fft, hop_length or n_fft // 4, win_length or n_fft, center, mode, bool(normalized), onesided is not False
    )
    found = _spectra(m, input, window, frames)
    return Tensor(found, is_pair=True) if as_complex else found


def _spectra(m: Maker, input: Value, window: Value | None, how: _Frames) -> Value:
    """Frames times a matrix of cosines and sines: (batch, frequencies, frames, 2)."""
    alone = m.rank(input) == 1
    value = m.unsqueeze(input, 0) if alone else input
    if how.center:
        half = how.size // 2
        value = m.squeeze(padded(m, m.unsqueeze(value, 1), [half, half], how.pad_mode, 0.0), 1)
    starts = np.arange(0, m.length(value, 1) - how.size + 1, how.hop)[:, None] + np.arange(how.size)
    frames = m.op("Gather", value, m.const(starts), axis=1)
    if window is not None or how.window_length < how.size:
        shape = window if window is not None else m.const(np.ones(how.window_length, np.float32))
        frames = m.op("Mul", frames, _centred(m, shape, how.size))
    real, imaginary = (
        m.transpose(m.op("MatMul", frames, m.cast(m.const(part), m.dtype(value))), [0, 2, 1])
        for part in fourier(how.size, how.bins, how.scale)
    )
    found = m.op("Concat", m.unsqueeze(real, 3), m.unsqueeze(imaginary, 3), axis=3)
    return m.squeeze(found, 0) if alone else found


def _centred(m: Maker, window: Value, length: int) -> Value:
    """A window in the middle of a frame."""
    missing = length - m.length(window, 0)
    return window if not missing else m.op("Pad", window, m.ints([missing // 2, missing - missing // 2]))


def fourier(size: int, bins: int, scale: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cos and -sin of 2 pi n k / size, one column per frequency."""
    angle = 2 * np.pi * ((np.arange(size)[:, None] * np.arange(bins)[None]) % size) / size
    return (np.cos(angle) * scale).astype(np.float32), (-np.sin(angle) * scale).astype(np.float32)


@aten("fft_fftfreq")
def fftfreq(m: Maker, n: int, d: float = 1.0, dtype: DType | None = None) -> Value:
    wanted = dtype or DType.FLOAT32
    return m.const(np.fft.fftfreq(n, d).astype(wanted.numpy), wanted)


@aten("fft_rfftfreq")
def rfftfreq(m: Maker, n: int, d: float = 1.0, dtype: DType | None = None) -> Value:
    wanted = dtype or DType.FLOAT32
    return m.const(np.fft.rfftfreq(n, d).astype(wanted.numpy), wanted)


@aten("fft_fftshift")
def fftshift(m: Maker, input: Value, dim: Ints | None = None) -> Value:
    return _shifted(m, input, dim, 1)


@aten("fft_ifftshift")
def ifftshift(m: Maker, input: Value, dim: Ints | None = None) -> Value:
    return _shifted(m, input, dim, -1)


def _shifted(m: Maker, input: Value, dim: Ints | None, sign: int) -> Value:
    axes = tuple(range(m.rank(input))) if dim is None else dim
    shape = m.shape(input)
    return roll(m, input, tuple(sign * (shape[axis] // 2) for axis in axes), axes)
