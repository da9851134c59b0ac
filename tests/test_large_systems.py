"""Plans over many IPUs, and what is said when nothing fits."""

from __future__ import annotations

import re

import numpy as np
import pytest

import halo_py
from halo_py.bsp.timing import program_time
from halo_py.errors import OutOfMemoryError, UsageError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph
from halo_py.targets import NOMINAL
from halo_py.types import DType, tensor
from tests.backends.attention import onnx_op

DIGITS = "examples/digits.onnx"


def test_sixty_four_thousand_ipus_are_all_used() -> None:
    executable = halo_py.compile(DIGITS, target="ipu-pod64x1000", batch_size=64_000)
    program = executable.program
    assert program.replicas * len(program.stages) == 64_000
    assert executable.batch_size == 64_000
    time = program_time(program, executable.system)
    assert float(time.fabric_seconds[NOMINAL]) > 0
    small = halo_py.compile(DIGITS, target="ipu-pod16", batch_size=16)
    assert len(small.program.stages[0].supersteps) == len(program.stages[0].supersteps)


def test_a_batch_that_does_not_divide_names_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="--batch-size 16"):
        halo_py.compile(DIGITS, target="ipu-pod16", batch_size=17, replicas=8)


def test_stages_are_a_power_of_two() -> None:
    with pytest.raises(UsageError, match="power of two"):
        halo_py.compile(DIGITS, target="ipu-pod16", batch_size=16, stages=3)


def _too_big_for_tiny(width: int, layers: int) -> Graph:
    builder = GraphBuilder("dense")
    h = builder.input("x", tensor(DType.FLOAT32, 1, width))
    for layer in range(layers):
        weights = builder.constant(np.zeros((width, width), np.float32) + layer, f"w{layer}")
        (h,) = builder.add(onnx_op("MatMul"), [h, weights], name=f"dense{layer}")
        (h,) = builder.add(onnx_op("Relu"), [h], name=f"relu{layer}")
    return builder.finish([h], ["y"])


def test_a_model_that_fits_nowhere_gets_priced_remedies() -> None:
    with pytest.raises(OutOfMemoryError) as caught:
        halo_py.compile(_too_big_for_tiny(900, 4), target="ipu-tiny")
    text = str(caught.value)
    assert re.search(r"tile \d+ of IPU 0 needs [\d,]+ of 638,976 bytes in superstep \d+", text)
    assert re.search(r"largest there: w\d [\d,]+ bytes", text)
    remedies = re.findall(r"^\s+\d+\. .*", text, re.MULTILINE)
    assert len(remedies) >= 3, text
    assert "--target ipu-tiny4" in text
    assert "items/s" in remedies[0]
