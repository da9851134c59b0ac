"""The inverse of the short-time Fourier transform, and Fourier transforms as Torch's core operators write them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.complex_numbers import fftn, ifftn, irfftn, rfftn
from halo_frontends.torchscript.table import aten

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_frontends.torchscript.kinds import Ints, Tensor, Value

_FORWARD = {0: "backward", 1: "ortho", 2: "forward"}
_INVERSE = {0: "forward", 1: "ortho", 2: "backward"}
"""Torch's numbers for how a transform is scaled (ATen/native/SpectralOpsUtils.h), as names of `torch.fft`."""


@aten("istft")
def istft(
    m: Maker,
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Value | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Value:
    """Every frame back to a signal, overlapping parts added up, divided by the sum of the squared windows."""
    if return_complex or not input.is_pair:
        raise m.unsupported("an inverse transform to or from anything but spectra of real signals is not supported")
    spectra = m.read(input)
    alone = m.rank(spectra) == 3
    spectra = m.unsqueeze(spectra, 0) if alone else spectra
    batch, bins, count, _ = m.shape(spectra)
    hop, width = hop_length or n_fft // 4, win_length or n_fft
    shape = window if window is not None else m.const(np.ones(width, np.float32))
    missing = n_fft - width
    if missing:
        shape = m.op("Pad", shape, m.ints([missing // 2, missing - missing // 2]))
    scale = math.sqrt(n_fft) if normalized else 1.0
    basis = m.const(_basis(n_fft, bins, onesided is not False and bins != n_fft) * np.float32(scale))
    parts = m.reshape(m.transpose(spectra, [0, 3, 1, 2]), [batch, 2 * bins, count])
    signal = m.op("ConvTranspose", parts, m.op("Mul", basis, shape), strides=(hop,))
    squares = m.reshape(m.op("Mul", shape, shape), [1, 1, n_fft])
    envelope = m.op("ConvTranspose", m.const(np.ones((1, 1, count), np.float32)), squares, strides=(hop,))
    start = n_fft // 2 if center else 0
    whole = n_fft + hop * (count - 1)
    end = whole - start if length is None else start + length
    kept, under = (m.slice(value, 2, start, min(end, whole)) for value in (signal, envelope))
    found = m.squeeze(m.op("Div", kept, under), 1)
    if end > whole:
        found = m.op("Pad", found, m.ints([0, 0, 0, end - whole]))
    return m.squeeze(found, 0) if alone else found


def _basis(size: int, bins: int, onesided: bool) -> NDArray[np.float32]:
    """What one unit of the real (first half of the rows) and imaginary part of every bin adds to a frame."""
    turn = 2 * np.pi * ((np.arange(bins)[:, None] * np.arange(size)[None]) % size) / size
    weight = np.ones((bins, 1))
    if onesided:
        weight[1 : (size + 1) // 2] = 2
    rows = np.concatenate([weight * np.cos(turn), -weight * np.sin(turn)]) / size
    return rows[:, None].astype(np.float32)


@aten("_fft_r2c")
def fft_real_to_complex(m: Maker, input: Tensor, dim: Ints, normalization: int, onesided: bool) -> Tensor:
    return (rfftn if onesided else fftn)(m, input, None, dim, _FORWARD[normalization])


@aten("_fft_c2c")
def fft_complex_to_complex(m: Maker, input: Tensor, dim: Ints, normalization: int, forward: bool) -> Tensor:
    if forward:
        return fftn(m, input, None, dim, _FORWARD[normalization])
    return ifftn(m, input, None, dim, _INVERSE[normalization])


@aten("_fft_c2r")
def fft_complex_to_real(m: Maker, input: Tensor, dim: Ints, normalization: int, last_dim_size: int) -> Value:
    shape = m.shape(m.read(input))[:-1]
    sizes = (*(shape[axis] for axis in dim[:-1]), last_dim_size)
    return irfftn(m, input, sizes, dim, _INVERSE[normalization])
