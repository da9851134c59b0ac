"""How far a well-conditioned graph's results may be off: it is evaluated in several worlds.

World 0 is the reference. In every other world each node that rounds, those of branches and loop bodies too, sees its
operands, and gives its results, with random errors of a few units in the last place, so that the spread between worlds
bounds what another order of summation, another fusion or another elementary function can change, wherever it is
amplified later on. Nodes that only move, choose or compare add no errors of their own. What is discrete (integers,
booleans, strings, shapes, narrow floats) must be the same in all worlds, and floats must not spread far: a graph for
which this does not hold is ill-conditioned, and `UnstableError` says where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from halo_py.evaluate import evaluate_node
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.op import RuntimeValue
from halo_py.ops.limits import integer_limits
from halo_py.types import DType, TensorType

Numbers = NDArray[Any]
Contents = tuple[RuntimeValue, ...]
"""One value's contents in every world; the same object where worlds agree exactly."""

_HALF_ULP = {DType.FLOAT64: 2.0**-53, DType.FLOAT32: 2.0**-24, DType.FLOAT16: 2.0**-11, DType.BFLOAT16: 2.0**-8}
_HALF_ULP_COMPLEX = {DType.COMPLEX64: 2.0**-24, DType.COMPLEX128: 2.0**-53}
_STORED_IN_HALF = ("float32", "float64")
ULPS = 4.0
"""Relative error of one rounding, in half units in the last place."""
NORMWISE_ULPS = 2.0
"""... and its part that is relative to the largest element (approximations of elementary functions)."""

EXACT_FAMILIES = frozenset(
    {"reshaping", "movement", "slicing", "padding", "selection", "shape", "choosing", "sequence", "text", "logic"}
)
EXACT_KINDS = frozenset(
    {
        "abs",
        "neg",
        "ceil",
        "floor",
        "round",
        "sign",
        "max",
        "min",
        "clip",
        "relu",
        "hardmax",
        "reduce_max",
        "reduce_min",
    }
    | {"arg_max", "arg_min", "max_pool", "global_max_pool", "max_unpool", "max_roi_pool", "mod", "dropout", "gather"}
    | {"gather_elements", "gather_nd", "tensor_scatter", "bit_cast", "cast_like", "non_max_suppression"}
)
"""Ops that round nothing: they move, choose or compare."""
GRID_KINDS = frozenset(
    {"add", "sub", "mul", "sum", "reduce_sum", "cum_sum", "range", "thresholded_relu", "scatter_elements", "scatter_nd"}
)
GRID_CONTRACTIONS = frozenset({"matmul", "gemm", "einsum", "conv", "reduce_sum_square", "reduce_l1"})
"""Ops that are exact on small multiples of a power of two."""


CANCELLING_KINDS = frozenset({"gelu"})
"""Ops whose formula takes nearly equal numbers from each other: errors have the size of the operand's."""

COORDINATE_KINDS = frozenset({"resize", "grid_sample", "roi_align", "deform_conv", "affine_grid", "upsample"})
COORDINATE_FACTOR = 4.0
"""Ops that compute places first: rounding those costs more digits the larger the image is."""


class UnstableError(Exception):
    """A result depends on rounding errors too much to be compared."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as well-conditioned. `half` means that float32 values may be stored in 16 bits."""

    half: bool = False
    worlds: int = 4

    @property
    def spread(self) -> float:
        """Largest difference between worlds, relative to the largest element."""
        return 0.04 if self.half else 2e-4

    @property
    def largest(self) -> float:
        return 500.0 if self.half else 1e12

    @property
    def grid(self) -> tuple[float, float]:
        """Step and largest element of numbers that arithmetic keeps exact."""
        return (0.125, 128.0) if self.half else (2.0**-6, 1024.0)

    def half_ulp(self, dtype: DType) -> float:
        """Relative rounding error of the type that values of this type may be stored in."""
        found = _HALF_ULP.get(dtype) or _HALF_ULP_COMPLEX[dtype]
        return max(found, 2.0**-11) if self.half and dtype is not DType.BFLOAT16 else found


def is_rounded(array: Numbers) -> bool:
    """Whether these are numbers that rounding changes (floats of at least 16 bits)."""
    dtype = DType.from_numpy(array.dtype)
    return dtype in _HALF_ULP or dtype in _HALF_ULP_COMPLEX


