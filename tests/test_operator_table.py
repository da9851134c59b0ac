"""The documentation's table of operators shows the recorded runs of ONNX's suite, and claims nothing that is not so."""

from __future__ import annotations

import json

from benchmarks.operator_table import FOREIGN, RECORDS, TABLE, rows, table
from halo_frontends.emitter import Emitter
from halo_frontends.mentions import operators_mentioned
from halo_frontends.tensorflow.mappings import load_mappings
from halo_frontends.tensorflow.operation import MAPPINGS
from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.table import table as aten_table

RUN = "run `python -m benchmarks.operator_table`"


def _cells(document: str) -> dict[str, dict[str, str]]:
    """Operator -> column -> cell."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in document.splitlines() if line[:1] == "|"]
    titles = lines[0]
    return {cells[0]: dict(zip(titles, cells, strict=True)) for cells in lines[2:]}


def _names(cell: str) -> set[str]:
    """The operators that a cell names, without those that it only counts."""
    return set(cell.partition(" and ")[0].split(", ")) - {""}


def test_the_table_shows_the_recorded_runs() -> None:
    assert TABLE.read_text().partition("| operator")[0] == table().partition("| operator")[0], RUN
    written, now = _cells(TABLE.read_text()), _cells(table())
    for operator, cells in written.items():
        for column in ("since", "cpu", "ipu-1", "on tiles"):
            assert cells[column] == now[operator][column], f"{operator}: {RUN}"


def test_the_table_claims_nothing_that_is_not_so() -> None:
    """A new operator, gradient or mapping may wait for the next making of the table; a lost one may not."""
    known = rows()
    for operator, cells in _cells(TABLE.read_text()).items():
        row = known[operator]
        assert cells["tiles"] == row.tiles or row.tiles == "native", f"{operator}: {RUN}"
        assert row.gradient or not cells["gradient"], f"{operator}: {RUN}"
        assert cells["ODLA"] in ("", row.odla), f"{operator}: {RUN}"
        for form, column in zip(FOREIGN, ("TorchScript", "TensorFlow", "TFLite"), strict=True):
            assert _names(cells[column]) <= row.foreign.get(form, set()), f"{operator}, {column}: {RUN}"


def test_the_records_are_of_the_whole_suite() -> None:
    for device in ("cpu", "ipu-1"):
        passed, cases = json.loads(RECORDS.read_text())[device]["operators"][""][:2]
        assert cases == 2033
        assert passed >= 2026


def test_what_a_mapping_names_is_found_through_what_it_calls() -> None:
    assert "Conv" in operators_mentioned(aten_table()["aten::conv2d"].handler, Maker)
    assert "Acos" in operators_mentioned(aten_table()["aten::acos"].handler, Maker)
    assert "Asin" not in operators_mentioned(aten_table()["aten::acos"].handler, Maker)
    assert operators_mentioned(len) == frozenset()


def test_what_a_mapping_takes_from_a_table_is_what_stands_there_for_its_operator() -> None:
    load_mappings()
    named = {name: operators_mentioned(MAPPINGS[name].function, Emitter, name) for name in ("Acos", "Max", "Conv2D")}
    assert "Acos" in named["Acos"]
    assert "Asin" not in named["Acos"]
    assert "ReduceMax" in named["Max"]
    assert "Max" not in named["Max"]
    assert "Conv" in named["Conv2D"]
