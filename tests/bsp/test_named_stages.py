"""Pipeline stages that patterns name: which nodes land in them, what is refused, and that values stay the same."""

from __future__ import annotations

import numpy as np
import pytest

import halo_py
import odla
from halo_py.errors import UsageError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph
from halo_py.ops import load_ops
from halo_py.ops.activation import Relu
from halo_py.ops.contraction import MatMul
from halo_py.parallel.named_stages import StagePatterns
from halo_py.types import DType, TensorType


def _two_layers() -> Graph:
    load_ops()
    numbers = np.random.default_rng(5)
    builder = GraphBuilder("layers")
    value = builder.input("x", TensorType(DType.FLOAT32, (2, 16)))
    for layer in (1, 2):
        weight = builder.constant(numbers.normal(size=(16, 16)).astype(np.float32), f"weight{layer}")
        (value,) = builder.add(MatMul(), [value, weight], name=f"fc{layer}")
        (value,) = builder.add(Relu(), [value], name=f"relu{layer}")
    return builder.finish([value], ["y"])


def _nodes(patterns: StagePatterns) -> list[list[str]]:
    made = halo_py.compile(_two_layers(), "ipu-tiny4", stage_patterns=patterns)
    return [[call.node.name for step in stage.supersteps for call in step.calls] for stage in made.program.stages]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ((("1$", 0), ("2$", 1)), [["relu1"], ["relu2"]]),
        # Without the patterns the product and what follows it become one.
        ((("^FC1$", 0), (".", 1)), [["fc1"], ["relu1", "relu2"]]),
        # Three stages are no power of two; numbers need not follow one another; the first pattern counts.
        ((("fc1", 2), ("relu1", 4), ("2", 7), (".", 0)), [["fc1"], ["relu1"], ["relu2"]]),
        (((".", 3),), [["relu1", "relu2"]]),
    ],
)
def test_nodes_are_where_patterns_put_them(patterns: StagePatterns, expected: list[list[str]]) -> None:
    assert _nodes(patterns) == expected


def test_values_do_not_depend_on_the_stages() -> None:
    x = np.linspace(-1, 1, 32, dtype=np.float32).reshape(2, 16)
    expected = odla.execute(_two_layers(), [x], device="reference")["y"]
    patterns = (("^fc1$", 0), ("relu1", 1), ("2", 2))
    for mode in ("whole", "tiled"):
        found = odla.execute(_two_layers(), [x], device="ipu-tiny4", stage_patterns=patterns, mode=mode)
        np.testing.assert_allclose(found["y"], expected, rtol=1e-5)
        assert len(found.profile.time.stages) == 3


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ((("fc1", 0),), "no pattern of the pipeline matches nodes 'relu1', 'fc2', 'relu2'"),
        ((("fc1", 1), (".", 0)), "node 'relu1' is in stage 0, 'fc1' that it reads in stage 1"),
        ((("(", 0),), r"'\(' is no regular expression"),
    ],
)
def test_what_cannot_be_a_pipeline_is_refused(patterns: StagePatterns, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _nodes(patterns)


def test_stages_that_contradict_the_patterns_are_refused() -> None:
    with pytest.raises(UsageError, match="4 stages are asked for, the patterns name 2"):
        halo_py.compile(_two_layers(), "ipu-tiny4", stages=4, stage_patterns=(("1", 0), ("2", 1)))