class Worlds:
    """Evaluates nodes in all worlds; errors are drawn from a seed."""

    def __init__(self, limits: Limits | None = None, seed: int = 0) -> None:
        self.limits = limits or Limits()
        self._generator = np.random.default_rng(seed)

    def given(self, contents: RuntimeValue) -> Contents:
        """Contents of an input or constant: exact, but for what 16-bit storage rounds."""
        count = self.limits.worlds
        if not self.limits.half or not isinstance(contents, np.ndarray) or contents.dtype.name not in _STORED_IN_HALF:
            return (contents,) * count
        with np.errstate(over="ignore"):
            rounds = contents.astype(np.float16).astype(contents.dtype) != contents
        if not rounds.any():
            return (contents,) * count
        noisy = [np.where(rounds, self._disturbed(contents), contents) for _ in range(count - 1)]
        return (contents, *noisy)

    def node(self, node: Node, operands: Sequence[Contents | None], fixed: Sequence[bool] = ()) -> tuple[Contents, ...]:
        """Results of a node in all worlds. `fixed` tells constant operands, which get no errors of their own.

        Raises UnstableError, and whatever the op raises on these operands.
        """
        count = self.limits.worlds
        _check_defined(node, [None if contents is None else contents[0] for contents in operands])
        plain = evaluate_node(node, [None if contents is None else contents[0] for contents in operands])
        plain = list(plain)[: len(node.outputs)]
        same = all(contents is None or all(other is contents[0] for other in contents) for contents in operands)
        exact = self._is_exact(node, [None if c is None else c[0] for c in operands], plain, same)
        if exact and same:
            for result in plain:
                self._check_plain(result)
            return tuple((result,) * count for result in plain)
        worlds = [plain]
        for world in range(1, count):
            own = [None if contents is None else contents[world] for contents in operands]
            if exact:
                worlds.append(list(evaluate_node(node, own))[: len(node.outputs)])
            else:
                worlds.append(self._with_errors(node, own, fixed))
        joined = tuple(tuple(results) for results in zip(*worlds, strict=True))
        for contents in joined:
            self._check(contents)
        return joined

    def _with_errors(
        self, node: Node, operands: Sequence[RuntimeValue], fixed: Sequence[bool] = ()
    ) -> list[RuntimeValue]:
        """Results of a node that rounds, in a world with errors; in its bodies every node that rounds has its own."""
        factor = COORDINATE_FACTOR if node.op.kind in COORDINATE_KINDS else 1.0
        own = [
            value if number < len(fixed) and fixed[number] else self._noisy(value, factor)
            for number, value in enumerate(operands)
        ]
        results = list(evaluate_node(node, own, self._graph_with_errors))[: len(node.outputs)]
        least = _largest(own[0]) if node.op.kind in CANCELLING_KINDS else 0.0
        return [self._noisy(result, factor, least) for result in results]

    def _graph_with_errors(self, graph: Graph, inputs: Sequence[RuntimeValue]) -> list[RuntimeValue]:
        contents: dict[Value, RuntimeValue] = dict(graph.constants)
        contents.update(zip(graph.inputs, inputs, strict=True))
        for node in graph.nodes:
            operands = [None if value is None else contents[value] for value in node.inputs]
            results = list(evaluate_node(node, operands))[: len(node.outputs)]
            if not self._is_exact(node, operands, results, False):
                results = self._with_errors(node, operands, [value in graph.constants for value in node.inputs])
            contents.update(zip(node.outputs, results, strict=False))
        return [contents[value] for value in graph.outputs]

    def _is_exact(
        self, node: Node, operands: Sequence[RuntimeValue], results: Sequence[RuntimeValue], same: bool
    ) -> bool:
        kind, family = node.op.kind, node.op.declaration.family
        if family in EXACT_FAMILIES or kind in EXACT_KINDS:
            return True
        if kind == "cast":
            return same or not any(_narrows(a, b) for a in operands for b in results)
        if kind in ("scatter_elements", "scatter_nd") and node.op.attributes()["reduction"] in ("none", "max", "min"):
            return True
        if not any(isinstance(v, np.ndarray) and is_rounded(v) for v in (*operands, *results)):
            return True
        if kind in GRID_KINDS or (kind in GRID_CONTRACTIONS and not self.limits.half):
            plain = node.op.attributes().get("epilogue") is None
            return plain and all(self._on_grid(value) for value in (*operands, *results))
        return False

    def _on_grid(self, value: RuntimeValue) -> bool:
        if not isinstance(value, np.ndarray) or not is_rounded(value):
            return True
        if value.dtype.kind == "c":
            return False
        wide = value.astype(np.float64)
        step, largest = self.limits.grid
        return bool(np.all(np.abs(wide) <= largest) and np.all(wide / step == np.rint(wide / step)))

    def _noisy(self, value: RuntimeValue, factor: float, least: float | None = None) -> RuntimeValue:
        if isinstance(value, list):
            return [self._noisy(item, factor, least) for item in value]
        if not isinstance(value, np.ndarray) or not is_rounded(value):
            return value
        return self._disturbed(value, least, factor)

    def _disturbed(self, value: Numbers, least: float | None = None, factor: float = 1.0) -> Numbers:
        """The numbers with errors; zeros and what is not finite stay.

        `least` is None for operands, and for results a size that their errors are relative to if they are smaller.
        """
        half_ulp = self.limits.half_ulp(DType.from_numpy(value.dtype))
        wide = value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)
        size = np.abs(wide)
        finite = np.isfinite(size)
        scale = ULPS * np.where(finite, size, 0.0)
        if least is not None:
            scale = scale + NORMWISE_ULPS * float(size[finite].max(initial=least))
        error = factor * half_ulp * scale * self._generator.uniform(-1.0, 1.0, value.shape)
        if self.limits.half:
            error = error + 2.0**-24 * self._generator.uniform(-1.0, 1.0, value.shape)
        with np.errstate(over="ignore"):
            return np.where(finite & (size > 0.0), wide + error, wide).astype(value.dtype)

    def _check_plain(self, value: RuntimeValue) -> None:
        if isinstance(value, list):
            for item in value:
                self._check_plain(item)
        elif isinstance(value, np.ndarray) and is_rounded(value) and value.size:
            size = np.abs(value.astype(np.complex128 if value.dtype.kind == "c" else np.float64))
            if np.isnan(size).any():
                raise UnstableError("NaN")
            if float(size[np.isfinite(size)].max(initial=0.0)) > self.limits.largest:
                raise UnstableError("too large")
            if self.limits.half and np.isinf(size).any():
                raise UnstableError("infinite")

    def _check(self, contents: Contents) -> None:
        self._check_plain(contents[0])
        for other in contents[1:]:
            self._check_pair(contents[0], other)

    def _check_pair(self, plain: RuntimeValue, other: RuntimeValue) -> None:
        if isinstance(plain, list) and isinstance(other, list):
            if len(plain) != len(other):
                raise UnstableError("the length of a sequence depends on rounding")
            for a, b in zip(plain, other, strict=True):
                self._check_pair(a, b)
            return
        if plain is None or isinstance(plain, list) or other is None or isinstance(other, list):
            if plain is not other:
                raise UnstableError("whether there is a value depends on rounding")
            return
        if plain.shape != other.shape:
            raise UnstableError("a shape depends on rounding")
        if not is_rounded(plain):
            if not np.array_equal(plain, other):
                raise UnstableError("a discrete result depends on rounding")
            return
        self._check_spread(plain, other)

    def _check_spread(self, plain: Numbers, other: Numbers) -> None:
        wide = np.complex128 if plain.dtype.kind == "c" else np.float64
        a, b = plain.astype(wide), other.astype(wide)
        finite = np.isfinite(a)
        if not np.array_equal(a[~finite], b[~finite]) or not np.isfinite(b[finite]).all():
            raise UnstableError("whether a result is finite depends on rounding")
        size = float(np.abs(a[finite]).max(initial=0.0))
        if 0.0 < size < (1e-3 if self.limits.half else 1e-15):
            raise UnstableError("too small")
        limit = max(self.limits.spread, 20 * self.limits.half_ulp(DType.from_numpy(plain.dtype)))
        if float(np.abs(a - b)[finite].max(initial=0.0)) > limit * size:
            raise UnstableError("errors are amplified")


