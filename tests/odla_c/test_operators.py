"""Every operator function, called from C and from C++: its values are those of `reference`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halo_backends.native.conformance import cases_math, cases_nn, cases_process
from halo_backends.native.conformance.case import Case
from halo_py.types import DType
from odla.api.table import extensions, standard
from odla.c.element_types import element_of
from tests.odla_c.cases import Source, read_results
from tests.odla_c.programs import compile_program, run_program

FAMILIES: dict[str, list[Case]] = {
    "math": list(cases_math.cases()),
    "process": list(cases_process.cases()),
    "nn": list(cases_nn.cases()),
}
BY_HAND = {
    "odla_CreateArgument",
    "odla_CreateValue",
    "odla_CreateConstant",
    "odla_CloneValue",
    "odla_CloneValueById",
    "odla_CreateVariable",
    "odla_CreateLoopVariable",
    "odla_EndLoop",
    "odla_EndIf",
}
"""Functions that answer values and are no operators: other tests are about them."""

ROUNDS = {"graph": ("c", "cpu"), "eager": ("cc", "reference")}
"""Mode -> the language its program is written in and the device it runs on."""


def test_every_operator_function_has_at_least_three_cases() -> None:
    counted = Counter(case.function for family in FAMILIES.values() for case in family)
    functions = (*standard().functions, *extensions().functions)
    wanted = {function.name for function in functions if function.result in ("odla_value", "odla_values")} - BY_HAND

    assert set(counted) == wanted
    assert not {name: count for name, count in counted.items() if count < 3}


@pytest.mark.parametrize("mode", ROUNDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_values_are_those_of_reference(family: str, mode: str, library: Path, tmp_path: Path) -> None:
    language, device = ROUNDS[mode]
    source, cases = Source(), FAMILIES[family]
    for number, case in enumerate(cases):
        source.add(number, case)
    program = compile_program(source.text(range(len(cases))), language, tmp_path, library)
    inputs, results = tmp_path / "inputs", tmp_path / "results"
    inputs.write_bytes(source.data)
    done = run_program(program, mode, str(inputs), str(results), device=device)
    assert done.returncode == 0, done.stderr[:4000]

    found = read_results(results)
    assert sorted(found) == list(range(len(cases)))
    for number, case in enumerate(cases):
        _compare(f"{case.function} (case {number})", case, found[number])


def _compare(name: str, case: Case, found: list[Any]) -> None:
    assert len(found) == len(case.expected), name
    for place, ((element, array), expected) in enumerate(zip(found, case.expected, strict=True)):
        wanted = (
            case.element if place == 0 and case.element is not None else element_of(DType.from_numpy(expected.dtype))
        )
        assert element is wanted, f"{name}: {element!r} instead of {wanted!r}"
        assert array.shape == expected.shape, f"{name}: {array.shape} instead of {expected.shape}"
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(
                array.astype(np.float64), expected.astype(np.float64), case.tolerance, case.tolerance, err_msg=name
            )
        else:
            np.testing.assert_array_equal(array, expected, name)
