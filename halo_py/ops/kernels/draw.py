"""Vertices that draw random numbers: the elements of one seeded sequence that lie in the vertex's box."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from halo_py.ir.space import Access, Kernel, VertexArgs
from halo_py.ir.work import Count, RandomWork, Work
from halo_py.ops.kernels.copy import parallel_axes, same, volume
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


class Distribution(Protocol):
    """A seeded sequence of numbers; frozen and hashable."""

    @property
    def work_name(self) -> str:
        """What it costs, in the vocabulary of `RandomWork.distribution`."""
        ...

    def draw(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """All elements of a tensor of this shape."""
        ...


@dataclass(frozen=True, slots=True)
class DrawCodelet:
    """The box's part of a tensor of random numbers.

    The simulated chip draws the sequence that the reference draws, whatever tile an element lies on; its time is that
    of the chip's own generators.
    """

    distribution: Distribution
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"draw:{self.distribution.work_name}"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return RandomWork(volume(extents), self.distribution.work_name, kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        drawn = _drawn(self.distribution, self.shape, kernel.write_types[0])
        box = tuple(slice(low, high) for low, high in zip(args.low, args.high, strict=True))[: len(self.shape)]
        return (drawn[box],)


@lru_cache(maxsize=4)
def _drawn(distribution: Distribution, shape: tuple[int, ...], dtype: DType) -> Array:
    """The whole tensor, drawn once for all vertices of a kernel."""
    return distribution.draw(shape, dtype)


def draw_kernel(distribution: Distribution, shape: tuple[int, ...], dtype: DType) -> Kernel:
    """The kernel that makes a tensor of random numbers from nothing."""
    codelet = DrawCodelet(distribution, shape)
    return Kernel(parallel_axes(shape), (), (Access(shape, same(len(shape))),), (), (dtype,), codelet)
