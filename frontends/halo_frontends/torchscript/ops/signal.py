"""Windows, frames and Fourier transforms. Complex results have a last axis of real and imaginary parts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.padding import padded
from halo_frontends.torchscript.table import aten
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_frontends.torchscript.kinds import Ints, Value


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


@aten("stft")
def stft(
    m: Maker,
    input: Value,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Value | None = None,
    center: bool | None = None,
    pad_mode: str | None = None,
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> object:
    """Frames times a matrix of cosines and sines: (batch, frequencies, frames, 2)."""
    from halo_frontends.torchscript.complex_pairs import pair

    alone = m.rank(input) == 1
    value = m.unsqueeze(input, 0) if alone else input
    if center:
        half = n_fft // 2
        value = m.squeeze(padded(m, m.unsqueeze(value, 1), [half, half], pad_mode or "reflect", 0.0), 1)
    hop = hop_length or n_fft // 4
    starts = np.arange(0, m.shape(value)[1] - n_fft + 1, hop)[:, None] + np.arange(n_fft)
    frames = m.op("Gather", value, m.const(starts), axis=1)
    if window is not None:
        frames = m.op("Mul", frames, _centred(m, window, n_fft))
    elif win_length is not None and win_length < n_fft:
        frames = m.op("Mul", frames, _centred(m, m.const(np.ones(win_length, np.float32)), n_fft))
    bins = n_fft // 2 + 1 if onesided is not False else n_fft
    scale = 1 / math.sqrt(n_fft) if normalized else 1.0
    real, imaginary = (
        m.transpose(m.op("MatMul", frames, m.cast(m.const(part), m.dtype(value))), [0, 2, 1])
        for part in _fourier(n_fft, bins, scale)
    )
    found = m.op("Concat", m.unsqueeze(real, 3), m.unsqueeze(imaginary, 3), axis=3)
    found = m.squeeze(found, 0) if alone else found
    return pair(found) if return_complex else found


def _centred(m: Maker, window: Value, length: int) -> Value:
    """A window in the middle of a frame."""
    missing = length - m.shape(window)[0]
    return window if not missing else m.op("Pad", window, m.ints([missing // 2, missing - missing // 2]))


def _fourier(size: int, bins: int, scale: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cos and -sin of 2 pi n k / size, one column per frequency."""
    angle = 2 * np.pi * ((np.arange(size)[:, None] * np.arange(bins)[None]) % size) / size
    return (np.cos(angle) * scale).astype(np.float32), (-np.sin(angle) * scale).astype(np.float32)


@aten("fft_rfft")
def rfft(m: Maker, input: Value, n: int | None = None, dim: int = -1, norm: str | None = None) -> object:
    """Of real numbers: products with cosines and sines."""
    from halo_frontends.torchscript.complex_pairs import pair

    axis = m.axis(dim, m.rank(input))
    size = n or m.shape(input)[axis]
    value = _fitted(m, input, axis, size)
    scale = {"ortho": 1 / math.sqrt(size), "forward": 1 / size}.get(norm or "backward", 1.0)
    order = [number for number in range(m.rank(value)) if number != axis] + [axis]
    back = [order.index(number) for number in range(len(order))]
    turned = m.transpose(value, order)
    parts = [
        m.transpose(m.op("MatMul", turned, m.cast(m.const(part), m.dtype(value))), back)
        for part in _fourier(size, size // 2 + 1, scale)
    ]
    return pair(m.op("Concat", *(m.unsqueeze(part, m.rank(part)) for part in parts), axis=-1))


def _fitted(m: Maker, value: Value, axis: int, size: int) -> Value:
    """An axis cut off or filled with zeros to a length."""
    have = m.shape(value)[axis]
    if have >= size:
        return value if have == size else m.slice(value, axis, 0, size)
    after = [size - have if number == axis else 0 for number in range(m.rank(value))]
    return m.op("Pad", value, m.ints([*[0] * m.rank(value), *after]))


@aten("fft_fftfreq")
def fftfreq(m: Maker, n: int, d: float = 1.0, dtype: DType | None = None) -> Value:
    wanted = dtype or DType.FLOAT32
    return m.const(np.fft.fftfreq(n, d).astype(wanted.numpy), wanted)


@aten("fft_rfftfreq")
def rfftfreq(m: Maker, n: int, d: float = 1.0, dtype: DType | None = None) -> Value:
    wanted = dtype or DType.FLOAT32
    return m.const(np.fft.rfftfreq(n, d).astype(wanted.numpy), wanted)


@aten("fft_fftshift", "fft_ifftshift")
def fftshift(m: Maker, input: Value, dim: Ints | None = None) -> Value:
    from halo_frontends.torchscript.ops.joining import roll

    axes = tuple(range(m.rank(input))) if dim is None else dim
    sign = -1 if str(m.emitter.where.op).endswith("ifftshift") else 1
    shape = m.shape(input)
    shifts = tuple(shape[axis] // 2 if sign > 0 else -(shape[axis] // 2) for axis in axes)
    return roll(m, input, shifts, axes)
