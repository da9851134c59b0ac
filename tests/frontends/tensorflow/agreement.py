"""Whether values are TensorFlow's: the tolerance that the whole project uses, integers exactly.

Some deep networks of random weights let rounding grow so much that the framework's own result misses the tolerance
against the same graph in float64. Only there, a result may be up to twice as far from float64 as the framework's.

Quantised networks: a step at a rounding boundary moves what follows. Integers may be a few steps apart, most of them
not at all; where TensorFlow Lite's own two sets of kernels differ by more, an output must be nearer to one of them than
half that distance, at most and in the mean. Weights in int8 beside float data: TensorFlow Lite quantises the data too
while it runs, HALO does not, so that outputs may differ by what 8 bits of the data are worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ABSOLUTE, RELATIVE = 1e-4, 1e-3
FACTOR = 2.0
MOST_STEPS, MEAN_STEPS = 6, 0.75
DYNAMIC_SHARE = 0.05
"""Of the largest output."""


def difference(found: object, expected: NDArray[Any]) -> str | None:
    """In what an output differs from TensorFlow's by more than the tolerance; None if it does not."""
    array = np.asarray(found)
    if array.shape != expected.shape:
        return f"shape {array.shape}, not {expected.shape}"
    if array.dtype != expected.dtype:
        return f"type {array.dtype}, not {expected.dtype}"
    if expected.dtype.kind not in "fc":
        return None if np.array_equal(array, expected) else f"{np.count_nonzero(array != expected)} elements differ"
    equal = np.isclose(array, expected, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    if equal.all():
        return None
    worst = float(np.abs(array.astype(float) - expected.astype(float)).max())
    return f"{np.count_nonzero(~equal)} of {equal.size} elements differ, by at most {worst:.3g}"


def distance(found: object, exact: NDArray[Any]) -> float:
    """How far an output is from the exact one at its worst element, in units of the tolerance."""
    apart = np.abs(np.asarray(found).astype(np.float64) - exact)
    return float((apart / (ABSOLUTE + RELATIVE * np.abs(exact))).max())


def ill_conditioned_difference(found: object, voices: Sequence[NDArray[Any]], exact: NDArray[Any] | None) -> str | None:
    """In what an output differs from all of the framework's voices by more than the tolerance and its own rounding."""
    texts = [difference(found, expected) for expected in voices]
    if None in texts or exact is None or np.asarray(found).shape != exact.shape:
        return None if None in texts else texts[0]
    own = max(distance(expected, exact) for expected in voices)
    if own <= 1:
        return texts[0]
    ours = distance(found, exact)
    return None if ours <= FACTOR * own else f"{ours:.1f} tolerances from float64, the framework {own:.1f}"


def quantised_difference(found: object, expected: NDArray[Any], voices: Sequence[NDArray[Any]] = ()) -> str | None:
    """In what an output of a quantised network differs from TensorFlow Lite's by more than quantisation explains.

    `voices` are the outputs of TensorFlow Lite's own sets of kernels.
    """
    array = np.asarray(found)
    if array.shape != expected.shape or array.dtype != expected.dtype:
        return difference(array, expected)
    apart = np.abs(array.astype(np.float64) - expected.astype(np.float64))
    if expected.dtype.kind == "f":
        share = float(apart.max() / np.abs(expected).max())
        return None if share <= DYNAMIC_SHARE else f"{share:.2%} of the largest output apart"
    own = np.abs(voices[0].astype(np.float64) - voices[-1].astype(np.float64)) if voices else np.zeros(1)
    if apart.max() <= max(MOST_STEPS, own.max() / 2) and apart.mean() <= max(MEAN_STEPS, own.mean() / 2):
        return None
    return f"{apart.max():.0f} steps apart, {apart.mean():.2f} in the mean"
