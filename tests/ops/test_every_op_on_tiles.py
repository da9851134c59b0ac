"""Every op through the whole path on a machine of 16 tiles, run tiled and whole, against its meaning."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import pytest

import odla
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value
from halo_py.ir.op import RuntimeValue
from halo_py.ir.space import Refusal
from halo_py.types import DType
from tests.ops.cases import Case, assert_close, cases, epsilon, magnitude

SAMPLES_PER_OP = 2


def _tileable() -> Iterator[Case]:
    """The first samples of every op that have a tile form."""
    for _, group in groupby(cases(), key=lambda case: case.kind):
        taken = 0
        for case in group:
            args = case.tile_args()
            if args is None or case.sample.bodies or case.sample.op.declaration.host_only is not None:
                continue
            if taken < SAMPLES_PER_OP and not isinstance(case.sample.op.tile_form(args), Refusal):
                taken += 1
                yield case


def _run(case: Case, mode: str) -> list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    builder = GraphBuilder("one_node")
    operands: list[Value | None] = []
    given: list[RuntimeValue] = []
    for index, (contents, type) in enumerate(zip(case.sample.inputs, case.types(), strict=True)):
        if type is None:
            operands.append(None)
        elif index in case.sample.constant and isinstance(contents, np.ndarray):
            operands.append(builder.constant(contents))
        else:
            operands.append(builder.input(f"x{index}", type))
            given.append(contents)
    outputs = builder.add(case.sample.op, operands, outputs=case.sample.outputs)
    result = odla.execute(builder.finish(outputs), given, device="ipu-tiny", mode=mode)
    return [np.asarray(result[name]) for name in result]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", list(_tileable()), ids=lambda case: case.name)
def test_tiled_and_whole_runs_give_the_meaning(case: Case) -> None:
    tiled, whole = _run(case, "tiled"), _run(case, "whole")
    for index, expected in enumerate(case.evaluate()):
        assert isinstance(expected, np.ndarray)
        eps = max(epsilon(DType.from_numpy(expected.dtype)), epsilon(DType.FLOAT32))
        tolerance = 64 * eps * case.sample.tolerance
        scale = magnitude((*case.sample.inputs, expected))
        assert_close(tiled[index], expected, tolerance, tolerance * scale)
        assert_close(whole[index], expected, tolerance, tolerance * scale)
        assert_close(tiled[index], whole[index], tolerance, tolerance * scale)
