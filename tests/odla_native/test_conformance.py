"""The conformance kit: what it says of right and wrong libraries, and that a crash is one line of its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from halo_backends.native.conformance.called import function_trials
from halo_backends.native.conformance.command import examine
from halo_backends.native.conformance.functions import CHECKS
from halo_backends.native.conformance.operators import operator_trials
from halo_backends.native.conformance.trial import Bench
from halo_backends.native.library import Settings
from odla.api.table import functions, standard
from tests.cli.command import run
from tests.odla_c.programs import shared_library
from tests.odla_native.libraries import library, tiny, tiny_with

_BROKEN = """
odla_value tiny_Add(odla_value, odla_value, odla_value_id);
odla_value tiny_Mul(odla_value, odla_value, odla_value_id);
odla_value odla_Add(odla_value a, odla_value b, const odla_value_id id) { return tiny_Mul(a, b, id); }
odla_value odla_Mul(odla_value a, odla_value b, const odla_value_id id) { return tiny_Mul(a, b, id); }
odla_value odla_Relu(odla_value x, const odla_value_id id) { (void)x; (void)id; puts("no ReLU"); abort(); }
odla_value odla_Softmax(odla_value x, odla_int32 axis, const odla_value_id id) {
  (void)x; (void)axis; (void)id;
  for (;;) pause();
}
odla_value odla_Abs(odla_value x, const odla_value_id id) { (void)x; (void)id; return NULL; }
odla_status odla_GetValueType(const odla_value value, odla_value_type* type) {
  (void)value;
  memset(type, 0, sizeof *type);
  return ODLA_SUCCESS;
}
"""


def _by(entries: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return {entry[key]: entry for entry in entries}


def test_the_example_library_conforms_as_far_as_it_goes(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    ran = run("odla-conformance", tiny(tmp_path), "--json", report, "--samples", "8", folder=tmp_path)

    assert ran.code == 0, ran.err
    assert "functions: 18 of 229 exported; 18 right" in ran.out
    assert "nothing is wrong" in ran.out
    document = json.loads(report.read_text())
    known, operators = _by(document["functions"], "function"), _by(document["operators"], "op")
    assert document["conforms"] is True
    assert {entry["function"] for entry in known.values() if entry["verdict"] == "right"} == {
        entry["function"] for entry in known.values() if entry["exported"]
    }
    assert known["odla_MaxPool"]["exported"] is False
    assert operators["Conv"]["verdict"] == "right"
    assert operators["Conv"]["samples"]["right"] >= 3
    assert 0 < operators["Gemm"]["largest_error"] < 1e-4
    assert operators["MaxPool"]["reason"] == "max_pool-0: the library has no odla_MaxPool"


def test_what_is_wrong_is_told_line_by_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tiny_with(tmp_path, _BROKEN, "odla_Add", "odla_Mul", "odla_Relu", "odla_Softmax")
    words = "Add,odla_Mul,odla_Relu,odla_Softmax,odla_Abs,GetValueType,ExecuteComputation"
    options = ("--only", words, "--samples", "1", "--seconds", "1")
    ran = run("odla-conformance", path, *options, "--json", "-", folder=tmp_path)

    assert ran.code == 7, ran.err
    document = json.loads(ran.out)
    known, operators = _by(document["functions"], "function"), _by(document["operators"], "op")
    verdicts = {op: operators[op]["verdict"] for op in ("Add", "Mul", "Relu", "Softmax", "Abs")}
    assert verdicts == {"Add": "wrong", "Mul": "right", "Relu": "crashed", "Softmax": "hung", "Abs": "refused"}
    assert "odla_Relu crashed (SIGABRT); it printed: no ReLU" in operators["Relu"]["reason"]
    assert "odla_Softmax did not return within 1 seconds" in operators["Softmax"]["reason"]
    assert "instead of" in operators["Add"]["reason"]
    assert known["odla_GetValueType"]["verdict"] == "wrong"
    assert "answered element type 0" in known["odla_GetValueType"]["reason"]
    assert known["odla_ExecuteComputation"]["verdict"] == "wrong"


def test_a_tolerance_can_be_given(tmp_path: Path) -> None:
    source = """
    odla_value tiny_Softmax(odla_value, odla_int32, odla_value_id);
    odla_value odla_Add(odla_value, odla_value, odla_value_id);
    odla_value odla_CreateConstant(odla_value_type, const void*, odla_value_id);
    odla_value odla_Softmax(odla_value x, odla_int32 axis, const odla_value_id id) {
      static const float off = 0.002f;
      odla_value_type scalar = {ODLA_FLOAT32, {0, {0}}};
      return odla_Add(tiny_Softmax(x, axis, NULL), odla_CreateConstant(scalar, &off, NULL), id);
    }"""
    path = tiny_with(tmp_path, source, "odla_Softmax")

    def conforms(tolerance: float) -> bool:
        return bool(examine(Bench(path, Settings(), tolerance), "softmax", ("odla_Softmax",), 1)["conforms"])

    assert not conforms(1.0)
    assert conforms(30.0)


def test_what_is_no_odla_library_is_an_error(tmp_path: Path) -> None:
    none = library(tmp_path, "int other(void); int other(void) { return 1; }")
    ran = run("odla-conformance", none, folder=tmp_path)

    assert ran.code == 10
    assert "exports no function of ODLA" in ran.err


def test_the_kit_tries_nearly_every_function() -> None:
    tried = {trial.subject for trial in function_trials()} | {name for each in CHECKS for name in each.functions}
    known = {function.name for function in functions()}
    skipped = {function.name for function in standard().functions} - tried

    assert tried <= known
    assert len(skipped) <= 12, sorted(skipped)


@pytest.mark.slow
def test_our_own_library_is_right_in_everything(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All samples, and those of the CPU device, are tried by `odla-conformance libodla.so`; that takes a minute."""
    monkeypatch.setenv("ODLA_DEVICE", "reference")
    path = shared_library(tmp_path_factory) / "libodla.so"
    bench = Bench(path, Settings(120), 1.0)
    document = examine(bench, str(path), samples=1)
    bench.close()

    bad = [
        entry for entry in (*document["functions"], *document["operators"]) if entry["verdict"] not in ("right", None)
    ]
    assert not bad
    assert all(entry["exported"] for entry in document["functions"])
    assert len(document["operators"]) == len({trial.subject for trial in operator_trials()})
    assert sum(entry["verdict"] == "right" for entry in document["functions"]) > 200
