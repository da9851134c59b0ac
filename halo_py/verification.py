"""Are a run's values right? The rules of comparison, and ONNX Runtime as the judge of `--verify`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from halo_py.byte_products import exact_source
from halo_py.errors import UsageError, VerificationError, Where
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph, Value

    Array = NDArray[np.generic]

Precision = Literal["fp32", "fp16", "mixed"]

ABSOLUTE_TOLERANCE = 1e-4
RELATIVE_TOLERANCE = 1e-3
BASELINE_FACTOR = 4.0
"""In fp16 and mixed an output may be off by this many times what plain NumPy with fp16 storage is off."""
RANGE_SHARE = 0.02
"""... and by at most this share of the output's range."""
NUDGE = 2.0**-18
"""Share of itself by which a constant is moved to see what rounding does: about what float32 sums round."""
BOUNDARY_FACTOR = 2.0
"""Where a model quantises while it runs, an output may be off by this many times what steps at boundaries do."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output against the judge's: the largest error, what was allowed there, and where.

    For integers, booleans and strings errors are counts of elements that differ. `baseline_error` is the largest error
    of the plain 16-bit run, where there is one.
    """

    name: str
    equal: bool
    largest_error: float
    allowed: float
    at: tuple[int, ...]
    elements: int
    reason: str = ""
    baseline_error: float | None = None

    @property
    def is_lost_in_half(self) -> bool:
        """Whether 16-bit storage alone, without any compiler, is off by more than is allowed."""
        return not self.equal and self.baseline_error is not None and self.baseline_error > self.allowed

    def __str__(self) -> str:
        verdict = "equal" if self.equal else f"DIFFERENT {self.reason}"
        return f"{self.name}: {verdict}, largest error {self.largest_error:.3g} (allowed {self.allowed:.3g})"


def compare(
    name: str,
    found: Array,
    judged: Array,
    precision: Precision,
    baseline: Array | None = None,
    moved: NDArray[Any] | None = None,
) -> Comparison:
    """Compare one output. `baseline` is the plain NumPy fp16 run's, used in fp16 and mixed.

    fp32: |error| <= 1e-4 + 1e-3 |r|. For a model that quantises while it runs, `moved` is how far each element moves
    when a number at a rounding boundary falls on its other side; 2 x the furthest is added. fp16, mixed: |error| <= 4 x
    the baseline's largest error, and <= 2 % of the range. Integers, booleans and strings must be equal in fp32 (but for
    as many as moved, twice); in fp16 and mixed they are what rounded values decided, so at most 4 x as many elements
    may differ as in the baseline.
    """
    if found.shape != judged.shape:
        return _different(name, f"in shape: {found.shape}, not {judged.shape}", judged)
    if judged.size == 0:
        return Comparison(name, True, 0.0, 0.0, (), 0)
    if not _is_real_valued(judged):
        wrong = _count_different(found, judged)
        allowed = 0.0 if moved is None else float(np.count_nonzero(moved)) * BOUNDARY_FACTOR
        if precision != "fp32" and baseline is not None:
            allowed = BASELINE_FACTOR * _count_different(baseline, judged)
        reason = f"in {wrong} elements" if wrong > allowed else ""
        return Comparison(name, not reason, float(wrong), allowed, (), judged.size, reason)
    found, judged = _widened(found), _widened(judged)
    finite = np.isfinite(judged)
    strange = ~np.isfinite(found) | ~finite
    odd = strange & ~((found == judged) | (np.isnan(found) & np.isnan(judged)))
    if odd.any():
        return _different(name, f"where an element is not finite ({int(np.count_nonzero(odd))} differ)", judged)
    error = _error(found, judged)
    off = None if precision == "fp32" or baseline is None else _baseline_error(baseline, judged, finite)
    if precision == "fp32":
        steps = 0.0 if moved is None else BOUNDARY_FACTOR * float(moved.max(initial=0))
        allowed = ABSOLUTE_TOLERANCE + steps + RELATIVE_TOLERANCE * np.where(finite, np.abs(judged), 0.0)
    else:
        allowed = np.full(judged.shape, _half_allowance(judged, finite, off))
    at = np.unravel_index(int(np.argmax(error - allowed)), judged.shape)
    place = tuple(int(index) for index in at)
    equal = bool((error <= allowed).all())
    reason = "" if equal else f"at {place}"
    return Comparison(name, equal, float(error.max()), float(allowed[at]), place, judged.size, reason, off)


def _is_real_valued(array: Array) -> bool:
    return array.dtype.kind in "fc" or (array.dtype.kind != "O" and DType.from_numpy(array.dtype).is_float)


def _count_different(found: Array, judged: Array) -> int:
    if found.shape != judged.shape:
        return judged.size
    return int(np.count_nonzero(found.astype(object) != judged.astype(object)))


def _widened(array: Array) -> NDArray[Any]:
    return np.asarray(array, np.complex128 if array.dtype.kind == "c" else np.float64)


def _error(found: NDArray[Any], judged: NDArray[Any]) -> NDArray[np.float64]:
    """|found - judged|, 0 where the judge's element is not finite."""
    finite = np.isfinite(judged) & np.isfinite(found)
    return np.abs(np.where(finite, found, 0.0) - np.where(finite, judged, 0.0))


