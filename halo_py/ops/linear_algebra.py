"""Ops of linear algebra that ONNX lacks: Inverse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, op
from halo_py.ops.contraction import widened
from halo_py.ops.sampling import floats
from halo_py.types import DType, Type


@op(
    "inverse",
    onnx="Inverse",
    domain="com.microsoft",
    odla="odla_Inverse",
    host_only="elimination with pivoting depends on data",
)
class Inverse(Op):
    """Inverses of the square matrices in the last two dimensions; NaN where a matrix is singular."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is not None and (len(shape) < 2 or shape[-1] != shape[-2]):
            raise args.error(f"square matrices expected, found {args.tensor(0)}")
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x = args.array(0)
        wide = widened(x)
        flat = wide.reshape(-1, *wide.shape[-2:])
        made = np.full_like(flat, np.nan)
        for number, matrix in enumerate(flat):
            try:
                made[number] = np.linalg.inv(matrix)
            except np.linalg.LinAlgError:
                continue
        return (made.reshape(wide.shape).astype(x.dtype),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype, shape in ((DType.FLOAT32, (3, 3)), (DType.FLOAT32, (2, 4, 4)), (DType.FLOAT64, (2, 3, 2, 2))):
            matrices: NDArray[Any] = floats(len(shape), *shape, dtype=dtype)
            yield Sample(cls(), (matrices + (4 * np.eye(shape[-1])).astype(matrices.dtype),))
