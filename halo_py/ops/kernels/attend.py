"""Vertices of attention: the band mask of causal and windowed attention, and rotary position embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import Count, MapWork, Work
from halo_py.ops.kernels.copy import parallel_axes, same, volume
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class BandCodelet:
    """Scores [..., query, key] where lower <= key - query <= upper, minus infinity elsewhere; None: no bound."""

    lower: int | None
    upper: int | None

    @property
    def name(self) -> str:
        return "band"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return MapWork(volume(extents), ("compare", "select"), kernel.write_types[0].text, fused=True)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        scores = args.reads[0]
        key = len(args.low) - 1
        queries: Array = np.arange(args.low[key - 1], args.high[key - 1])
        distance = np.arange(args.low[key], args.high[key]) - queries[:, None]
        keep = np.ones_like(distance, np.bool_)
        if self.lower is not None:
            keep &= distance >= self.lower
        if self.upper is not None:
            keep &= distance <= self.upper
        return (np.where(keep, scores, np.asarray(-np.inf, scores.dtype)),)


def band_kernel(type: TensorType, lower: int | None, upper: int | None) -> Kernel:
    """The kernel that masks scores outside a band."""
    shape = type.static_shape
    whole = Access(shape, same(len(shape)))
    return Kernel(parallel_axes(shape), (whole,), (whole,), (type.dtype,), (type.dtype,), BandCodelet(lower, upper))


@dataclass(frozen=True, slots=True)
class RotaryCodelet:
    """Pairs (a, b) of x turned by an angle: (cos a - sin b, sin a + cos b). Axes: batch, head, step, pair, part."""

    @property
    def name(self) -> str:
        return "rotary"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return MapWork(volume(extents), ("mul", "mul", "add"), kernel.write_types[0].text, fused=True)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        x_axes = [dim.terms[0][0] for dim in kernel.reads[0].dims if isinstance(dim, Affine)]
        wide = np.float64 if kernel.read_types[0] is DType.FLOAT64 else np.float32
        x = args.reads[0].astype(wide).transpose(np.argsort(x_axes))
        cos, sin = (part.astype(wide)[:, None] for part in args.reads[1:])
        a, b = x[..., 0], x[..., 1]
        made = np.stack([cos * a - sin * b, sin * a + cos * b], axis=-1)
        return (made.transpose(x_axes).astype(kernel.write_types[0].numpy),)


def rotary_kernel(view: tuple[int, ...], x_axes: tuple[int, ...], dtype: DType) -> Kernel:
    """The kernel that turns x, viewed so that its dimensions follow `x_axes` (of batch, head, step, pair, part).

    Operands: x, then cosines and sines [batch, step, pair].
    """
    extents = [0] * 5
    for size, axis in zip(view, x_axes, strict=True):
        extents[axis] = size
    names = ("batch", "head", "step", "pair", "part")
    axes = tuple(
        Axis(name, size, "whole" if name == "part" else "parallel") for name, size in zip(names, extents, strict=True)
    )
    access = Access(view, tuple(Affine(((axis, 1),)) for axis in x_axes))
    batch, step, pair = (Affine(((axis, 1),)) for axis in (0, 2, 3))
    cache = Access((extents[0], extents[2], extents[3]), (batch, step, pair))
    return Kernel(axes, (access, cache, cache), (access,), (dtype,) * 3, (dtype,), RotaryCodelet())
