"""Every op with a tile form, cut at random: `tiled` equals `whole` and the op's reference meaning."""

from __future__ import annotations

from typing import Any

import numpy as np

from halo_py.ir.space import Refusal
from tests.backends.tiled_programs import Numbers, graph_of, lowered
from tests.ops.cases import Case, cases, of_every_op

SEEDS = (1, 2, 3)

MOVEMENT_FAMILIES = ("reshaping", "movement", "slicing", "padding")
"""Families whose ops only move elements: equal bit for bit."""


def _tiled_cases() -> list[Case]:
    found: list[Case] = []
    for case in cases():
        args = case.tile_args()
        if args is None or case.sample.op.declaration.host_only or case.sample.bodies:
            continue
        if not isinstance(case.sample.op.tile_form(args), Refusal):
            found.append(case)
    return found


def _assert_close(found: Any, expected: Any, tolerance: float, name: str) -> None:
    a, b = np.asarray(found), np.asarray(expected)
    assert a.shape == b.shape, name
    assert a.dtype == b.dtype, name
    if a.dtype.kind in "biuOS":
        np.testing.assert_array_equal(a, b, err_msg=name)
        return
    wide_a, wide_b = a.astype(np.complex128 if a.dtype.kind == "c" else np.float64), b.astype(np.complex128)
    half = a.dtype.itemsize < 4
    scale = float(np.abs(wide_b[np.isfinite(wide_b)]).max(initial=0.0))
    rtol = tolerance * (1e-2 if half else 1e-5)
    np.testing.assert_allclose(wide_a, wide_b, rtol=rtol, atol=rtol * max(scale, 1e-3), err_msg=name)


@of_every_op(_tiled_cases())
def test_tiles_equal_whole_arrays_and_the_reference(case: Case) -> None:
    graph, feeds = graph_of(case)
    expected = case.evaluate()
    for seed in SEEDS:
        program = lowered(graph, feeds, seed)
        assert not program.on_host
        tiled: list[Numbers] = program.run("tiled")
        whole: list[Numbers] = program.run("whole")
        for number, (one, other, reference) in enumerate(zip(tiled, whole, expected, strict=True)):
            name = f"{case.name}, seed {seed}, output {number}"
            if case.sample.op.declaration.family in MOVEMENT_FAMILIES:
                np.testing.assert_array_equal(one, other, err_msg=f"tiled and whole: {name}")
            _assert_close(one, other, case.sample.tolerance, f"tiled and whole: {name}")
            _assert_close(one, reference, case.sample.tolerance, f"tiled and reference: {name}")