def _largest(value: RuntimeValue) -> float:
    """Size of the largest finite element of rounded numbers."""
    if not isinstance(value, np.ndarray) or not is_rounded(value):
        return 0.0
    size = np.abs(value.astype(np.float64))
    return float(size[np.isfinite(size)].max(initial=0.0))


def _check_defined(node: Node, operands: Sequence[RuntimeValue]) -> None:
    """Raises UnstableError for operands that the ONNX standard gives no meaning: devices may differ on them."""
    if node.op.kind == "quantize_linear":
        scale = np.asarray(operands[1], np.float64)
        if not (np.isfinite(scale).all() and (scale > 0.0).all()):
            raise UnstableError("a scale that is not positive")
    elif node.op.kind == "moe":
        scores = np.sort(np.asarray(operands[1], np.float64), axis=-1)
        if (np.diff(scores, axis=-1) == 0.0).any():
            raise UnstableError("which of equal experts is taken")
    elif node.op.kind in ("cast", "cast_like"):
        _check_cast(node, operands)


def _check_cast(node: Node, operands: Sequence[RuntimeValue]) -> None:
    type = node.outputs[0].type
    value = operands[0]
    if not isinstance(type, TensorType) or not type.dtype.is_integer or not isinstance(value, np.ndarray):
        return
    if is_rounded(value) and value.dtype.kind != "c" and value.size:
        low, high = integer_limits(type.dtype)
        wide = value.astype(np.float64)
        if not (np.isfinite(wide).all() and (wide > low - 1).all() and (wide < high + 1).all()):
            raise UnstableError("a float outside of the integer type it is cast to")


