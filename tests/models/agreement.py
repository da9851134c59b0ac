"""When outputs agree with ONNX Runtime's, also for models that quantise what they compute.

Two correct implementations round sums differently, in the last place. Where a model quantises at run time, a number
next to a rounding boundary then falls on one side here and on the other there, and one step of that quantisation goes
on from there to the outputs. What such steps can do is a property of the model and its input, which ONNX Runtime shows
by itself: it runs the same file with every float constant moved by up to 2^-18 of itself (seeded; about what float32
sums of these lengths round), `NUDGES` times. `FACTOR` times the furthest that an output moves is allowed on top of
what is always allowed; integers must be equal except where they moved. Models that do not quantise get nothing on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.models.onnx_files import nudged, quantises
from tests.models.onnx_runtime import Judge

ABSOLUTE, RELATIVE = 1e-4, 1e-3
NUDGE = 2.0**-18
NUDGES = 8
FACTOR = 2.0

NamedArrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a model's outputs must be: the judge's values, and how far each element moves (empty: nothing is added)."""

    judged: NamedArrays
    moved: NamedArrays
    absolute: float = ABSOLUTE

    @staticmethod
    def of(path: Path, inputs: NamedArrays) -> Agreement:
        """That of the model at `path` on these inputs."""
        return Agreement.with_judged(path, inputs, Judge(path).run(inputs))

    @staticmethod
    def with_judged(path: Path, inputs: NamedArrays, judged: NamedArrays, absolute: float = ABSOLUTE) -> Agreement:
        """The same with values that another judge found."""
        return Agreement(judged, boundary_effect(path, inputs, judged) if quantises(path) else {}, absolute)

    def check(self, found: NamedArrays) -> None:
        """Every output has the judge's type and values."""
        assert list(found) == list(self.judged)
        for name, expected in self.judged.items():
            assert found[name].dtype == expected.dtype
            if np.issubdtype(expected.dtype, np.floating):
                furthest = FACTOR * float(self.moved[name].max(initial=0)) if self.moved else 0.0
                allowed = self.absolute + furthest
                np.testing.assert_allclose(found[name], expected, RELATIVE, allowed, err_msg=name)
            else:
                kept: NDArray[Any] = self.moved[name] == 0 if self.moved else np.ones(expected.shape, np.bool_)
                np.testing.assert_array_equal(found[name][kept], expected[kept], err_msg=name)


def boundary_effect(path: Path, inputs: NamedArrays, judged: NamedArrays) -> dict[str, NDArray[np.float64]]:
    """How far each element of the outputs moves when the float constants do."""
    furthest = {name: np.zeros(array.shape) for name, array in judged.items()}
    for seed in range(NUDGES):
        for name, array in Judge(nudged(path, NUDGE, seed)).run(inputs).items():
            moved = np.abs(array.astype(np.float64) - judged[name].astype(np.float64))
            furthest[name] = np.maximum(furthest[name], moved)
    return furthest
