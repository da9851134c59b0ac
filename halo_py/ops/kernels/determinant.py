"""Determinants: every vertex eliminates the matrices that its tile holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import WHOLE, Access, Affine, Kernel, VertexArgs
from halo_py.ir.work import Count, MapWork, Work
from halo_py.ops.kernels.copy import parallel_axes, same, volume
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class DetCodelet:
    """One point of the space is one matrix; an n x n elimination takes n^3 / 3 multiplications and subtractions."""

    @property
    def name(self) -> str:
        return "det"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        size = kernel.reads[0].shape[-1]
        steps = max(1, size**3 // 3)
        return MapWork(volume(extents) * steps, ("mul", "sub"), kernel.write_types[0].text, fused=True)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        matrices: Array = args.reads[0]
        wide = matrices if matrices.dtype == np.float64 else matrices.astype(np.float32)
        made = np.asarray(np.linalg.det(wide))
        return (made.reshape(args.write_shape[0]).astype(kernel.write_types[0].numpy),)


def det_kernel(shape: tuple[int, ...], dtype: DType) -> Kernel:
    """The kernel of the determinants of matrices [..., n, n]."""
    batch = shape[:-2]
    read = Access(shape, (*(Affine(((axis, 1),)) for axis in range(len(batch))), WHOLE, WHOLE))
    return Kernel(parallel_axes(batch), (read,), (Access(batch, same(len(batch))),), (dtype,), (dtype,), DetCodelet())