def _narrows(operand: RuntimeValue, result: RuntimeValue) -> bool:
    """Whether a cast rounds these floats (and the result is compared as a float)."""
    if not isinstance(operand, np.ndarray) or not isinstance(result, np.ndarray) or not is_rounded(result):
        return False
    return is_rounded(operand) and result.dtype.itemsize < operand.dtype.itemsize


def evaluate_worlds(graph: Graph, inputs: Sequence[RuntimeValue], limits: Limits | None = None) -> list[Contents]:
    """Outputs of a graph in all worlds. Raises UnstableError, and HaloError for inputs the graph has no meaning for."""
    return every_value(graph, inputs, limits)[1]


def every_value(
    graph: Graph, inputs: Sequence[RuntimeValue], limits: Limits | None = None
) -> tuple[dict[Value, Contents], list[Contents]]:
    """Contents of every value of the graph itself, and of its outputs."""
    worlds = Worlds(limits)
    contents: dict[Value, Contents] = {value: worlds.given(array) for value, array in graph.constants.items()}
    for value, given in zip(graph.inputs, inputs, strict=True):
        contents[value] = worlds.given(given)
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            operands = [None if value is None else contents[value] for value in node.inputs]
            fixed = [value in graph.constants for value in node.inputs]
            contents.update(zip(node.outputs, worlds.node(node, operands, fixed), strict=True))
    return contents, [contents[value] for value in graph.outputs]


SPREAD_FACTOR = 4.0
"""An error may be this many times what the worlds differ by."""


def difference(found: RuntimeValue, worlds: Contents) -> str | None:
    """How a result differs from world 0 by more than the worlds allow; None if it does not."""
    plain = worlds[0]
    if isinstance(plain, list):
        if not isinstance(found, list) or len(found) != len(plain):
            return f"a sequence of {len(plain)} expected"
        items = zip(*(cast("list[RuntimeValue]", world) for world in worlds), strict=True)
        return next((text for a, b in zip(found, items, strict=True) if (text := difference(a, b))), None)
    if plain is None or found is None or isinstance(found, list):
        return None if plain is found else f"{type(found).__name__} instead of {type(plain).__name__}"
    if found.shape != plain.shape or found.dtype != plain.dtype:
        return f"{found.dtype}{list(found.shape)} instead of {plain.dtype}{list(plain.shape)}"
    if not is_rounded(plain):
        return None if np.array_equal(found, plain) else f"{_count(found != plain)} discrete elements differ"
    return _too_far(found, plain, [cast("Numbers", world) for world in worlds[1:]])


def _too_far(found: Numbers, plain: Numbers, others: Sequence[Numbers]) -> str | None:
    kind = np.complex128 if plain.dtype.kind == "c" else np.float64
    a, b = found.astype(kind), plain.astype(kind)
    finite = np.isfinite(b)
    strange = (~finite | ~np.isfinite(a)) & ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if strange.any():
        return f"{_count(strange)} elements are not finite where they should be, or the reverse"
    spread = np.zeros(b.shape)
    for other in others:
        spread = np.maximum(spread, np.abs(np.where(finite, other.astype(kind), 0.0) - np.where(finite, b, 0.0)))
    typical = float(np.sqrt(np.mean(spread**2))) if spread.size else 0.0
    allowed = SPREAD_FACTOR * np.maximum(spread, typical)
    error = np.abs(np.where(finite, a, 0.0) - np.where(finite, b, 0.0))
    if not (error > allowed).any():
        return None
    worst = np.unravel_index(int(np.argmax(error - allowed)), error.shape)
    place = tuple(int(index) for index in worst)
    return (
        f"at {place}: {found[worst]} instead of {plain[worst]}, error {error[worst]:.3g}, allowed {allowed[worst]:.3g}"
    )


def _count(flags: Numbers) -> int:
    return int(np.count_nonzero(flags))
