"""Whether values are Torch's: the tolerance that the whole project uses, integers exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ABSOLUTE, RELATIVE = 1e-4, 1e-3


def difference(found: object, expected: NDArray[Any], absolute: float = ABSOLUTE) -> str | None:
    """In what an output differs from Torch's; None if it does not."""
    array = np.asarray(found)
    if array.shape != expected.shape:
        return f"shape {array.shape}, not {expected.shape}"
    if array.dtype != expected.dtype:
        return f"type {array.dtype}, not {expected.dtype}"
    if expected.dtype.kind != "f":
        return None if np.array_equal(array, expected) else f"{np.count_nonzero(array != expected)} elements differ"
    equal = np.isclose(array, expected, rtol=RELATIVE, atol=absolute, equal_nan=True)
    return (
        None
        if equal.all()
        else f"{np.count_nonzero(~equal)} elements differ, {array[~equal][:3]} {expected[~equal][:3]}"
    )
