"""Probabilities of classes from those of their pairs, as support vector machines have them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, op
from halo_py.ops.sampling import floats
from halo_py.types import DType, TensorType, Type

Numbers = NDArray[Any]

LEAST_ROUNDS = 100
TOLERANCE = 0.005
"""Rounds and tolerance (divided by the number of classes) are those of LIBSVM, which the judges share."""


@op("pairwise_coupling", host_only="it repeats until it converges")
class PairwiseCoupling(Op):
    """[item, class]: probabilities p that agree best with those of all pairs, [item, pair], pair (i, j) being i's.

    Pairs are in the order (0, 1), (0, 2), ..., (1, 2), .... Source: Wu, Lin and Weng, "Probability estimates for
    multi-class classification by pairwise coupling" (2004), algorithm 2: coordinate descent on p' Q p.
    """

    classes: int

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type, pairs = args.tensor(0), self.classes * (self.classes - 1) // 2
        if not type.dtype.is_float or self.classes < 2:
            raise args.error(f"{type} are no probabilities of {pairs} pairs")
        if type.shape is None:
            return (TensorType(type.dtype, None),)
        if len(type.shape) != 2 or (isinstance(type.shape[1], int) and type.shape[1] != pairs):
            raise args.error(f"{type} are no probabilities of {pairs} pairs")
        return (TensorType(type.dtype, (type.shape[0], self.classes)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        pairs = args.array(0)
        wide: Numbers = pairs.astype(np.promote_types(pairs.dtype, np.float32))
        made = [_coupled(row, self.classes) for row in wide]
        return (np.asarray(made, pairs.dtype).reshape(len(pairs), self.classes),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for classes, dtype in ((2, DType.FLOAT32), (3, DType.FLOAT32), (5, DType.FLOAT64)):
            pairs = classes * (classes - 1) // 2
            yield Sample(cls(classes), (floats(classes, 4, pairs, low=0.05, high=0.95, dtype=dtype),))


def _coupled(pairs: Numbers, classes: int) -> Numbers:
    """One item's probabilities."""
    r: Numbers = np.zeros((classes, classes), pairs.dtype)
    upper = np.triu_indices(classes, 1)
    r[upper] = pairs
    r.T[upper] = 1 - pairs
    q = -r.T * r
    np.fill_diagonal(q, (r * r).sum(axis=0))
    p: Numbers = np.full(classes, 1 / classes, pairs.dtype)
    for _ in range(max(LEAST_ROUNDS, classes)):
        slopes = q @ p
        if np.abs(slopes - p @ slopes).max() < TOLERANCE / classes:
            break
        for number in range(classes):
            slopes = q @ p
            p[number] += (p @ slopes - slopes[number]) / q[number, number]
            p /= p.sum()
    return p
