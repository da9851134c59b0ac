"""Whether values are TensorFlow's: the tolerance that the whole project uses, integers exactly.

Deep networks of random weights let rounding grow: TensorFlow's own result is then further from that of the same graph
in float64 than the tolerance. Twice that distance is allowed on top.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ABSOLUTE, RELATIVE = 1e-4, 1e-3
FACTOR = 2.0


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
