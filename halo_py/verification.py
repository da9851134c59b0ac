"""Are a run's values right? The rules of comparison, and ONNX Runtime as the judge of `--verify`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from halo_py.errors import UsageError, Where
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

Precision = Literal["fp32", "fp16", "mixed"]

ABSOLUTE_TOLERANCE = 1e-4
RELATIVE_TOLERANCE = 1e-3
BASELINE_FACTOR = 4.0
"""In fp16 and mixed an output may be off by this many times what plain NumPy with fp16 storage is off."""
RANGE_SHARE = 0.02
"""... and by at most this share of the output's range."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output against the judge's: the largest error, what was allowed there, and where."""

    name: str
    equal: bool
    largest_error: float
    allowed: float
    at: tuple[int, ...]
    elements: int
    reason: str = ""

    def __str__(self) -> str:
        verdict = "equal" if self.equal else f"DIFFERENT {self.reason}"
        return f"{self.name}: {verdict}, largest error {self.largest_error:.3g} (allowed {self.allowed:.3g})"


def compare(name: str, found: Array, judged: Array, precision: Precision, baseline: Array | None = None) -> Comparison:
    """Compare one output. `baseline` is the plain NumPy fp16 run's, needed in fp16 and mixed for real outputs.

    fp32: |error| <= 1e-4 + 1e-3 |r|. fp16, mixed: |error| <= 4 x the baseline's largest error, and <= 2 % of the range.
    Integers, booleans and strings must be equal in fp32; in fp16 they are what rounded values decided.
    """
    if found.shape != judged.shape:
        return _different(name, f"in shape: {found.shape}, not {judged.shape}", judged)
    if not (DType.from_numpy(judged.dtype).is_float or judged.dtype.kind == "c"):
        same = found == judged
        wrong = int(np.size(same) - np.count_nonzero(same))
        return Comparison(name, wrong == 0, float(wrong), 0.0, (), judged.size, f"in {wrong} elements" if wrong else "")
    found, judged = np.asarray(found, np.float64), np.asarray(judged, np.float64)
    if not np.array_equal(np.isfinite(found), np.isfinite(judged)):
        wrong = int(np.count_nonzero(np.isfinite(found) != np.isfinite(judged)))
        return _different(name, f"in which of its elements are finite ({wrong} differ)", judged)
    finite = np.isfinite(judged)
    error = np.where(finite, np.abs(np.where(finite, found - judged, 0.0)), 0.0)
    if judged.size == 0:
        return Comparison(name, True, 0.0, 0.0, (), 0)
    if precision == "fp32":
        allowed = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * np.where(finite, np.abs(judged), 0.0)
    else:
        allowed = np.full(judged.shape, _half_allowance(judged, finite, baseline))
    at = np.unravel_index(int(np.argmax(error - allowed)), judged.shape)
    place = tuple(int(index) for index in at)
    equal = bool((error <= allowed).all())
    return Comparison(
        name, equal, float(error.max()), float(allowed[at]), place, judged.size, "" if equal else f"at {place}"
    )


def _different(name: str, reason: str, judged: Array) -> Comparison:
    return Comparison(name, False, float("inf"), 0.0, (), judged.size, reason)


def _half_allowance(judged: NDArray[np.float64], finite: NDArray[np.bool_], baseline: Array | None) -> float:
    values = judged[finite]
    spread = float(values.max() - values.min()) if values.size else 0.0
    bound = RANGE_SHARE * spread if spread else RANGE_SHARE * float(np.abs(values).max(initial=0.0))
    if baseline is None:
        return bound
    error = np.abs(np.asarray(baseline, np.float64) - judged)[finite]
    return min(bound, BASELINE_FACTOR * float(error.max(initial=0.0)))


class OnnxRuntimeJudge:
    """The user's own file in ONNX Runtime. Runs item groups of the size the file accepts and joins their outputs."""

    def __init__(self, path: Path) -> None:
        try:
            runtime: Any = import_module("onnxruntime")
        except ImportError as error:
            raise UsageError("--verify needs onnxruntime", hint="pip install onnxruntime") from error
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.input_names = tuple(str(port.name) for port in self._session.get_inputs())
        self.output_names = tuple(str(port.name) for port in self._session.get_outputs())
        self._types = {str(port.name): str(port.type) for port in self._session.get_inputs()}
        self._place = Where(str(path))

    def run(self, inputs: Mapping[str, Array], values: Mapping[str, float | int | bool | str]) -> dict[str, Array]:
        """Outputs by name; `values` are run-time scalars that the compiled program has as constants."""
        feeds = {name: array for name, array in inputs.items() if name in self.input_names}
        for port in self._session.get_inputs():
            if port.name in values and port.name not in feeds:
                shape = tuple(size if isinstance(size, int) else 1 for size in port.shape)
                feeds[port.name] = np.full(shape, values[port.name], _NUMPY_TYPES[self._types[port.name]])
        results = self._session.run(None, feeds)
        return dict(zip(self.output_names, results, strict=True))


_NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
