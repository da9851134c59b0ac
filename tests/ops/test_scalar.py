"""Scalar programs: steps, types between them, large arrays in blocks, the error function."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halo_py.ops import scalar
from halo_py.ops.scalar import ProgramBuilder, ScalarProgram, ScalarStep, program_functions, run_program, single
from halo_py.ops.scalar_functions import SCALAR_FUNCTIONS, cast, divide, erf
from halo_py.types import DType
from tests.ops.cases import assert_close


def test_narrow_floats_are_rounded_once_at_the_end() -> None:
    build = ProgramBuilder(1, DType.FLOAT16)
    build.call("sub", build.call("add", 0, 2048.0), 2048.0)
    x = np.asarray([0.5, 0.25], np.float16)
    assert run_program(build.finish(DType.FLOAT16), [x]).tolist() == [0.5, 0.25]


def test_a_cast_inside_a_program_rounds() -> None:
    to_half = (("to", DType.FLOAT16), ("saturate", 1), ("round_mode", "up"))
    steps = (
        ScalarStep("cast", (0,), DType.FLOAT16, to_half),
        ScalarStep("sub", (1, 0), DType.FLOAT32),
    )
    x = np.asarray([2049.0], np.float32)
    assert run_program(ScalarProgram(1, steps), [x]).tolist() == [-1.0]


@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(1, 40), st.data())
def test_blocks_give_what_one_call_gives(shape: list[int], block: int, data: st.DataObject) -> None:
    program = single("gelu", 1, DType.FLOAT32, approximate="tanh")
    pair = ProgramBuilder(2, DType.FLOAT32)
    pair.call("tanh", pair.call("mul", *pair.inputs))
    kept = [data.draw(st.sampled_from([1, extent])) for extent in shape]
    rank = data.draw(st.integers(0, len(shape)))
    random = np.random.default_rng(0)
    x = random.standard_normal(shape).astype(np.float32)
    y = random.standard_normal(kept[len(shape) - rank :]).astype(np.float32)
    both = pair.finish(DType.FLOAT32)
    wholes = [run_program(program, [x]), run_program(both, [x, y]), run_program(both, [y, x])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scalar, "BLOCK_ELEMENTS", block)
        parts = [run_program(program, [x]), run_program(both, [x, y]), run_program(both, [y, x])]
    for whole, part in zip(wholes, parts, strict=True):
        assert_close(part, whole, 1e-6, 0.0)


def test_a_variadic_step_costs_one_function_less_than_it_has_operands() -> None:
    program = ScalarProgram(3, (ScalarStep("sum", (0, 1, 2), DType.FLOAT32),))
    assert program_functions(program) == ("add", "add")


def test_every_function_says_what_it_costs() -> None:
    assert all(function.work for function in SCALAR_FUNCTIONS.values())


def test_erf_of_float32_ends_at_one() -> None:
    far = np.asarray([-np.inf, -1e9, -4.0, 4.0, 17.0, np.inf], np.float32)
    np.testing.assert_array_equal(erf(far), np.sign(far))


@given(st.floats(-6, 6, width=32))
def test_erf_of_float32_is_right_to_a_few_units(x: float) -> None:
    found = float(erf(np.asarray([x], np.float32))[0])
    assert found == pytest.approx(math.erf(x), rel=4e-7, abs=1e-38)


def test_erf_of_float64_is_the_c_library_s() -> None:
    x = np.linspace(-7, 7, 29)
    assert erf(x).tolist() == [math.erf(value) for value in x]


@given(st.integers(-128, 127), st.integers(-128, 127).filter(bool))
def test_integer_quotients_are_truncated(a: int, b: int) -> None:
    found = int(divide(np.asarray(a, np.int32), np.asarray(b, np.int32)))
    assert found == math.trunc(a / b)


@pytest.mark.parametrize(
    ("value", "to", "saturate", "wanted"),
    [
        (1e6, DType.FLOAT8E4M3FN, 1, 448.0),
        (1e6, DType.FLOAT8E4M3FN, 0, math.nan),
        (-math.inf, DType.FLOAT8E5M2, 1, -57344.0),
        (math.inf, DType.FLOAT8E5M2, 0, math.inf),
        (1e6, DType.FLOAT8E5M2FNUZ, 0, math.nan),
        (100.0, DType.FLOAT4E2M1, 1, 6.0),
        (300, DType.INT8, 1, 44.0),
        (3.0, DType.FLOAT8E8M0, 1, 4.0),
    ],
)
def test_casts_out_of_range(value: float, to: DType, saturate: int, wanted: float) -> None:
    source = np.asarray([value], np.int32 if isinstance(value, int) else np.float32)
    found = float(cast(source, to, saturate).astype(np.float64)[0])
    assert (math.isnan(found) and math.isnan(wanted)) or found == wanted
