"""What came of one trial of a library, and when values are right."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.types import DType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Array = NDArray[Any]


class Verdict(StrEnum):
    """From best to worst."""

    RIGHT = "right"
    MISSING = "missing"
    """The library does not export a function that is needed."""
    REFUSED = "refused"
    """A function answered NULL or an error status."""
    WRONG = "wrong"
    """Values, types or counts differ from what they must be."""
    HUNG = "hung"
    CRASHED = "crashed"


WRONG = (Verdict.WRONG, Verdict.HUNG, Verdict.CRASHED)
"""Verdicts that a conforming library must not get. Lacking or refusing things is allowed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial's verdict, why, and the largest error of its values."""

    verdict: Verdict
    reason: str = ""
    error: float = 0.0


def worst(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The worst of some verdicts; None of none."""
    order = list(Verdict)
    return max(verdicts, key=order.index, default=None)


_TOLERANCES = {DType.FLOAT64: (1e-4, 1e-3), DType.FLOAT32: (1e-4, 1e-3), DType.FLOAT16: (1e-2, 1e-2)}
_COARSEST = (5e-2, 5e-2)


def judge(found: Array, expected: Array, factor: float) -> Outcome:
    """Compare values: |error| <= factor (a + r |expected|), where a and r are 1e-4 and 1e-3 for 32 and 64 bits, 1e-2
    for float16 and 5e-2 for narrower types; NaN and infinities where they belong; everything else exactly.
    """
    if found.shape != expected.shape or found.dtype != expected.dtype:
        wanted = f"{expected.dtype}{list(expected.shape)}"
        return Outcome(Verdict.WRONG, f"{found.dtype}{list(found.shape)} instead of {wanted}")
    dtype = DType.from_numpy(expected.dtype)
    if not dtype.is_float:
        different = int(np.count_nonzero(found != expected))
        reason = f"{different} of {expected.size} elements differ" if different else ""
        return Outcome(Verdict.WRONG if different else Verdict.RIGHT, reason, float(bool(different)))
    a, b = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(np.where(finite, 0.0, b), np.where(np.isfinite(a) & finite, 0.0, a), equal_nan=True):
        return Outcome(Verdict.WRONG, "NaN or infinities in other places", float("inf"))
    error = np.abs(np.where(finite, a - np.where(finite, b, 0.0), 0.0))
    absolute, relative = _TOLERANCES.get(dtype, _COARSEST)
    allowed = factor * (absolute + relative * np.where(finite, np.abs(b), 0.0))
    largest = float(error.max(initial=0.0))
    if (error <= allowed).all():
        return Outcome(Verdict.RIGHT, "", largest)
    place = np.unravel_index(int(np.argmax(error - allowed)), b.shape)
    at = [int(index) for index in place]
    return Outcome(Verdict.WRONG, f"{a[place]:.6g} instead of {b[place]:.6g} at {at}", largest)