def _different(name: str, reason: str, judged: Array) -> Comparison:
    return Comparison(name, False, float("inf"), 0.0, (), judged.size, reason)


def _baseline_error(baseline: Array, judged: NDArray[Any], finite: NDArray[np.bool_]) -> float:
    plain = _widened(baseline)
    error = np.where(np.isfinite(plain), _error(plain, judged), np.inf)
    return float(error[finite].max(initial=0.0))


def _half_allowance(judged: NDArray[Any], finite: NDArray[np.bool_], baseline_error: float | None) -> float:
    values = judged[finite]
    if not values.size:
        return 0.0
    spread = float(np.abs(values.max() - values.min()))
    bound = RANGE_SHARE * (spread or float(np.abs(values).max()))
    return bound if baseline_error is None else min(bound, BASELINE_FACTOR * baseline_error)


def quantises(graph: Graph) -> bool:
    """Whether the graph rounds what it computes to integers with a scale."""
    families = {"quantization", "quantized", "quantized_recurrent"}
    return any(node.op.declaration.family in families and node.op.kind != "dequantize_linear" for node in graph.walk())


def nudged(graph: Graph, seed: int) -> Graph:
    """The graph with every float32 constant moved by up to `NUDGE` of itself."""
    random = np.random.default_rng(seed)
    moved: dict[Value, Array] = {}
    for value, contents in graph.constants.items():
        if contents.dtype == np.float32:
            numbers = np.asarray(contents, np.float64) * (1 + NUDGE * random.uniform(-1, 1, contents.shape))
            kept = np.where(np.abs(numbers) < np.finfo(np.float32).max, numbers, np.asarray(contents, np.float64))
            moved[value] = kept.astype(np.float32)
    return replace(graph, constants={**graph.constants, **moved})


class OnnxRuntimeJudge:
    """The user's own file in ONNX Runtime.

    Raises UsageError if ONNX Runtime is not installed, VerificationError if it cannot run the file.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._runtime: Any = import_module("onnxruntime")
        except ImportError as error:
            raise UsageError("--verify needs onnxruntime", hint="pip install onnxruntime") from error
        self._place = Where(str(path))
        options = self._runtime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = self._runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            source = exact_source(path)
            self._session = self._runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
            raise self._refused(error) from error
        self.inputs = {str(port.name): (str(port.type), tuple(port.shape or ())) for port in self._session.get_inputs()}
        self.output_names = tuple(str(port.name) for port in self._session.get_outputs())

    def run(
        self,
        inputs: Mapping[str, Array],
        values: Mapping[str, Any],
        axes: Mapping[str, int | None],
    ) -> dict[str, Array]:
        """Outputs by name; `values` are what the compiled program has as constants.

        `axes` has the batch axis of each input and output. A file whose shapes fix its batch is run once per group of
        items of that size, and the outputs are joined.
        """
        groups = self._groups(inputs, axes)
        results = [self._run(self._group(inputs, axes, number, groups), values) for number in range(groups)]
        joined: dict[str, Array] = {}
        for name in self.output_names:
            parts = [result[name] for result in results]
            axis = axes.get(name)
            joined[name] = parts[0] if axis is None or groups == 1 else np.concatenate(parts, axis)
        return joined

    def _run(self, inputs: Mapping[str, Array], values: Mapping[str, Any]) -> dict[str, Array]:
        feeds: dict[str, Array] = {}
        for name, (element, _shape) in self.inputs.items():
            dtype = _NUMPY_TYPES.get(element)
            if name in inputs:
                feeds[name] = inputs[name] if dtype is None else inputs[name].astype(dtype, copy=False)
            elif name in values:
                sizes = [size if isinstance(size, int) else 1 for size in self._shape(name)]
                given = np.asarray(values[name], dtype)
                feeds[name] = given if given.ndim else np.full(sizes, given, dtype)
        try:
            results = self._session.run(list(self.output_names), feeds)
        except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
            raise self._refused(error) from error
        return dict(zip(self.output_names, results, strict=True))

    def _groups(self, inputs: Mapping[str, Array], axes: Mapping[str, int | None]) -> int:
        for name, array in inputs.items():
            axis = axes.get(name)
            shape = self._shape(name)
            size = shape[axis] if axis is not None and axis < len(shape) else None
            if axis is not None and isinstance(size, int) and size > 0:
                return max(1, array.shape[axis] // size)
        return 1

    def _shape(self, name: str) -> tuple[int | str | None, ...]:
        return self.inputs[name][1] if name in self.inputs else ()

    @staticmethod
    def _group(
        inputs: Mapping[str, Array], axes: Mapping[str, int | None], number: int, groups: int
    ) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for name, array in inputs.items():
            axis = axes.get(name)
            found[name] = array if axis is None else np.split(array, groups, axis)[number]
        return found

    def _refused(self, error: Exception) -> VerificationError:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return VerificationError(
            f"ONNX Runtime {self._runtime.__version__} cannot run the file, so nothing can be compared: {first}",
            self._place,
            "compile without --verify",
        )


_NUMPY_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint64)": np.uint64,
    "tensor(uint32)": np.uint32,
    "tensor(uint16)": np.uint16,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
