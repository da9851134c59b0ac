"""Whether values are TensorFlow's: the tolerance that the whole project uses, integers exactly.

Deep networks of random weights let rounding grow: TensorFlow's own result is then further from that of the same graph
in float64 than the tolerance. Twice that distance is allowed on top.

Quantised networks: a step at a rounding boundary moves what follows. Integers may be a few steps apart, most of them
not at all; where TensorFlow Lite's own two sets of kernels differ by more, an output must be nearer to one of them than
half that distance. Weights in int8 beside float data: TensorFlow Lite quantises the data too while it runs, HALO does
not, so that outputs may differ by what 8 bits of the data are worth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ABSOLUTE, RELATIVE = 1e-4, 1e-3
FACTOR = 2.0
MOST_STEPS, MEAN_STEPS = 6, 0.75
DYNAMIC_SHARE = 0.05
"""Of the largest output."""


def difference(found: object, expected: NDArray[Any], rounding: float = 0.0) -> str | None:
    """In what an output differs from TensorFlow's; None if it does not. `rounding` is allowed on top."""
    array = np.asarray(found)
    if array.shape != expected.shape:
        return f"shape {array.shape}, not {expected.shape}"
    if array.dtype != expected.dtype:
        return f"type {array.dtype}, not {expected.dtype}"
    if expected.dtype.kind not in "fc":
        return None if np.array_equal(array, expected) else f"{np.count_nonzero(array != expected)} elements differ"
    equal = np.isclose(array, expected, rtol=RELATIVE, atol=ABSOLUTE + rounding, equal_nan=True)
    if equal.all():
        return None
    worst = float(np.abs(array.astype(float) - expected.astype(float)).max())
    return f"{np.count_nonzero(~equal)} of {equal.size} elements differ, by at most {worst:.3g}"


def own_rounding(expected: NDArray[Any], exact: NDArray[Any] | None) -> float:
    """How much TensorFlow's own rounding allows: nothing if the exact result is not known."""
    return 0.0 if exact is None else FACTOR * float(np.abs(exact - expected.astype(np.float64)).max())


def quantised_difference(found: object, expected: NDArray[Any], spread: float = 0.0) -> str | None:
    """In what an output of a quantised network differs from TensorFlow Lite's by more than quantisation explains.

    `spread` is how far TensorFlow Lite's own kernels are apart.
    """
    array = np.asarray(found)
    if array.shape != expected.shape or array.dtype != expected.dtype:
        return difference(array, expected)
    apart = np.abs(array.astype(np.float64) - expected.astype(np.float64))
    if expected.dtype.kind == "f":
        share = float(apart.max() / np.abs(expected).max())
        return None if share <= DYNAMIC_SHARE else f"{share:.2%} of the largest output apart"
    most = max(float(MOST_STEPS), spread / 2)
    if apart.max() <= most and apart.mean() <= MEAN_STEPS * most / MOST_STEPS:
        return None
    return f"{apart.max():.0f} steps apart, {apart.mean():.2f} in the mean"
