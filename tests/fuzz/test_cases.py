"""Every minimal graph that once failed, on the route where it did and on the common ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.fuzz.case_file import CaseFile, read_case
from tests.fuzz.runner import ROUTES, NotApplicableError, run_route

CASES = Path(__file__).parent / "cases"
COMMON = ("types", "text", "onnx", "cpu", "ipu-tiny whole", "ipu-tiny tiled")


@cache
def _case(path: Path) -> CaseFile:
    return read_case(path)


def _runs() -> list[object]:
    found: list[object] = []
    for path in sorted(CASES.glob("*.ir")):
        case = _case(path)
        own = [route for route in ROUTES if case.found.startswith(f"{route}:")]
        assert own, f"{path.name} names no route"
        for route in dict.fromkeys([*own, *COMMON, *case.xfail]):
            reason = case.xfail.get(route)
            marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)]
            found.append(pytest.param(path, route, id=f"{path.stem}-{route}", marks=marks))
    return found


@pytest.mark.parametrize(("path", "route"), _runs())
def test_a_case_stays_mended(path: Path, route: str) -> None:
    try:
        failure = run_route(_case(path).subject, route)
    except NotApplicableError:
        pytest.skip("not on this route")
    assert failure is None, str(failure)
