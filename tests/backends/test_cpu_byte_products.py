"""Sums of products of bytes are exact on the CPU device, whatever the processor's own instructions do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import odla
from halo_py.evaluate import evaluate_graph
from halo_py.types import DType, TensorType
from tests.frontends.onnx_models import Array

SIDES = {"u": np.uint8, "s": np.int8}

SIGNS = ("us", "su", "uu", "ss")


def _bytes(seed: int, kind: str, *shape: int) -> Array:
    """Extreme bytes of one sign, so that pairs of products pass the ends of 16 bits."""
    limits = np.iinfo(SIDES[kind])
    return np.random.default_rng(seed).integers(limits.max - 20, limits.max + 1, shape).astype(SIDES[kind])


def _scaled(contents: Array, scale: float) -> list[Array]:
    return [contents, np.asarray(scale, np.float32), np.zeros((), contents.dtype)]


def _operands(kind: str, sides: str) -> list[Array]:
    if kind == "matmul_integer":
        return [_bytes(1, sides[0], 3, 32), _bytes(2, sides[1], 32, 5)]
    if kind == "qlinear_matmul":
        a, b = _bytes(1, sides[0], 3, 32), _bytes(2, sides[1], 32, 5)
        return [*_scaled(a, 0.1), *_scaled(b, 0.1), *_scaled(a, 60.0)[1:]]
    x, w = _bytes(3, sides[0], 1, 4, 5, 5), _bytes(4, sides[1], 6, 4, 3, 3)
    if kind == "conv_integer":
        return [x, w]
    return [*_scaled(x, 0.1), *_scaled(w, 0.1), *_scaled(x, 60.0)[1:]]


@pytest.mark.parametrize("constant", [True, False], ids=["constant", "computed"])
@pytest.mark.parametrize(
    ("kind", "sides"),
    [
        *[(kind, sides) for kind in ("matmul_integer", "conv_integer", "qlinear_matmul") for sides in SIGNS],
        *[("qlinear_conv", sides) for sides in SIGNS if sides != "su"],  # ONNX Runtime refuses that pair
    ],
)
def test_products_of_bytes_are_those_of_the_reference(kind: str, sides: str, constant: bool) -> None:
    computation = odla.Computation()
    given: dict[str, Any] = {}
    operands: list[Any] = []
    for index, contents in enumerate(_operands(kind, sides)):
        if index and (constant or contents.ndim == 0):
            operands.append(computation.constant(contents))
        else:
            given[f"x{index}"] = contents
            type = TensorType(DType.from_numpy(contents.dtype), contents.shape)
            operands.append(computation.argument(f"x{index}", type))
    computation.output(computation.add(kind, *operands), "y")
    found = odla.compile_for(computation, "cpu").run(given).in_order()
    np.testing.assert_array_equal(found[0], evaluate_graph(computation.graph(), list(given.values()))[0])
