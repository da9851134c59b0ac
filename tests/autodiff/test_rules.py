"""Every rule against central differences, over the samples of its op."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from halo_py.autodiff import has_gradient, with_gradients
from halo_py.errors import UnsupportedError
from halo_py.evaluate import evaluate_graph
from halo_py.ir.op import REGISTRY, Sample
from halo_py.ir.verify import verify_graph
from halo_py.ops import load_ops
from halo_py.ops.fused import FusedMap
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import ScalarProgram, ScalarStep, constant_step
from halo_py.types import DType
from tests.autodiff.differences import MOST_POINTS, Loss, is_float, loss_of
from tests.ops.cases import Case, cases, of_every_op

load_ops()

STEP = 1e-6

IN_STEPS: dict[str, str] = {
    "attention-8": "probabilities are rounded to float32 inside",
    "attention-9": "probabilities are rounded to float16 inside",
    "lp_normalization-7": "the vector is 0, where a direction does not exist",
}
"""Samples that are no smooth function of their operands."""

NOT_VARIABLES = {("dropout", 1)}
"""Operands (op, index) that decide about a draw: the result jumps with them."""


def _cases() -> list[Case]:
    found: list[Case] = []
    for case in cases():
        plain = all(value is None or isinstance(value, np.ndarray) for value in case.sample.inputs)
        floats_ = [np.asarray(value, np.float64) for value in case.sample.inputs if is_float(value)]
        finite = bool(floats_) and all(np.isfinite(value).all() for value in floats_)
        if plain and finite and has_gradient(type(case.sample.op)):
            found.append(case)
    return found


CASES = [case for case in _cases() if case.name not in IN_STEPS]


def _unsupported(case: Case) -> str | None:
    """What the error about a sample of an op that has a gradient says, if it has none itself."""
    if getattr(case.sample.op, "epilogue", None) is not None:
        return "before operators are fused"
    if getattr(case.sample.op, "reduction", "none") in ("mul", "max", "min"):
        return "the gradient of reduction"
    return None


@of_every_op(CASES)
def test_gradients_are_central_differences(case: Case) -> None:
    loss = loss_of(case)
    if loss is None:
        return
    variables = [value for value in loss.variables if (case.kind, int(value.name[1:])) not in NOT_VARIABLES]
    message = _unsupported(case)
    if message is not None:
        with pytest.raises(UnsupportedError, match=message):
            with_gradients(loss.graph, loss.value, variables)
        return
    graph = with_gradients(loss.graph, loss.value, variables)
    verify_graph(graph)
    results = evaluate_graph(graph, loss.inputs)[-len(variables) :]
    for variable, found in zip(variables, results, strict=True):
        index = graph.inputs.index(variable)
        contents = loss.inputs[index]
        assert isinstance(found, np.ndarray)
        assert isinstance(contents, np.ndarray)
        assert found.shape == contents.shape
        assert found.dtype == np.float64
        _compare(loss, index, found)


def _compare(loss: Loss, index: int, found: NDArray[Any]) -> None:
    random = np.random.default_rng(zlib.crc32(loss.graph.name.encode()))
    scale = max(1.0, float(np.abs(found).max(initial=0.0)), abs(loss.at(index, np.asarray(loss.inputs[index]))))
    for number in random.permutation(found.size)[:MOST_POINTS].tolist():
        position = _position(number, found.shape)
        tolerance = 1e-7 * scale + 1e-5 * abs(float(found[position]))
        left, right = loss.slopes(index, position, STEP)
        central = (left + right) / 2
        if abs(found[position] - central) > tolerance:
            # At a kink every number between the slopes on both sides will do.
            assert min(left, right) - tolerance <= found[position] <= max(left, right) + tolerance
            assert abs(left - right) > 0.01 * scale, f"{position}: {found[position]} instead of {central}"


def _position(number: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    found: list[int] = []
    for size in reversed(shape):
        number, rest = divmod(number, size)
        found.insert(0, rest)
    return tuple(found)


def test_every_op_with_a_gradient_is_compared() -> None:
    compared = {case.kind for case in CASES if loss_of(case) is not None and _unsupported(case) is None}
    declared = {cls.declaration.name for cls in REGISTRY.by_name.values() if has_gradient(cls)}
    assert declared - compared == WITHOUT_FLOATS


WITHOUT_FLOATS = {"fused_map"}
"""Ops none of whose samples stay what they are with operands of float64."""


def test_fused_maps_are_spelled_out() -> None:
    wide = DType.FLOAT64
    limits = (("has_min", 1), ("has_max", 0))
    steps = (
        ScalarStep("mul", (0, 1), wide),
        ScalarStep("square", (2,), wide),
        constant_step(0.5, wide),
        ScalarStep("add", (3, 4), wide),
        ScalarStep("rsqrt", (5,), wide),
        ScalarStep("clip", (0, 4), wide, limits),
        ScalarStep("less", (0, 1), DType.BOOL),
        ScalarStep("where", (8, 6, 7), wide),
        ScalarStep("leaky_relu", (9,), wide, (("alpha", 0.25),)),
    )
    operands = (floats(1, 3, 5, dtype=wide), floats(2, 5, dtype=wide))
    loss = loss_of(Case("fused", Sample(FusedMap(ScalarProgram(2, steps)), operands)))
    assert loss is not None
    graph = with_gradients(loss.graph, loss.value, loss.variables)
    for index, found in enumerate(evaluate_graph(graph, loss.inputs)[-2:]):
        assert isinstance(found, np.ndarray)
        _compare(loss, index, found)
